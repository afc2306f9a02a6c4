// SPDX-License-Identifier: MIT
#pragma once

#include "stall_watch.hpp"
#include "write_history.hpp"
#include <failover/db.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// Four writers and two readers of table "chaos", from construction until stop(). A writer inserts
/// (writer, value), each value once; the table has no unique key, so what is executed twice is
/// there twice. A reader takes a token and looks for what was acknowledged before.
class DatabaseLoad {
public:
    static constexpr std::size_t writers = 4;
    static constexpr Duration deadline = std::chrono::seconds{5};
    /// A call may end so much after its deadline.
    static constexpr Duration tolerance = std::chrono::milliseconds{250};
    /// Part of the only statement that commits by itself.
    static constexpr const char* alone = "/* alone */";

    struct Report {
        std::size_t reads = 0;
        std::size_t reads_failed = 0;
        /// Values that a reader missed.
        std::size_t stale = 0;
        /// Calls that ended too late, and of those the ones whose delay the machine explains.
        std::size_t late = 0;
        std::size_t late_by_stall = 0;
        /// How often calls failed, by the error's name.
        std::map<std::string, std::size_t> failures{};
    };

    static void create_table(FailoverDB& db) {
        db.exec(
            "create table chaos(writer int not null, value int not null, "
            "at timestamptz not null default clock_timestamp())");
        db.exec("create index on chaos(writer, value)"); // not unique
    }
    /// Of the writers 0 to 3: does it ask for exactly_once?
    [[nodiscard]] static bool exactly_once(std::size_t writer) { return writer < writers / 2; }

    explicit DatabaseLoad(const FailoverDB& db) : db_{db} {
        for (std::size_t writer = 0; writer < writers; ++writer) {
            threads_.emplace_back([this, writer] { write(writer); });
        }
        for (std::size_t reader = 0; reader < 2; ++reader) {
            threads_.emplace_back([this, reader] { read(reader); });
        }
    }
    DatabaseLoad(const DatabaseLoad&) = delete;
    DatabaseLoad& operator=(const DatabaseLoad&) = delete;
    ~DatabaseLoad() { stop(); }

