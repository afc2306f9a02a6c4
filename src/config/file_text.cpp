// SPDX-License-Identifier: MIT
#include "file_text.hpp"

#include <failover/config/load.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

namespace failover::config {

void refuse(const std::string& file, int line, std::string message) {
    throw ConfigError{{ConfigIssue{.file = file, .line = line, .message = std::move(message)}}};
}

std::string text_of(const std::filesystem::path& file) {
    const std::string name = file.string();
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (status.type() == std::filesystem::file_type::not_found) {
        refuse(name, 0, "there is no such file");
    }
    if (error) {
        refuse(name, 0, "cannot be read: " + error.message());
    }
    if (std::filesystem::is_directory(status)) {
        refuse(name, 0, "this is a directory, not a file");
    }
    if (std::filesystem::file_size(file, error) > largest_file && !error) {
        refuse(name, 0, "the file is larger than 4 MiB");
    }
    std::ifstream in{file, std::ios::binary};
    if (!in) {
        refuse(name, 0, std::string{"cannot be read: "} + std::strerror(errno));
    }
    // A pipe has no size beforehand: never read more than the limit.
    std::string text(largest_file + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) {
        refuse(name, 0, std::string{"cannot be read: "} + std::strerror(errno));
    }
    text.resize(static_cast<std::size_t>(in.gcount()));
    text.shrink_to_fit(); // some keep it for as long as they run
    if (text.size() > largest_file) {
        refuse(name, 0, "the file is larger than 4 MiB");
    }
    return text;
}

} // namespace failover::config
