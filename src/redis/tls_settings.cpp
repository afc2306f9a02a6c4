// SPDX-License-Identifier: MIT
#include "tls_settings.hpp"

#include "no_sigpipe.hpp"
#include <failover/config/load.hpp>

#include <hiredis/hiredis.h>
#ifdef FAILOVER_HIREDIS_SSL
#include <hiredis/hiredis_ssl.h>
#endif

#include <utility>
#include <vector>

namespace failover::redis {

#ifdef FAILOVER_HIREDIS_SSL

struct TlsSettings::Impl {
    redisSSLContext* context = nullptr;
};

TlsSettings::TlsSettings(const CacheTlsOptions& options, const std::string& host,
                         const std::string& key)
    : impl_{std::make_unique<Impl>()} {
    redisInitOpenSSL();
    const auto file = [](const std::string& name) { return name.empty() ? nullptr : name.c_str(); };
    const std::string& name = options.server_name.empty() ? host : options.server_name;
    redisSSLContextError error = REDIS_SSL_CTX_NONE;
    const char* const system_authorities = options.ca_file.empty() ? "/etc/ssl/certs" : nullptr;
    impl_->context =
        redisCreateSSLContext(file(options.ca_file), system_authorities, file(options.cert_file),
                              file(options.key_file), name.c_str(), &error);
    if (impl_->context == nullptr) {
        std::vector<ConfigIssue> issues;
        issues.push_back({.key = key,
                          .message = std::string{"TLS cannot be set up: "} +
                                     redisSSLContextGetError(error) +
                                     "; check tls.ca_file, tls.cert_file and tls.key_file"});
        throw ConfigError{std::move(issues)};
    }
}

TlsSettings::~TlsSettings() {
    redisFreeSSLContext(impl_->context);
}

bool TlsSettings::start(redisContext& connection) const {
    NoSigpipe quiet;
    const bool good = redisInitiateSSLWithContext(&connection, impl_->context) == REDIS_OK;
    if (!good) {
        quiet.broken();
    }
    return good;
}

#else

struct TlsSettings::Impl {};

TlsSettings::TlsSettings(const CacheTlsOptions&, const std::string&, const std::string& key) {
    std::vector<ConfigIssue> issues;
    issues.push_back({.key = key,
                      .message = "rediss:// needs hiredis 1.0 or later with its TLS part "
                                 "(libhiredis_ssl); this build has none"});
    throw ConfigError{std::move(issues)};
}

TlsSettings::~TlsSettings() = default;

bool TlsSettings::start(redisContext&) const {
    return false;
}

#endif

} // namespace failover::redis
