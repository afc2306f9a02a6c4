// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/log.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace failover {

/// The newest timeline this process has seen, kept over restarts: a process that starts beside
/// nothing but a stale primary then knows that it is one.
/// Threads    Distinct objects: safe. Shared object: store() from one thread at a time.
class EpochFile {
public:
    /// An empty path: nothing is kept.
    EpochFile(std::filesystem::path path, std::shared_ptr<LogSink> log)
        : path_{std::move(path)}, log_{std::move(log)} {}

    /// 0: nothing is known.
    [[nodiscard]] std::uint32_t load() const {
        std::uint32_t epoch = 0;
        if (!path_.empty()) {
            std::ifstream{path_} >> epoch;
        }
        return epoch;
    }

    /// Replaced as a whole, so that a crash leaves the old one or the new one.
    void store(std::uint32_t epoch) const {
        if (path_.empty()) {
            return;
        }
        std::filesystem::path next = path_;
        next += ".new";
        std::ofstream out{next};
        out << epoch << '\n';
        out.close();
        std::error_code error;
        if (out) {
            std::filesystem::rename(next, path_, error);
        }
        if ((!out || error) && log_) {
            log_->write(LogLevel::warn, "the epoch file cannot be written",
                        {{"file", path_.native()}});
        }
    }

private:
    std::filesystem::path path_;
    std::shared_ptr<LogSink> log_;
};

} // namespace failover
