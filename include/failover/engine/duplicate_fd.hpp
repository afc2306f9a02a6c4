// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace failover {

/// A descriptor of one's own for a socket that somebody else owns and may close at any time.
class DuplicateFd {
public:
    /// Throws std::system_error.
    explicit DuplicateFd(int original) : fd_{::fcntl(original, F_DUPFD_CLOEXEC, 0)} {
        if (fd_ < 0) {
            throw std::system_error{errno, std::generic_category(), "duplicating a socket"};
        }
    }
    DuplicateFd(const DuplicateFd&) = delete;
    DuplicateFd& operator=(const DuplicateFd&) = delete;
    ~DuplicateFd() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    [[nodiscard]] int get() const noexcept { return fd_; }
    /// To be closed by whoever takes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

} // namespace failover
