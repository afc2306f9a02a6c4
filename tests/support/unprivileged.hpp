// SPDX-License-Identifier: MIT
#pragma once

#include "process.hpp"
#include "temp_dir.hpp"

#include <cerrno>
#include <filesystem>
#include <pwd.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

// Servers that refuse to run as root, PostgreSQL above all: a test program of root starts them as
// the user "postgres", any other one as itself.

namespace failover::test {

/// `command`, an absolute path first, in the words that start it unprivileged. The working
/// directory and the language are fixed, for the caller's may be closed to that user. `at_death` is
/// the signal it gets when the test program dies.
inline std::vector<std::string> unprivileged(const std::vector<std::string>& command,
                                             const std::string& at_death = "TERM") {
    std::vector<std::string> words{"env", "--chdir=/", "-u", "PYTHONPATH", "LC_ALL=C", "setpriv"};
    if (::geteuid() == 0) {
        words.insert(words.end(), {"--reuid=postgres", "--regid=postgres", "--init-groups"});
    }
    // A change of user clears what Process had set.
    words.insert(words.end(), {"--pdeathsig", at_death, "--"});
    words.insert(words.end(), command.begin(), command.end());
    return words;
}

/// Gives a file or directory to the user of unprivileged().
inline void give_away(const std::filesystem::path& path) {
    if (::geteuid() != 0) {
        return;
    }
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
        throw std::runtime_error{"cannot give " + path.string() + " to the user postgres"};
    }
}

/// Runs `command` to its end; its output goes to `log`. Throws unless it succeeds.
inline void run_unprivileged(const std::vector<std::string>& command,
                             const std::filesystem::path& log) {
    const Process process{unprivileged(command), log};
    siginfo_t end{};
    // Process reaps it.
    while (::waitid(P_PID, static_cast<id_t>(process.pid()), &end, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    if (end.si_code != CLD_EXITED || end.si_status != 0) {
        throw std::runtime_error{command.front() + " failed: " + read_file(log)};
    }
}

} // namespace failover::test
