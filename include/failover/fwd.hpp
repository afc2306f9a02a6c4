// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

// Third-party types that ManagerOptions mentions; their headers stay out of this library's.
namespace spdlog {
class logger;
}
namespace prometheus {
class Registry;
}

namespace failover {

class FailoverManager;
class FailoverClient;
class DiscoveryProvider;
class Error;
class Response;
struct Request;
struct CallOptions;
struct Config;
struct Endpoint;
struct Event;
struct Failure;

} // namespace failover
