// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/call_options.hpp>
#include <failover/message.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace failover {

namespace asio = boost::asio;

namespace detail {
class CallRuntime;
}

/// HTTP calls to one service: discovery, health, choice, retry and failover happen inside.
///
/// Each verb has four forms. `get` blocks and throws Error; `try_get` blocks and returns a Result;
/// `async_get` returns an awaitable that throws Error; `async_try_get` one that returns a Result.
/// What is sent twice, and when: docs/semantics.md. In one line: idempotent requests are repeated,
/// others only while provably unsent.
///
/// Every form fails with invalid_request before a byte is sent when method, path or a header holds
/// CR, LF, NUL or another character HTTP forbids there; with not_running after stop(); with
/// deadline_exceeded when `deadline` passes. A 5xx that outlives its retries is an error carrying
/// last_response(), unless CallOptions::accept_any_status; a 4xx is a response.
///
/// Threads    Distinct objects: safe. Shared object: safe; the handle is cheap to copy.
/// Runs on    async forms: the awaiting coroutine's executor. Blocking forms: the calling thread.
/// Blocks     get() and try_get() block; on one of the manager's own threads they fail at once with
///            would_deadlock.
/// Lifetime   a handle may outlive its manager; its calls then fail with not_running.
/// Cancel     terminal and total; a cancelled attempt never counts against its endpoint.
class FailoverClient {
public:
    /// For FailoverManager::client(); an empty handle fails every call with not_running.
    explicit FailoverClient(std::shared_ptr<detail::CallRuntime> runtime = {}) noexcept;

    Response get(std::string path, CallOptions options = {});
    Response head(std::string path, CallOptions options = {});
    Response del(std::string path, CallOptions options = {});
    Response post(std::string path, std::string body, CallOptions options = {});
    Response put(std::string path, std::string body, CallOptions options = {});
    Response patch(std::string path, std::string body, CallOptions options = {});
    /// Any method, with the request's own headers.
    Response send(Request request, CallOptions options = {});

    Result<Response> try_get(std::string path, CallOptions options = {});
    Result<Response> try_head(std::string path, CallOptions options = {});
    Result<Response> try_del(std::string path, CallOptions options = {});
    Result<Response> try_post(std::string path, std::string body, CallOptions options = {});
    Result<Response> try_put(std::string path, std::string body, CallOptions options = {});
    Result<Response> try_patch(std::string path, std::string body, CallOptions options = {});
    Result<Response> try_send(Request request, CallOptions options = {});

    asio::awaitable<Response> async_get(std::string path, CallOptions options = {});
    asio::awaitable<Response> async_head(std::string path, CallOptions options = {});
    asio::awaitable<Response> async_del(std::string path, CallOptions options = {});
    asio::awaitable<Response> async_post(std::string path, std::string body,
                                         CallOptions options = {});
    asio::awaitable<Response> async_put(std::string path, std::string body,
                                        CallOptions options = {});
    asio::awaitable<Response> async_patch(std::string path, std::string body,
                                          CallOptions options = {});
    asio::awaitable<Response> async_send(Request request, CallOptions options = {});

    asio::awaitable<Result<Response>> async_try_get(std::string path, CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_head(std::string path, CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_del(std::string path, CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_post(std::string path, std::string body,
                                                     CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_put(std::string path, std::string body,
                                                    CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_patch(std::string path, std::string body,
                                                      CallOptions options = {});
    asio::awaitable<Result<Response>> async_try_send(Request request, CallOptions options = {});

    /// get() that answers in any case: the service's answer, else the last good response for that
    /// path, else `fallback.body`, else a fixed JSON body with status 200. What did not come from
    /// the service now says from_fallback(). Throws only for invalid_request and would_deadlock.
    // Fallback() and not {}: g++ 12 destroys a braced default argument twice in a co_await expression.
    Response get_with_fallback(std::string path, Fallback fallback = Fallback(),
                               CallOptions options = {});
    asio::awaitable<Response> async_get_with_fallback(std::string path, Fallback fallback = Fallback(),
                                                      CallOptions options = {});

    /// Name of the service the calls go to; empty for an empty handle.
    [[nodiscard]] const std::string& service() const noexcept;

private:
    std::shared_ptr<detail::CallRuntime> runtime_;
};

} // namespace failover
