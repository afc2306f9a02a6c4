// SPDX-License-Identifier: MIT
// Calls through FailoverCache against hiredis and Boost.Redis by hand, on the same servers.
#include "redis_bench.hpp"

#include "beast_peer.hpp"
#include "hiredis_peer.hpp"
#include "pairs.hpp"
#include "quantiles.hpp"
#include "report.hpp"
#include "support/redis_server.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace failover::bench {
namespace {

using test::RedisServer;

/// Commands under way at the same time in the rows named c64.
constexpr std::size_t depth = 64;

using Keys = std::vector<std::string>;

const std::string& value() {
    static const std::string text(cache_value_size, 'x');
    return text;
}

/// One primary, and a second node that every write goes to as well. The limits are wide: a machine
/// that is busy must not look like an outage.
Config config_for(const RedisServer& primary, const RedisServer* secondary = nullptr) {
    std::string text =
        "logging: {providers: {console: {level: error}}}\n"
        "cache:\n  providers:\n    redis:\n      mode: dual\n"
        "      failover: {operation_timeout: 2s, health: {ping_timeout: 2s}}\n"
        "      primary: {url: \"" +
        primary.url() + "\"}\n";
    if (secondary != nullptr) {
        text += "      secondary: {url: \"" + secondary->url() + "\"}\n";
    }
    return parse_config(text);
}

/// Returns once every node serves. `pause` lets some time pass.
template <class Pause>
void await_up(const FailoverCache& cache, Pause pause) {
    const auto give_up = BenchClock::now() + std::chrono::seconds{90};
    for (;;) {
        std::string problems;
        for (const CacheNodeStatus& node : cache.topology().nodes) {
            if (node.state != CacheNodeState::up) {
                problems += ' ' + node.id + " is " + to_string(node.state) + ": " + node.problem;
            }
        }
        if (problems.empty()) {
            return;
        }
        if (BenchClock::now() > give_up) {
            throw std::runtime_error{"the cache does not come up:" + problems};
        }
        pause(std::chrono::milliseconds{10});
    }
}

/// The cache on an io_context that the bench's own thread runs, one turn at a time.
class AsyncCache {
public:
    explicit AsyncCache(Config config)
        : manager_{io_.get_executor(), std::move(config)}, cache_{manager_} {
        await_up(cache_, [this](std::chrono::milliseconds time) { io_.run_for(time); });
    }

    [[nodiscard]] const FailoverCache& cache() const noexcept { return cache_; }
    [[nodiscard]] asio::io_context& io() noexcept { return io_; }
    /// Runs what the calls of a turn left: nobody does while it is the peer's.
    void settle() {
        while (pending() > 0) {
            io_.run_one_for(std::chrono::milliseconds{1});
        }
    }

private:
    std::size_t pending() const {
        std::size_t commands = 0;
        for (const CacheNodeStatus& node : cache_.topology().nodes) {
            commands += node.pending;
        }
        return commands;
    }

    asio::io_context io_{1};
    // Between two PINGs the cache has nothing to do there.
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    FailoverManager manager_;
    FailoverCache cache_;
};

/// The cache on the manager's own threads.
class SyncCache {
public:
    explicit SyncCache(Config config) : manager_{std::move(config)}, cache_{manager_} {
        await_up(cache_, [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); });
    }

    [[nodiscard]] const FailoverCache& cache() const noexcept { return cache_; }

private:
    FailoverManager manager_;
    FailoverCache cache_;
};

void require_hit(const FailoverCache::Value& found) {
    if (!found || found->size() != cache_value_size) {
        throw std::runtime_error{"a miss, or a value of the wrong size"};
    }
}

// The referents outlive the turn that awaits this.
asio::awaitable<void> get_until(FailoverCache cache, const Keys& keys, std::size_t next,
                                BenchClock::time_point until, std::uint64_t& done) {
    while (BenchClock::now() < until) {
        const FailoverCache::Value found = co_await cache.async_get(keys[next++ % keys.size()]);
        require_hit(found);
        ++done;
    }
}

Slice our_coroutines(AsyncCache& side, const Keys& keys) {
    return [&side, &keys](BenchClock::time_point until) {
        std::uint64_t done = 0;
        Turn turn{side.io()};
        for (std::size_t i = 0; i < depth; ++i) {
            turn.spawn(get_until(side.cache(), keys, i * keys.size() / depth, until, done));
        }
        turn.finish();
        return done;
    };
}

/// Calls `get(key)` with one key after the other.
template <class Get>
Slice one_by_one(Get get, const Keys& keys) {
    return [get, &keys](BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            get(keys[done++ % keys.size()]);
        }
        return done;
    };
}

Slice peer_gets(HiredisPeer& peer, const Keys& keys) {
    return one_by_one([&peer](const std::string& key) { peer.get(key); }, keys);
}

