// SPDX-License-Identifier: MIT
#pragma once

#include "plain_request.hpp"
#include "postgres_server.hpp"
#include "process_tree.hpp"
#include "sockets.hpp"
#include "sql.hpp"
#include "temp_dir.hpp"
#include "unprivileged.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace failover::test {

/// Two PostgreSQL nodes whose roles Patroni moves, and an etcd for it, on loopback. A lost leader
/// is replaced when its lease of 10 s has ended. The user "postgres" needs no password.
/// Threads    one thread; it must outlive the cluster.
class PatroniCluster {
public:
    using Reply = PlainReply;

    /// Returns once one node leads and the other one streams from it.
    PatroniCluster() {
        start_etcd();
        for (std::size_t node = 0; node < nodes_.size(); ++node) {
            write_configuration(node);
        }
        start(0); // alone, so that it is the one that leads
        const auto leads = [this] { return leader() == 0U || !nodes_[0].patroni.running(); };
        require(wait_until(leads, 30s) && nodes_[0].patroni.running(), "no leader");
        start(1);
        wait_streaming();
    }
    PatroniCluster(const PatroniCluster&) = delete;
    PatroniCluster& operator=(const PatroniCluster&) = delete;
    ~PatroniCluster() {
        kill9(0);
        kill9(1);
    }

    [[nodiscard]] std::uint16_t port(std::size_t node) const { return nodes_.at(node).port; }
    [[nodiscard]] std::string url(std::size_t node) const {
        return "postgresql://postgres@127.0.0.1:" + std::to_string(port(node)) + "/postgres";
    }
    /// Of Patroni's REST API, which answers GET /primary with 200 on the leader and 503 elsewhere.
    [[nodiscard]] std::uint16_t rest_port(std::size_t node) const {
        return nodes_.at(node).rest_port;
    }
    /// One request to the REST API, which answers a switchover when it is done; status 0 when nobody
    /// does.
    [[nodiscard]] Reply call(std::size_t node, std::string_view method, std::string_view path,
                             std::string_view body = {}) const {
        return plain_request(rest_port(node), method, path, body);
    }

    /// The node that says that it leads. While it is promoted it does so and still refuses writes.
    [[nodiscard]] std::optional<std::size_t> leader() const {
        for (std::size_t node = 0; node < nodes_.size(); ++node) {
            if (call(node, "GET", "/primary").status == 200) {
                return node;
            }
        }
        return std::nullopt;
    }
    [[nodiscard]] bool writable(std::size_t node) const {
        try {
            return run_sql(url(node), "select pg_is_in_recovery()").at(0).at(0) == "f";
        } catch (const SqlError&) {
            return false;
        }
    }
    /// Waits until there is a leader from which the other node streams.
    void wait_streaming() const {
        const auto streams = [this] {
            const std::optional<std::size_t> now = leader();
            if (!now || call(1 - *now, "GET", "/replica").status != 200) {
                return false;
            }
            // A base backup streams too, under another name.
            const std::string query =
                "select from pg_stat_replication where state = 'streaming' "
                "and application_name = '" +
                name(1 - *now) + "'";
            try {
                return run_sql(url(*now), query).size() == 1;
            } catch (const SqlError&) {
                return false; // it has just stopped leading
            }
        };
        require(wait_until(streams, 60s), "no standby streams");
    }
    /// A planned change of leader; returns the new one, which takes writes.
    std::size_t switchover() {
        const std::size_t old = leader().value();
        const std::size_t candidate = 1 - old;
        const Reply reply = call(
            old, "POST", "/switchover",
            R"({"leader": ")" + name(old) + R"(", "candidate": ")" + name(candidate) + R"("})");
        require(reply.status == 200, "the switchover failed: " + reply.body);
        require(wait_until([&] { return writable(candidate) && leader() == candidate; }, 30s),
                "no leader");
        return candidate;
    }
    /// Its machine dies, Patroni included; returns which node it was. The other one takes over some
    /// 10 s later.
    std::size_t kill_leader() {
        const std::size_t node = leader().value();
        kill9(node);
        return node;
    }
    /// SIGKILL for Patroni, the postmaster and all its children.
    void kill9(std::size_t node) noexcept {
        nodes_.at(node).patroni.kill(); // first, for it would start the postmaster again
        if (const pid_t pid = postmaster(node); pid > 0 && !is_gone(pid)) {
            kill_tree(pid);
        }
    }
    /// Starts a node, for the first time or after kill9().
    void start(std::size_t node) {
        // When the test program dies: Patroni leaves a server behind when it is told to end in the
        // middle of a restart.
        const std::string guarded = "trap 'kill -9 $!; for i in 1 2 3; do kill -QUIT $(head -n 1 " +
                                    file(name(node)) +
                                    "/postmaster.pid); sleep 1; done; exit' TERM; "
                                    "/usr/bin/patroni \"$0\" & wait";
        nodes_.at(node).patroni =
            Process{unprivileged({"/bin/sh", "-c", guarded, file(name(node) + ".yml")}),
                    dir_ / "patroni.log"};
    }

private:
    struct Node {
        std::uint16_t port = free_port();
        std::uint16_t rest_port = free_port();
        Process patroni{};
    };

