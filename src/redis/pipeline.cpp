// SPDX-License-Identifier: MIT
#include "pipeline.hpp"

#include "reply_slot.hpp"
#include "socket_options.hpp"
#include "tls_settings.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace failover::redis {

using cache::Answer;

namespace {

// Commands gathered before they are written without waiting for more: the server works on them
// while the next ones are made.
constexpr std::size_t write_after = 16;

constexpr Duration shortest_pause = std::chrono::milliseconds{50};
constexpr Duration longest_pause = std::chrono::seconds{2};

Answer refusal(FaultKind fault, error_code cause, std::string text) {
    Answer answer;
    answer.fault = fault;
    answer.phase = Phase::queued;
    answer.cause = cause;
    answer.text = std::move(text);
    return answer;
}

} // namespace

/// What hiredis calls; always with the lock held, as it is only entered then.
struct Pipeline::Hooks {
    static Pipeline& of(void* data) { return *static_cast<Pipeline*>(data); }

    static void add_read(void* data) { of(data).wants_read_ = true; }
    static void del_read(void* data) { of(data).wants_read_ = false; }
    static void add_write(void* data) { of(data).wants_write_ = true; }
    static void del_write(void* data) { of(data).wants_write_ = false; }
    static void cleanup(void* data) { of(data).let_go(); }

    static void reply(redisAsyncContext* redis, void* reply, void* /*unused*/) {
        of(redis->data).take_reply(reply);
    }
    static void connected(const redisAsyncContext* redis, int status) {
        if (status != REDIS_OK) {
            const int system = errno;
            of(redis->data).broken_ =
                failure_of(redis->c.err, redis->c.errstr, system, Phase::connecting, false);
        }
    }
    static void disconnected(const redisAsyncContext* redis, int status) {
        if (status != REDIS_OK) {
            const int system = errno;
            of(redis->data).broken_ =
                failure_of(redis->err, redis->errstr, system, Phase::waiting, true);
        }
    }
};

Pipeline::Pipeline(const boost::asio::any_io_executor& executor, LinkContext& context,
                   const PipelineOptions& options)
    : executor_{executor}, context_{context}, options_{options}, timer_{executor} {}

Pipeline::~Pipeline() {
    close();
}

void Pipeline::submit(std::string_view bytes, std::shared_ptr<cache::Command> command,
                      TimePoint until, bool now) {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        const TimePoint at = Clock::now();
        if (state_ == State::closed) {
            Answer why = refusal(FaultKind::cancelled,
                                 make_error_code(Errc::not_running), "the cache was stopped");
            ends.push_back({std::move(command), std::move(why), false});
        } else if (flights_.size() + queue_.size() >= options_.max_pending) {
            Answer why = refusal(FaultKind::local_reject, make_error_code(Errc::queue_full),
                                 "max_pending commands are under way");
            ends.push_back({std::move(command), std::move(why), false});
        } else if (state_ == State::ready) {
            redisAsyncFormattedCommand(redis_, &Hooks::reply, nullptr, bytes.data(), bytes.size());
            add_flight({std::move(command), at, until});
            arm(std::min(until, at + options_.silence));
            ++unflushed_;
            if (now || unflushed_ >= write_after) {
                flush();
            } else {
                post_flush();
            }
        } else {
            queue_.push_back({std::string{bytes}, std::move(command), until});
            if (state_ == State::idle) {
                connect(at, ends);
            }
            arm(until);
        }
        if (redis_ == nullptr && state_ != State::idle && state_ != State::closed) {
            fail(broken_, at, ends);
        }
        follow();
    }
    tell(ends);
}

