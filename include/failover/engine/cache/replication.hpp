// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/cache_config.hpp>
#include <failover/engine/cache/keeper.hpp>
#include <failover/engine/cache/nodes.hpp>
#include <failover/engine/cache/resp.hpp>
#include <failover/role/primary_election.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::cache {

/// Replicated mode: which node is the primary. Every node says what it is (ROLE), and the election
/// that the database uses decides. Sentinel's word is its timeline: a node that still calls itself
/// a master after Sentinel has named another one, as a master does for seconds after a failover, is
/// on an older one and fenced. Without Sentinel two masters are a split brain, and neither is
/// written to.
/// Threads    safe; start() and stop() from one.
/// Runs on    the keepers' threads, and one of its own for Sentinel.
class Replication {
public:
    /// Null: there is none any more.
    using Listener = std::function<void(const Node*, std::string reason, Duration lasted)>;

    Replication(const CacheConfig& config, Nodes& nodes, Listener listener)
        : config_{config}, nodes_{nodes}, listener_{std::move(listener)} {}
    Replication(const Replication&) = delete;
    Replication& operator=(const Replication&) = delete;
    ~Replication() { stop(); }

    /// Before start().
    void add_sentinel(std::unique_ptr<Link> link) { sentinels_.push_back({std::move(link), {}}); }

    void start() {
        if (!sentinels_.empty()) {
            thread_ = std::thread{[this] { follow_sentinels(); }};
        }
    }
    void stop() {
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
            wake_.notify_all();
        }
        control_.abort();
        if (thread_.joinable()) {
            thread_.join();
        }
        for (Sentinel& sentinel : sentinels_) {
            sentinel.session.reset();
            sentinel.link->close();
        }
    }

    /// A node answered ROLE.
    void on_role(Node& node, const RoleReport& role) {
        NodeReport report;
        report.system_id = 1;
        report.asked = role.asked;
        report.answered = role.answered;
        report.round_trip = role.answered - role.asked;
        const std::lock_guard lock{mutex_};
        report.timeline = timeline_of(node);
        // One that still calls itself a master is none once Sentinel has named another.
        const bool named =
            sentinels_.empty() || (word_ && node.link().is_at(word_->host, word_->port));
        report.in_recovery = report.read_only =
            role.role != "master" || report.timeline == 0 || !named;
        settle(election_.report(node.index(), report, Clock::now()));
    }
    /// A write was refused by it as by a replica.
    void demoted(Node& node) {
        const std::lock_guard lock{mutex_};
        settle(election_.demoted(node.index(), Clock::now()));
        wake_.notify_all();
    }
    [[nodiscard]] bool split_brain() const {
        const std::lock_guard lock{mutex_};
        return election_.split_brain();
    }

private:
    struct Sentinel {
        std::unique_ptr<Link> link;
        std::unique_ptr<Session> session;
    };
    /// What Sentinel says.
    struct Word {
        std::uint64_t epoch = 0;
        std::string host{};
        std::uint16_t port = 0;
    };

    /// 0: Sentinel has not spoken yet, so that nothing is proven.
    [[nodiscard]] std::uint32_t timeline_of(const Node& node) const {
        if (sentinels_.empty()) {
            return 1;
        }
        if (!word_) {
            return 0;
        }
        const auto epoch = static_cast<std::uint32_t>(word_->epoch);
        return node.link().is_at(word_->host, word_->port) ? epoch + 2 : epoch + 1;
    }

    void settle(const ElectionChange& change) {
        const TimePoint now = Clock::now();
        const std::optional<std::size_t> primary = election_.primary(now);
        if (primary != primary_) {
            const Duration lasted = now - since_;
            // Those of the old one may lead to what is thrown away.
            if (primary_) {
                nodes_.all()[*primary_]->link().drop();
            }
            primary_ = primary;
            since_ = now;
            nodes_.set_primary(primary);
            listener_(primary ? nodes_.all()[*primary].get() : nullptr, to_string(change.reason),
                      lasted);
        }
    }

    void follow_sentinels() {
        std::unique_lock lock{mutex_};
        while (!stopping_) {
            lock.unlock();
            const std::optional<Word> said = ask_sentinels();
            lock.lock();
            if (said && (!word_ || said->epoch >= word_->epoch)) {
                const bool moved = !word_ || said->host != word_->host || said->port != word_->port;
                word_ = said;
                if (moved) {
                    for (const auto& node : nodes_.all()) {
                        node->poke(); // to be asked what it is, on the new timeline
                    }
                }
            }
            settle(election_.tick(Clock::now()));
            const bool calm = primary_.has_value();
            wake_.wait_for(lock,
                           calm ? std::min<Duration>(config_.health.ping_interval / 2,
                                                     std::chrono::milliseconds{250})
                                : Duration{std::chrono::milliseconds{50}},
                           [this] { return stopping_; });
        }
    }

    /// The newest word of any.
    [[nodiscard]] std::optional<Word> ask_sentinels() {
        std::optional<Word> newest;
        const std::string question = resp({"SENTINEL", "MASTER", config_.sentinel_master});
        for (Sentinel& sentinel : sentinels_) {
            const TimePoint until = Clock::now() + config_.health.ping_timeout;
            if (sentinel.session == nullptr) {
                sentinel.session = sentinel.link->open(until, &control_).session;
            }
            if (sentinel.session == nullptr) {
                continue;
            }
            const Answer answer = sentinel.session->ask(question, until, &control_);
            if (!answer.replied()) {
                sentinel.session.reset();
            } else if (const std::optional<Word> said = word_of(answer.reply);
                       said && (!newest || said->epoch > newest->epoch)) {
                newest = said;
            }
        }
        return newest;
    }

    [[nodiscard]] static std::optional<Word> word_of(const Reply& reply) {
        Word word;
        const std::vector<Reply>& parts = reply.elements();
        for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
            const std::string& name = parts[i].text();
            const std::string& value = parts[i + 1].text();
            const char* const end = value.data() + value.size();
            if (name == "ip") {
                word.host = value;
            } else if (name == "port") {
                std::from_chars(value.data(), end, word.port);
            } else if (name == "config-epoch") {
                std::from_chars(value.data(), end, word.epoch);
            }
        }
        return word.port == 0 ? std::nullopt : std::optional{word};
    }

    const CacheConfig& config_;
    Nodes& nodes_;
    const Listener listener_;
    std::vector<Sentinel> sentinels_;
    CallControl control_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::optional<Word> word_;
    PrimaryElection election_{ElectionOptions{.system_id = 1}};
    std::optional<std::size_t> primary_;
    TimePoint since_ = Clock::now();
    std::thread thread_;
};

} // namespace failover::cache
