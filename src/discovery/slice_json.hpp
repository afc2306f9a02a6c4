// SPDX-License-Identifier: MIT
#pragma once

#include "format_error.hpp"
#include <failover/discovery/kubernetes/slice.hpp>

#include <string_view>

namespace failover::discovery {

/// The body of a LIST. Unknown fields are ignored, null lists are empty. Throws FormatError.
[[nodiscard]] SlicePage parse_slice_page(std::string_view body);
/// One line of a WATCH. Throws FormatError.
[[nodiscard]] WatchEvent parse_watch_event(std::string_view line);
/// The body of a refusal: a Status, some other JSON or plain text, whose first line is the message.
[[nodiscard]] KubeStatus parse_kube_status(std::string_view body);

} // namespace failover::discovery
