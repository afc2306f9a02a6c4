// SPDX-License-Identifier: MIT
#include "session.hpp"

#include "no_sigpipe.hpp"
#include "reply_slot.hpp"
#include "socket_options.hpp"
#include "tls_settings.hpp"

#include <boost/asio/error.hpp>

#include <hiredis/hiredis.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace failover::redis {

using cache::Answer;

namespace {

/// Shuts the socket down when the call is aborted.
class AbortSocket final : public Abortable {
public:
    explicit AbortSocket(int socket) noexcept : socket_{socket} {}
    void abort() noexcept override { ::shutdown(socket_, SHUT_RDWR); }

private:
    int socket_;
};

/// poll() in nanoseconds. 1: ready, 0: time is over, -1: errno.
int poll_until(int socket, short events, TimePoint until) noexcept {
    pollfd watched{.fd = socket, .events = events, .revents = 0};
    for (;;) {
        const Duration left = until - Clock::now();
        if (left <= Duration::zero()) {
            return ::poll(&watched, 1, 0);
        }
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec limit{.tv_sec = static_cast<time_t>(seconds.count()),
                             .tv_nsec = static_cast<long>((left - seconds).count())};
        const int ready = ::ppoll(&watched, 1, &limit, nullptr);
        if (ready >= 0 || errno != EINTR) {
            return ready;
        }
    }
}

} // namespace

cache::Opened HiredisSession::open(LinkContext& context, TimePoint until, CallControl* control,
                                   bool any_server) {
    const std::string address = context.address();
    if (address.empty()) {
        return {nullptr, Answer::without_reply(FaultKind::resolve, Phase::queued, false,
                                               make_error_code(Errc::resolve_failed))};
    }
    redisContext* const redis = redisConnectNonBlock(address.c_str(), context.port());
    if (redis == nullptr || redis->err != 0) {
        const int system = errno;
        Answer why = redis == nullptr
                         ? Answer::without_reply(FaultKind::connect, Phase::connecting, false,
                                                 boost::asio::error::no_memory)
                         : failure_of(redis->err, redis->errstr, system, Phase::connecting, false);
        redisFree(redis);
        return {nullptr, std::move(why)};
    }
    std::unique_ptr<HiredisSession> made{new HiredisSession{context, redis}};
    set_socket_options(redis->fd);
    made->slot_.serve(*redis->reader);
    Answer connected = made->wait(POLLOUT, until, control);
    if (connected.fault != FaultKind::none) {
        context.connect_failed();
        connected.fault = FaultKind::connect;
        connected.phase = Phase::connecting;
        connected.written = false;
        return {nullptr, std::move(connected)};
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        context.connect_failed();
        return {nullptr,
                Answer::without_reply(FaultKind::connect, Phase::connecting, false,
                                      error_code{error, boost::system::system_category()})};
    }
    redis->flags |= REDIS_CONNECTED;
    Answer welcome = made->log_in(until, control, any_server);
    if (welcome.fault != FaultKind::none) {
        // Nothing of the caller's was sent.
        welcome.written = false;
        if (welcome.fault == FaultKind::reset || welcome.fault == FaultKind::timeout) {
            welcome.fault = FaultKind::connect;
        }
        return {nullptr, std::move(welcome)};
    }
    return {std::move(made), {}};
}

HiredisSession::~HiredisSession() {
    end();
}

void HiredisSession::end() noexcept {
    if (redis_ != nullptr) {
        redisFree(redis_);
        redis_ = nullptr;
    }
}

Answer HiredisSession::log_in(TimePoint until, CallControl* control, bool any_server) {
    if (TlsSettings* tls = context_.tls(); tls != nullptr && !tls->start(*redis_)) {
        return Answer::without_reply(FaultKind::tls, Phase::handshaking, false,
                                     make_error_code(Errc::tls_failed), redis_->errstr);
    }
    Login login{context_.credentials()};
    for (const std::string& command : login.commands()) {
        redisAppendFormattedCommand(redis_, command.data(), command.size());
    }
    unsent_ = true;
    bool heard = false;
    while (!login.complete()) {
        busy_ = false; // a log-in leaves no zombie
        Answer answer = receive(until, control);
        if (answer.fault != FaultKind::none) {
            // What the handshake found wrong shows as a connection that breaks at once.
            if (answer.fault == FaultKind::reset && context_.tls() != nullptr && !heard) {
                answer.fault = FaultKind::tls;
                answer.phase = Phase::handshaking;
                answer.cause = make_error_code(Errc::tls_failed);
            }
            return answer;
        }
        heard = true;
        if (!login.take(answer.reply)) {
            return Answer::without_reply(FaultKind::connect, Phase::handshaking, false,
                                         boost::asio::error::access_denied, login.problem());
        }
    }
    identity_ = login.identity();
    if (!any_server && !context_.accepts(identity_)) {
        return Answer::without_reply(FaultKind::connect, Phase::handshaking, false,
                                     boost::asio::error::connection_refused,
                                     "another server process answers than the one that is known");
    }
    return {};
}

