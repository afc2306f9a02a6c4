// SPDX-License-Identifier: MIT
#include "pipeline.hpp"
#include "pipeline_hooks.hpp"
#include "socket_options.hpp"
#include "tls_settings.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <utility>

// How a pipeline comes to its connection, and how it loses it.

namespace failover::redis {

using cache::Answer;

namespace {

// As hiredis reads at a time.
constexpr std::size_t receive_size = std::size_t{16} << 10U;
constexpr Duration shortest_pause = std::chrono::milliseconds{50};
constexpr Duration longest_pause = std::chrono::seconds{2};

} // namespace

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
        Answer why =
            redis_ == nullptr
                ? refusal(FaultKind::connect, boost::asio::error::no_memory, "")
                : failure_of(redis_->err, redis_->errstr, system, Phase::connecting, false);
        if (redis_ != nullptr) {
            redisAsyncFree(std::exchange(redis_, nullptr));
        }
        fail(std::move(why), now, ends);
        return;
    }
    set_socket_options(redis_->c.fd);
    slot_.serve(*redis_->c.reader);
    if (const error_code error = take_socket()) {
        redisAsyncFree(std::exchange(redis_, nullptr));
        fail(refusal(FaultKind::connect, error, "the socket cannot be watched"), now, ends);
        return;
    }
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

error_code Pipeline::take_socket() {
    ++epoch_;
    int family = AF_INET;
    socklen_t size = sizeof family;
    ::getsockopt(redis_->c.fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    error_code error;
    socket_.emplace(executor_);
    socket_->assign({family, IPPROTO_TCP}, redis_->c.fd, error);
    if (error) {
        socket_.reset();
    }
    return error;
}

/// What hiredis was given has been written and answered.
void Pipeline::go_direct() {
    if (context_.tls() == nullptr) {
        direct_ = true;
        wants_write_ = false;
        in_.resize(receive_size);
    }
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
    refusal_.clear();
    for (const std::string& command : login_->commands()) {
        send(command, {nullptr, now_, connect_until_}, ends);
    }
    flush();
}

void Pipeline::logged_in(Ends& ends) {
    identity_ = login_->identity();
    login_.reset();
    state_ = State::ready;
    pause_ = {};
    go_direct();
    for (Queued& queued : queue_) {
        send(queued.bytes, {std::move(queued.command), now_, queued.until}, ends);
    }
    queue_.clear();
    flush();
    arm(now_ + options_.silence);
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
        context_.connect_failed();
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
    if (socket_) {
        error_code ignored;
        socket_->release(ignored);
        socket_.reset();
    }
    redis_ = nullptr;
    reading_ = writing_ = wants_read_ = wants_write_ = direct_ = false;
    out_.clear();
    out_begin_ = 0;
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
    tell(ends, false);
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
            timer_.reset(); // the context may be gone before this is
        }
    }
    tell(ends, false);
}

} // namespace failover::redis
