// SPDX-License-Identifier: MIT
#pragma once

#include "libpq_peer.hpp"
#include "pairs.hpp"
#include "quantiles.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// What a change of the primary costs those who write meanwhile. The cluster has three nodes and a
// table probe(n int).

namespace failover::bench {

/// A thread that writes again and again, and remembers its first success.
class SteadyWriter {
public:
    /// `write` returns whether it wrote; it is called by a thread of this object only.
    template <class Write>
    explicit SteadyWriter(Write write)
        : thread_{[this, write = std::move(write)]() mutable {
              while (!stopping_) {
                  const bool written = write();
                  if (written) {
                      const std::lock_guard lock{mutex_};
                      first_ = writes_++ == 0 ? BenchClock::now() : first_;
                  }
                  std::this_thread::sleep_for(std::chrono::milliseconds{written ? 5 : 1});
              }
          }} {}
    SteadyWriter(const SteadyWriter&) = delete;
    SteadyWriter& operator=(const SteadyWriter&) = delete;
    ~SteadyWriter() {
        stopping_ = true;
        thread_.join();
    }

    /// Forgets the success so far: the next one is the first.
    void forget() {
        const std::lock_guard lock{mutex_};
        writes_ = 0;
    }
    /// The first success since forget(); throws when there is none for a long time.
    BenchClock::time_point first_success() const {
        const auto there = [this] {
            const std::lock_guard lock{mutex_};
            return writes_ > 0;
        };
        if (!test::wait_until(there, std::chrono::seconds{30})) {
            throw std::runtime_error{"no write after a failover"};
        }
        const std::lock_guard lock{mutex_};
        return first_;
    }

private:
    mutable std::mutex mutex_;
    std::size_t writes_ = 0;
    BenchClock::time_point first_{};
    std::atomic<bool> stopping_{false};
    std::thread thread_; // last: it uses the others
};

inline std::string node_id(std::size_t node) {
    return node == 0 ? "primary" : "secondaries[" + std::to_string(node - 1) + ']';
}

/// Waits until the library sees `primary` as such and both others as standbys.
inline void await_roles(const FailoverDB& db, std::size_t primary) {
    const bool settled = test::wait_until(
        [&] {
            const Topology topology = db.topology();
            const auto standbys = std::count_if(
                topology.nodes.begin(), topology.nodes.end(), [](const NodeStatus& node) {
                    return node.reachable && node.role == NodeRole::standby;
                });
            return topology.primary == node_id(primary) && standbys == 2;
        },
        std::chrono::seconds{30});
    if (!settled) {
        throw std::runtime_error{"the topology did not settle"};
    }
}

/// Makes `next` the primary in place of `old`, which has ended; all three replicate afterwards.
inline void rejoin_all(test::PostgresCluster& cluster, std::size_t old, std::size_t next) {
    const std::size_t other = 3 - old - next;
    cluster.follow(other, next);
    cluster.rejoin_rewind(old, next);
}

/// From the moment the promoted node takes writes to the first one there.
struct FailoverTimes {
    Quantiles ours_ms{};
    Quantiles peer_ms{};
};

/// Kills the primary and promotes a standby `times` times, without synchronous replication, so that
/// one standby suffices to go on. `primary` is changed.
inline FailoverTimes time_failovers(test::PostgresCluster& cluster, const FailoverDB& db,
                                    std::size_t& primary, int times) {
    std::string hosts;
    std::string ports;
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        const char* comma = node == 0 ? "" : ",";
        hosts += comma + std::string{"127.0.0.1"};
        ports += comma + std::to_string(cluster.port(node));
    }
    const std::string multi = "host=" + hosts + " port=" + ports +
                              " user=postgres dbname=postgres target_session_attrs=read-write"
                              " connect_timeout=2";
    const char* const insert = "insert into probe values (1)";
    SteadyWriter ours{[&db, insert] { return db.try_exec(insert).has_value(); }};
    SteadyWriter peer{[multi, insert, held = std::make_unique<LibpqPeer>(multi)]() mutable {
        if (!held->connected()) {
            held = std::make_unique<LibpqPeer>(multi);
        }
        return held->connected() && held->run(insert);
    }};
    FailoverTimes taken;
    for (int i = 0; i < times; ++i) {
        const std::size_t old = primary;
        await_roles(db, old);
        cluster.kill9(old);
        // What the old one had answered is read by then.
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        primary = cluster.ahead((old + 1) % 3, (old + 2) % 3);
        LibpqPeer held{cluster.url(primary)}; // to the standby: outlives its promotion
        if (!held.connected()) {
            throw std::runtime_error{"no connection to a standby"};
        }
        ours.forget();
        peer.forget();
        BenchClock::time_point writable{};
        std::thread poller{[&] {
            while (!held.run("insert into probe values (2)")) {
                std::this_thread::sleep_for(std::chrono::milliseconds{1});
            }
            writable = BenchClock::now();
        }};
        cluster.promote(primary);
        poller.join();
        const auto after = [&writable](BenchClock::time_point first) {
            const std::chrono::duration<double, std::milli> took = first - writable;
            return std::max(0.0, took.count()); // somebody may be quicker than the poller
        };
        taken.ours_ms.add(after(ours.first_success()));
        taken.peer_ms.add(after(peer.first_success()));
        rejoin_all(cluster, old, primary);
    }
    return taken;
}

struct SwitchoverResult {
    std::size_t calls = 0;
    std::size_t failed = 0;
    /// The first error; empty: none.
    std::string error{};
};

/// Planned switchovers while four threads write and two read.
inline SwitchoverResult count_switchover_failures(test::PostgresCluster& cluster,
                                                  const FailoverDB& db, std::size_t& primary,
                                                  int times) {
    std::atomic<bool> stopping{false};
    std::mutex mutex;
    SwitchoverResult result;
    const auto call_until_stopped = [&](bool writes) {
        while (!stopping) {
            const Result<pqxx::result> done = writes ? db.try_exec("insert into probe values (3)")
                                                     : db.try_query("select count(*) from probe");
            {
                const std::lock_guard lock{mutex};
                ++result.calls;
                result.failed += done ? 0U : 1U;
                if (!done && result.error.empty()) {
                    result.error = done.error().message();
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    };
    struct Joined {
        std::atomic<bool>& stopping;
        std::vector<std::thread> threads{};
        ~Joined() {
            stopping = true;
            for (std::thread& thread : threads) {
                thread.join();
            }
        }
    };
    {
        Joined load{stopping};
        for (int i = 0; i < 6; ++i) {
            load.threads.emplace_back(call_until_stopped, i < 4);
        }
        for (int i = 0; i < times; ++i) {
            const std::size_t old = primary;
            await_roles(db, old);
            const std::size_t next = (old + 1) % 3;
            cluster.wait_streaming(next);
            if (!db.pause_writes()) {
                throw std::runtime_error{"writes went on although they were paused"};
            }
            cluster.stop(old);
            cluster.promote(next);
            primary = next;
            const auto known = [&] { return db.topology().primary == node_id(next); };
            if (!test::wait_until(known)) {
                throw std::runtime_error{"the promoted node was not seen"};
            }
            db.resume_writes();
            rejoin_all(cluster, old, next);
        }
    }
    return result;
}

} // namespace failover::bench
