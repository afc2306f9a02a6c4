// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>

namespace failover {

/// Something a call can be suspended in. abort() wakes it, from any thread.
class Abortable {
public:
    virtual void abort() noexcept = 0;

protected:
    ~Abortable() = default;
};

/// The handle by which stop(), or the winner of a hedge, ends a call that is suspended elsewhere.
/// The call enters what it is about to wait for; abort() reaches whatever that is at the moment.
/// Threads    abort() from any thread; enter() and leave() from the call.
class CallControl {
public:
    CallControl() = default;
    CallControl(const CallControl&) = delete;
    CallControl& operator=(const CallControl&) = delete;

    /// About to wait in `target`. False when the call was aborted already: do not wait.
    [[nodiscard]] bool enter(Abortable& target) noexcept {
        const std::lock_guard lock{mutex_};
        if (aborted_) {
            return false;
        }
        current_ = &target;
        return true;
    }

    /// No longer waiting. After it has returned, abort() does not touch the target.
    void leave() noexcept {
        const std::lock_guard lock{mutex_};
        current_ = nullptr;
    }

    void abort() noexcept {
        const std::lock_guard lock{mutex_};
        aborted_ = true;
        if (current_ != nullptr) {
            current_->abort();
        }
    }

    [[nodiscard]] bool aborted() const noexcept {
        const std::lock_guard lock{mutex_};
        return aborted_;
    }

private:
    mutable std::mutex mutex_;
    Abortable* current_ = nullptr;
    bool aborted_ = false;
};

/// enter() and leave() as a scope.
class Waiting {
public:
    Waiting(CallControl& control, Abortable& target) noexcept
        : control_{control}, entered_{control.enter(target)} {}
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() {
        if (entered_) {
            control_.leave();
        }
    }
    /// False: the call was aborted, do not wait.
    [[nodiscard]] bool entered() const noexcept { return entered_; }

private:
    CallControl& control_;
    bool entered_;
};

} // namespace failover
