// SPDX-License-Identifier: MIT
#pragma once

#include "kube_credentials.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace failover::discovery {

/// Reads a kubeconfig: YAML or JSON, unknown fields ignored. `context` empty: its current-context.
/// Paths in it are relative to its own folder, data wins over a file, tokenFile over token.
///
/// Throws ConfigError naming file, line and key. Refused, since ignoring them would connect
/// otherwise than meant: proxy-url, and exec, auth-provider or a password as the only credentials.
[[nodiscard]] KubeCredentials load_kubeconfig(const std::filesystem::path& file,
                                              const std::string& context);
/// The same for text that `file` holds.
[[nodiscard]] KubeCredentials parse_kubeconfig(std::string_view text,
                                               const std::filesystem::path& file,
                                               const std::string& context);

} // namespace failover::discovery
