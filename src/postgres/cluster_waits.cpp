// SPDX-License-Identifier: MIT
#include "cluster.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// Calls that wait: for a primary, for a standby to catch up, for time to pass.

namespace failover::postgres {
namespace {

/// A loss of the primary that is over sooner is none: one connection broke, and the node proved
/// again what it is. Longer ones are outages, which the write buffer counts.
constexpr Duration moment = std::chrono::milliseconds{500};

} // namespace

/// Wakes the calls that wait here when one of them is aborted; each looks for itself.
class Cluster::Awakened final : public Abortable {
public:
    explicit Awakened(Cluster& cluster) noexcept : cluster_{cluster} {}
    void abort() noexcept override {
        // The lock orders this after the waiter's last look at its control.
        { const std::lock_guard lock{cluster_.mutex_}; }
        cluster_.changed_.notify_all();
    }

private:
    Cluster& cluster_;
};

Node* Cluster::await_primary(TimePoint until, CallControl& control, DrainSlot& slot, NoPrimary& why,
                             PrimaryUse use) {
    slot.release(); // who waits again lets the others go on, and takes a place like any of them
    // Perhaps only the proof is old: ask, and wait for what comes of it.
    listener_.on_doubt(nullptr);
    Awakened awakened{*this};
    const Waiting waiting{control, awakened};
    std::unique_lock lock{mutex_};
    const bool writes = use == PrimaryUse::write;
    const BufferAnswer answer = enter(use, Clock::now());
    if (answer != BufferAnswer::admitted) {
        why = {NoPrimary::Why::refused, std::string{"it may not wait for one ("} +
                                            to_string(answer) + "): " + explain_locked()};
        return nullptr;
    }
    waiting_writes_ += writes ? 1 : 0;
    under_way_ -= writes ? 1 : 0;
    Node* found = nullptr;
    for (;;) {
        lock.unlock();
        const bool aborted = !waiting.entered() || control.aborted();
        lock.lock();
        if (aborted) {
            why = {NoPrimary::Why::aborted, {}};
            break;
        }
        const TimePoint now = Clock::now();
        found = primary(now, use);
        if (found != nullptr && !(writes && drains_)) {
            break;
        }
        if (found != nullptr && buffer_.proceed()) {
            slot.cluster_ = this;
            break;
        }
        found = nullptr;
        const TimePoint limit = use == PrimaryUse::look ? until : wait_limit(now, until);
        if (now >= limit) {
            why = {NoPrimary::Why::timed_out, explain_locked()};
            break;
        }
        changed_.wait_until(lock, limit);
    }
    waiting_writes_ -= writes ? 1 : 0;
    under_way_ += writes ? 1 : 0;
    if (writes && slot.cluster_ == nullptr) {
        buffer_.leave();
    }
    return found;
}

/// The buffer's places are the writes'. A look into a commit is none that could pile up, and has a
/// limit of its own.
BufferAnswer Cluster::enter(PrimaryUse use, TimePoint now) {
    switch (use) {
        case PrimaryUse::write:
            return buffer_.enter(now);
        case PrimaryUse::read:
            return buffer_.may_wait(now);
        case PrimaryUse::look:
            break;
    }
    return BufferAnswer::admitted;
}

/// Until when those that wait may, as things stand.
TimePoint Cluster::wait_limit(TimePoint now, TimePoint until) {
    if (paused_ || has_primary_) {
        return until;
    }
    if (!outage_told_) {
        const TimePoint moment_over = without_primary_since_ + moment;
        if (now < moment_over) {
            return std::min(until, moment_over);
        }
        outage_told_ = true;
        drains_ = true;
        buffer_.primary_lost(now);
    }
    return std::min(until, buffer_.waits_until().value_or(until));
}

void Cluster::drained() {
    {
        const std::lock_guard lock{mutex_};
        buffer_.done();
        drains_ = drains_ && buffer_.waiting() > 0;
    }
    changed_.notify_all();
}

bool Cluster::wait_changed(TimePoint until, CallControl& control) {
    Awakened awakened{*this};
    const Waiting waiting{control, awakened};
    if (!waiting.entered()) {
        return false;
    }
    {
        std::unique_lock lock{mutex_};
        changed_.wait_until(lock, until);
    }
    return !control.aborted();
}

bool Cluster::sleep(TimePoint until, CallControl& control) {
    Awakened awakened{*this};
    const Waiting waiting{control, awakened};
    while (waiting.entered() && !control.aborted()) {
        std::unique_lock lock{mutex_};
        if (changed_.wait_until(lock, until) == std::cv_status::timeout) {
            return true;
        }
        if (Clock::now() >= until) {
            return true;
        }
    }
    return false;
}

std::uint64_t Cluster::holders(const CausalToken& token) const {
    const std::lock_guard lock{mutex_};
    std::uint64_t found = 0;
    for (const std::unique_ptr<Node>& node : nodes_) {
        const NodeReport& last = watched_[node->index].last;
        const TokenState state = check_token(token, last.system_id, last.timeline, last.position);
        if (last.in_recovery && state == TokenState::reached) {
            found |= std::uint64_t{1} << node->index;
        }
    }
    return found;
}

bool Cluster::ask_and_wait(TimePoint until, CallControl& control) {
    constexpr Duration pace = std::chrono::milliseconds{5};
    listener_.on_doubt(nullptr);
    return wait_changed(std::min(until, Clock::now() + pace), control);
}

void Cluster::pause() {
    {
        const std::lock_guard lock{mutex_};
        paused_.store(true);
        buffer_.pause_writes();
    }
    listener_.on_event(event(EventKind::writes_paused, nullptr, "by an operator"));
}

void Cluster::resume() {
    {
        const std::lock_guard lock{mutex_};
        paused_.store(false);
        buffer_.resume(Clock::now());
        drains_ = drains_ || buffer_.waiting() > 0; // the new primary is not to be overrun
    }
    changed_.notify_all();
    listener_.on_event(event(EventKind::writes_resumed, nullptr, "by an operator"));
}

} // namespace failover::postgres
