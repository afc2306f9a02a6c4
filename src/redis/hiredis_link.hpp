// SPDX-License-Identifier: MIT
#pragma once

#include "pipeline.hpp"
#include "session.hpp"
#include <failover/engine/cache/link.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace failover::redis {

/// Where a node is and how it is spoken to.
struct LinkOptions {
    std::string host{};
    std::uint16_t port = 6379;
    Credentials credentials{};
    std::shared_ptr<TlsSettings> tls{};
    std::size_t pipelines = 1;
    std::size_t sessions = 10;
    PipelineOptions pipeline{};
};

/// A node's connections through hiredis.
/// Threads    safe.
class HiredisLink final : public cache::Link, private LinkContext {
public:
    HiredisLink(const boost::asio::any_io_executor& executor, LinkOptions options,
                std::shared_ptr<Resolver> resolver);
    ~HiredisLink() override;

    void submit(std::uint64_t hash, std::string_view bytes, std::shared_ptr<cache::Command> command,
                TimePoint at, TimePoint until, bool now) override;
    [[nodiscard]] cache::Opened take(TimePoint until, CallControl* control) override;
    void give(std::unique_ptr<cache::Session> session) override;
    [[nodiscard]] cache::Opened open(TimePoint until, CallControl* control) override;
    void trust(const std::string& run_id) override;
    void drop() override;
    void close() override;
    [[nodiscard]] bool is_at(const std::string& host, std::uint16_t port) override;
    [[nodiscard]] std::vector<cache::Zombie> zombies() const override;
    void bury(std::uint64_t number) override;
    [[nodiscard]] std::size_t connections() const override;
    [[nodiscard]] std::size_t pending() const override;

private:
    [[nodiscard]] std::string address() override;
    [[nodiscard]] std::uint16_t port() const noexcept override { return options_.port; }
    [[nodiscard]] const Credentials& credentials() const noexcept override {
        return options_.credentials;
    }
    [[nodiscard]] TlsSettings* tls() const noexcept override { return options_.tls.get(); }
    [[nodiscard]] bool accepts(const cache::Identity& identity) override;
    void add_zombie(const cache::Identity& identity) override;
    void connect_failed() override;

    const LinkOptions options_;
    const std::shared_ptr<Resolver> resolver_;
    std::vector<std::shared_ptr<Pipeline>> pipelines_;

    mutable std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<HiredisSession>> idle_; // the one used last is the next one taken
    std::size_t out_ = 0;
    std::string trusted_;
    bool closed_ = false;
    std::deque<cache::Zombie> zombies_;
    std::uint64_t zombies_made_ = 0;
    std::size_t next_address_ = 0;
};

} // namespace failover::redis
