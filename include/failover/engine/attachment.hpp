// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/log.hpp>
#include <failover/base/metrics.hpp>
#include <failover/base/time.hpp>
#include <failover/config/config.hpp>
#include <failover/engine/call_registry.hpp>
#include <failover/engine/event_hub.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace failover {

/// What another component (database, cache) runs for one manager. The manager shows its state and
/// stops it.
/// Threads    implementations are safe to call from several threads at once.
class Attachment {
public:
    Attachment() = default;
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    virtual ~Attachment() = default;

    /// A JSON object for the manager's status. No secrets.
    [[nodiscard]] virtual std::string status_json() const = 0;
    /// Ends what is still in flight and everything in the background. Its calls are members of
    /// AttachmentParts::calls, so they were given time to end before. Idempotent.
    virtual void stop() = 0;
};

/// What the manager gives an attachment.
struct AttachmentParts {
    /// As loaded; an attachment copies what it needs.
    const Config& config;
    std::shared_ptr<LogSink> log;
    std::shared_ptr<Metrics> metrics;
    std::shared_ptr<EventHub> events;
    std::shared_ptr<Resolver> resolver;
    /// Calls in flight, which stop() waits for and then aborts.
    std::shared_ptr<CallRegistry> calls;
    /// Where handlers of events run.
    boost::asio::any_io_executor executor;
    /// Would blocking on the calling thread block the manager itself?
    std::function<bool()> on_manager_thread;
};

} // namespace failover