    static std::string name(std::size_t node) { return "p" + std::to_string(node); }
    [[nodiscard]] std::string file(const std::string& name) const { return dir_ / name; }

    void require(bool good, const std::string& what) const {
        if (!good) {
            throw std::runtime_error{"patroni: " + what + "\n" + read_file(dir_ / "patroni.log") +
                                     read_file(dir_ / "etcd.log")};
        }
    }

    /// Patroni detaches it, so that it is nobody's child here. 0: none.
    [[nodiscard]] pid_t postmaster(std::size_t node) const noexcept {
        const std::string text = read_file(dir_ / (name(node) + "/postmaster.pid"));
        pid_t pid = 0;
        std::from_chars(text.data(), text.data() + text.size(), pid);
        return pid;
    }

    void start_etcd() {
        const std::string client = "http://127.0.0.1:" + std::to_string(etcd_port_);
        const std::string peer = "http://127.0.0.1:" + std::to_string(free_port());
        etcd_ =
            Process{unprivileged({"/usr/bin/etcd", "--name", "e", "--data-dir", file("etcd"),
                                  "--unsafe-no-fsync", "--logger=zap", "--log-level=error",
                                  "--listen-client-urls", client, "--advertise-client-urls", client,
                                  "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                                  "--initial-cluster", "e=" + peer}),
                    dir_ / "etcd.log"};
        require(wait_for_port(etcd_port_), "no etcd");
    }

    void write_configuration(std::size_t node) const {
        const std::string rest = "127.0.0.1:" + std::to_string(rest_port(node));
        const std::string address = "127.0.0.1:" + std::to_string(port(node));
        const std::string bin = std::filesystem::path{postgres_program("postgres")}.parent_path();
        const std::string text = "scope: demo\nname: " + name(node) +
                                 "\n"
                                 "restapi: { listen: '" +
                                 rest + "', connect_address: '" + rest +
                                 "' }\n"
                                 "etcd3: { host: '127.0.0.1:" +
                                 std::to_string(etcd_port_) +
                                 "' }\n"
                                 R"(bootstrap:
  dcs:
    ttl: 10
    loop_wait: 1
    retry_timeout: 3
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: { fsync: 'off', wal_log_hints: 'on', max_connections: 40, shared_buffers: 16MB }
  initdb: [ encoding: UTF8, locale: C, no-sync, auth: trust, wal-segsize: '1' ]
  pg_hba:
    - host all all 127.0.0.1/32 trust
    - host replication all 127.0.0.1/32 trust
    - local all all trust
postgresql:
  authentication:
    superuser: { username: postgres, password: unused }
    replication: { username: replicator, password: unused }
    rewind: { username: rewinder, password: unused }
)"
                                 "  listen: '" +
                                 address +
                                 "'\n"
                                 "  connect_address: '" +
                                 address +
                                 "'\n"
                                 "  data_dir: '" +
                                 file(name(node)) +
                                 "'\n"
                                 "  bin_dir: '" +
                                 bin +
                                 "'\n"
                                 "  pgpass: '" +
                                 file(name(node) + ".pgpass") +
                                 "'\n"
                                 "  parameters: { unix_socket_directories: '" +
                                 dir_.path().string() + "' }\n";
        write_file(file(name(node) + ".yml"), text);
    }

    TempDir dir_;
    std::uint16_t etcd_port_ = free_port();
    Process etcd_; // ends before its directory goes
    std::array<Node, 2> nodes_;
};

} // namespace failover::test
