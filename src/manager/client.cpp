// SPDX-License-Identifier: MIT
#include "call_runtime.hpp"
#include <failover/client.hpp>

#include <utility>

namespace failover {
namespace {

using Runtime = std::shared_ptr<detail::CallRuntime>;

Request make_request(const char* method, std::string path, std::string body = {}) {
    return Request{
        .method = method, .path = std::move(path), .body = std::move(body), .headers = {}};
}

Failure no_handle() {
    return Failure{.code = make_error_code(Errc::not_running),
                   .detail = "this FailoverClient was not made by a manager"};
}

// Coroutines that own what they use: a handle may be gone before its call ends.

asio::awaitable<Result<Response>> call(Runtime runtime, Request request, CallOptions options) {
    if (!runtime) {
        co_return no_handle();
    }
    co_return co_await runtime->call(std::move(request), std::move(options));
}

asio::awaitable<Response> call_or_throw(Runtime runtime, Request request, CallOptions options) {
    Result<Response> result =
        co_await call(std::move(runtime), std::move(request), std::move(options));
    if (!result) {
        throw Error{std::move(result).error()};
    }
    co_return std::move(*result);
}

asio::awaitable<Response> call_with_fallback(Runtime runtime, std::string path, Fallback fallback,
                                             CallOptions options) {
    const std::string key = detail::CallRuntime::fallback_key(path, options);
    Request request = make_request("GET", std::move(path));
    Result<Response> result = co_await call(runtime, std::move(request), std::move(options));
    if (!result) {
        if (!runtime) {
            throw Error{result.error()};
        }
        co_return runtime->stand_in(key, fallback, result.error());
    }
    runtime->remember(key, *result);
    co_return std::move(*result);
}

Result<Response> block(const Runtime& runtime, Request request, CallOptions options) {
    if (!runtime) {
        return no_handle();
    }
    return runtime->call_blocking(std::move(request), std::move(options));
}

Response block_or_throw(const Runtime& runtime, Request request, CallOptions options) {
    Result<Response> result = block(runtime, std::move(request), std::move(options));
    if (!result) {
        throw Error{std::move(result).error()};
    }
    return std::move(*result);
}

} // namespace

FailoverClient::FailoverClient(std::shared_ptr<detail::CallRuntime> runtime) noexcept
    : runtime_{std::move(runtime)} {}

const std::string& FailoverClient::service() const noexcept {
    static const std::string none;
    return runtime_ ? runtime_->service() : none;
}

// The four forms of each verb differ only in these two macros' arguments, so that a verb is one
// line and none can drift; both are undefined below.
#define FAILOVER_VERB_WITHOUT_BODY(verb, method)                                                   \
    Response FailoverClient::verb(std::string path, CallOptions options) {                         \
        return block_or_throw(runtime_, make_request(method, std::move(path)),                     \
                              std::move(options));                                                 \
    }                                                                                              \
    Result<Response> FailoverClient::try_##verb(std::string path, CallOptions options) {           \
        return block(runtime_, make_request(method, std::move(path)), std::move(options));         \
    }                                                                                              \
    asio::awaitable<Response> FailoverClient::async_##verb(std::string path,                       \
                                                           CallOptions options) {                  \
        return call_or_throw(runtime_, make_request(method, std::move(path)), std::move(options)); \
    }                                                                                              \
    asio::awaitable<Result<Response>> FailoverClient::async_try_##verb(std::string path,           \
                                                                       CallOptions options) {      \
        return call(runtime_, make_request(method, std::move(path)), std::move(options));          \
    }

#define FAILOVER_VERB_WITH_BODY(verb, method)                                                   \
    Response FailoverClient::verb(std::string path, std::string body, CallOptions options) {    \
        return block_or_throw(runtime_, make_request(method, std::move(path), std::move(body)), \
                              std::move(options));                                              \
    }                                                                                           \
    Result<Response> FailoverClient::try_##verb(std::string path, std::string body,             \
                                                CallOptions options) {                          \
        return block(runtime_, make_request(method, std::move(path), std::move(body)),          \
                     std::move(options));                                                       \
    }                                                                                           \
    asio::awaitable<Response> FailoverClient::async_##verb(std::string path, std::string body,  \
                                                           CallOptions options) {               \
        return call_or_throw(runtime_, make_request(method, std::move(path), std::move(body)),  \
                             std::move(options));                                               \
    }                                                                                           \
    asio::awaitable<Result<Response>> FailoverClient::async_try_##verb(                         \
        std::string path, std::string body, CallOptions options) {                              \
        return call(runtime_, make_request(method, std::move(path), std::move(body)),           \
                    std::move(options));                                                        \
    }

FAILOVER_VERB_WITHOUT_BODY(get, "GET")
FAILOVER_VERB_WITHOUT_BODY(head, "HEAD")
FAILOVER_VERB_WITHOUT_BODY(del, "DELETE")
FAILOVER_VERB_WITH_BODY(post, "POST")
FAILOVER_VERB_WITH_BODY(put, "PUT")
FAILOVER_VERB_WITH_BODY(patch, "PATCH")

#undef FAILOVER_VERB_WITHOUT_BODY
#undef FAILOVER_VERB_WITH_BODY

Response FailoverClient::send(Request request, CallOptions options) {
    return block_or_throw(runtime_, std::move(request), std::move(options));
}

Result<Response> FailoverClient::try_send(Request request, CallOptions options) {
    return block(runtime_, std::move(request), std::move(options));
}

asio::awaitable<Response> FailoverClient::async_send(Request request, CallOptions options) {
    return call_or_throw(runtime_, std::move(request), std::move(options));
}

asio::awaitable<Result<Response>> FailoverClient::async_try_send(Request request,
                                                                 CallOptions options) {
    return call(runtime_, std::move(request), std::move(options));
}

Response FailoverClient::get_with_fallback(std::string path, Fallback fallback,
                                           CallOptions options) {
    const std::string key = detail::CallRuntime::fallback_key(path, options);
    Result<Response> result =
        block(runtime_, make_request("GET", std::move(path)), std::move(options));
    if (!result) {
        if (!runtime_) {
            throw Error{result.error()};
        }
        return runtime_->stand_in(key, fallback, result.error());
    }
    runtime_->remember(key, *result);
    return std::move(*result);
}

asio::awaitable<Response> FailoverClient::async_get_with_fallback(std::string path,
                                                                  Fallback fallback,
                                                                  CallOptions options) {
    return call_with_fallback(runtime_, std::move(path), std::move(fallback), std::move(options));
}

} // namespace failover
