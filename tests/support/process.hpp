// SPDX-License-Identifier: MIT
#pragma once

#include "wait_until.hpp"

#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace failover::test {

/// A child process in a process group of its own; signals reach the whole group, so that SIGKILL
/// leaves no worker of it behind. Killed and reaped by the destructor.
/// Threads    one thread at a time; the one that starts it must outlive it.
class Process {
public:
    Process() = default;
    /// Starts `command` (looked up in PATH); its output goes to `log`.
    Process(const std::vector<std::string>& command, const std::filesystem::path& log) {
        // The child ends with the thread that started it, however a test program dies.
        std::vector<std::string> words{"setpriv", "--pdeathsig", "TERM", "--"};
        words.insert(words.end(), command.begin(), command.end());
        std::vector<char*> argv;
        for (const std::string& word : words) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                         0644);
        posix_spawn_file_actions_adddup2(&files, 1, 2);
        posix_spawn_file_actions_addclosefrom_np(&files, 3); // Asio's sockets would be inherited
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setpgroup(&attributes, 0);
        const int failed =
            ::posix_spawnp(&pid_, argv[0], &files, &attributes, argv.data(), environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&files);
        if (failed != 0) {
            pid_ = -1;
            throw std::runtime_error{"cannot start " + command.front()};
        }
    }
    Process(Process&& other) noexcept : pid_{std::exchange(other.pid_, -1)} {}
    Process& operator=(Process&& other) noexcept {
        std::swap(pid_, other.pid_);
        return *this;
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { kill(); }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Has been started and not ended.
    [[nodiscard]] bool running() noexcept {
        if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) {
            pid_ = -1;
        }
        return pid_ > 0;
    }
    void signal(int number) const noexcept {
        if (pid_ > 0) {
            ::kill(-pid_, number);
        }
    }
    /// SIGKILL, then reaps it.
    void kill() noexcept {
        if (pid_ > 0) {
            ::kill(-pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
        }
    }
    /// SIGSTOP; returns once the kernel has stopped it.
    void freeze() const noexcept {
        signal(SIGSTOP);
        if (pid_ > 0) {
            int status = 0;
            ::waitpid(pid_, &status, WUNTRACED);
        }
    }
    /// SIGCONT.
    void thaw() const noexcept { signal(SIGCONT); }

private:
    pid_t pid_ = -1;
};

} // namespace failover::test
