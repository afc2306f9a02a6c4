// SPDX-License-Identifier: MIT
#pragma once

#include "control_client.hpp"
#include "format_error.hpp"
#include "kube_requests.hpp"
#include <failover/base/error.hpp>

#include <string>
#include <string_view>

namespace failover::discovery {

/// What a reply other than a useful one says: the HTTP status first, since bodies are not always
/// JSON, then the body; and for people what to do about it. `verbs`: what one has to be allowed to
/// do with slices.
[[nodiscard]] KubeFailure failure_of(const ControlReply& reply, const KubeService& service,
                                     std::string_view verbs = "list and watch");

/// The page of a list that a complete 200 holds. Throws FormatError, which tells people what the
/// answer was instead when it is not JSON: only that is asked for, and not compressed.
[[nodiscard]] SlicePage page_of(const ControlReply& reply);

/// How a watch ended whose reply is `reply`; `cut_line`: its last line had no end.
[[nodiscard]] WatchEnd watch_end_of(const ControlReply& reply, const KubeService& service,
                                    bool cut_line);

/// "service "db" in namespace "shop": <reason>" as an error to throw.
[[nodiscard]] Error kube_error(const KubeService& service, const std::string& reason,
                               Errc what = Errc::discovery_unavailable);

} // namespace failover::discovery
