// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution/relationship.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace failover {

namespace asio = boost::asio;

/// The suspended operations of one execution context that wait for something outside of it. It ends
/// them with the context, so that whoever holds the other end may outlive it.
/// Threads    safe.
class ParkingLot final : public asio::execution_context::service {
public:
    using key_type = ParkingLot;
    inline static asio::execution_context::id id;

    class Place;

    /// Outlives the context.
    struct State {
        std::mutex mutex;
        bool closed = false;
        Place* first = nullptr;
    };

    /// Something parked. Linked while it waits.
    class Place {
    public:
        Place() = default;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

    protected:
        ~Place() = default;

        /// False: the context is gone. With the lock held.
        bool park(State& state) noexcept {
            if (state.closed) {
                return false;
            }
            next_ = state.first;
            if (next_ != nullptr) {
                next_->previous_ = this;
            }
            state.first = this;
            parked_ = true;
            return true;
        }
        /// True: it was parked until now. With the lock held.
        bool leave(State& state) noexcept {
            if (!parked_) {
                return false;
            }
            (previous_ != nullptr ? previous_->next_ : state.first) = next_;
            if (next_ != nullptr) {
                next_->previous_ = previous_;
            }
            previous_ = next_ = nullptr;
            parked_ = false;
            return true;
        }
        [[nodiscard]] bool parked() const noexcept { return parked_; }

    private:
        friend class ParkingLot;
        /// Destroys what waits, which was unlinked.
        virtual void drop() noexcept = 0;

        Place* previous_ = nullptr;
        Place* next_ = nullptr;
        bool parked_ = false;
    };

    explicit ParkingLot(asio::execution_context& context) : service{context} {}

    static const std::shared_ptr<State>& of(const asio::any_io_executor& executor) {
        return asio::use_service<ParkingLot>(asio::query(executor, asio::execution::context))
            .state_;
    }

private:
    void shutdown() noexcept override {
        for (;;) {
            Place* place = nullptr;
            {
                const std::lock_guard lock{state_->mutex};
                state_->closed = true;
                place = state_->first;
                if (place == nullptr) {
                    return;
                }
                place->leave(*state_);
            }
            place->drop();
        }
    }

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// While one exists, coroutines of the io_context that this thread runs are resumed at once rather
/// than by way of its queue: a batch of answers costs no more than what is done with them. For a
/// while only, as others wait meanwhile.
class ResumeHere {
public:
    /// `yes`: false forbids it meanwhile, whatever is around it: locks may be held.
    explicit ResumeHere(bool yes) noexcept : before_{std::exchange(left(), yes ? most : 0U)} {}
    ResumeHere(const ResumeHere&) = delete;
    ResumeHere& operator=(const ResumeHere&) = delete;
    ~ResumeHere() { left() = before_; }

    /// Takes one turn.
    static bool allowed() noexcept {
        unsigned& turns = left();
        if (turns == 0) {
            return false;
        }
        --turns;
        return true;
    }

private:
    static constexpr unsigned most = 128;
    const unsigned before_;
    static unsigned& left() noexcept {
        thread_local unsigned turns = 0;
        return turns;
    }
};

/// One suspended coroutine that any thread may resume, once; also before it is suspended. It is
/// resumed through its executor, never inside resume(). A base class of what is shared by both
/// sides.
///
/// Threads    resume() from any thread that holds a reference meanwhile: the coroutine may drop the
///            last other one. async_wait() once, from one coroutine.
/// Cancel     resumes it as resume() does; resumed() then says false.
class Parked : private ParkingLot::Place, public std::enable_shared_from_this<Parked> {
public:
    explicit Parked(const asio::any_io_executor& executor) : lot_{ParkingLot::of(executor)} {}
    virtual ~Parked() = default;

