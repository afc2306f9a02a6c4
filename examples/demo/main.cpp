// SPDX-License-Identifier: MIT
// demo [--serve]: three loopback upstreams are killed, hung, slowed and brought back while four
// threads call the service without a pause. Exits 0 only when no call failed and a failover
// happened.
#include "load.hpp"
#include "screen.hpp"
#include "support/toy_upstream.hpp"
#include <failover/failover.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace {

using std::chrono::milliseconds;

std::atomic<bool> interrupted{false};

using Upstreams = std::array<toy::ToyUpstream, 3>;

/// One thing that happens to the upstreams.
struct Step {
    milliseconds at{};
    const char* what = "";
    /// Index of the upstream; `to_all`: every one.
    std::size_t upstream = 0;
    toy::Mode mode{};
    milliseconds delay{};
};

constexpr std::size_t to_all = 99;
constexpr milliseconds timeline_length{24'000};
constexpr Step timeline[] = {
    {milliseconds{2500},
     "kill a: its connections are reset, new ones refused",
     0,
     toy::Mode::down,
     {}},
    {milliseconds{5500},
     "bring a back: calls return to it after 2 s of good health",
     0,
     toy::Mode::up,
     {}},
    {milliseconds{9500}, "hang a: it accepts requests and never answers", 0, toy::Mode::hung, {}},
    {milliseconds{12500}, "slow b down to 500 ms, twice what an attempt may take", 1,
     toy::Mode::slow, milliseconds{500}},
    {milliseconds{15500}, "bring both back", to_all, toy::Mode::up, {}},
    {milliseconds{19500}, "kill a again", 0, toy::Mode::down, {}},
    {milliseconds{20500}, "kill b as well: one is left", 1, toy::Mode::down, {}},
    {milliseconds{22500}, "bring both back", to_all, toy::Mode::up, {}},
};

std::uint16_t free_port() {
    boost::asio::io_context io;
    boost::asio::ip::tcp::acceptor acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
    return acceptor.local_endpoint().port();
}

std::string make_config(const Upstreams& upstreams, std::uint16_t admin_port) {
    std::string text =
        "service: {name: demo}\n"
        "logging: {providers: {console: {level: error, format: text}}}\n"
        "monitoring: {providers: {prometheus: {endpoint: \"127.0.0.1:" +
        std::to_string(admin_port) +
        "\"}}}\n"
        "failover:\n"
        "  services:\n"
        "    user-service:\n"
        "      provider: static\n"
        "      endpoints:\n";
    for (const toy::ToyUpstream& upstream : upstreams) {
        text += "        - {id: " + upstream.name() +
                ", url: \"http://127.0.0.1:" + std::to_string(upstream.port()) + "\"}\n";
    }
    text +=
        "      health_check: {path: /health, interval: 500ms, timeout: 250ms}\n"
        "      failover:\n"
        "        strategy: active-passive   # one endpoint until it fails, then the next\n"
        "        timeout: 5s                # the whole call\n"
        "        attempt_timeout: 250ms     # what a hung endpoint may cost\n"
        "        max_retries: 3\n"
        "        failback_after: 2s\n"
        "        outlier: {base_ejection: 1s}\n";
    return text;
}

void narrate(demo::Screen& screen, demo::Tally& tally, const failover::Event& event) {
    if (event.kind == failover::EventKind::failed_over) {
        ++tally.failovers;
    }
    std::string text = std::string{"        "} + failover::to_string(event.kind);
    text += event.endpoint.empty() ? "" : ' ' + event.endpoint;
    text += event.reason.empty() ? "" : ": " + event.reason;
    screen.say(text);
}

void apply(const Step& step, Upstreams& upstreams) {
    for (std::size_t i = 0; i < upstreams.size(); ++i) {
        if (step.upstream == to_all || step.upstream == i) {
            upstreams[i].set(step.mode, step.delay);
        }
    }
}

/// Shows progress until `until` or a signal; false: a signal.
bool watch_until(failover::TimePoint until, demo::Screen& screen,
                 const failover::FailoverManager& manager, const demo::Tally& tally) {
    while (failover::Clock::now() < until && !interrupted) {
        std::this_thread::sleep_for(milliseconds{20});
        screen.progress(manager, tally);
    }
    return !interrupted;
}

void play(demo::Screen& screen, const failover::FailoverManager& manager, const demo::Tally& tally,
          Upstreams& upstreams) {
    const failover::TimePoint start = failover::Clock::now();
    for (const Step& step : timeline) {
        if (!watch_until(start + step.at, screen, manager, tally)) {
            return;
        }
        screen.say(step.what);
        apply(step, upstreams);
    }
    watch_until(start + timeline_length, screen, manager, tally);
}

/// Runs the timeline, again and again when `serve`, and says how the calls fared.
bool run(bool serve) {
    Upstreams upstreams{toy::ToyUpstream{"a"}, toy::ToyUpstream{"b"}, toy::ToyUpstream{"c"}};
    const std::uint16_t admin_port = free_port();
    const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                       ("failover-demo-" + std::to_string(::getpid()) + ".yaml");
    const std::string config = make_config(upstreams, admin_port);
    std::ofstream{file} << config;
    std::printf("config.yaml:\n\n%s\n", config.c_str());

    demo::Tally tally;
    demo::Screen screen;
    failover::FailoverManager manager{file};
    std::filesystem::remove(file);
    const failover::Subscription events =
        manager.on_event([&](const failover::Event& event) { narrate(screen, tally, event); });
    screen.say("admin endpoint: http://127.0.0.1:" + std::to_string(admin_port) + "/metrics");
    {
        const demo::Load load{manager.client(), tally, 4};
        do {
            play(screen, manager, tally, upstreams);
        } while (serve && !interrupted);
    }
    manager.stop();

    if (tally.failures > 0) {
        screen.say("first failure: " + tally.first_failure());
    }
    screen.say("done");
    std::printf("demo: %llu requests, %llu failed, %llu failovers, p50 %.2f ms, p99 %.2f ms\n",
                static_cast<unsigned long long>(tally.requests),
                static_cast<unsigned long long>(tally.failures),
                static_cast<unsigned long long>(tally.failovers),
                tally.latency.percentile(0.5).count(), tally.latency.percentile(0.99).count());
    return tally.failures == 0 && tally.failovers > 0;
}

} // namespace

int main(int argc, char** argv) {
    const bool serve = argc == 2 && std::string_view{argv[1]} == "--serve";
    if (argc > 2 || (argc == 2 && !serve)) {
        std::fprintf(stderr, "usage: demo [--serve]\n");
        return 2;
    }
    const auto interrupt = [](int) { interrupted = true; };
    std::signal(SIGINT, interrupt);
    std::signal(SIGTERM, interrupt);
    try {
        return run(serve) ? 0 : 1;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "demo: %s\n", e.what());
        return 1;
    }
}