Slice peer_pipelines(HiredisPeer& peer, const Keys& keys) {
    return [&peer, &keys](BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            for (std::size_t i = 0; i < depth; ++i) {
                peer.send_get(keys[(done + i) % keys.size()]);
            }
            for (std::size_t i = 0; i < depth; ++i) {
                peer.receive_get();
            }
            done += depth;
        }
        return done;
    };
}

#ifdef FAILOVER_BOOST_REDIS_PEER
/// The program boost_redis_peer. It ends when its input does, so with this process at the latest.
class BoostRedisPeer {
public:
    explicit BoostRedisPeer(std::uint16_t port) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
            throw std::runtime_error{"no socket pair"};
        }
        socket_ = ends[0];
        std::string program = FAILOVER_BOOST_REDIS_PEER;
        std::string number = std::to_string(port);
        char* argv[] = {program.data(), number.data(), nullptr};
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_adddup2(&files, ends[1], 0);
        posix_spawn_file_actions_adddup2(&files, ends[1], 1);
        posix_spawn_file_actions_addclosefrom_np(&files, 3); // Asio's sockets would be inherited
        const int failed = ::posix_spawn(&pid_, argv[0], &files, nullptr, argv, environ);
        posix_spawn_file_actions_destroy(&files);
        ::close(ends[1]);
        if (failed != 0) {
            ::close(socket_);
            throw std::runtime_error{"cannot start " + program};
        }
    }
    BoostRedisPeer(const BoostRedisPeer&) = delete;
    BoostRedisPeer& operator=(const BoostRedisPeer&) = delete;
    ~BoostRedisPeer() {
        ::close(socket_);
        ::kill(pid_, SIGKILL); // it may be in a turn that never ends
        ::waitpid(pid_, nullptr, 0);
    }

    std::uint64_t run(BenchClock::time_point until) {
        const auto turn =
            std::max(std::chrono::milliseconds{1},
                     std::chrono::round<std::chrono::milliseconds>(until - BenchClock::now()));
        const std::string line = "run " + std::to_string(turn.count()) + '\n';
        if (::send(socket_, line.data(), line.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(line.size())) {
            throw std::runtime_error{"boost_redis_peer has ended"};
        }
        pollfd watched{.fd = socket_, .events = POLLIN, .revents = 0};
        const int limit = static_cast<int>(turn.count()) + 10'000;
        // The answer is one write of a few bytes.
        char text[32];
        const ssize_t size =
            ::poll(&watched, 1, limit) == 1 ? ::recv(socket_, text, sizeof text, 0) : 0;
        std::uint64_t done = 0;
        if (size <= 0 || std::from_chars(text, text + size, done).ec != std::errc{}) {
            throw std::runtime_error{"boost_redis_peer gives no answer"};
        }
        return done;
    }

private:
    int socket_ = -1;
    pid_t pid_ = -1;
};
#endif

/// One call after the other until the given time; what each took in microseconds.
using Latencies = std::function<Quantiles(BenchClock::time_point until)>;

double microseconds_since(BenchClock::time_point start) {
    return std::chrono::duration<double, std::micro>(BenchClock::now() - start).count();
}

/// Calls `set(key)` with one key after the other.
template <class Set>
Latencies time_each(Set set, const Keys& keys) {
    return [set, &keys](BenchClock::time_point until) {
        Quantiles times;
        std::size_t next = 0;
        while (BenchClock::now() < until) {
            const auto start = BenchClock::now();
            set(keys[next++ % keys.size()]);
            times.add(microseconds_since(start));
        }
        return times;
    };
}

// The referents outlive the turn that awaits this.
asio::awaitable<void> set_until(FailoverCache cache, const Keys& keys, BenchClock::time_point until,
                                Quantiles& times) {
    std::size_t next = 0;
    while (BenchClock::now() < until) {
        const auto start = BenchClock::now();
        co_await cache.async_set(keys[next++ % keys.size()], value());
        times.add(microseconds_since(start));
    }
}

Latencies our_async_sets(AsyncCache& side, const Keys& keys) {
    return [&side, &keys](BenchClock::time_point until) {
        Quantiles times;
        Turn turn{side.io()};
        turn.spawn(set_until(side.cache(), keys, until, times));
        turn.finish();
        side.settle();
        return times;
    };
}

/// compare() of medians of single calls instead of rates.
Row compare_medians(std::string name, const Latencies& ours, const Latencies& peer,
                    const PairPlan& plan, std::string goal) {
    const auto measure = [&plan](const Latencies& side) {
        return side(BenchClock::now() + plan.slice).at(0.5);
    };
    measure(ours);
    measure(peer);
    std::vector<double> our_times;
    std::vector<double> peer_times;
    std::vector<double> ratios;
    for (int i = 0; i < plan.pairs; ++i) {
        const bool ours_first = i % 2 == 0;
        const double first = measure(ours_first ? ours : peer);
        const double second = measure(ours_first ? peer : ours);
        our_times.push_back(ours_first ? first : second);
        peer_times.push_back(ours_first ? second : first);
        ratios.push_back(our_times.back() / peer_times.back());
    }
    return Row{.name = std::move(name),
               .ours = median(our_times),
               .peer = median(peer_times),
               .ratio = median(ratios),
               .unit = "us",
               .goal = std::move(goal)};
}

