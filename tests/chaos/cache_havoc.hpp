// SPDX-License-Identifier: MIT
#pragma once

#include "support/fault_proxy.hpp"
#include "support/redis_server.hpp"
#include <failover/base/time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// Two Redis servers that know nothing of each other, each reached by every client through a proxy
/// of that client's own, one of which is hit again and again; now and then both.
/// Threads    one thread, which must outlive it.
class CacheHavoc {
public:
    enum class Blow {
        /// SIGKILL, then started without data.
        kill_empty,
        /// SIGKILL, then started with data saved some blows ago.
        kill_old,
        freeze,
        /// Cut off from every client.
        cut_all,
        /// Cut off from one client.
        cut_one,
        /// Both servers, each by one of the first four.
        both,
    };
    static constexpr std::size_t blow_kinds = 6;
    static constexpr std::array<const char*, blow_kinds> blow_names{
        "kill_empty", "kill_old", "freeze", "cut_all", "cut_one", "both"};
    static constexpr std::size_t nodes = 2;
    static constexpr std::size_t clients = 3;

    /// What happened when, for people.
    struct Entry {
        TimePoint begin;
        TimePoint end;
        std::string text;
    };

    explicit CacheHavoc(std::size_t seed) : random_{seed} {
        for (std::size_t client = 0; client < clients; ++client) {
            for (std::size_t node = 0; node < nodes; ++node) {
                proxies_.emplace_back(servers_[node].port());
            }
        }
    }

    /// Where that client finds the servers.
    [[nodiscard]] std::vector<std::string> urls(std::size_t client) const {
        std::vector<std::string> all;
        for (std::size_t node = 0; node < nodes; ++node) {
            all.push_back("redis://" + proxies_[client * nodes + node].address());
        }
        return all;
    }
    [[nodiscard]] const RedisServer& server(std::size_t node) const { return servers_[node]; }
    [[nodiscard]] const std::array<std::size_t, blow_kinds>& counts() const noexcept {
        return counts_;
    }
    [[nodiscard]] std::size_t blows() const noexcept { return timeline_.size(); }
    [[nodiscard]] const std::vector<Entry>& timeline() const noexcept { return timeline_; }

    /// Hits one server, or both, holds that for a while and ends it. `again`: the server that was
    /// hit last, and it alone.
    Blow strike(bool again) {
        const bool save = random_() % 5 == 0;
        if (save && !again) {
            for (RedisServer& server : servers_) {
                server.save_rdb();
            }
        }
        Blow blow = pick_blow();
        if (again && blow == Blow::both) {
            blow = Blow::kill_empty;
        }
        const std::size_t node = again ? last_node_ : random_() % nodes;
        last_node_ = node;
        std::vector<Hit> hits;
        if (blow == Blow::both) {
            for (std::size_t each = 0; each < nodes; ++each) {
                hits.push_back(plan(static_cast<Blow>(random_() % 4), each));
            }
        } else {
            hits.push_back(plan(blow, node));
        }
        Entry entry{.begin = Clock::now(), .end = {}, .text = {}};
        for (Hit& hit : hits) {
            begin(hit);
            entry.text += (entry.text.empty() ? "" : ", ") + describe(hit);
        }
        std::this_thread::sleep_for(pick_hold());
        for (const Hit& hit : hits) {
            end(hit);
        }
        entry.end = Clock::now();
        ++counts_[static_cast<std::size_t>(blow)];
        timeline_.push_back(std::move(entry));
        return blow;
    }
    /// A moment of peace before the next one.
    void rest() {
        std::this_thread::sleep_for(
            std::chrono::milliseconds{std::uniform_int_distribution<int>{0, 150}(random_)});
    }
    /// Is the next blow to come before the last one is over?
    bool hurries() { return random_() % 7 == 0; }

private:
    /// How a connection is cut.
    enum class Cut {
        /// Nothing goes through.
        hole,
        /// Requests go through, answers do not.
        deaf,
        /// Reset once; new ones are welcome.
        reset,
        /// Reset, and new ones refused.
        refused,
    };
    static constexpr std::array<const char*, 4> cut_names{"hole", "deaf", "reset", "refused"};

