// SPDX-License-Identifier: MIT
#pragma once

#include "database_load.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace failover::test {

/// A primary and two standbys with synchronous replication, each behind a proxy, whose primary is
/// hit again and again. Each time the standby that is ahead is promoted, and what was hit comes
/// back as a standby.
/// Threads    one thread, which must outlive it.
class DatabaseHavoc {
public:
    /// What happens to a primary.
    enum class Blow { kill9, freeze, reset, cut };
    static constexpr std::array<const char*, 4> blow_names{"kill9", "freeze", "reset", "cut"};

    struct Counts {
        std::array<std::size_t, 4> blows{};
        std::size_t rewound = 0;
        std::size_t base_backups = 0;
        /// Former primaries that came back writable and were not seen as fenced.
        std::size_t not_fenced = 0;
        /// Rows that such a one took after it was fenced.
        std::size_t fenced_rows = 0;
    };

    explicit DatabaseHavoc(std::size_t seed) : random_{seed} {
        for (std::size_t node = 0; node < cluster_.size(); ++node) {
            proxies_.emplace_back(cluster_.port(node));
        }
        cluster_.set_synchronous(cluster_.any_one());
    }

    /// Where the library finds the nodes: their proxies.
    [[nodiscard]] std::vector<std::string> urls() const {
        std::vector<std::string> all;
        for (const FaultProxy& proxy : proxies_) {
            all.push_back("postgresql://postgres@" + proxy.address() + "/postgres");
        }
        return all;
    }
    [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
    [[nodiscard]] std::size_t blows() const noexcept {
        std::size_t all = 0;
        for (const std::size_t count : counts_.blows) {
            all += count;
        }
        return all;
    }
    [[nodiscard]] Blow last() const noexcept { return last_; }
    /// Rows of the last statement in `text`, from the primary itself.
    [[nodiscard]] Rows ask_primary(const std::string& text) const {
        return cluster_.sql(primary_, text);
    }

    /// Hits the primary, promotes another, brings the hit one back, and waits until all three
    /// replicate, the library knows it and writes go on. False when that does not happen.
    bool strike(FailoverDB& db, const DatabaseLoad& load) {
        const std::size_t old = primary_;
        last_ = static_cast<Blow>(random_() % 4);
        ++counts_.blows.at(static_cast<std::size_t>(last_));
        hit(old);
        primary_ = cluster_.ahead((old + 1) % 3, (old + 2) % 3);
        cluster_.promote(primary_);
        const std::size_t other = 3 - old - primary_;
        follow(other);
        if (last_ == Blow::freeze) {
            cluster_.thaw(old);
        }
        proxies_[old].pass();
        if (last_ == Blow::freeze || last_ == Blow::reset) {
            expect_fenced(old, db, load);
            cluster_.stop(old);
        }
        rejoin(old);
        for (const std::size_t standby : {old, other}) {
            cluster_.sql(standby,
                         "select pg_drop_replication_slot(slot_name) from "
                         "pg_replication_slots where not active");
        }
        return settled(db) && goes_on(load);
    }

    /// Waits until the primary executes nothing more for anybody.
    void await_quiet() const { await_quiet(primary_); }

private:
    /// The configuration's name for it.
    static std::string id_of(std::size_t node) {
        return node == 0 ? "primary" : "secondaries[" + std::to_string(node - 1) + ']';
    }

    void hit(std::size_t node) {
        FaultProxy& proxy = proxies_[node];
        switch (last_) {
            case Blow::kill9:
                cluster_.kill9(node);
                break;
            case Blow::freeze:
                cluster_.freeze(node);
                break;
            case Blow::reset:
                proxy.reset();
                // It lives on. A standby that gets more of it than the promoted one cannot follow.
                await_quiet(node);
                cluster_.wait_streaming((node + 1) % 3);
                cluster_.wait_streaming((node + 2) % 3);
                break;
            case Blow::cut: {
                const unsigned before = proxy.cuts();
                proxy.cut_after_commit();
                proxy.cut_after_next_statement(DatabaseLoad::alone);
                wait_until([&] { return proxy.cuts() > before; }, 5s);
                proxy.reset(); // so that nobody asks this one what became of the commit
                cluster_.stop(node, random_() % 2 == 0 ? PostgresCluster::Stop::fast
                                                       : PostgresCluster::Stop::immediate);
                break;
            }
        }
    }

    /// Where the primary's timeline begins.
    std::uint64_t fork() const {
        const Rows rows = cluster_.sql(
            primary_,
            "select max(split_part(line, E'\\t', 2)::pg_lsn) - '0/0' from "
            "regexp_split_to_table(pg_read_file('pg_wal/' || "
            "left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.history'), E'\\n') line "
            "where line ~ '^[0-9]'");
        return std::stoull(rows.at(0).at(0));
    }

    void follow(std::size_t node) {
        if (cluster_.received(node) <= fork()) {
            cluster_.follow(node, primary_);
            return;
        }
        cluster_.stop(node, PostgresCluster::Stop::immediate);
        cluster_.rejoin_base(node, primary_);
        ++counts_.base_backups;
    }

    void rejoin(std::size_t node) {
        try {
            cluster_.rejoin_rewind(node, primary_);
            ++counts_.rewound;
        } catch (const std::exception& error) {
            std::printf("  not rewound: %.300s\n", error.what());
            if (cluster_.node(node).running()) {
                cluster_.stop(node, PostgresCluster::Stop::immediate);
            }
            cluster_.rejoin_base(node, primary_);
            ++counts_.base_backups;
        }
    }

    /// `node` takes writes like the primary. It must be seen as fenced, and from then on nobody may
    /// write to it: what was sent before may still end there.
    void expect_fenced(std::size_t node, FailoverDB& db, const DatabaseLoad& load) {
        const bool fenced =
            wait_until([&] { return db.topology().nodes.at(node).role == NodeRole::fenced; }, 20s);
        counts_.not_fenced += fenced ? 0U : 1U;
        await_quiet(node);
        const std::string since = cluster_.sql(node, "select clock_timestamp()::text").at(0).at(0);
        static_cast<void>(goes_on(load));
        // Rows of commits that wait for a standby are not seen, and no standby follows: lets them
        // through, without an acknowledgement for whoever still waits.
        cluster_.sql(node,
                     "select pg_terminate_backend(pid) from pg_stat_activity where "
                     "wait_event = 'SyncRep'");
        cluster_.node(node).set("synchronous_standby_names", "");
        cluster_.node(node).reload();
        cluster_.sql(node, "checkpoint");
        cluster_.node(node).set("synchronous_standby_names", cluster_.any_one());
        const std::string rows =
            cluster_.sql(node, "select count(*) from chaos where at > '" + since + "'").at(0).at(0);
        counts_.fenced_rows += std::stoull(rows);
    }

    /// Waits until no writing statement has run on `node` for a while; one that only waits for a
    /// standby has run.
    void await_quiet(std::size_t node) const {
        SqlConnection connection{cluster_.url(node)};
        int quiet = 0;
        wait_until(
            [&] {
                const Rows running = connection.exec(
                    "select from pg_stat_activity where backend_type = 'client backend' and pid <> "
                    "pg_backend_pid() and state = 'active' and wait_event is distinct from "
                    "'SyncRep' and query not ilike 'select%'");
                quiet = running.empty() ? quiet + 1 : 0;
                return quiet >= 20;
            },
            5s);
    }

    bool settled(FailoverDB& db) const {
        return wait_until(
            [&] {
                const Topology topology = db.topology();
                bool all = topology.primary == id_of(primary_);
                for (std::size_t node = 0; node < topology.nodes.size(); ++node) {
                    const NodeStatus& status = topology.nodes[node];
                    all = all && status.reachable &&
                          (node == primary_ || status.role == NodeRole::standby);
                }
                return all;
            },
            30s);
    }
    static bool goes_on(const DatabaseLoad& load) {
        const std::size_t before = load.acknowledged();
        return wait_until([&] { return load.acknowledged() >= before + 40; }, 30s);
    }

    std::mt19937_64 random_;
    PostgresCluster cluster_;
    std::deque<FaultProxy> proxies_;
    std::size_t primary_ = 0;
    Blow last_ = Blow::kill9;
    Counts counts_;
};

} // namespace failover::test
