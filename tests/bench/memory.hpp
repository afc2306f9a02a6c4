// SPDX-License-Identifier: MIT
#pragma once

#include <fstream>
#include <unistd.h>

namespace failover::bench {

/// Of this process, now.
inline double resident_megabytes() {
    std::ifstream statm{"/proc/self/statm"};
    double size = 0;
    double resident = 0;
    statm >> size >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

} // namespace failover::bench