    void resume() noexcept {
        std::unique_lock lock{lot_->mutex};
        resumed_ = true;
        if (!leave(*lot_)) {
            return;
        }
        const Taken waiter{std::exchange(waiter_, nullptr)};
        if (ResumeHere::allowed() && waiter->runs_here()) {
            // This thread runs the context, so nobody is destroying it.
            lock.unlock();
            waiter->run();
        } else {
            waiter->post();
        }
    }
    /// Was it resume() that woke it?
    [[nodiscard]] bool resumed() const noexcept {
        const std::lock_guard lock{lot_->mutex};
        return resumed_;
    }

    template <class Token>
    auto async_wait(Token&& token) {
        return asio::async_initiate<Token, void()>(
            [this](auto handler) { begin(std::move(handler)); }, token);
    }

private:
    struct Waiter {
        Waiter() = default;
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        virtual ~Waiter() = default;
        virtual void post() = 0;
        [[nodiscard]] virtual bool runs_here() const noexcept = 0;
        virtual void run() noexcept = 0;
    };
    struct Destroy {
        void operator()(Waiter* waiter) const noexcept { waiter->~Waiter(); }
    };
    using Taken = std::unique_ptr<Waiter, Destroy>;

    template <class Handler>
    struct WaiterOf final : Waiter {
        explicit WaiterOf(Handler h)
            : handler{std::move(h)},
              executor{asio::prefer(asio::get_associated_executor(handler),
                                    asio::execution::outstanding_work.tracked)} {}
        void post() override {
            asio::prefer(executor, asio::execution::relationship.continuation,
                         asio::execution::blocking.never)
                .execute(std::move(handler));
        }
        bool runs_here() const noexcept override {
            using Here = asio::io_context::executor_type;
            const auto here = asio::get_associated_executor(handler);
            const Here* const context = here.template target<Here>();
            return context != nullptr && context->running_in_this_thread();
        }
        void run() noexcept override {
            // By value: the coroutine may be the end of this object.
            Handler moved{std::move(handler)};
            const auto on = executor;
            try {
                moved();
            } catch (...) {
                // A completion handler of the user's threw: that is for whoever runs the context.
                asio::post(on,
                           [thrown = std::current_exception()] { std::rethrow_exception(thrown); });
            }
        }
        Handler handler;
        std::decay_t<decltype(asio::prefer(
            asio::get_associated_executor(std::declval<const Handler&>()),
            asio::execution::outstanding_work.tracked))>
            executor;
    };

    template <class Handler>
    void begin(Handler handler) {
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
            slot.assign([weak = weak_from_this()](asio::cancellation_type) {
                if (const auto self = weak.lock()) {
                    self->cancel();
                }
            });
        }
        static_assert(sizeof(WaiterOf<Handler>) <= sizeof room_);
        static_assert(alignof(WaiterOf<Handler>) <= alignof(std::max_align_t));
        std::shared_ptr<Parked> self; // outlives the lock
        std::unique_lock lock{lot_->mutex};
        if (!park(*lot_)) {
            lock.unlock();
            return; // its context is being destroyed, and the coroutine with it
        }
        waiter_ = new (&room_) WaiterOf<Handler>(std::move(handler));
        if (resumed_) {
            self = shared_from_this(); // the coroutine may go on elsewhere and drop this meanwhile
            wake();
        }
    }

    void cancel() noexcept {
        const std::lock_guard lock{lot_->mutex};
        wake();
    }

    /// With the lock held, so that the context is not destroyed meanwhile.
    void wake() noexcept {
        if (leave(*lot_)) {
            const Taken waiter{std::exchange(waiter_, nullptr)};
            waiter->post();
        }
    }

    void drop() noexcept override {
        // The coroutine's frame may hold the last reference to this object.
        const std::shared_ptr<Parked> self = shared_from_this();
        const Taken waiter{std::exchange(waiter_, nullptr)};
    }

    const std::shared_ptr<ParkingLot::State> lot_;
    Waiter* waiter_ = nullptr; // in room_
    bool resumed_ = false;
    alignas(std::max_align_t) std::byte room_[128];
};

} // namespace failover
