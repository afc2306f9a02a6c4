// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <ctime>

namespace failover::redis {

/// hiredis writes with write(), which raises SIGPIPE when the peer has closed the connection. While
/// one of these exists it is not raised in this thread, and one that was kept back is taken away,
/// as libpq does it: a library must neither end the process nor change how it treats signals.
class NoSigpipe {
public:
    NoSigpipe() noexcept {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    NoSigpipe(const NoSigpipe&) = delete;
    NoSigpipe& operator=(const NoSigpipe&) = delete;
    ~NoSigpipe() {
        if (sigismember(&before_, SIGPIPE) == 1) {
            return;
        }
        if (broken_) {
            const timespec at_once{};
            ::sigtimedwait(&pipe_, nullptr, &at_once);
        }
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    /// A write failed.
    void broken() noexcept { broken_ = true; }

private:
    sigset_t pipe_{};
    sigset_t before_{};
    bool broken_ = false;
};

} // namespace failover::redis
