// SPDX-License-Identifier: MIT
#include "no_sigpipe.hpp"
#include "pipeline.hpp"
#include "pipeline_hooks.hpp"

#include <boost/asio/buffer.hpp>

#include <cerrno>
#include <sys/socket.h>
#include <utility>

// The bytes of a pipeline, from and to its socket; by way of hiredis's asynchronous API or past it.

namespace failover::redis {

using cache::Answer;

namespace {

// Memory for commands that is kept; a large one gives it back.
constexpr std::size_t most_kept = std::size_t{64} << 10U;

} // namespace

void Pipeline::read() {
    if (context_.tls() == nullptr) {
        redisAsyncHandleRead(redis_);
        return;
    }
    NoSigpipe quiet; // TLS writes when it reads, too
    redisAsyncHandleRead(redis_);
    if (redis_ == nullptr) {
        quiet.broken();
    }
}

void Pipeline::write() {
    NoSigpipe quiet;
    redisAsyncHandleWrite(redis_);
    if (redis_ == nullptr) {
        quiet.broken();
    }
}

/// As much as the socket takes.
void Pipeline::write_out() {
    while (out_begin_ < out_.size()) {
        const ssize_t written =
            ::send(redis_->c.fd, out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
        if (written >= 0) {
            out_begin_ += static_cast<std::size_t>(written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            lose(failure_of({errno, boost::system::system_category()}, Phase::waiting, true));
            return;
        }
    }
    wants_write_ = out_begin_ < out_.size();
    if (!wants_write_ && out_.capacity() > most_kept) {
        std::string{}.swap(out_);
    }
    if (out_begin_ > out_.size() / 2) {
        out_.erase(0, out_begin_);
        out_begin_ = 0;
    }
}

/// The connection cannot be used any more.
void Pipeline::lose(Answer why) {
    broken_ = std::move(why);
    redisAsyncFree(redis_); // let_go() hears of it
}

/// Past hiredis's asynchronous API.
void Pipeline::take_received(std::size_t size) {
    redisReader* const reader = redis_->c.reader;
    void* reply = nullptr;
    int state = redisReaderFeed(reader, in_.data(), size);
    while (state == REDIS_OK) {
        state = redisReaderGetReply(reader, &reply);
        if (state != REDIS_OK || reply == nullptr) {
            break;
        }
        if (flights_.empty()) {
            lose(failure_of(REDIS_ERR_OTHER, "a reply nobody asked for", 0, Phase::waiting, true));
            return;
        }
        take_reply(reply);
    }
    if (state != REDIS_OK) {
        lose(failure_of(reader->err, reader->errstr, 0, Phase::waiting, true));
    }
}

/// Waits for what hiredis wants next.
void Pipeline::follow() {
    if (redis_ == nullptr) {
        return;
    }
    using Socket = boost::asio::generic::stream_protocol::socket;
    if (direct_) {
        if (!reading_) {
            receive();
        }
    } else if (wants_read_ && !reading_) {
        reading_ = true;
        socket_->async_wait(Socket::wait_read,
                            [weak = weak_from_this(), epoch = epoch_](const error_code&) {
                                if (const auto self = weak.lock()) {
                                    self->on_readable(epoch);
                                }
                            });
    }
    if (wants_write_ && !writing_ && unflushed_ == 0) {
        writing_ = true;
        socket_->async_wait(Socket::wait_write,
                            [weak = weak_from_this(), epoch = epoch_](const error_code&) {
                                if (const auto self = weak.lock()) {
                                    self->on_writable(epoch);
                                }
                            });
    }
}

void Pipeline::receive() {
    reading_ = true;
    socket_->async_receive(
        boost::asio::buffer(in_),
        [weak = weak_from_this(), epoch = epoch_](const error_code& error, std::size_t size) {
            if (const auto self = weak.lock()) {
                self->on_received(epoch, error, size);
            }
        });
}

void Pipeline::on_writable(std::uint64_t epoch) {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        if (redis_ == nullptr || epoch_ != epoch) {
            return;
        }
        writing_ = false;
        now_ = Clock::now();
        ends_ = &ends;
        if (direct_) {
            write_out();
        } else {
            write();
        }
        after_events(ends);
        ends_ = nullptr;
        follow();
    }
    tell(ends, false);
}

} // namespace failover::redis
