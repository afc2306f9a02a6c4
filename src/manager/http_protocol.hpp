// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/flight.hpp>
#include <failover/engine/target.hpp>
#include <failover/retry/classify.hpp>
#include <failover/retry/retry_after.hpp>

#include "../http/http_transport.hpp"

#include <memory>
#include <utility>

namespace failover::detail {

/// HTTP as CallLoop needs it: how to make one attempt, and what its reply means.
class HttpProtocol {
public:
    using Reply = http::HttpReply;

    HttpProtocol(std::shared_ptr<http::HttpTransport> transport,
                 std::shared_ptr<const http::HttpCall> call)
        : transport_{std::move(transport)}, call_{std::move(call)} {}

    asio::awaitable<void> attempt(Target& target, TimePoint until, CallControl& control,
                                  Reply& reply) {
        return transport_->attempt(static_cast<http::HttpState&>(target.transport()), *call_, until,
                                   control, reply);
    }

    [[nodiscard]] Judgement judge(const Reply& reply) const;

private:
    std::shared_ptr<http::HttpTransport> transport_;
    std::shared_ptr<const http::HttpCall> call_;
};

} // namespace failover::detail
