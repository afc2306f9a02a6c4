// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_options.hpp>
#include <failover/engine/cache/calls.hpp>

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace failover::cache {

/// get_or_load(): of all who miss a key one loads it. In this process the others wait for that one;
/// among processes a lease does, which is a value in the key itself, so that whatever sets or
/// deletes the key ends it, and what was loaded is then not stored (leases: Nishtala et al.,
/// "Scaling Memcache at Facebook", NSDI 2013).
/// Threads    safe.
class Loads {
public:
    using Loader = std::function<asio::awaitable<Loaded>()>;

    explicit Loads(Calls& calls) : calls_{calls} {}
    Loads(const Loads&) = delete;
    Loads& operator=(const Loads&) = delete;

    /// What `loader` throws passes through.
    asio::awaitable<Result<std::string>> run(std::string key, std::chrono::milliseconds ttl,
                                             Loader loader, LoadOptions options);

    /// The key was set or deleted by this process.
    void touched(const std::string& key);

private:
    /// One key being loaded by somebody of this process.
    struct Flight {
        Bell ended;
        // Guarded by the mutex of Loads:
        std::optional<std::string> value; // none: it failed, or is for nobody else
        bool over = false;
        bool closing = false; // it is being stored: who comes now may have deleted it before
    };
    class Leader;

    struct Plan {
        std::string key;
        std::uint64_t hash = 0;
        std::chrono::milliseconds ttl{};
        Duration stale_for{};
        TimePoint deadline{};
        std::string token;
    };
    /// What a look at the cache came to.
    struct Look {
        enum class Kind { value, refreshing, leased, taken, nobody } kind = Kind::nobody;
        std::string value{};
        Node* node = nullptr;
        /// Bit i: the lease was taken at node i as well.
        std::uint64_t others = 0;
        /// Of a value that is loaded anew: when it expires, by the server's clock.
        std::int64_t expiry = 0;
    };

    asio::awaitable<Result<std::string>> lead(const Plan* plan, Flight* flight, Loader loader,
                                              CallControl* control);
    [[nodiscard]] bool flies(const std::string& key);
    asio::awaitable<Result<Reply>> read(const Plan* plan, std::string bytes, bool copies);
    asio::awaitable<bool> is_old(const Plan* plan);
    asio::awaitable<Look> look_at(const Plan* plan);
    asio::awaitable<std::uint64_t> lease_others(const Plan* plan, const Node* lead,
                                                std::string lease);
    asio::awaitable<Result<std::string>> load_and_fill(const Plan* plan, Flight* flight, Node* node,
                                                       std::uint64_t others, Loader loader);
    asio::awaitable<Result<std::string>> refresh(const Plan* plan, Node* node, Loader loader,
                                                 std::string old, std::int64_t expiry);
    asio::awaitable<Result<std::string>> load_unaided(const Plan* plan, Loader loader,
                                                      CallControl* control);
    void tell_others(const Plan& plan, std::uint64_t others, const std::string& bytes);
    void leave(const std::string& key, const std::shared_ptr<Flight>& flight);
    [[nodiscard]] std::string life_text(const Plan& plan, const Node& node) const;
    [[nodiscard]] std::chrono::milliseconds spread(std::chrono::milliseconds ttl, double jitter);

    Calls& calls_;
    std::mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
    std::atomic<std::size_t> flying_{0};
    std::size_t unaided_ = 0;
    Bell unaided_ended_;
    Rng rng_{new_seed()};
};

} // namespace failover::cache

#include <failover/engine/cache/detail/loads_leases.hpp>
#include <failover/engine/cache/detail/loads_steps.hpp>
