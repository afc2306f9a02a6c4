// SPDX-License-Identifier: MIT
#include "hedged_read.hpp"

#include "database.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace failover::postgres {
namespace {

/// What the two attempts and the caller share. It owns what they read: the one that lost may still
/// be on its way out when the caller has gone.
class Race final : public Abortable {
public:
    Race(Statement text, CausalToken token, DbOptions how, TimePoint until)
        : statement{std::move(text)}, after{token}, options{std::move(how)}, deadline{until} {}

    /// One attempt; on a thread of its own.
    void run(detail::Database& database, std::size_t lane) {
        Result<pqxx::result> result =
            database.read_once(statement, after, options, deadline, controls_[lane], &taken);
        const std::lock_guard lock{mutex_};
        ++ended_;
        if (!winner_ || (!*winner_ && result)) {
            winner_ = std::move(result);
        }
        changed_.notify_all();
    }
    /// Until the first answer, or both have failed, or `until`. `started`: attempts so far.
    bool wait(TimePoint until, std::size_t started) {
        std::unique_lock lock{mutex_};
        return changed_.wait_until(
            lock, until, [&] { return (winner_ && *winner_) || ended_ == started || aborted_; });
    }
    [[nodiscard]] bool unanswered() {
        const std::lock_guard lock{mutex_};
        return !winner_ && !aborted_;
    }
    /// Ends what still runs, and hands over the result: what won, or why none did.
    std::optional<Result<pqxx::result>> finish() {
        for (CallControl& control : controls_) {
            control.abort();
        }
        const std::lock_guard lock{mutex_};
        return std::move(winner_);
    }
    void abort() noexcept override {
        for (CallControl& control : controls_) {
            control.abort();
        }
        {
            const std::lock_guard lock{mutex_};
            aborted_ = true;
        }
        changed_.notify_all();
    }

    const Statement statement;
    const CausalToken after;
    const DbOptions options;
    const TimePoint deadline;            // of the call, whenever an attempt begins
    std::atomic<std::uint64_t> taken{0}; // bit i: an attempt is at node i

private:
    std::array<CallControl, 2> controls_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Result<pqxx::result>> winner_;
    std::size_t ended_ = 0;
    bool aborted_ = false;
};

/// The attempts keep the deadline themselves, and tell more than that it has passed.
constexpr Duration last_word = std::chrono::milliseconds{50};

bool start(detail::Database& database, const std::shared_ptr<Race>& race, std::size_t lane) {
    return database.lanes().run([&database, race, lane] { race->run(database, lane); });
}

} // namespace

Result<pqxx::result> hedged_read(detail::Database& database, const Statement& statement,
                                 const CausalToken& after, const DbOptions& options,
                                 TimePoint deadline, Duration hedge_after, CallControl& control) {
    const TimePoint begun = Clock::now();
    CallBudgetPair& budgets = *database.budgets();
    budgets.hedge.on_call_started();
    const auto race = std::make_shared<Race>(statement, after, options, deadline);
    if (!start(database, race, 0)) {
        return database.read_once(statement, after, options, deadline, control, nullptr);
    }
    const Waiting waiting{control, *race};
    if (!waiting.entered()) {
        race->abort();
    }
    std::size_t started = 1;
    if (!race->wait(std::min(time_after(begun, hedge_after), deadline), started) &&
        race->unanswered() && Clock::now() < deadline && budgets.hedge.withdraw()) {
        const std::optional<BudgetToken> token = budgets.retry.withdraw(Clock::now());
        if (token && start(database, race, 1)) {
            started = 2;
            database.meter().hedge();
        } else {
            budgets.hedge.refund();
        }
    }
    static_cast<void>(race->wait(time_after(deadline, last_word), started));
    std::optional<Result<pqxx::result>> result = race->finish();
    if (!result) {
        return database.fail(control.aborted() ? Errc::cancelled : Errc::deadline_exceeded,
                             "no answer from any node");
    }
    return *std::move(result);
}

} // namespace failover::postgres
