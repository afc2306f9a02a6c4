// SPDX-License-Identifier: MIT
#pragma once

#include "cache_check.hpp"
#include "cache_client.hpp"
#include "cache_havoc.hpp"
#include "cache_log.hpp"
#include "cache_story.hpp"
#include "cache_tally.hpp"
#include "stall_watch.hpp"
#include "support/cache_config.hpp"
#include "support/wait_until.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// One run of the clients against servers of its own, from blow to blow, with its verdict.
/// Threads    one thread, which must outlive it.
class CachePhase {
public:
    /// In milliseconds.
    struct Quantiles {
        double p50 = 0;
        double p99 = 0;
        double most = 0;
    };
    struct Outcome {
        CacheCheck::Verdict verdict{};
        CacheTally::Report calls{};
        std::array<std::size_t, CacheHavoc::blow_kinds> counts{};
        std::size_t blows = 0;
        /// Reads that failed although one server was in order.
        std::size_t failed_without_need = 0;
        /// Blows after which a client did not see both servers up again in time.
        std::size_t not_recovered = 0;
        Quantiles gets{};
        /// From the end of a blow until every client has both servers up.
        Quantiles recoveries{};
        Duration longest_stall{};
    };

    /// `ack`: write_ack of every client.
    CachePhase(const std::string& ack, std::size_t seed) : ack_{ack}, havoc_{seed} {
        for (std::size_t client = 0; client < CacheHavoc::clients; ++client) {
            const CacheText text{
                .urls = havoc_.urls(client), .write_ack = ack, .failover = fast_failover};
            clients_.emplace_back(text.config(), client, logs_, tally_, seed * 10 + client);
        }
    }

    /// `kills` blows, or blows for `time` when that is not zero. Once only.
    Outcome run(std::size_t kills, Duration time) {
        Outcome outcome;
        std::vector<double> recoveries;
        await_settled(outcome, recoveries); // they start with nothing known
        recoveries.clear();
        const TimePoint end = Clock::now() + time;
        bool again = false;
        while (time > Duration{} ? Clock::now() < end : havoc_.blows() < kills) {
            const CacheHavoc::Blow blow = havoc_.strike(again);
            if (blow == CacheHavoc::Blow::both) {
                broken_since_ = havoc_.timeline().back().begin;
            }
            again = blow != CacheHavoc::Blow::both && havoc_.hurries();
            if (!again && !await_settled(outcome, recoveries) &&
                outcome.not_recovered >= most_not_recovered) {
                std::printf("  given up\n");
                break;
            }
            const std::string recovery =
                again ? "not awaited"
                      : "recovered in " + std::to_string(std::lround(recoveries.back())) + " ms";
            std::printf("  %3zu %-44s %-20s %zu calls so far\n", havoc_.blows(),
                        havoc_.timeline().back().text.c_str(), recovery.c_str(), calls());
            std::fflush(stdout);
            havoc_.rest();
        }
        if (again) {
            await_settled(outcome, recoveries);
        }
        outcome.recoveries = quantiles_of(std::move(recoveries));
        stop();
        judge(outcome);
        return outcome;
    }

private:
    // Recovery within about a second, and no growing distrust: every server fails all the time.
    static constexpr const char* fast_failover =
        "timeout: 2s, operation_timeout: 50ms, "
        "rejoin: {after: 200ms, max_after: 200ms, warm_up: 300ms, quarantine: 1s}, "
        "health: {ping_interval: 50ms, ping_timeout: 50ms}";
    static constexpr std::chrono::seconds longest_recovery{15};
    static constexpr std::chrono::milliseconds peace{100};
    static constexpr std::size_t most_not_recovered = 5;
    static constexpr std::string_view placeholder{"\0fo:", 4};

    /// When reads may fail: no server was in order.
    struct Outage {
        TimePoint begin;
        TimePoint end;
    };

