// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/redis_options.hpp>

#include <memory>
#include <string>

struct redisContext;

namespace failover::redis {

/// TLS to one node, where hiredis has it (1.0 and later, with its TLS part).
/// Threads    safe once made.
class TlsSettings {
public:
    /// Throws ConfigError, naming `key`, when this build has no TLS or a file cannot be used.
    TlsSettings(const CacheTlsOptions& options, const std::string& host, const std::string& key);
    TlsSettings(const TlsSettings&) = delete;
    TlsSettings& operator=(const TlsSettings&) = delete;
    ~TlsSettings();

    /// Begins TLS on a connection that stands. False: the context says why.
    [[nodiscard]] bool start(redisContext& connection) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace failover::redis
