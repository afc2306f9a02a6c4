// SPDX-License-Identifier: MIT
#include "provider_registration.hpp"

#include "kubernetes_provider.hpp"
#include <failover/base/error.hpp>
#include <failover/base/rng.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/engine/together.hpp>
#include <failover/message.hpp>
#include <failover/retry/backoff.hpp>
#include <failover/retry/retry_after.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace failover::discovery {
namespace {

using namespace std::chrono_literals;

/// Whoever deletes it again and again is not answered faster than this.
constexpr Duration before_again = 500ms;

// A manager that stops waits 2 s for its farewells.
constexpr Duration farewell_limit = 1800ms;
/// Of that, for the end of an attempt under way, and for the last request.
constexpr Duration attempt_limit = 800ms;
constexpr Duration last_request = 300ms;
constexpr Duration first_pause = 50ms;
constexpr Duration longest_pause = 200ms;

/// What a server that refused has asked for; zero: nothing.
Duration asked_pause(const Error& error) {
    if (!error.last_response()) {
        return Duration::zero();
    }
    const auto field = error.last_response()->header("Retry-After");
    return field ? parse_retry_after(*field, std::chrono::system_clock::now())
                       .value_or(Duration::zero())
                 : Duration::zero();
}

} // namespace

/// What became of a request to take it back.
struct ProviderRegistration::Answer {
    bool worked = false;
    bool hopeless = false; // whenever it is asked
    std::string problem = "there was no answer in time";
    Duration asked_pause{};
};

ProviderRegistration::ProviderRegistration(std::string identity, std::string service,
                                           std::string watched, Endpoint endpoint,
                                           std::shared_ptr<DiscoveryProvider> provider, Warn warn)
    : SelfRegistration{std::move(identity)},
      service_{std::move(service)},
      watched_{std::move(watched)},
      endpoint_{std::move(endpoint)},
      provider_{std::move(provider)},
      warn_{std::move(warn)} {}

void ProviderRegistration::follow(const SelfRegistration& before) {
    if (const auto* const old = dynamic_cast<const ProviderRegistration*>(&before)) {
        attempts_ = old->attempts_;
    }
}

asio::awaitable<void> ProviderRegistration::run() {
    const auto kubernetes = std::dynamic_pointer_cast<KubernetesProvider>(provider_);
    asio::steady_timer timer{co_await asio::this_coro::executor};
    co_await announce();
    while (kubernetes) {
        co_await kubernetes->until_deleted(service_, endpoint_.id, service_ == watched_);
        warn_("the registration was deleted and is made again");
        timer.expires_after(before_again);
        co_await timer.async_wait(asio::use_awaitable);
        co_await announce();
    }
}

/// Until it worked.
asio::awaitable<void> ProviderRegistration::announce() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    constexpr BackoffOptions pauses{.base = 500ms, .max = 30s};
    Rng rng{new_seed()};
    std::string told;
    for (unsigned failures = 0;; ++failures) {
        asio::awaitable<void> attempt = tell(provider_, service_, endpoint_);
        const std::string reason = co_await attempts_->run(std::move(attempt));
        if (reason.empty()) {
            co_return;
        }
        if (reason != told) {
            warn_("registration failed and is tried again: " + reason);
            told = reason;
        }
        timer.expires_after(backoff(pauses, failures, rng));
        co_await timer.async_wait(asio::use_awaitable);
    }
}

/// Owns what it uses: it may outlive this.
asio::awaitable<void> ProviderRegistration::tell(std::shared_ptr<DiscoveryProvider> provider,
                                                 std::string service, Endpoint endpoint) {
    co_await provider->register_endpoint(std::move(service), std::move(endpoint));
}

asio::awaitable<void> ProviderRegistration::take_back() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    const TimePoint until = Clock::now() + farewell_limit;
    attempts_->close();
    const bool settled = co_await attempts_->settled(Clock::now() + attempt_limit);
    if (!settled) {
        attempts_->cancel();
    }
    std::string problem;
    Duration pause = first_pause;
    error_code stopped;
    while (!stopped) {
        const Answer answer = co_await take_back_once(until);
        if (answer.worked && settled) {
            co_return;
        }
        // An attempt that did not end may arrive after what took it back.
        problem = answer.worked ? "an attempt to register did not end; it may be listed again"
                                : answer.problem;
        const Duration left = until - Clock::now() - last_request;
        if (answer.hopeless || left < first_pause) {
            break;
        }
        timer.expires_after(std::min(std::max(pause, answer.asked_pause), left));
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
        pause = std::min(2 * pause, longest_pause);
    }
    warn_("deregistration failed: " + problem);
}

asio::awaitable<ProviderRegistration::Answer> ProviderRegistration::take_back_once(
    TimePoint until) {
    const auto answer = std::make_shared<Answer>();
    std::vector<asio::awaitable<void>> request;
    request.push_back(ask(provider_, service_, endpoint_.id, answer));
    co_await together(std::move(request), until - Clock::now());
    co_return *answer;
}

/// Owns what it uses as well: when its time is up nobody waits for its end.
asio::awaitable<void> ProviderRegistration::ask(std::shared_ptr<DiscoveryProvider> provider,
                                                std::string service, std::string id,
                                                std::shared_ptr<Answer> answer) {
    try {
        co_await provider->deregister_endpoint(std::move(service), std::move(id));
        answer->worked = true;
    } catch (const Error& error) {
        answer->hopeless = error.failure() == Errc::unsupported;
        answer->problem = error.what();
        answer->asked_pause = asked_pause(error);
    } catch (const std::exception& error) {
        answer->problem = error.what();
    }
}

} // namespace failover::discovery
