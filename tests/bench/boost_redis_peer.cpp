// SPDX-License-Identifier: MIT
// boost_redis_peer PORT: reads hits by 64 coroutines on one connection of Boost.Redis, for as long
// as each line "run MILLISECONDS" on its input says; answers each with the number of hits. A
// program of its own: Boost.Redis comes with a later Boost than the one the library is built with.
#include "redis_bench.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/redis/connection.hpp>
#include <boost/redis/src.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace redis = boost::redis;
namespace bench = failover::bench;
using Clock = std::chrono::steady_clock;

class Peer {
public:
    explicit Peer(const std::string& port) : connection_{io_} {
        redis::config config;
        config.addr.port = port;
        // Nobody answers its PINGs between two turns.
        config.health_check_interval = Clock::duration::zero();
        connection_.async_run(config, redis::logger{redis::logger::level::emerg}, asio::detached);
    }

    std::uint64_t run(Clock::time_point until) {
        done_ = 0;
        for (std::size_t i = 0; i < coroutines; ++i) {
            ++running_;
            asio::co_spawn(io_, get_until(i * keys_.size() / coroutines, until),
                           [this](std::exception_ptr failed) {
                               --running_;
                               failed_ = failed ? failed : failed_;
                           });
        }
        while (running_ > 0) {
            io_.run_one();
        }
        if (failed_) {
            std::rethrow_exception(failed_);
        }
        return done_;
    }

private:
    static constexpr std::size_t coroutines = 64;

    asio::awaitable<void> get_until(std::size_t next, Clock::time_point until) {
        redis::request request;
        redis::response<std::string> response;
        while (Clock::now() < until) {
            request.clear();
            request.push("GET", keys_[next++ % keys_.size()]);
            std::string& value = std::get<0>(response).value();
            value.clear();
            co_await connection_.async_exec(request, response, asio::use_awaitable);
            if (value.size() != bench::cache_value_size) {
                throw std::runtime_error{"an answer of the wrong size"};
            }
            ++done_;
        }
    }

    const std::vector<std::string> keys_ = bench::cache_keys();
    asio::io_context io_{1};
    redis::connection connection_;
    int running_ = 0;
    std::uint64_t done_ = 0;
    std::exception_ptr failed_;
};

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 2) {
            throw std::invalid_argument{"usage: boost_redis_peer PORT"};
        }
        Peer peer{argv[1]};
        std::string verb;
        for (std::int64_t milliseconds = 0; std::cin >> verb >> milliseconds;) {
            std::cout << peer.run(Clock::now() + std::chrono::milliseconds{milliseconds})
                      << std::endl;
        }
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "boost_redis_peer: %s\n", e.what());
        return 2;
    }
}
