// SPDX-License-Identifier: MIT
#pragma once

#include "temp_dir.hpp"
#include "wait_until.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <ios>
#include <optional>
#include <sstream>
#include <string>
#include <sys/types.h>
#include <vector>

// What /proc says of processes that are not this program's children: the workers of a server put
// themselves into process groups of their own, where a signal to the server's group misses them.

namespace failover::test {

struct ProcessStatus {
    /// One letter, as in proc(5): T is stopped, Z a zombie.
    char state = '?';
    pid_t parent = 0;
};

/// Empty when there is no such process.
inline std::optional<ProcessStatus> process_status(pid_t pid) {
    std::string text;
    try {
        text = read_file("/proc/" + std::to_string(pid) + "/stat");
    } catch (const std::ios_base::failure&) {
        return std::nullopt; // it ended while the file was read
    }
    const std::size_t name_end = text.rfind(')'); // the name itself may hold anything
    ProcessStatus status;
    if (name_end == std::string::npos ||
        !(std::istringstream{text.substr(name_end + 1)} >> status.state >> status.parent)) {
        return std::nullopt;
    }
    return status;
}

inline std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (read.ec != std::errc{} || *read.ptr != '\0') {
            continue;
        }
        const auto status = process_status(pid);
        if (status && status->parent == parent) {
            children.push_back(pid);
        }
    }
    return children;
}

/// It runs no longer and holds nothing, though it may wait for its parent to reap it.
inline bool is_gone(pid_t pid) {
    const auto status = process_status(pid);
    return !status || status->state == 'Z';
}

/// SIGSTOP for `pid` and then its children, so that it starts no further one; returns the children
/// once the kernel has stopped them all.
inline std::vector<pid_t> freeze_tree(pid_t pid) {
    const auto stop = [](pid_t process) {
        ::kill(process, SIGSTOP);
        wait_until([process] { return is_gone(process) || process_status(process)->state == 'T'; });
    };
    stop(pid);
    std::vector<pid_t> children = children_of(pid);
    std::for_each(children.begin(), children.end(), stop);
    return children;
}

/// SIGCONT for `pid` and its children.
inline void thaw_tree(pid_t pid) {
    for (const pid_t child : children_of(pid)) {
        ::kill(child, SIGCONT);
    }
    ::kill(pid, SIGCONT);
}

/// SIGKILL for `pid` and its children, as when the machine dies; returns once they are gone.
inline void kill_tree(pid_t pid) {
    std::vector<pid_t> all = freeze_tree(pid);
    all.push_back(pid);
    for (const pid_t process : all) {
        ::kill(process, SIGKILL);
    }
    wait_until([&all] { return std::all_of(all.begin(), all.end(), is_gone); });
}

} // namespace failover::test
