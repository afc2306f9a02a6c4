// SPDX-License-Identifier: MIT
#include "kube_session.hpp"

#include "kube_explanation.hpp"
#include "kube_failures.hpp"
#include "slice_json.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>
#include <variant>

namespace failover::discovery {
namespace {

asio::awaitable<void> throw_if_cancelled() {
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw boost::system::system_error{asio::error::operation_aborted};
    }
}

} // namespace

KubeSession::KubeSession(const asio::any_io_executor& strand, Options options,
                         std::shared_ptr<KubeAccess> access, SnapshotSink sink,
                         std::function<void(std::string)> warn)
    : options_{std::move(options)},
      access_{std::move(access)},
      sink_{std::move(sink)},
      warn_{std::move(warn)},
      informer_{options_.timing, Rng{options_.seed}},
      client_{access_->connect()},
      pause_{strand},
      publish_{strand},
      drop_{strand, asio::steady_timer::time_point::max()} {}

asio::awaitable<void> KubeSession::run() {
    for (;;) {
        tell();
        const InformerAction action = informer_.next(Clock::now());
        if (const auto* pages = std::get_if<ListSlices>(&action)) {
            co_await list(*pages);
        } else if (const auto* changes = std::get_if<WatchSlices>(&action)) {
            co_await watch(*changes);
        } else {
            pause_.expires_at(std::get<WaitUntil>(action).until);
            co_await pause_.async_wait(asio::use_awaitable);
        }
    }
}

asio::awaitable<void> KubeSession::list(ListSlices request) {
    if (request.next.empty()) {
        const bool newest = options_.registered && !request.resource_version;
        newest_since_ = newest ? options_.registered->list_begins() : 0;
    }
    token_ = access_->token();
    Request message = list_request(options_.service, request, token_);
    const ControlReply reply =
        co_await client_->send(std::move(message), options_.timing.list_limit);
    co_await throw_if_cancelled();
    KubeFailure failure;
    if (reply.complete() && reply.status() == 200) {
        try {
            SlicePage page = page_of(reply);
            informer_.on_page(std::move(page), Clock::now());
            sink_.alive();
            show_registered(informer_.listing() ? 0 : newest_since_);
            co_return;
        } catch (const FormatError& error) {
            failure.reason = error.what();
        }
    } else {
        failure = failure_of(reply, options_.service);
        renew_credentials(failure);
    }
    informer_.on_list_failed(failure, Clock::now());
}

asio::awaitable<void> KubeSession::watch(WatchSlices request) {
    token_ = access_->token();
    lines_.reset();
    dropped_.clear();
    Request message = watch_request(options_.service, request, token_);
    const Duration limit = request.timeout + options_.timing.watch_grace;
    const ControlReply reply = co_await stream(std::move(message), limit);
    co_await throw_if_cancelled();
    WatchEnd end = watch_end_of(reply, options_.service, lines_.pending() > 0);
    if (!dropped_.empty()) {
        end = {.how = WatchEnd::How::malformed, .failure = {.reason = dropped_}};
    }
    renew_credentials(end.failure);
    informer_.on_watch_ended(end, Clock::now());
}

/// The stream, or nothing once drop_watch() was called.
asio::awaitable<ControlReply> KubeSession::stream(Request request, Duration limit) {
    using namespace asio::experimental::awaitable_operators;
    asio::awaitable<ControlReply> streaming =
        client_->stream(std::move(request), limit, options_.timing.silence, *this);
    asio::awaitable<void> dropping = until_dropped();
    auto either = std::move(streaming) || std::move(dropping);
    auto outcome = co_await std::move(either);
    if (auto* reply = std::get_if<0>(&outcome)) {
        co_return std::move(*reply);
    }
    ControlReply nothing;
    nothing.error = asio::error::operation_aborted;
    nothing.problem = dropped_;
    co_return nothing;
}

asio::awaitable<void> KubeSession::until_dropped() {
    error_code ignored;
    co_await drop_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void KubeSession::on_body(std::string_view bytes) {
    sink_.alive();
    const bool fits = lines_.feed(bytes, [this](std::string_view line) { on_line(line); });
    if (!fits) {
        drop_watch("a line of the watch is longer than " +
                   std::to_string(WatchLines::default_limit >> 20U) + " MiB");
    }
    tell();
}

void KubeSession::on_line(std::string_view line) {
    if (!dropped_.empty()) {
        return;
    }
    try {
        WatchEvent event = parse_watch_event(line);
        if (options_.registered && event.type == WatchEvent::Type::deleted) {
            options_.registered->deleted(event.slice.name);
        }
        informer_.on_event(std::move(event), Clock::now());
        show_registered(0);
    } catch (const FormatError& error) {
        drop_watch(std::string{"an event of the watch cannot be read: "} + error.what());
    }
}

/// `newest_since`: see RegisteredSlices::listed().
void KubeSession::show_registered(RegisteredSlices::Moment newest_since) {
    if (options_.registered && informer_.synced()) {
        options_.registered->listed(options_.service.name, informer_.table().slices(),
                                    newest_since);
    }
}

void KubeSession::drop_watch(std::string reason) {
    if (dropped_.empty()) {
        dropped_ = std::move(reason);
        drop_.cancel();
    }
}

/// 401: the token's file may hold another one by now. No answer: the CA may have been rotated.
void KubeSession::renew_credentials(KubeFailure& failure) {
    if (failure.status != 401 && failure.status != 0) {
        return;
    }
    const bool failed = !failure.reason.empty(); // not the clean end of a watch
    const bool reconnect = failed && access_->refresh();
    if (reconnect) {
        client_ = access_->connect();
    }
    failure.new_credentials = reconnect || (failure.status == 401 && access_->token() != token_);
}

/// What the informer has to say goes out in its order: news first, then the failure after them.
void KubeSession::tell() {
    if (informer_.take_publication(Clock::now())) {
        push();
    }
    if (const auto problem = informer_.take_problem()) {
        sink_.lost(*problem);
    }
    arm();
}

void KubeSession::arm() {
    const auto when = informer_.publish_at();
    if (!when || publish_.expiry() == *when) {
        return;
    }
    publish_.expires_at(*when);
    publish_.async_wait([weak = weak_from_this()](const error_code& error) {
        if (const auto self = weak.lock(); self && !error) {
            self->tell();
        }
    });
}

void KubeSession::push() {
    MergedSlices merged = informer_.table().endpoints(options_.selection);
    explain(merged);
    sink_.push(std::move(merged.endpoints));
}

void KubeSession::explain(const MergedSlices& merged) {
    std::string why = explanation_of(merged, options_.service, options_.selection);
    if (!why.empty() && why != explanation_ && warn_) {
        warn_(why);
    }
    explanation_ = std::move(why);
}

} // namespace failover::discovery
