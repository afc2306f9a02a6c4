// SPDX-License-Identifier: MIT
#pragma once

#include "kube_access.hpp"
#include "kube_requests.hpp"
#include "registered_slices.hpp"
#include <failover/discovery/kubernetes/informer.hpp>
#include <failover/discovery/kubernetes/watch_lines.hpp>
#include <failover/discovery/provider.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace failover::discovery {

/// Runs the informer of one service over HTTP and gives what it learns to a sink.
/// Threads    all on the strand given.
/// Cancel     run() by its caller, terminal.
class KubeSession final : public std::enable_shared_from_this<KubeSession>, public http::BodySink {
public:
    struct Options {
        KubeService service{};
        SliceSelection selection{};
        InformerTiming timing{};
        std::uint64_t seed = 0;
        /// Told what is listed; null: nobody wants to know.
        std::shared_ptr<RegisteredSlices> registered{};
    };

    KubeSession(const asio::any_io_executor& strand, Options options,
                std::shared_ptr<KubeAccess> access, SnapshotSink sink,
                std::function<void(std::string)> warn);

    /// Pushes each set until cancelled. Throws what cancelled it.
    asio::awaitable<void> run();
    /// Part of a watch.
    void on_body(std::string_view bytes) override;

private:
    asio::awaitable<void> list(ListSlices request);
    asio::awaitable<void> watch(WatchSlices request);
    asio::awaitable<ControlReply> stream(Request request, Duration limit);
    asio::awaitable<void> until_dropped();
    void on_line(std::string_view line);
    void show_registered(RegisteredSlices::Moment newest_since);
    void drop_watch(std::string reason);
    void renew_credentials(KubeFailure& failure);
    void tell();
    void arm();
    void push();
    void explain(const MergedSlices& merged);

    Options options_;
    std::shared_ptr<KubeAccess> access_;
    SnapshotSink sink_;
    std::function<void(std::string)> warn_;
    SliceInformer informer_;
    WatchLines lines_;
    std::unique_ptr<ControlClient> client_;
    RegisteredSlices::Moment newest_since_ = 0; // of the list under way; 0: not of the newest state
    std::string token_;                         // sent with the request under way
    std::string dropped_;                       // why the watch under way is of no use
    std::string explanation_;                   // the last one given
    asio::steady_timer pause_;
    asio::steady_timer publish_; // fires when a quiet time has passed
    asio::steady_timer drop_;    // never expires: cancelled to end a watch
};

} // namespace failover::discovery