void measure_boost([[maybe_unused]] const Slice& ours, [[maybe_unused]] std::uint16_t port,
                   [[maybe_unused]] const PairPlan& plan, [[maybe_unused]] std::vector<Row>& rows) {
#ifdef FAILOVER_BOOST_REDIS_PEER
    BoostRedisPeer peer{port};
    const Slice theirs = [&peer](BenchClock::time_point until) { return peer.run(until); };
    add_row(rows, compare("cache_get_c64_boost", ours, theirs, plan, "ratio >= 1.0"));
#else
    std::fprintf(stderr,
                 "bench: the row cache_get_c64_boost is missing: the build found no Boost.Redis; "
                 "scripts/fetch-debian13 libboost1.88-dev says why\n");
#endif
}

void measure_gets(const PairPlan& plan, const Wanted& wanted, std::vector<Row>& rows) {
    const Keys keys = cache_keys();
    const RedisServer server;
    HiredisPeer peer{server.port()};
    for (const std::string& key : keys) {
        peer.set(key, value());
    }
    if (wanted("cache_get_c64") || wanted("cache_get_c64_pipelined") ||
        wanted("cache_get_c64_boost")) {
        AsyncCache side{config_for(server)};
        const Slice ours = our_coroutines(side, keys);
        if (wanted("cache_get_c64")) {
            add_row(rows,
                    compare("cache_get_c64", ours, peer_gets(peer, keys), plan, "ratio >= 5"));
        }
        if (wanted("cache_get_c64_pipelined")) {
            add_row(rows, compare("cache_get_c64_pipelined", ours, peer_pipelines(peer, keys), plan,
                                  "ratio >= 0.95"));
        }
        if (wanted("cache_get_c64_boost")) {
            measure_boost(ours, server.port(), plan, rows);
        }
    }
    if (wanted("cache_get_sync")) {
        const SyncCache side{config_for(server)};
        const Slice ours = one_by_one(
            [cache = side.cache()](const std::string& key) { require_hit(cache.get(key)); }, keys);
        add_row(rows, compare("cache_get_sync", ours, peer_gets(peer, keys), plan, "ratio >= 0.8"));
    }
}

void measure_sets(const PairPlan& plan, const Wanted& wanted, std::vector<Row>& rows) {
    const Keys keys = cache_keys();
    const RedisServer primary;
    const RedisServer secondary;
    HiredisPeer peer{primary.port()};
    const Latencies theirs =
        time_each([&peer](const std::string& key) { peer.set(key, value()); }, keys);
    if (wanted("cache_set_dual")) {
        const SyncCache side{config_for(primary, &secondary)};
        const Latencies ours = time_each(
            [cache = side.cache()](const std::string& key) { cache.set(key, value()); }, keys);
        add_row(rows, compare_medians("cache_set_dual", ours, theirs, plan, "ratio <= 1.3"));
    }
    if (wanted("cache_set_dual_by_hand")) {
        HiredisPeer second{secondary.port()};
        const Latencies both = time_each(
            [&peer, &second](const std::string& key) {
                peer.send_set(key, value());
                second.send_set(key, value());
                peer.receive_set();
                second.receive_set();
            },
            keys);
        add_row(rows, compare_medians("cache_set_dual_by_hand", both, theirs, plan, ""));
    }
    if (wanted("cache_set_dual_async")) {
        AsyncCache side{config_for(primary, &secondary)};
        add_row(rows, compare_medians("cache_set_dual_async", our_async_sets(side, keys), theirs,
                                      plan, "ratio <= 1.3"));
    }
}

} // namespace

std::vector<Row> run_redis_bench(bool quick, const Wanted& wanted) {
    std::vector<Row> rows;
    if (wanted("cache_get_c64") || wanted("cache_get_c64_pipelined") ||
        wanted("cache_get_c64_boost") || wanted("cache_get_sync")) {
        const PairPlan plan = quick
                                  ? PairPlan{.slice = std::chrono::milliseconds{250}, .pairs = 8}
                                  : PairPlan{.slice = std::chrono::milliseconds{500}, .pairs = 16};
        measure_gets(plan, wanted, rows);
    }
    if (wanted("cache_set_dual") || wanted("cache_set_dual_async") ||
        wanted("cache_set_dual_by_hand")) {
        const PairPlan plan{.slice = std::chrono::milliseconds{100}, .pairs = quick ? 16 : 48};
        measure_sets(plan, wanted, rows);
    }
    return rows;
}

} // namespace failover::bench
