// SPDX-License-Identifier: MIT
#pragma once

// journal_file.hpp: opening.

#include <fstream>
#include <iterator>
#include <string>
#include <sys/file.h>

namespace failover::cache {

namespace detail {

inline void replay(std::string_view bytes, const JournalFile::Record& record) {
    constexpr std::size_t head = 6;
    while (bytes.size() >= head) {
        std::uint32_t size = 0;
        std::memcpy(&size, bytes.data() + 2, sizeof size);
        const std::size_t node = static_cast<unsigned char>(bytes[1]);
        if (bytes.size() - head < node + size) {
            return;
        }
        record(static_cast<JournalFile::Kind>(bytes[0]), bytes.substr(head, node),
               bytes.substr(head + node, size));
        bytes.remove_prefix(head + node + size);
    }
}

} // namespace detail

inline std::unique_ptr<JournalFile> JournalFile::open(const std::string& path, LogSink& log,
                                                      const Record& record) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || ::flock(file, LOCK_EX | LOCK_NB) != 0) {
        log.write(LogLevel::error,
                  file < 0 ? "journal.file cannot be opened; the journal is kept in memory only"
                           : "journal.file is used by another process; the journal is kept in "
                             "memory only",
                  {{"file", path}});
        if (file >= 0) {
            ::close(file);
        }
        return nullptr;
    }
    std::ifstream in{path, std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
    std::unique_ptr<JournalFile> opened{new JournalFile{file}};
    opened->written_ = bytes.size();
    detail::replay(bytes, record);
    return opened;
}

} // namespace failover::cache
