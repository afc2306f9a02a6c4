// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace failover::config {

/// No file may be larger, nor a text.
constexpr std::size_t largest_file = std::size_t{4} << 20U;

/// Throws a ConfigError with that one problem. `line` 0: none in particular.
[[noreturn]] void refuse(const std::string& file, int line, std::string message);

/// The whole of a file. Throws ConfigError when it cannot be read or is too large.
[[nodiscard]] std::string text_of(const std::filesystem::path& file);

} // namespace failover::config
