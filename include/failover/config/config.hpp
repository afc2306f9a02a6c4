// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/cache_config.hpp>
#include <failover/config/database_config.hpp>
#include <failover/config/observe_config.hpp>
#include <failover/config/service_config.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace failover {

/// `service`: who this process is.
struct SelfConfig {
    /// Name in logs, traces and self-registration. Default empty.
    std::string name{};
    /// Version in logs and self-registration. Default empty.
    std::string version{};
    /// Port this process serves on, for self-registration. Range 0 to 65535. Default 0: none.
    std::uint16_t port = 0;
    /// Availability zone of this process: endpoints of the same zone are preferred. Default empty.
    std::string zone{};
};

/// `config.providers.file`: a directory of fragments merged over the main file.
struct FragmentsConfig {
    /// Directory, relative to the main file. Default empty: none.
    std::string path{};
    /// Only "yaml" is known. Default "yaml".
    std::string format = "yaml";
};

/// `runtime`: the manager's own threads; ignored when it runs on the user's executor.
struct RuntimeConfig {
    /// I/O threads. Range 1 to 256. Default 1.
    std::uint32_t threads = 1;
    /// How long stop() lets calls in flight finish before it cancels them. Range >= 0. Default 5 s.
    Duration drain_timeout = std::chrono::seconds{5};
    bool operator==(const RuntimeConfig&) const = default;
};

/// Everything `config.yaml` can say, with every default. Plain data: copy it, change it, pass it.
/// Threads    Distinct objects: safe. Shared object: safe to read.
struct Config {
    SelfConfig service{};
    FragmentsConfig fragments{};
    RuntimeConfig runtime{};
    LoggingConfig logging{};
    MonitoringConfig monitoring{};
    AdminConfig admin{};
    AlertsConfig alerts{};
    /// `failover.providers.*` and `failover.services.*` in file order, disabled ones included.
    std::vector<ServiceConfig> services{};
    DatabaseConfig database{};
    CacheConfig cache{};
    /// The file it was loaded from; empty when parsed from text.
    std::string source{};
    /// What that file and its fragments said when they were read, as a number that holds within
    /// this process. A manager that watches them applies what differs. 0 when parsed from text.
    std::uint64_t fingerprint = 0;
};

} // namespace failover
