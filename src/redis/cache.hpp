// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/base/metrics.hpp>
#include <failover/cache_options.hpp>
#include <failover/cache_topology.hpp>
#include <failover/config/cache_config.hpp>
#include <failover/engine/attachment.hpp>
#include <failover/engine/cache/auditor.hpp>
#include <failover/engine/cache/calls.hpp>
#include <failover/engine/cache/journal_file.hpp>
#include <failover/engine/cache/keeper.hpp>
#include <failover/engine/cache/loads.hpp>
#include <failover/engine/cache/nodes.hpp>
#include <failover/engine/cache/replication.hpp>
#include <failover/engine/event_post.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::detail {

/// What a FailoverCache is a handle to: the nodes, their keepers and the calls of one manager.
/// Threads    safe.
class Cache final : public Attachment, public std::enable_shared_from_this<Cache> {
public:
    /// Throws ConfigError.
    explicit Cache(const AttachmentParts& parts);
    ~Cache() override;

    /// Starts the keepers. Once.
    void start();
    [[nodiscard]] std::string status_json() const override;
    void stop() override;

    [[nodiscard]] cache::Calls& calls() noexcept { return *calls_; }
    [[nodiscard]] cache::Loads& loads() noexcept { return *loads_; }
    [[nodiscard]] CacheMeter& meter() noexcept { return *meter_; }
    [[nodiscard]] cache::Auditor& auditor() noexcept { return *auditor_; }
    [[nodiscard]] CacheTopology topology() const;
    /// Asks every node once more and waits for the answers.
    [[nodiscard]] Result<void> health_check(const CacheOptions& options);
    asio::awaitable<Result<void>> async_health_check(CacheOptions options);

    void set_draining(std::string_view id, bool draining);
    void fail_over(std::string_view id);
    void failback();

private:
    void make_nodes(const AttachmentParts& parts);
    void make_keepers();
    void open_journal(const std::string& path);
    void tidy_journal();
    void on_change(cache::Node& node, const NodeTransition& transition);
    void on_round(cache::Node& node);
    void on_misconfigured(const cache::Node& node, const std::string& words);
    void note_reader();
    void publish(EventKind kind, const cache::Node* node, std::string reason,
                 Duration lasted = {}) const;
    [[nodiscard]] Result<void> judge(const std::vector<cache::Answer>& answers) const;
    [[nodiscard]] cache::Node& must_find(std::string_view id) const;

    const CacheConfig config_;
    std::shared_ptr<LogSink> log_;
    mutable EventPost events_;
    const std::shared_ptr<CacheMeter> meter_;
    const std::string client_;                    // this process among those that share the nodes
    std::unique_ptr<cache::JournalFile> journal_; // outlives the nodes
    cache::Nodes nodes_;
    std::unique_ptr<cache::Auditor> auditor_;
    std::unique_ptr<cache::Replication> replication_;
    std::unique_ptr<cache::Calls> calls_;
    std::unique_ptr<cache::Loads> loads_;
    std::vector<std::unique_ptr<cache::Keeper>> keepers_;
    std::atomic<int> reader_{-1}; // as last told
    TimePoint swept_{};           // by the keeper of the first node
    std::array<std::atomic<bool>, 16> overflowed_{};
    std::mutex mutex_;
    std::set<std::pair<std::string, std::string>> complaints_; // node and words
    std::once_flag stopped_;
};

} // namespace failover::detail
