// SPDX-License-Identifier: MIT
#include "call_runtime.hpp"

#include <failover/select/hash_key.hpp>

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace failover::detail {
namespace {

constexpr std::string_view last_resort =
    R"({"status":"fallback","message":"service temporarily unavailable"})";

TimePoint deadline_of(const FailoverOptions& service, const CallOptions& call, TimePoint start) {
    return time_after(start, call.deadline.value_or(service.timeout));
}

/// The service's configuration with the call's own options applied.
CallPlan make_plan(const FailoverOptions& service, const Request& request, const CallOptions& call,
                   TimePoint now) {
    CallPlan plan;
    plan.start = now;
    plan.deadline = deadline_of(service, call, now);
    plan.attempt_timeout = call.attempt_timeout.value_or(service.attempt_timeout);
    plan.max_retries = service.enabled ? call.max_retries.value_or(service.max_retries) : 0;
    plan.idempotent = call.idempotent.value_or(call.idempotency_key.has_value() ||
                                               idempotent_method(request.method));
    plan.non_idempotent = service.non_idempotent;
    plan.retry_on = RetryOnSet{std::span{service.retry_on}};
    plan.backoff = service.backoff;
    plan.retry_interval = service.retry_interval;
    plan.hedge_after = call.hedge_after ? call.hedge_after : service.hedge.after;
    if (!plan.idempotent) {
        plan.hedge_after.reset();
    }
    return plan;
}

} // namespace

CallRuntime::CallRuntime(std::shared_ptr<Runtime> runtime, std::string service, Binding binding)
    : runtime_{std::move(runtime)},
      service_{std::move(service)},
      binding_{std::make_shared<const Binding>(std::move(binding))} {}

void CallRuntime::rebind(Binding binding) {
    binding_.publish(std::make_shared<const Binding>(std::move(binding)));
}

asio::awaitable<Result<Response>> CallRuntime::call(Request request, CallOptions options) {
    const TimePoint start = Clock::now();
    if (auto why = http::refusal(request, options)) {
        co_return fail(Errc::invalid_request, std::move(*why));
    }
    CallRegistry::Entry entry{runtime_->calls};
    if (!entry.open()) {
        co_return fail(Errc::not_running, {});
    }
    Binding bound = binding();
    while (bound.upstream && !bound.upstream->discovered()) {
        const TimePoint until =
            deadline_of(bound.upstream->options()->config.failover, options, start);
        const Woken why = co_await bound.upstream->wait_discovered(until, entry.control());
        if (why == Woken::notified) {
            break;
        }
        Binding now = binding();
        const bool ended_by_reload = why == Woken::aborted && now.upstream != bound.upstream;
        if (!ended_by_reload || entry.control().aborted()) {
            co_return undiscovered(*bound.upstream, why);
        }
        bound = std::move(now);
    }
    if (!bound.upstream) {
        co_return fail(Errc::unknown_service, "a reload removed this service");
    }
    Setup setup = prepare(*bound.upstream, std::move(request), options, start);
    CallLoop<HttpProtocol> loop{bound.upstream,  HttpProtocol{bound.transport, setup.call},
                                setup.plan,      std::move(setup.budgets),
                                entry.control(), setup.hash};
    const Finish finish = co_await loop.run();
    co_return conclude(*bound.upstream, loop, finish, options, start);
}

CallRuntime::Setup CallRuntime::prepare(const Upstream& upstream, Request request,
                                        const CallOptions& options, TimePoint start) {
    const auto service = upstream.options();
    const FailoverOptions& failover = service->config.failover;
    Setup setup;
    setup.plan = make_plan(failover, request, options, start);
    setup.budgets = service->budgets;
    if (failover.strategy == Strategy::consistent_hash) {
        setup.hash = hash_key(options.hash_key ? *options.hash_key : request.path);
    }
    auto call = std::make_shared<http::HttpCall>();
    call->head = http::make_request_head(request, options);
    call->request = std::move(request);
    call->idempotent = setup.plan.idempotent;
    call->limit = failover.max_response_bytes;
    call->connect_timeout = failover.connect_timeout;
    setup.call = std::move(call);
    return setup;
}

Failure CallRuntime::fail(Errc what, std::string detail) const {
    return Failure{
        .code = make_error_code(what), .service = service(), .detail = std::move(detail)};
}

Failure CallRuntime::undiscovered(const Upstream& upstream, Woken why) const {
    const bool out_of_time = why == Woken::timed_out;
    return fail(out_of_time ? Errc::discovery_unavailable : Errc::cancelled,
                upstream.discovery_problem());
}

Result<Response> CallRuntime::conclude(Upstream& upstream, CallLoop<HttpProtocol>& loop,
                                       const Finish& finish, const CallOptions& options,
                                       TimePoint start) const {
    const Duration took = Clock::now() - start;
    EndpointMeter* meter = loop.last_target() ? &loop.last_target()->meter() : nullptr;
    Flight<http::HttpReply>* kept = loop.kept();
    std::shared_ptr<const AttemptLog> log;
    if (!loop.log().empty()) {
        log = std::make_shared<const AttemptLog>(std::move(loop.log()));
    }
    std::optional<Response> response;
    if (kept != nullptr && finish.attempt) {
        response.emplace(std::move(kept->reply.parts));
        response->set_origin(kept->endpoint, loop.attempts());
        response->set_attempt_log(log);
    }
    const bool delivered = finish.answered() || (options.accept_any_status && response);
    if (delivered) {
        meter->call_succeeded(took);
        return std::move(*response);
    }
    if (meter != nullptr) {
        meter->call_failed(took);
    } else {
        upstream.meter().call_failed_untried(took);
    }
    if (finish.reason == FinishReason::budget_used_up) {
        upstream.meter().retry_denied();
    }
    Failure failure{
        .code = make_error_code(*finish.error, finish.maybe_executed),
        .service = service(),
        .detail = finish.reason == FinishReason::answered ? "" : to_string(finish.reason)};
    if (log) {
        failure.attempts = *log;
    }
    if (response) {
        failure.last_response = std::make_shared<const Response>(std::move(*response));
    }
    return failure;
}

Result<Response> CallRuntime::call_blocking(Request request, CallOptions options) {
    if (runtime_->on_own_thread()) {
        return fail(Errc::would_deadlock, {});
    }
    const SyncContexts::Lease context{runtime_->sync};
    std::optional<Result<Response>> result;
    std::exception_ptr broken;
    asio::co_spawn(*context, call(std::move(request), std::move(options)),
                   [&](std::exception_ptr error, Result<Response> value) {
                       broken = std::move(error);
                       result.emplace(std::move(value));
                   });
    while (!result) {
        (*context).restart();
        (*context).run_one();
    }
    if (broken) {
        std::rethrow_exception(broken);
    }
    return std::move(*result);
}

Response CallRuntime::stand_in(const std::string& key, const Fallback& fallback,
                               const Failure& failure) {
    if (failure.code == Errc::invalid_request || failure.code == Errc::would_deadlock) {
        throw Error{failure};
    }
    if (const Binding bound = binding(); bound.upstream) {
        bound.upstream->meter().fallback();
    }
    const auto log = std::make_shared<const AttemptLog>(failure.attempts);
    std::optional<Response> answer;
    if (fallback.use_last_good) {
        answer = last_good_.find(key, fallback.max_age, Clock::now());
    }
    if (!answer) {
        Response::Parts parts;
        parts.status = fallback.body ? fallback.status : 200;
        parts.body = fallback.body ? *fallback.body : std::string{last_resort};
        const std::string name = "Content-Type";
        const std::string& value = fallback.body ? fallback.content_type : "application/json";
        parts.head = name + value;
        parts.fields.push_back({0, static_cast<std::uint32_t>(name.size()),
                                static_cast<std::uint32_t>(name.size()),
                                static_cast<std::uint32_t>(value.size())});
        answer.emplace(std::move(parts));
    }
    answer->set_attempt_log(log);
    answer->mark_fallback(static_cast<unsigned>(failure.attempts.size()));
    return std::move(*answer);
}

void CallRuntime::remember(const std::string& key, const Response& response) {
    const std::string_view cache_control = response.header("cache-control").value_or("");
    const bool forbidden = cache_control.find("no-store") != std::string_view::npos ||
                           cache_control.find("private") != std::string_view::npos;
    if (response.status() < 300 && !forbidden) {
        last_good_.store(key, response, Clock::now());
    }
}

std::string CallRuntime::fallback_key(const std::string& path, const CallOptions& options) {
    std::string key = path;
    for (const auto& [name, value] : options.headers) {
        key.append("\n").append(name).append(":").append(value);
    }
    return key;
}

} // namespace failover::detail
