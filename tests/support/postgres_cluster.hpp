// SPDX-License-Identifier: MIT
#pragma once

#include "postgres_server.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace failover::test {

/// A primary, node 0, and streaming standbys; node 2 is called "n2". Nothing moves a role but the
/// test. Each standby has a slot of its own on the server that it follows.
/// Threads    one thread at a time; the one that starts it must outlive it.
class PostgresCluster {
public:
    using Stop = PostgresServer::Stop;

    struct Options {
        std::size_t standbys = 2;
        /// Lines of postgresql.conf for every node.
        std::map<std::string, std::string> settings{};
    };

    PostgresCluster() : PostgresCluster{Options{}} {}
    explicit PostgresCluster(const Options& options) {
        for (std::size_t node = 0; node <= options.standbys; ++node) {
            PostgresServer& server = nodes_.emplace_back("n" + std::to_string(node), dir_.path());
            server.create();
            for (const auto& [setting, value] : options.settings) {
                server.set(setting, value);
            }
        }
        nodes_[0].start();
        upstreams_.resize(nodes_.size());
        for (std::size_t node = 1; node < nodes_.size(); ++node) {
            point(node, 0);
            nodes_[node].launch();
        }
        for (std::size_t node = 1; node < nodes_.size(); ++node) {
            nodes_[node].await_start();
        }
        for (std::size_t node = 1; node < nodes_.size(); ++node) {
            wait_streaming(node);
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] PostgresServer& node(std::size_t node) { return nodes_.at(node); }
    [[nodiscard]] std::uint16_t port(std::size_t node) const { return nodes_.at(node).port(); }
    /// libpq URL. `credentials` is USER or USER:PASSWORD.
    [[nodiscard]] std::string url(std::size_t node,
                                  const std::string& credentials = "postgres") const {
        return nodes_.at(node).url(credentials);
    }
    /// Rows of the last statement in `text`, over a connection of its own.
    Rows sql(std::size_t node, const std::string& text) const { return nodes_.at(node).sql(text); }
    [[nodiscard]] bool writable(std::size_t node) const { return !nodes_.at(node).in_recovery(); }

    /// As it was, primary or standby.
    void start(std::size_t node) { nodes_.at(node).start(); }
    void stop(std::size_t node, Stop how = Stop::fast) { nodes_.at(node).stop(how); }
    /// SIGKILL for the postmaster and all its children.
    void kill9(std::size_t node) { nodes_.at(node).kill9(); }
    /// SIGSTOP for the postmaster and all its children.
    void freeze(std::size_t node) { nodes_.at(node).freeze(); }
    void thaw(std::size_t node) { nodes_.at(node).thaw(); }

    /// Makes a standby a primary, whether or not there is another one; returns once it takes
    /// writes.
    void promote(std::size_t node) {
        nodes_.at(node).promote();
        upstreams_.at(node).reset();
    }
    /// A standby gets nothing more from the one it follows, until follow().
    void hold(std::size_t standby) {
        PostgresServer& server = nodes_.at(standby);
        server.follow_nobody();
        server.reload();
        if (!wait_until([&] { return server.sql("select from pg_stat_wal_receiver").empty(); })) {
            throw std::runtime_error{server.name() + " goes on: " + read_file(server.log())};
        }
    }
    /// How much of the log a standby has, in bytes.
    [[nodiscard]] std::uint64_t received(std::size_t standby) const {
        const Rows rows =
            sql(standby,
                "select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'");
        return std::stoull(rows.at(0).at(0));
    }
    /// The one of two standbys to promote: it has whatever was acknowledged, and the other one can
    /// follow it. Both are held, since a primary that lives writes something now and then.
    [[nodiscard]] std::size_t ahead(std::size_t one, std::size_t other) {
        hold(one);
        hold(other);
        return received(other) > received(one) ? other : one;
    }
    /// Points a running standby to another primary, and waits until it streams from there.
    void follow(std::size_t node, std::size_t primary) {
        point(node, primary);
        nodes_.at(node).reload();
        wait_streaming(node);
    }
    /// Brings a former primary back as a standby of `from` with pg_rewind: what it alone has
    /// committed is lost. It must have been stopped or killed.
    void rejoin_rewind(std::size_t node, std::size_t from) {
        point(node, from);
        sql(from, "checkpoint"); // pg_rewind reads the new timeline from the control file
        run_unprivileged({postgres_program("pg_rewind"), "-D", nodes_.at(node).data(),
                          "--source-server=" + url(from), "--no-sync"},
                         nodes_.at(node).log());
        start(node);
        wait_streaming(node);
    }
    /// The same with a new base backup.
    void rejoin_base(std::size_t node, std::size_t from) {
        point(node, from);
        const PostgresServer& server = nodes_.at(node);
        std::filesystem::remove_all(server.data());
        run_unprivileged({postgres_program("pg_basebackup"), "-D", server.data(), "-d", url(from),
                          "-S", server.name(), "-c", "fast", "-X", "stream", "--no-sync"},
                         server.log());
        start(node);
        wait_streaming(node);
    }
    /// Brings it back as a primary, in spite of any other one: split brain.
    void rejoin_wrongly(std::size_t node) {
        nodes_.at(node).follow_nobody();
        upstreams_.at(node).reset();
        start(node);
    }
    /// Waits until a standby streams from the server it follows and has replayed what was committed
    /// there at the time of the call.
    void wait_streaming(std::size_t node) const {
        const std::size_t from = upstreams_.at(node).value();
        const std::string lsn = sql(from, "select pg_current_wal_lsn()").at(0).at(0);
        const std::string caught_up = "select from pg_stat_replication where application_name = '" +
                                      nodes_.at(node).name() +
                                      "' and state = 'streaming' and replay_lsn >= '" + lsn + "'";
        SqlConnection connection{url(from)};
        if (!wait_until([&] { return connection.exec(caught_up).size() == 1; }, 20s)) {
            throw std::runtime_error{nodes_.at(node).name() +
                                     " does not stream: " + read_file(nodes_.at(node).log())};
        }
    }

    /// Sets synchronous_standby_names, "" for none, on every node, so that it outlives a promotion.
    /// Returns once commits on running nodes obey it; a frozen node must be thawed before.
    void set_synchronous(const std::string& names) {
        for (PostgresServer& server : nodes_) {
            server.set("synchronous_standby_names", names);
            if (server.running()) {
                server.reload();
                server.sql("checkpoint"); // the checkpointer tells the backends
            }
        }
    }
    /// Any user may write there.
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return dir_.path(); }
    /// Any one of all nodes, which suits set_synchronous() whoever is primary.
    [[nodiscard]] std::string any_one() const {
        std::string names;
        for (const PostgresServer& server : nodes_) {
            names += (names.empty() ? "" : ", ") + server.name();
        }
        return "ANY 1 (" + names + ")";
    }
    /// Creates `user` on `primary`, who may connect to any running node with `password` only.
    void require_password(std::size_t primary, const std::string& user,
                          const std::string& password) {
        sql(primary, "create role " + user + " login superuser password '" + password + "'");
        for (std::size_t node = 0; node < nodes_.size(); ++node) {
            if (!nodes_[node].running()) {
                continue;
            }
            if (upstreams_[node]) {
                wait_streaming(node);
            }
            const std::filesystem::path rules = nodes_[node].data() / "pg_hba.conf";
            write_file(rules,
                       "host all " + user + " 127.0.0.1/32 scram-sha-256\n" + read_file(rules));
            nodes_[node].reload();
        }
    }

private:
    /// Makes `primary` the one that `node` follows from its next start or reload on.
    void point(std::size_t node, std::size_t primary) {
        const std::string& slot = nodes_.at(node).name();
        sql(primary, "select pg_create_physical_replication_slot('" + slot +
                         "') where not exists (select from pg_replication_slots where slot_name = "
                         "'" +
                         slot + "')");
        nodes_.at(node).follow(port(primary));
        upstreams_.at(node) = primary;
    }

    TempDir dir_;
    std::vector<std::optional<std::size_t>> upstreams_;
    std::deque<PostgresServer> nodes_; // end before their directory goes
};

} // namespace failover::test