    struct Hit {
        Blow blow;
        std::size_t node;
        /// The only one that is cut off.
        std::size_t client;
        Cut cut;
        /// What a hole held is lost at its end; otherwise it goes on then.
        bool loses;
    };

    static const char* blow_name(Blow blow) { return blow_names[static_cast<std::size_t>(blow)]; }

    Blow pick_blow() {
        // In this order: kill_empty 24 %, kill_old 20 %, freeze 15 %, cut_all 16 %, cut_one 22 %.
        static constexpr std::array<unsigned, blow_kinds> shares{24, 20, 15, 16, 22, 3};
        auto left = static_cast<unsigned>(random_() % 100);
        std::size_t kind = 0;
        while (left >= shares[kind]) {
            left -= shares[kind++];
        }
        return static_cast<Blow>(kind);
    }
    /// Draws as often for every blow, so that the seed alone decides what comes.
    Hit plan(Blow blow, std::size_t node) {
        const std::size_t client = random_() % clients;
        const auto cut = static_cast<Cut>(random_() % cut_names.size());
        const bool loses = random_() % 2 == 0;
        if (blow == Blow::kill_old && !servers_[node].saved()) {
            servers_[node].save_rdb();
        }
        return {blow, node, client, cut, loses};
    }
    /// Some are over before anybody can have noticed more than a slow answer.
    std::chrono::milliseconds pick_hold() {
        const int longest = random_() % 4 == 0 ? 60 : 450;
        return std::chrono::milliseconds{
            std::uniform_int_distribution<int>{longest == 60 ? 2 : 60, longest}(random_)};
    }

    static std::string describe(const Hit& hit) {
        std::string text = blow_name(hit.blow);
        text += " node " + std::to_string(hit.node);
        if (hit.blow == Blow::cut_all || hit.blow == Blow::cut_one) {
            text += std::string{" "} + cut_names[static_cast<std::size_t>(hit.cut)] +
                    (hit.loses ? " loses" : " delays");
        }
        if (hit.blow == Blow::cut_one) {
            text += " for client " + std::to_string(hit.client);
        }
        return text;
    }

    void begin(const Hit& hit) {
        RedisServer& server = servers_[hit.node];
        switch (hit.blow) {
            case Blow::kill_old:
                server.restore_old_rdb();
                server.kill();
                break;
            case Blow::kill_empty:
                server.kill();
                break;
            case Blow::freeze:
                server.freeze();
                break;
            default:
                for_proxies(hit, [&](FaultProxy& proxy) { cut(proxy, hit.cut); });
        }
    }
    void end(const Hit& hit) {
        RedisServer& server = servers_[hit.node];
        switch (hit.blow) {
            case Blow::kill_old:
            case Blow::kill_empty:
                server.start();
                break;
            case Blow::freeze:
                server.thaw();
                break;
            default:
                for_proxies(hit, [&](FaultProxy& proxy) {
                    if (hit.loses) {
                        proxy.break_connections();
                    }
                    proxy.pass();
                });
        }
    }
    template <class Function>
    void for_proxies(const Hit& hit, Function function) {
        for (std::size_t client = 0; client < clients; ++client) {
            if (hit.blow != Blow::cut_one || client == hit.client) {
                function(proxies_[client * nodes + hit.node]);
            }
        }
    }
    static void cut(FaultProxy& proxy, Cut how) {
        switch (how) {
            case Cut::hole:
                proxy.black_hole();
                break;
            case Cut::deaf:
                proxy.black_hole(FaultProxy::Way::to_client);
                break;
            case Cut::reset:
                proxy.break_connections();
                break;
            case Cut::refused:
                proxy.reset();
                break;
        }
    }

    std::mt19937_64 random_;
    RedisServer servers_[nodes];
    std::deque<FaultProxy> proxies_; // client by client
    std::size_t last_node_ = 0;
    std::array<std::size_t, blow_kinds> counts_{};
    std::vector<Entry> timeline_;
};

} // namespace failover::test