void HiredisSession::send(std::string_view bytes) {
    busy_ = true;
    if (context_.tls() == nullptr && !unsent_) {
        // Past hiredis, whose write() takes two more system calls to keep SIGPIPE away.
        const ssize_t sent = ::send(redis_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            unsendable_ = errno; // shows in receive()
            busy_ = false;       // nothing of it left
            return;
        }
        bytes.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
        if (bytes.empty()) {
            return;
        }
    }
    redisAppendFormattedCommand(redis_, bytes.data(), bytes.size());
    unsent_ = true;
    static_cast<void>(write()); // an error shows in receive()
}

bool HiredisSession::write() {
    NoSigpipe quiet;
    int done = 0;
    const bool good = redisBufferWrite(redis_, &done) == REDIS_OK;
    if (!good) {
        quiet.broken();
    }
    unsent_ = done == 0;
    return good;
}

bool HiredisSession::read() {
    if (context_.tls() == nullptr) {
        return redisBufferRead(redis_) == REDIS_OK;
    }
    NoSigpipe quiet; // TLS writes when it reads, too
    const bool good = redisBufferRead(redis_) == REDIS_OK;
    if (!good) {
        quiet.broken();
    }
    return good;
}

Answer HiredisSession::receive(TimePoint until, CallControl* control) {
    for (;;) {
        // Of several replies that came together the later ones are there already.
        void* reply = nullptr;
        if (redisGetReplyFromReader(redis_, &reply) != REDIS_OK) {
            return broken(Phase::waiting, true);
        }
        if (reply != nullptr) {
            busy_ = false;
            Answer answer;
            answer.written = true;
            answer.reply = std::move(ReplySlot::of(reply));
            return answer;
        }
        if (unsendable_ != 0) {
            Answer why =
                failure_of({unsendable_, boost::system::system_category()}, Phase::sending, false);
            lose();
            return why;
        }
        if (unsent_ && (redis_->err != 0 || !write())) {
            return broken(Phase::sending, true);
        }
        Answer ready =
            wait(static_cast<short>(unsent_ ? POLLIN | POLLOUT : POLLIN), until, control);
        if (ready.fault != FaultKind::none) {
            lose();
            return ready;
        }
        if (unsent_) {
            // Only once there is something: a read that finds nothing is no error to hiredis.
            pollfd readable{.fd = redis_->fd, .events = POLLIN, .revents = 0};
            if (::poll(&readable, 1, 0) <= 0) {
                continue;
            }
        }
        if (!read()) {
            return broken(Phase::waiting, true);
        }
    }
}

Answer HiredisSession::wait(short events, TimePoint until, CallControl* control) {
    const int socket = redis_->fd;
    int ready = 0;
    if (control != nullptr) {
        AbortSocket abort{socket};
        const Waiting waiting{*control, abort};
        ready = waiting.entered() ? poll_until(socket, events, until) : -2;
        if (control->aborted()) {
            ready = -2;
        }
    } else {
        ready = poll_until(socket, events, until);
    }
    if (ready > 0) {
        return {};
    }
    if (ready == 0) {
        return Answer::late("the server is silent; the connection was closed");
    }
    if (ready == -2) {
        return Answer::given_up();
    }
    return Answer::without_reply(FaultKind::reset, Phase::waiting, true,
                                 error_code{errno, boost::system::system_category()});
}

/// It ends with a command that may be under way.
void HiredisSession::lose() {
    if (busy_) {
        context_.add_zombie(identity_);
    }
    end();
}

/// hiredis says why.
Answer HiredisSession::broken(Phase phase, bool written) {
    const int system = errno;
    Answer why = failure_of(redis_->err, redis_->errstr, system, phase, written);
    lose();
    return why;
}

bool HiredisSession::quiet() const noexcept {
    pollfd watched{.fd = redis_->fd, .events = POLLIN | POLLRDHUP, .revents = 0};
    return ::poll(&watched, 1, 0) == 0;
}

} // namespace failover::redis
