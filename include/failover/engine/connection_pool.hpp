// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/context_watch.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover {

/// How many connections one endpoint may have.
struct PoolLimits {
    /// Connections in use and idle together. Range >= 1.
    std::size_t max_connections = 128;
    /// Callers that may wait for one. 0: none waits.
    std::size_t max_pending = 256;
};

/// The connections of one endpoint. A connection stays with the execution context it was opened on,
/// because moving a socket between reactors costs two system calls; the limit counts all of them.
///
/// Connection: a class with `bool reusable(TimePoint now)` and a closing destructor.
///
/// Threads    safe. The lock is held for a few instructions, and while idle connections are closed:
///            their context may be ending in another thread, and context_gone() must not return
///            before the last of them is.
template <class Connection>
class ConnectionPool final : public ContextBound,
                             public std::enable_shared_from_this<ConnectionPool<Connection>> {
public:
    explicit ConnectionPool(PoolLimits limits) : limits_{limits} {}
    ~ConnectionPool() { close(); }
    ConnectionPool(const ConnectionPool&) = delete;
    ConnectionPool& operator=(const ConnectionPool&) = delete;

    enum class Grant {
        /// A slot, and an idle connection with it.
        reuse,
        /// A slot for a connection to open.
        open,
        /// None free; wait().
        wait,
        /// None free and too many wait.
        full,
        /// close() was called.
        closed,
    };

    /// Takes a slot for `context`. `fresh`: never an idle connection.
    Grant acquire(asio::execution_context& context, TimePoint now, bool fresh,
                  std::unique_ptr<Connection>& connection) {
        const std::lock_guard lock{mutex_};
        std::vector<Idle> discarded;
        if (closed_) {
            return Grant::closed;
        }
        if (!waiters_.empty() || in_use_ >= limits_.max_connections) {
            return waiters_.size() < limits_.max_pending ? Grant::wait : Grant::full;
        }
        ++in_use_;
        if (!fresh && take_idle(context, now, connection, discarded)) {
            return Grant::reuse;
        }
        trim(discarded);
        return Grant::open;
    }

    /// After wait() gave a slot: an idle connection of `context`, or null for one to open.
    std::unique_ptr<Connection> claim(asio::execution_context& context, TimePoint now) {
        std::unique_ptr<Connection> connection;
        const std::lock_guard lock{mutex_};
        std::vector<Idle> discarded;
        take_idle(context, now, connection, discarded);
        trim(discarded);
        return connection;
    }

    /// Waits for a slot in order of arrival. On Woken::notified the slot is the caller's: claim().
    asio::awaitable<Woken> wait(TimePoint until, CallControl& control) {
        const std::shared_ptr<ConnectionPool> self = this->shared_from_this();
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        Ticket ticket{*self, std::make_shared<Wake>(executor)};
        const Waiting waiting{control, *ticket.wake};
        if (!waiting.entered()) {
            co_return Woken::aborted;
        }
        const Woken why = co_await ticket.wake->wait(until);
        if (why == Woken::notified) {
            ticket.taken = true;
        }
        co_return why;
    }

    /// Gives a slot back, with the connection when it can carry another call.
    void release(asio::execution_context& context, std::unique_ptr<Connection> connection,
                 TimePoint now) {
        const bool keep = connection != nullptr;
        bool first_here = false;
        {
            const std::lock_guard lock{mutex_};
            --in_use_;
            if (keep && !closed_) {
                idle_.push_back(Idle{&context, std::move(connection), now});
                first_here = contexts_.insert(context);
            }
            grant_next();
        }
        if (first_here) {
            ContextWatch::of(context).add(this->weak_from_this());
        }
    }

    /// Closes idle connections that cannot or should not be used again.
    void sweep(TimePoint now) {
        const std::lock_guard lock{mutex_};
        std::vector<Idle> discarded;
        for (std::size_t i = 0; i < idle_.size();) {
            if (idle_[i].connection->reusable(now)) {
                ++i;
            } else {
                discard(i, discarded);
            }
        }
    }

    /// Closes idle connections, and those in use as they come back. Waiting callers are woken.
    void close() {
        const std::lock_guard lock{mutex_};
        std::vector<Idle> discarded;
        closed_ = true;
        discarded.swap(idle_);
        for (const Ticket* waiter : waiters_) {
            waiter->wake->abort();
        }
        waiters_.clear();
    }

    /// The context is going away: nothing of it may be kept.
    void context_gone(asio::execution_context& context) noexcept override {
        const std::lock_guard lock{mutex_};
        std::vector<Idle> discarded;
        for (std::size_t i = 0; i < idle_.size();) {
            if (idle_[i].context == &context) {
                discard(i, discarded);
            } else {
                ++i;
            }
        }
        contexts_.erase(context);
    }

    struct Counts {
        std::size_t in_use = 0;
        std::size_t idle = 0;
        std::size_t pending = 0;
    };
    [[nodiscard]] Counts counts() const {
        const std::lock_guard lock{mutex_};
        return {in_use_, idle_.size(), waiters_.size()};
    }

private:
    struct Idle {
        asio::execution_context* context;
        std::unique_ptr<Connection> connection;
        TimePoint since;
    };

    /// A place in the queue that is left again on every path, cancellation included.
    struct Ticket {
        Ticket(ConnectionPool& owner, std::shared_ptr<Wake> own)
            : pool{owner}, wake{std::move(own)} {
            const std::lock_guard lock{pool.mutex_};
            pool.waiters_.push_back(this);
            pool.grant_next();
        }
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        ~Ticket() {
            const std::lock_guard lock{pool.mutex_};
            std::erase(pool.waiters_, this);
            if (granted && !taken) {
                --pool.in_use_; // granted at the moment this caller gave up
                pool.grant_next();
            }
        }
        ConnectionPool& pool;
        const std::shared_ptr<Wake> wake;
        bool granted = false;
        bool taken = false;
    };

    /// Most recently used first: the warm ones stay warm, the surplus ages out.
    bool take_idle(asio::execution_context& context, TimePoint now,
                   std::unique_ptr<Connection>& connection, std::vector<Idle>& discarded) {
        for (std::size_t i = idle_.size(); i-- > 0;) {
            if (idle_[i].context != &context) {
                continue;
            }
            if (idle_[i].connection->reusable(now)) {
                connection = std::move(idle_[i].connection);
                idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
                return true;
            }
            discard(i, discarded);
        }
        return false;
    }

    /// Closes the longest idle connections while there are more than the limit allows.
    void trim(std::vector<Idle>& discarded) {
        while (!idle_.empty() && in_use_ + idle_.size() > limits_.max_connections) {
            discard(0, discarded);
        }
    }

    void grant_next() {
        while (!closed_ && !waiters_.empty() && in_use_ < limits_.max_connections) {
            Ticket& next = *waiters_.front();
            waiters_.pop_front();
            next.granted =
                next.wake->notify(); // not one that gave up, nor one of a context that ends
            if (next.granted) {
                ++in_use_;
            }
        }
    }

    void discard(std::size_t index, std::vector<Idle>& discarded) {
        discarded.push_back(std::move(idle_[index]));
        idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(index));
    }

    class ContextList {
    public:
        bool insert(asio::execution_context& context) {
            for (const asio::execution_context* known : known_) {
                if (known == &context) {
                    return false;
                }
            }
            known_.push_back(&context);
            return true;
        }
        void erase(asio::execution_context& context) { std::erase(known_, &context); }

    private:
        std::vector<asio::execution_context*> known_;
    };

    const PoolLimits limits_;
    mutable std::mutex mutex_;
    std::vector<Idle> idle_;      // oldest first
    std::deque<Ticket*> waiters_; // in order of arrival
    ContextList contexts_;
    std::size_t in_use_ = 0;
    bool closed_ = false;
};

} // namespace failover