void Pipeline::connect(TimePoint now, Ends& ends) {
    if (now < not_before_) {
        fail(Answer{broken_}, now, ends);
        return;
    }
    const std::string address = context_.address();
    broken_ = {};
    state_ = State::connecting;
    connect_until_ = now + options_.connect_timeout;
    if (address.empty()) {
        fail(refusal(FaultKind::resolve, make_error_code(Errc::resolve_failed), ""), now, ends);
        return;
    }
    redis_ = redisAsyncConnect(address.c_str(), context_.port());
    if (redis_ == nullptr || redis_->err != 0) {
        const int system = errno;
        Answer why = redis_ == nullptr ? refusal(FaultKind::connect,
                                                 boost::asio::error::no_memory, "")
                                       : failure_of(redis_->err, redis_->errstr, system,
                                                    Phase::connecting, false);
        if (redis_ != nullptr) {
            redisAsyncFree(std::exchange(redis_, nullptr));
        }
        fail(std::move(why), now, ends);
        return;
    }
    set_socket_options(redis_->c.fd);
    slot_.serve(*redis_->c.reader);
    ++epoch_;
    descriptor_.emplace(executor_, redis_->c.fd);
    redis_->data = this;
    redis_->ev.data = this;
    redis_->ev.addRead = &Hooks::add_read;
    redis_->ev.delRead = &Hooks::del_read;
    redis_->ev.addWrite = &Hooks::add_write;
    redis_->ev.delWrite = &Hooks::del_write;
    redis_->ev.cleanup = &Hooks::cleanup;
    redisAsyncSetDisconnectCallback(redis_, &Hooks::disconnected);
    redisAsyncSetConnectCallback(redis_, &Hooks::connected);
    arm(connect_until_);
}

void Pipeline::begin_login(Ends& ends) {
    if (TlsSettings* tls = context_.tls(); tls != nullptr && !tls->start(redis_->c)) {
        broken_ = failure_of(redis_->c.err, redis_->c.errstr, 0, Phase::handshaking, false);
        broken_.fault = FaultKind::tls;
        broken_.cause = make_error_code(Errc::tls_failed);
        fail(broken_, now_, ends);
        return;
    }
    state_ = State::logging_in;
    progress_ = now_;
    login_.emplace(context_.credentials());
    for (const std::string& command : login_->commands()) {
        redisAsyncFormattedCommand(redis_, &Hooks::reply, nullptr, command.data(), command.size());
        add_flight({nullptr, now_, connect_until_});
    }
    flush();
}

void Pipeline::take_reply(void* reply) {
    if (reply == nullptr) {
        return; // the connection is going down: fail() sees to all that are under way
    }
    progress_ = now_;
    Flight flight = std::move(flights_.front());
    flights_.pop_front();
    Reply& from = ReplySlot::of(reply);
    if (flight.command == nullptr) {
        if (refusal_.empty() && !login_->take(from)) {
            refusal_ = login_->problem();
        }
        return;
    }
    Ended& ended = ends_->emplace_back();
    ended.command = std::move(flight.command);
    ended.answer.reply = std::move(from);
    ended.answer.written = true;
}

void Pipeline::logged_in() {
    identity_ = login_->identity();
    login_.reset();
    state_ = State::ready;
    pause_ = {};
    for (Queued& queued : queue_) {
        redisAsyncFormattedCommand(redis_, &Hooks::reply, nullptr, queued.bytes.data(),
                                   queued.bytes.size());
        add_flight({std::move(queued.command), now_, queued.until});
    }
    queue_.clear();
    flush();
    arm(now_ + options_.silence);
}

void Pipeline::flush() {
    unflushed_ = 0;
    if (redis_ != nullptr && wants_write_) {
        redisAsyncHandleWrite(redis_);
    }
}

void Pipeline::add_flight(Flight flight) {
    if (flights_.full()) {
        flights_.set_capacity(std::max<std::size_t>(64, flights_.capacity() * 2));
    }
    flights_.push_back(std::move(flight));
}