    bool await_settled(Outcome& outcome, std::vector<double>& recoveries) {
        const TimePoint begin = Clock::now();
        // A blow that was short is noticed after its end: peace has to last for a while.
        TimePoint since = begin;
        const bool settled = wait_until(
            [this, &since] {
                const bool all =
                    std::all_of(clients_.begin(), clients_.end(),
                                [](const CacheClient& client) { return client.settled(); });
                since = all ? since : Clock::now();
                return all && Clock::now() - since >= peace;
            },
            longest_recovery);
        recoveries.push_back(CacheStory::milliseconds(since - begin));
        if (broken_since_) {
            broken_.push_back({*broken_since_, Clock::now()});
            broken_since_.reset();
        }
        if (!settled) {
            ++outcome.not_recovered;
            show_clients();
        }
        return settled;
    }
    void stop() {
        for (CacheClient& client : clients_) {
            client.request_stop();
        }
        for (CacheClient& client : clients_) {
            client.stop();
        }
    }
    void judge(Outcome& outcome) {
        audit();
        outcome.verdict = CacheCheck{logs_}.verdict();
        const CacheStory story{havoc_.timeline(), logs_};
        for (const CacheCheck::Offence& offence : outcome.verdict.offences) {
            if (ack_ == "all" || offence.kind != CacheCheck::Offence::Kind::stale_other) {
                story.tell(offence);
            }
        }
        outcome.failed_without_need = failed_without_need(story);
        outcome.calls = tally_.report(stalls_);
        for (const auto& [kind, times] : outcome.calls.failures) {
            std::printf("failed as %s: %zu\n", kind.c_str(), times);
        }
        outcome.counts = havoc_.counts();
        outcome.blows = havoc_.blows();
        outcome.gets = quantiles_of(get_times());
        outcome.longest_stall = stalls_.longest();
    }
    std::size_t calls() const {
        std::size_t all = 0;
        for (const CacheClient& client : clients_) {
            all += client.calls();
        }
        return all;
    }

    /// Reads every key from the servers themselves, as one more client that has written nothing:
    /// what a node keeps to itself is seen too.
    void audit() {
        wait_until(
            [this] {
                return std::all_of(clients_.begin(), clients_.end(), [](const CacheClient& client) {
                    return client.settled() && client.quiet();
                });
            },
            longest_recovery);
        CacheLog& log =
            logs_.emplace_back(static_cast<std::uint32_t>(logs_.size()), CacheHavoc::clients);
        for (std::size_t node = 0; node < CacheHavoc::nodes; ++node) {
            RedisProbe probe = havoc_.server(node).probe();
            for (std::size_t key = 0; key < CacheClient::keys; ++key) {
                CacheLog::Read read{.begin = Clock::now(),
                                    .end = {},
                                    .key = static_cast<std::uint16_t>(key),
                                    .seen = CacheLog::Seen::nil,
                                    .stamp = {}};
                const RedisValue value = probe.command({"GET", cache_key(key)});
                read.end = Clock::now();
                // To read a placeholder of a load, or of a copy while a node warms up, is a miss.
                if (value.is_nil() || value.text.starts_with(placeholder)) {
                    log.add(read);
                } else {
                    log.add(read, value.text);
                }
            }
        }
    }

    std::size_t failed_without_need(const CacheStory& story) const {
        std::vector<CacheLog::Read> needless;
        for (const CacheLog& log : logs_) {
            std::copy_if(log.reads().begin(), log.reads().end(), std::back_inserter(needless),
                         [this](const CacheLog::Read& read) {
                             return read.seen == CacheLog::Seen::nothing && !in_outage(read);
                         });
        }
        story.tell_failed(needless);
        return needless.size();
    }
    bool in_outage(const CacheLog::Read& read) const {
        return std::any_of(broken_.begin(), broken_.end(), [&](const Outage& outage) {
            return read.begin <= outage.end && read.end >= outage.begin;
        });
    }
    std::vector<double> get_times() const {
        std::vector<double> times;
        for (const CacheLog& log : logs_) {
            if (log.client() != CacheHavoc::clients) {
                std::transform(log.reads().begin(), log.reads().end(), std::back_inserter(times),
                               [](const CacheLog::Read& read) {
                                   return CacheStory::milliseconds(read.end - read.begin);
                               });
            }
        }
        return times;
    }
    static Quantiles quantiles_of(std::vector<double> values) {
        if (values.empty()) {
            return {};
        }
        std::sort(values.begin(), values.end());
        const auto last = static_cast<double>(values.size() - 1);
        const auto at = [&](double part) {
            return values[static_cast<std::size_t>(part * last + 0.5)];
        };
        return {at(0.5), at(0.99), values.back()};
    }

    void show_clients() const {
        for (std::size_t client = 0; client < clients_.size(); ++client) {
            for (const CacheNodeStatus& node : clients_[client].topology().nodes) {
                std::printf("  NOT RECOVERED: client %zu, node %s: %s, journal %zu, %s\n", client,
                            node.id.c_str(), to_string(node.state), node.journal_depth,
                            node.problem.c_str());
            }
        }
    }

    std::string ack_;
    StallWatch stalls_;
    CacheHavoc havoc_;
    CacheTally tally_;
    std::deque<CacheLog> logs_;
    std::optional<TimePoint> broken_since_ = Clock::now();
    std::vector<Outage> broken_;
    std::deque<CacheClient> clients_; // end before what they use
};

} // namespace failover::test
