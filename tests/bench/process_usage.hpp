// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace failover::bench {

/// CPU time of this process so far; its children, servers among them, are not in it.
inline std::chrono::duration<double> cpu_time() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return std::chrono::duration<double>{seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

/// Of this process, now.
inline double resident_megabytes() {
    std::ifstream statm{"/proc/self/statm"};
    double size = 0;
    double resident = 0;
    statm >> size >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

} // namespace failover::bench
