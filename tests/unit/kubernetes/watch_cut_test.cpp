// SPDX-License-Identifier: MIT
#include "discovery/slice_json.hpp"
#include "support/kube_transcript.hpp"
#include <failover/discovery/kubernetes/informer.hpp>
#include <failover/discovery/kubernetes/watch_lines.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace failover::discovery {
namespace {

/// A recorded watch and a server that holds its history: a watch from a version gets what follows.
struct WatchHistory {
    explicit WatchHistory(const std::string& transcript)
        : bytes{test::recorded(transcript).body()} {
        WatchLines lines;
        lines.feed(bytes,
                   [&](std::string_view line) { events.push_back(parse_watch_event(line)); });
    }

    /// What is left for a watch from `version`; everything from the version of the list.
    [[nodiscard]] std::size_t after(const std::string& version) const {
        for (std::size_t i = events.size(); i > 0; --i) {
            if (events[i - 1].slice.resource_version == version) {
                return i;
            }
        }
        return 0;
    }

    std::string bytes;
    std::vector<WatchEvent> events;
};

SliceInformer watching(const std::vector<Slice>& listed) {
    SliceInformer informer{InformerTiming{}, Rng{1}};
    static_cast<void>(informer.next(TimePoint{}));
    informer.on_page({.resource_version = "list", .slices = listed}, TimePoint{});
    static_cast<void>(informer.next(TimePoint{}));
    return informer;
}

/// Continues a cut watch as the informer wants it, and says what it knows at the end.
const SliceMap& continued(SliceInformer& informer, const WatchHistory& history) {
    const TimePoint now{std::chrono::minutes{1}};
    informer.on_watch_ended({.how = WatchEnd::How::cut, .failure = {.reason = "cut"}}, now);
    const InformerAction action = informer.next(now + std::chrono::seconds{1});
    const auto* watch = std::get_if<WatchSlices>(&action);
    EXPECT_NE(watch, nullptr) << "it goes on without a list";
    if (watch != nullptr) {
        for (std::size_t i = history.after(watch->resource_version); i < history.events.size();
             ++i) {
            informer.on_event(history.events[i], now);
        }
    }
    return informer.table().slices();
}

/// The state after each event, told apart from what must come out of every cut.
void cut_everywhere(const WatchHistory& history, const std::vector<Slice>& listed) {
    SliceInformer uncut = watching(listed);
    for (const WatchEvent& event : history.events) {
        uncut.on_event(event, TimePoint{});
    }
    SliceInformer running = watching(listed);
    WatchLines lines;
    for (std::size_t cut = 0; cut <= history.bytes.size(); ++cut) {
        SliceInformer broken = running; // a watch that got `cut` bytes
        ASSERT_EQ(continued(broken, history), uncut.table().slices()) << "cut at byte " << cut;
        if (cut < history.bytes.size()) {
            lines.feed(history.bytes.substr(cut, 1), [&](std::string_view line) {
                running.on_event(parse_watch_event(line), TimePoint{});
            });
        }
    }
    EXPECT_EQ(running.table().slices(), uncut.table().slices());
}

TEST(WatchCut, at_any_byte_loses_and_doubles_nothing) {
    cut_everywhere(WatchHistory{"watch-add-mod-del"}, {});
    cut_everywhere(WatchHistory{"controller-pod-lifecycle"}, {});
}

TEST(WatchCut, of_a_slice_of_a_thousand_endpoints) {
    const std::string body = test::recorded("watch-huge-event").body();
    EXPECT_EQ(body.find('\n'), 129'240U) << "one line, as section 2 says";
    for (std::size_t piece = 1; piece <= body.size(); piece = piece * 3 + 1) {
        SliceInformer informer = watching({});
        WatchLines lines;
        std::vector<std::size_t> usable;
        for (std::size_t at = 0; at < body.size(); at += piece) {
            lines.feed(std::string_view{body}.substr(at, piece), [&](std::string_view whole) {
                informer.on_event(parse_watch_event(whole), TimePoint{});
                usable.push_back(informer.table().endpoints({}).endpoints.size());
            });
        }
        // The second event says that one of them is not ready.
        EXPECT_EQ(usable, (std::vector<std::size_t>{1000, 999})) << piece;
    }
}

} // namespace
} // namespace failover::discovery