    /// Returns once every call has ended.
    void stop() {
        stopping_ = true;
        for (std::thread& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    [[nodiscard]] std::size_t acknowledged() const noexcept { return acknowledged_; }
    /// The longest time without an acknowledged write since the last call of this.
    Duration take_longest_gap() {
        const std::lock_guard lock{mutex_};
        return std::exchange(longest_gap_, Duration{});
    }
    [[nodiscard]] const WriteHistory& history(std::size_t writer) const {
        return histories_.at(writer);
    }
    /// After stop().
    [[nodiscard]] Report report(const StallWatch& stalls) const {
        const std::lock_guard lock{mutex_};
        Report report{
            .reads = reads_, .reads_failed = reads_failed_, .stale = stale_, .failures = failures_};
        for (const Late& call : late_) {
            const Duration over = call.end - call.start - deadline - tolerance;
            const bool stalled = stalls.within(call.start, call.end) >= over;
            (stalled ? report.late_by_stall : report.late) += 1;
        }
        return report;
    }

private:
    struct Late {
        TimePoint start;
        TimePoint end;
    };
    using Told = WriteHistory::Told;

    // Leaves the processors to the servers.
    static constexpr Duration write_pause = std::chrono::milliseconds{2};
    static constexpr Duration read_pause = std::chrono::milliseconds{5};

    template <class Call>
    auto timed(Call call) {
        const TimePoint start = Clock::now();
        auto result = call();
        const TimePoint end = Clock::now();
        if (end - start > deadline + tolerance) {
            const std::lock_guard lock{mutex_};
            late_.push_back({start, end});
            std::printf("  late: a call took %.0f ms: %s\n",
                        std::chrono::duration<double, std::milli>(end - start).count(),
                        result ? "it succeeded" : result.error().message().c_str());
        }
        return result;
    }

    void write(std::size_t writer) {
        DbOptions options;
        options.deadline = deadline;
        options.exactly_once = exactly_once(writer);
        const FailoverDB db = db_.with(options);
        TransactionOptions whole;
        whole.deadline = deadline;
        whole.exactly_once = exactly_once(writer);
        const bool in_transaction = writer % 2 == 1;
        WriteHistory& history = histories_[writer];
        while (!stopping_) {
            const std::size_t value = history.begin();
            const int id = static_cast<int>(writer);
            const int number = static_cast<int>(value);
            const auto insert = [&](pqxx::work& work) {
                work.exec("insert into chaos(writer, value) values (" + std::to_string(id) + ", " +
                          std::to_string(number) + ")");
            };
            const std::string sql =
                std::string{"insert into chaos(writer, value) values ($1, $2)"} +
                (exactly_once(writer) ? "" : alone);
            const Result<void> result = timed([&]() -> Result<void> {
                if (in_transaction) {
                    return db.try_transaction(insert, whole);
                }
                const Result<pqxx::result> done = db.try_exec(sql, id, number);
                return done ? Result<void>{} : Result<void>{done.error()};
            });
            history.end(value, tell(result));
            std::this_thread::sleep_for(write_pause);
        }
    }

    Told tell(const Result<void>& result) {
        const std::lock_guard lock{mutex_};
        if (!result) {
            note(result.error());
            return result.error() == Condition::maybe_executed ? Told::maybe_executed
                                                               : Told::not_sent;
        }
        const TimePoint now = Clock::now();
        longest_gap_ = std::max(longest_gap_, now - last_acknowledged_);
        last_acknowledged_ = now;
        ++acknowledged_;
        return Told::acknowledged;
    }

    void read(std::size_t reader) {
        DbOptions options;
        options.deadline = deadline;
        const FailoverDB db = db_.with(options);
        for (std::size_t round = reader; !stopping_; ++round) {
            const std::size_t writer = round % writers;
            const std::deque<std::size_t> expected = histories_[writer].recent();
            if (!expected.empty()) {
                look_for(db, writer, expected);
            }
            std::this_thread::sleep_for(read_pause);
        }
    }

    void look_for(const FailoverDB& db, std::size_t writer,
                  const std::deque<std::size_t>& expected) {
        const Result<CausalToken> token = timed([&] { return db.try_token(); });
        if (!token) {
            return fail_read(token.error());
        }
        const Result<pqxx::result> rows = timed([&] {
            return db.try_query_after(*token,
                                      "select value from chaos where writer = $1 and value >= $2",
                                      static_cast<int>(writer), static_cast<int>(expected.front()));
        });
        if (!rows) {
            return fail_read(rows.error());
        }
        std::set<std::size_t> seen;
        for (const auto& row : *rows) {
            seen.insert(row[0].as<std::size_t>());
        }
        const std::lock_guard lock{mutex_};
        ++reads_;
        for (const std::size_t value : expected) {
            if (!seen.contains(value)) {
                ++stale_;
                std::printf("  STALE: writer %zu, value %zu, token %s\n", writer, value,
                            token->to_string().c_str());
            }
        }
    }

    void fail_read(const Failure& failure) {
        const std::lock_guard lock{mutex_};
        ++reads_;
        ++reads_failed_;
        note(failure);
    }

    /// With the lock held. The first failure of each kind is shown in full.
    void note(const Failure& failure) {
        const char* name = errc_name(failure.code);
        const std::string kind = std::string{name == nullptr ? "foreign" : name} +
                                 (failure.sqlstate.empty() ? "" : "_" + failure.sqlstate) +
                                 (failure == Condition::maybe_executed ? "_maybe" : "");
        if (++failures_[kind] == 1) {
            std::printf("  first %s: %s\n", kind.c_str(), failure.message().c_str());
        }
    }

    FailoverDB db_;
    std::array<WriteHistory, writers> histories_;
    std::atomic<std::size_t> acknowledged_{0};
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    // Below: with the lock.
    TimePoint last_acknowledged_ = Clock::now();
    Duration longest_gap_{};
    std::size_t reads_ = 0;
    std::size_t reads_failed_ = 0;
    std::size_t stale_ = 0;
    std::vector<Late> late_;
    std::map<std::string, std::size_t> failures_;
    std::vector<std::thread> threads_; // last: they use the others
};

} // namespace failover::test
