// SPDX-License-Identifier: MIT
#include "connect_race.hpp"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <utility>

namespace failover::postgres {
namespace {

/// How long an address has for itself to accept the connection. RFC 8305's.
constexpr Duration head_start = std::chrono::milliseconds{250};
/// Who can wait for one socket only looks at the others this often.
constexpr Duration glance = std::chrono::milliseconds{10};

pollfd wish(const ConnectAttempt& attempt, ConnectStep step) noexcept {
    const int events = step == ConnectStep::wait_readable ? POLLIN : POLLOUT;
    return {attempt.socket(), static_cast<short>(events), 0};
}

bool ready(const ConnectAttempt& attempt, ConnectStep step) noexcept {
    pollfd one = wish(attempt, step);
    return ::poll(&one, 1, 0) != 0;
}

} // namespace

ConnectStep ConnectRace::advance(TimePoint now) {
    for (std::size_t i = 0; i < running_.size();) {
        const std::size_t before = running_.size();
        if (ready(running_[i].attempt, running_[i].step)) {
            if (const std::optional<ConnectStep> end = step(i)) {
                return *end;
            }
        }
        i += running_.size() == before ? 1 : 0;
    }
    while (may_start(now)) {
        start(now);
        if (const std::optional<ConnectStep> end = step(running_.size() - 1)) {
            return *end;
        }
    }
    return running_.empty() ? ConnectStep::failed : running_.back().step;
}

bool ConnectRace::wants_next() const noexcept {
    return has_next() && std::none_of(running_.begin(), running_.end(),
                                      [](const Running& one) { return one.attempt.reached(); });
}

bool ConnectRace::may_start(TimePoint now) const noexcept {
    return wants_next() && (running_.empty() || now >= next_at_);
}

void ConnectRace::start(TimePoint now) {
    const boost::asio::ip::address* const address =
        addresses_.empty() ? nullptr : &addresses_[next_];
    ++next_;
    next_at_ = now + head_start;
    running_.push_back({ConnectAttempt{info_, address}, ConnectStep::wait_writable});
}

/// Of the race, when it has ended.
std::optional<ConnectStep> ConnectRace::step(std::size_t index) {
    Running& one = running_[index];
    one.step = one.attempt.step();
    if (one.step == ConnectStep::done) {
        winner_ = one.attempt.take();
        running_.clear();
        return ConnectStep::done;
    }
    if (one.step == ConnectStep::failed) {
        failed_ = one.attempt.failure(false);
        next_at_ = {}; // the next one need not wait for those that hang
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
        if (!failed_->sqlstate.empty()) {
            running_.clear();
            return ConnectStep::failed;
        }
    }
    return std::nullopt;
}

TimePoint ConnectRace::look_again(TimePoint now) const noexcept {
    if (running_.size() > 1) {
        return now + glance;
    }
    return wants_next() ? next_at_ : TimePoint::max();
}

void ConnectRace::wait(TimePoint until) const {
    std::vector<pollfd> all;
    for (const Running& one : running_) {
        all.push_back(wish(one.attempt, one.step));
    }
    const TimePoint now = Clock::now();
    const TimePoint end = wants_next() ? std::min(until, next_at_) : until;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now).count();
    constexpr std::chrono::milliseconds::rep most = 60'000;
    static_cast<void>(::poll(all.data(), all.size(),
                             static_cast<int>(std::clamp<decltype(left)>(left, 0, most))));
}

SqlFailure ConnectRace::failure(bool timed_out) const {
    return running_.empty() && failed_ ? *failed_ : running_.back().attempt.failure(timed_out);
}

std::variant<PgHandle, SqlFailure> connect(const Conninfo& info,
                                           std::vector<boost::asio::ip::address> addresses,
                                           TimePoint until) {
    ConnectRace race{info, std::move(addresses)};
    for (;;) {
        const TimePoint now = Clock::now();
        const ConnectStep step = race.advance(now);
        if (step == ConnectStep::done) {
            return race.take();
        }
        if (step == ConnectStep::failed) {
            return race.failure(false);
        }
        if (now >= until) {
            return race.failure(true);
        }
        race.wait(until);
    }
}

} // namespace failover::postgres
