// SPDX-License-Identifier: MIT
#include "pipeline.hpp"

#include "pipeline_hooks.hpp"
#include <failover/engine/parked.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::redis {

using cache::Answer;

namespace {

// Commands gathered before they are written without waiting for more: the server works on them
// while the next ones are made.
constexpr std::size_t write_after = 32;

/// The pipeline whose answers this thread is handing out: it writes itself when it is done.
thread_local const Pipeline* corked = nullptr;

} // namespace

Pipeline::Pipeline(const boost::asio::any_io_executor& executor, LinkContext& context,
                   const PipelineOptions& options)
    : executor_{executor}, context_{context}, options_{options}, timer_{executor} {}

Pipeline::~Pipeline() {
    close();
}

void Pipeline::submit(std::string_view bytes, std::shared_ptr<cache::Command> command, TimePoint at,
                      TimePoint until, bool now) {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        if (state_ == State::closed) {
            Answer why = refusal(FaultKind::cancelled, make_error_code(Errc::not_running),
                                 "the cache was stopped");
            ends.push_back({std::move(command), std::move(why), false});
        } else if (flights_.size() + queue_.size() >= options_.max_pending) {
            Answer why = refusal(FaultKind::local_reject, make_error_code(Errc::queue_full),
                                 "max_pending commands are under way");
            ends.push_back({std::move(command), std::move(why), false});
        } else if (state_ == State::ready) {
            send(bytes, {std::move(command), at, until}, ends);
            arm(std::min(until, at + options_.silence));
            ++unflushed_;
            if (now || unflushed_ >= write_after) {
                flush();
            } else if (corked != this) {
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
    tell(ends, false);
}

void Pipeline::take_reply(void* reply) {
    if (reply == nullptr) {
        return; // the connection is going down: fail() sees to all that are under way
    }
    progress_ = now_;
    if (flights_.empty()) {
        return; // nobody asked: hiredis ends the connection
    }
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
    ended.answer.at = now_;
}

void Pipeline::flush() {
    unflushed_ = 0;
    if (redis_ == nullptr) {
        return;
    }
    if (direct_) {
        write_out();
    } else if (wants_write_) {
        write();
    }
}

/// hiredis counts what it is given: a command it did not take must not have a place among those
/// that are answered.
void Pipeline::send(std::string_view bytes, Flight flight, Ends& ends) {
    if (direct_) {
        out_.append(bytes);
        add_flight(std::move(flight));
    } else if (redisAsyncFormattedCommand(redis_, &Hooks::reply, nullptr, bytes.data(),
                                          bytes.size()) == REDIS_OK) {
        add_flight(std::move(flight));
    } else if (flight.command != nullptr) {
        ends.push_back({std::move(flight.command),
                        refusal(FaultKind::local_reject, boost::asio::error::no_memory,
                                "hiredis did not take the command"),
                        false});
    }
}

void Pipeline::add_flight(Flight flight) {
    if (flights_.full()) {
        flights_.set_capacity(std::max<std::size_t>(64, flights_.capacity() * 2));
    }
    flights_.push_back(std::move(flight));
}

void Pipeline::on_readable(std::uint64_t epoch) {
    on_replies(epoch, [this] {
        if (!direct_) {
            read();
        }
    });
}

void Pipeline::on_received(std::uint64_t epoch, const error_code& error, std::size_t size) {
    on_replies(epoch, [&] {
        if (error) {
            lose(failure_of(error, Phase::waiting, true));
        } else {
            take_received(size);
        }
    });
}

/// `work`: takes what came.
template <class Work>
void Pipeline::on_replies(std::uint64_t epoch, const Work& work) {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        if (redis_ == nullptr || epoch_ != epoch) {
            return; // of a connection that is gone
        }
        reading_ = false;
        ends.swap(spare_);
        now_ = Clock::now();
        ends_ = &ends;
        work();
        after_events(ends);
        ends_ = nullptr;
        follow();
    }
    corked = this;
    tell(ends, true);
    corked = nullptr;
    ends.clear();
    // What was made of the answers goes out together.
    flush_now(&ends);
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
            logged_in(ends);
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

void Pipeline::post_flush() {
    if (flush_posted_) {
        return;
    }
    flush_posted_ = true;
    boost::asio::post(executor_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->flush_now(nullptr);
        }
    });
}

/// `spare`: memory for a later turn; null: none, and it was posted.
void Pipeline::flush_now(Ends* spare) {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        if (spare != nullptr) {
            spare_.swap(*spare);
        } else {
            flush_posted_ = false;
        }
        flush();
        if (redis_ == nullptr && state_ != State::idle && state_ != State::closed) {
            fail(broken_, Clock::now(), ends);
        }
        follow();
    }
    tell(ends, false);
}

/// `here`: no lock is held anywhere, so that coroutines may go on at once.
void Pipeline::tell(Ends& ends, bool here) {
    if (ends.empty()) {
        return;
    }
    const ResumeHere resume{here};
    for (Ended& ended : ends) {
        if (ended.expired) {
            ended.command->expired();
        } else {
            ended.command->done(std::move(ended.answer));
        }
    }
}

std::string Pipeline::run_id() const {
    const std::lock_guard lock{mutex_};
    return state_ == State::ready ? identity_.run_id : std::string{};
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
