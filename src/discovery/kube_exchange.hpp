// SPDX-License-Identifier: MIT
#pragma once

#include "kube_access.hpp"

#include <boost/asio/error.hpp>

#include <memory>
#include <string>
#include <utility>

namespace failover::discovery {

/// Single requests to the apiserver, with the credentials that hold now.
/// Threads    one coroutine at a time.
/// Cancel     total; the reply then has asio::error::operation_aborted.
class KubeExchange {
public:
    explicit KubeExchange(std::shared_ptr<KubeAccess> access)
        : access_{std::move(access)}, client_{access_->connect()} {}

    /// Sends `request`, which has no credentials yet. When the server cannot be reached or refuses
    /// the credentials (401), they are loaded again; should they be others by now (a rotated CA, a
    /// replaced kubeconfig), it is sent a second time.
    asio::awaitable<ControlReply> send(Request request, Duration limit) {
        for (bool again = false;; again = true) {
            const std::string token = access_->token();
            Request attempt = request;
            if (!token.empty()) {
                attempt.headers.emplace_back("Authorization", "Bearer " + token);
            }
            ControlReply reply = co_await client_->send(std::move(attempt), limit);
            const bool doubtful = reply.complete() ? reply.status() == 401
                                                   : reply.error != asio::error::operation_aborted;
            if (again || !doubtful) {
                co_return reply;
            }
            const bool other = access_->refresh();
            if (!other && access_->token() == token) {
                co_return reply;
            }
            client_ = access_->connect();
        }
    }

private:
    std::shared_ptr<KubeAccess> access_;
    std::unique_ptr<ControlClient> client_;
};

} // namespace failover::discovery
