// SPDX-License-Identifier: MIT
#pragma once

#include "process.hpp"
#include "redis_probe.hpp"
#include "redis_server.hpp"
#include "sockets.hpp"
#include "temp_dir.hpp"
#include "wait_until.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace failover::test {

/// A primary, node 0, its replicas, and three sentinels that move the primary by themselves once it
/// is away for half a second. A former primary that comes back takes writes for some ten seconds
/// before they make it a replica.
/// Threads    one thread at a time; the one that starts it must outlive it.
class RedisSet {
public:
    struct Options {
        std::size_t replicas = 1;
        /// More words of every node's command line.
        std::vector<std::string> arguments{};
    };
    static constexpr const char* master = "mymaster";

    RedisSet() : RedisSet{Options{}} {}
    explicit RedisSet(const Options& options) {
        std::vector<std::string> words{"--repl-diskless-sync-delay",
                                       "0",
                                       "--repl-ping-replica-period",
                                       "1",
                                       "--repl-timeout",
                                       "5"};
        words.insert(words.end(), options.arguments.begin(), options.arguments.end());
        nodes_.emplace_back(RedisServer::Options{.arguments = words});
        words.insert(words.end(), {"--replicaof", "127.0.0.1", std::to_string(port(0))});
        for (std::size_t replica = 0; replica < options.replicas; ++replica) {
            nodes_.emplace_back(RedisServer::Options{.arguments = words});
        }
        for (std::size_t node = 1; node < nodes_.size(); ++node) {
            wait_synced(node);
        }
        for (Sentinel& sentinel : sentinels_) {
            sentinel.create(port(0));
            sentinel.start();
        }
        wait_agreed();
    }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] RedisServer& node(std::size_t node) { return nodes_.at(node); }
    [[nodiscard]] std::uint16_t port(std::size_t node) const { return nodes_.at(node).port(); }
    [[nodiscard]] std::string url(std::size_t node) const { return nodes_.at(node).url(); }
    /// "host:port" of each sentinel.
    [[nodiscard]] std::vector<std::string> sentinels() const {
        std::vector<std::string> all;
        for (const Sentinel& sentinel : sentinels_) {
            all.push_back("127.0.0.1:" + std::to_string(sentinel.port()));
        }
        return all;
    }

    /// The node that sentinel `sentinel` calls the primary.
    [[nodiscard]] std::size_t primary(std::size_t sentinel = 0) const {
        const std::string port = sentinels_.at(sentinel).status().field("port");
        for (std::size_t node = 0; node < nodes_.size(); ++node) {
            if (std::to_string(nodes_[node].port()) == port) {
                return node;
            }
        }
        throw std::runtime_error{"the primary is none of the nodes: " + port};
    }
    /// A planned change to another node; returns once the sentinels know it. Open connections of
    /// the former primary still take writes for some seconds, and lose them.
    void fail_over() {
        const std::size_t before = primary();
        const RedisValue answer = sentinels_[0].command({"SENTINEL", "FAILOVER", master});
        if (answer.is_error()) {
            throw std::runtime_error{"no failover: " + answer.text};
        }
        wait_moved(before);
    }
    /// Waits until every running sentinel names another primary than `before`, and it takes writes.
    void wait_moved(std::size_t before) const {
        const bool moved = wait_until(
            [&] {
                for (std::size_t sentinel = 0; sentinel < sentinel_count; ++sentinel) {
                    if (sentinels_[sentinel].started() && primary(sentinel) == before) {
                        return false;
                    }
                }
                return nodes_[first_primary()].info("role") == "master";
            },
            20s);
        if (!moved) {
            throw std::runtime_error{"the sentinels promoted nobody"};
        }
    }
    /// Waits until the node replicates, and has all of its primary's data.
    void wait_synced(std::size_t node) const {
        const RedisServer& server = nodes_.at(node);
        const bool synced = wait_until(
            [&] {
                return server.info("role") == "slave" &&
                       server.info("master_link_status") == "up" &&
                       server.info("slave_repl_offset") == replicated_offset(server);
            },
            20s);
        if (!synced) {
            throw std::runtime_error{"a replica does not follow: " + server.log()};
        }
    }

    /// SIGKILL. Its memory of the others outlives it.
    void kill_sentinel(std::size_t sentinel) { sentinels_.at(sentinel).kill(); }
    void start_sentinel(std::size_t sentinel) { sentinels_.at(sentinel).start(); }
    RedisValue ask_sentinel(std::size_t sentinel, const std::vector<std::string>& args) const {
        return sentinels_.at(sentinel).command(args);
    }
    /// Waits until every sentinel knows all the replicas and the other sentinels.
    void wait_agreed() const {
        const std::string replicas = std::to_string(nodes_.size() - 1);
        const bool agreed = wait_until(
            [&] {
                return std::all_of(sentinels_.begin(), sentinels_.end(),
                                   [&](const Sentinel& sentinel) {
                                       const RedisValue status = sentinel.status();
                                       return status.field("num-slaves") == replicas &&
                                              status.field("num-other-sentinels") == "2" &&
                                              status.field("flags") == "master";
                                   });
            },
            30s);
        if (!agreed) {
            throw std::runtime_error{"the sentinels do not agree"};
        }
    }

private:
    static constexpr std::size_t sentinel_count = 3;

    class Sentinel {
    public:
        /// It rewrites its configuration as it learns.
        void create(std::uint16_t primary) const {
            const std::string name = std::string{' '} + master + ' ';
            write_file(dir_ / "conf", "port " + std::to_string(port_) + "\nbind 127.0.0.1\ndir " +
                                          dir_.path().string() + "\nsentinel monitor" + name +
                                          "127.0.0.1 " + std::to_string(primary) +
                                          " 2\nsentinel down-after-milliseconds" + name +
                                          "500\nsentinel failover-timeout" + name + "3000\n");
        }
        void start() {
            process_ = Process{{"redis-server", dir_ / "conf", "--sentinel"}, dir_ / "log"};
            if (!wait_until([this] { return !status().is_nil(); })) {
                throw std::runtime_error{"a sentinel did not start: " + read_file(dir_ / "log")};
            }
        }
        void kill() noexcept { process_.kill(); }
        [[nodiscard]] bool started() const noexcept { return process_.pid() > 0; }
        [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
        RedisValue command(const std::vector<std::string>& args) const {
            return ask_redis(port_, args);
        }
        /// Nil: it does not answer.
        [[nodiscard]] RedisValue status() const {
            try {
                return command({"SENTINEL", "MASTER", master});
            } catch (const RedisProbeError&) {
                return {};
            }
        }

    private:
        TempDir dir_;
        std::uint16_t port_ = free_port();
        Process process_; // ends before its directory goes
    };

    std::size_t first_primary() const {
        for (std::size_t sentinel = 0; sentinel < sentinel_count; ++sentinel) {
            if (sentinels_[sentinel].started()) {
                return primary(sentinel);
            }
        }
        throw std::logic_error{"no sentinel runs"};
    }
    static std::string replicated_offset(const RedisServer& replica) {
        const std::string upstream = replica.info("master_port");
        const RedisValue role =
            ask_redis(static_cast<std::uint16_t>(std::stoul(upstream)), {"ROLE"});
        return role.elements.size() < 2 ? "" : std::to_string(role.elements[1].integer);
    }

    std::deque<RedisServer> nodes_;
    std::array<Sentinel, sentinel_count> sentinels_;
};

} // namespace failover::test