/// Waits for what hiredis wants next.
void Pipeline::follow() {
    if (redis_ == nullptr) {
        return;
    }
    using boost::asio::posix::stream_descriptor;
    if (wants_read_ && !reading_) {
        reading_ = true;
        descriptor_->async_wait(stream_descriptor::wait_read,
                                [weak = weak_from_this(), epoch = epoch_](const error_code&) {
                                    const auto self = weak.lock();
                                    if (self && self->epoch_is(epoch)) {
                                        self->on_readable();
                                    }
                                });
    }
    if (wants_write_ && !writing_ && unflushed_ == 0) {
        writing_ = true;
        descriptor_->async_wait(stream_descriptor::wait_write,
                                [weak = weak_from_this(), epoch = epoch_](const error_code&) {
                                    const auto self = weak.lock();
                                    if (self && self->epoch_is(epoch)) {
                                        self->on_writable();
                                    }
                                });
    }
}

bool Pipeline::epoch_is(std::uint64_t epoch) const {
    const std::lock_guard lock{mutex_};
    return redis_ != nullptr && epoch_ == epoch;
}

void Pipeline::on_readable() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        reading_ = false;
        ends.swap(spare_);
        if (redis_ != nullptr) {
            now_ = Clock::now();
            ends_ = &ends;
            redisAsyncHandleRead(redis_);
            after_events(ends);
            ends_ = nullptr;
        }
        follow();
    }
    tell(ends);
    ends.clear();
    const std::lock_guard lock{mutex_};
    spare_.swap(ends);
}

void Pipeline::on_writable() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        writing_ = false;
        if (redis_ != nullptr) {
            now_ = Clock::now();
            ends_ = &ends;
            redisAsyncHandleWrite(redis_);
            after_events(ends);
            ends_ = nullptr;
        }
        follow();
    }
    tell(ends);
}

/// hiredis has worked: what does it come to?
void Pipeline::after_events(Ends& ends) {
    if (redis_ == nullptr) {
        fail(broken_, now_, ends);
    } else if (state_ == State::connecting && (redis_->c.flags & REDIS_CONNECTED) != 0) {
        begin_login(ends);
    } else if (state_ == State::logging_in && !refusal_.empty()) {
        Answer why = refusal(FaultKind::connect, boost::asio::error::access_denied,
                             std::exchange(refusal_, {}));
        fail(std::move(why), now_, ends);
    } else if (state_ == State::logging_in && login_->complete()) {
        if (context_.accepts(login_->identity())) {
            logged_in();
        } else {
            fail(refusal(FaultKind::connect, boost::asio::error::connection_refused,
                         "another server process answers than the one that is known"),
                 now_, ends);
        }
    }
    if (redis_ == nullptr && state_ != State::idle && state_ != State::closed) {
        fail(broken_, now_, ends);
    }
}

/// Ends every command, and the connection.
void Pipeline::fail(Answer why, TimePoint now, Ends& ends) {
    const bool was_ready = state_ == State::ready;
    if (was_ready && !flights_.empty()) {
        context_.add_zombie(identity_); // before anybody hears of it
    }
    broken_ = why;
    if (redis_ != nullptr) {
        redisAsyncFree(redis_);
        redis_ = nullptr;
    }
    if (why.fault == FaultKind::none) {
        why.fault = FaultKind::reset;
        why.cause = boost::asio::error::connection_reset;
    }
    for (Flight& flight : flights_) {
        if (flight.command != nullptr) {
            why.phase = Phase::waiting;
            why.written = true;
            ends.push_back({std::move(flight.command), why, false});
        }
    }
    flights_.clear();
    why.phase = Phase::connecting;
    why.written = false;
    if (why.fault == FaultKind::reset || why.fault == FaultKind::timeout) {
        why.fault = FaultKind::connect;
    }
    for (Queued& queued : queue_) {
        ends.push_back({std::move(queued.command), why, false});
    }
    queue_.clear();
    login_.reset();
    if (state_ == State::connecting || state_ == State::logging_in) {
        pause_ = std::clamp(pause_ * 2, shortest_pause, longest_pause);
        not_before_ = now + pause_;
    }
    if (state_ != State::closed) {
        state_ = State::idle;
    }
    unflushed_ = 0;
}

/// hiredis is about to close the socket.
void Pipeline::let_go() {
    if (descriptor_) {
        descriptor_->release();
        descriptor_.reset();
    }
    redis_ = nullptr;
    reading_ = writing_ = wants_read_ = wants_write_ = false;
}

void Pipeline::drop() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        not_before_ = {};
        pause_ = {};
        if (redis_ != nullptr) {
            Answer why = refusal(FaultKind::reset, boost::asio::error::connection_aborted,
                                 "the node was taken out of use");
            fail(std::move(why), Clock::now(), ends);
            not_before_ = {};
        }
    }
    tell(ends);
}

void Pipeline::close() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        if (state_ != State::closed) {
            state_ = state_ == State::ready ? State::ready : State::closed;
            Answer why = refusal(FaultKind::cancelled, boost::asio::error::operation_aborted,
                                 "the cache was stopped");
            fail(std::move(why), Clock::now(), ends);
            state_ = State::closed;
            timer_.cancel();
        }
    }
    tell(ends);
}

void Pipeline::arm(TimePoint due) {
    if (armed_ && *armed_ <= due) {
        return;
    }
    armed_ = due;
    timer_.expires_at(due);
    timer_.async_wait([weak = weak_from_this()](const error_code& error) {
        if (const auto self = weak.lock(); self && !error) {
            self->on_timer();
        }
    });
}

void Pipeline::on_timer() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        armed_.reset();
        const TimePoint now = Clock::now();
        if (state_ == State::connecting || state_ == State::logging_in) {
            if (now >= connect_until_) {
                fail(refusal(FaultKind::connect, boost::asio::error::timed_out,
                             "no connection within connect_timeout"),
                     now, ends);
            } else {
                arm(std::min(connect_until_, expire_queued(now, ends)));
            }
        } else if (state_ == State::ready && !flights_.empty()) {
            const TimePoint due =
                std::max(flights_.front().sent, progress_) + options_.silence;
            if (now >= due) {
                Answer why;
                why.fault = FaultKind::timeout;
                why.cause = boost::asio::error::timed_out;
                why.text = "the server is silent; the connection was closed";
                fail(std::move(why), now, ends);
            } else {
                arm(std::min(due, expire_flights(now, ends)));
            }
        }
    }
    tell(ends);
}

/// When the next one expires.
TimePoint Pipeline::expire_queued(TimePoint now, Ends& ends) {
    TimePoint next = TimePoint::max();
    std::deque<Queued> left;
    for (Queued& queued : queue_) {
        if (queued.until <= now) {
            ends.push_back({std::move(queued.command),
                            refusal(FaultKind::connect, boost::asio::error::timed_out,
                                    "no connection in time"),
                            false});
        } else {
            next = std::min(next, queued.until);
            left.push_back(std::move(queued));
        }
    }
    queue_.swap(left);
    return next;
}

TimePoint Pipeline::expire_flights(TimePoint now, Ends& ends) {
    TimePoint next = TimePoint::max();
    for (Flight& flight : flights_) {
        if (flight.expired) {
            continue;
        }
        if (flight.until <= now) {
            flight.expired = true;
            ends.push_back({flight.command, {}, true});
        } else {
            next = std::min(next, flight.until);
        }
    }
    return next;
}

void Pipeline::post_flush() {
    if (flush_posted_) {
        return;
    }
    flush_posted_ = true;
    boost::asio::post(executor_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->flush_now();
        }
    });
}

void Pipeline::flush_now() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        flush_posted_ = false;
        flush();
        if (redis_ == nullptr && state_ != State::idle && state_ != State::closed) {
            fail(broken_, Clock::now(), ends);
        }
        follow();
    }
    tell(ends);
}

void Pipeline::tell(Ends& ends) {
    for (Ended& ended : ends) {
        if (ended.expired) {
            ended.command->expired();
        } else {
            ended.command->done(std::move(ended.answer));
        }
    }
}

bool Pipeline::connected() const {
    const std::lock_guard lock{mutex_};
    return state_ == State::ready;
}

std::size_t Pipeline::pending() const {
    const std::lock_guard lock{mutex_};
    return flights_.size() + queue_.size();
}

} // namespace failover::redis
