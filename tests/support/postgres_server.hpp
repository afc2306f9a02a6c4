// SPDX-License-Identifier: MIT
#pragma once

#include "process_tree.hpp"
#include "sockets.hpp"
#include "sql.hpp"
#include "temp_dir.hpp"
#include "unprivileged.hpp"

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace failover::test {

/// Path of one of PostgreSQL's programs, which Debian keeps out of PATH.
inline std::string postgres_program(const std::string& name) {
    static const std::filesystem::path directory = [] {
        std::filesystem::path debian = "/usr/lib/postgresql/15/bin";
        if (std::filesystem::exists(debian)) {
            return debian;
        }
        char text[4096] = "";
        std::FILE* pipe = ::popen("pg_config --bindir", "r");
        if (pipe == nullptr || std::fgets(text, sizeof text, pipe) == nullptr ||
            ::pclose(pipe) != 0) {
            throw std::runtime_error{"PostgreSQL's server is not installed"};
        }
        std::string line{text};
        return std::filesystem::path{line.substr(0, line.find('\n'))};
    }();
    return directory / name;
}

/// One PostgreSQL server on loopback: a data directory and a port, which it keeps when it is
/// stopped and started. The user "postgres" needs no password.
/// Threads    one thread at a time; the one that starts it must outlive it.
class PostgresServer {
public:
    enum class Stop { fast, immediate };

    /// Keeps its files in `directory`, which any user may write. There is no data yet.
    PostgresServer(std::string name, const std::filesystem::path& directory)
        : name_{std::move(name)},
          data_{directory / name_},
          log_{directory / (name_ + ".log")},
          port_{free_port()} {}
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;
    ~PostgresServer() { kill9(); }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::filesystem::path& data() const noexcept { return data_; }
    [[nodiscard]] const std::filesystem::path& log() const noexcept { return log_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// `credentials` is USER or USER:PASSWORD.
    [[nodiscard]] std::string url(const std::string& credentials = "postgres") const {
        return "postgresql://" + credentials + "@127.0.0.1:" + std::to_string(port_) + "/postgres";
    }
    [[nodiscard]] bool running() noexcept { return process_.running(); }
    /// Rows of the last statement in `text`.
    Rows sql(const std::string& text) const { return run_sql(url(), text); }
    [[nodiscard]] bool in_recovery() const {
        return sql("select pg_is_in_recovery()").at(0).at(0) == "t";
    }

    /// Fills the data directory as initdb does. The same files in every server of this program, so
    /// that one can stream from another without a base backup.
    void create() const {
        static const Template made;
        copy(made);
    }
    /// The same as a cluster of its own: no other server has its system identifier.
    void create_anew() const { copy(Template{}); }
    /// From the next start or reload on a standby of the server at `upstream`, by a slot that has
    /// its own name there.
    void follow(std::uint16_t upstream) { upstream_ = upstream; }
    /// From the next start on no standby.
    void follow_nobody() { upstream_.reset(); }
    /// One line of postgresql.conf, from the next start or reload on.
    void set(const std::string& setting, const std::string& value) { settings_[setting] = value; }

    /// Starts it; returns once it is up, which for a standby means readable.
    void start() {
        launch();
        await_start();
    }
    /// The first half of start(): several servers may start at the same time.
    void launch() {
        write_configuration();
        const std::filesystem::path signal = data_ / "standby.signal";
        if (upstream_) {
            write_file(signal, "");
            give_away(signal);
        } else {
            std::filesystem::remove(signal);
        }
        // Ended by QUIT when the test program dies: TERM would wait for the clients.
        process_ = Process{unprivileged({postgres_program("postgres"), "-D", data_}, "QUIT"), log_};
    }
    void await_start() {
        const bool up = wait_until([this] { return !running() || is_up(); }, 30s);
        if (!up || !running()) {
            throw std::runtime_error{name_ + " did not start: " + read_file(log_)};
        }
    }
    /// Makes follow() and set() reach a running server; returns once new connections see them.
    void reload() {
        const std::string loaded = "select pg_conf_load_time()";
        const Rows before = sql(loaded);
        write_configuration();
        process_.signal(SIGHUP);
        if (!wait_until([&] { return sql(loaded) != before; })) {
            throw std::runtime_error{name_ + " did not reload: " + read_file(log_)};
        }
    }
    /// Ends it as a service manager does; returns once it is gone.
    void stop(Stop how = Stop::fast) {
        process_.signal(how == Stop::fast ? SIGINT : SIGQUIT);
        if (!wait_until([this] { return !running(); }, 30s)) {
            throw std::runtime_error{name_ + " did not stop: " + read_file(log_)};
        }
    }
    /// SIGKILL for the postmaster and all its children; returns once they are gone. A postmaster
    /// killed alone leaves a busy backend that still commits.
    void kill9() noexcept {
        if (running()) {
            kill_tree(process_.pid());
            process_.kill();
        }
    }
    /// SIGSTOP: the kernel still accepts connections and acknowledges data, nothing answers.
    void freeze() { freeze_tree(process_.pid()); }
    void thaw() { thaw_tree(process_.pid()); }
    /// Makes a standby a primary; returns once it takes writes.
    void promote() {
        sql("select pg_promote(true, 20)");
        if (!wait_until([this] { return !in_recovery(); })) {
            throw std::runtime_error{name_ + " was not promoted: " + read_file(log_)};
        }
        upstream_.reset();
    }

private:
    struct Template {
        TempDir directory;
        std::string data = directory / "data";

        Template() {
            const std::filesystem::path log = directory / "log";
            run_unprivileged(
                {postgres_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E",
                 "UTF8", "--no-locale", "--no-sync", "--no-instructions", "--wal-segsize=1"},
                log);
            // A standby refuses to start with smaller limits than its files have last seen: one
            // run with the smallest leaves the choice to each cluster.
            run_unprivileged(
                {postgres_program("postgres"), "--single", "-D", data, "-F", "-c",
                 "max_connections=1", "-c", "max_wal_senders=0", "-c", "max_worker_processes=0",
                 "-c", "max_locks_per_transaction=10", "postgres"},
                log);
        }
    };

    void copy(const Template& from) const {
        run_unprivileged({"/bin/cp", "-a", from.data, data_}, log_);
    }

    /// The last line of its pid file says so; a file left by a killed one names another process.
    bool is_up() const {
        const std::string text = read_file(data_ / "postmaster.pid");
        return text.starts_with(std::to_string(process_.pid()) + '\n') &&
               (text.find("\nready") != std::string::npos ||
                text.find("\nstandby") != std::string::npos);
    }

    void write_configuration() const {
        std::string text =
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
            "fsync = off\nwal_level = replica\nwal_log_hints = on\n"
            "max_wal_senders = 8\nmax_replication_slots = 8\n"
            "max_connections = 40\nshared_buffers = '16MB'\n"
            "wal_keep_size = '64MB'\nwal_retrieve_retry_interval = '200ms'\n"
            "wal_receiver_status_interval = '1s'\nwal_receiver_timeout = '5s'\n"
            "wal_sender_timeout = '5s'\nlog_line_prefix = '%m [%p] %e '\n";
        text += "port = " + std::to_string(port_) + "\ncluster_name = '" + name_ + "'\n";
        if (upstream_) {
            text += "primary_slot_name = '" + name_ +
                    "'\nprimary_conninfo = 'host=127.0.0.1 port=" + std::to_string(*upstream_) +
                    " user=postgres application_name=" + name_ + "'\n";
        }
        for (const auto& [setting, value] : settings_) {
            text += setting + " = '" + value + "'\n"; // the last line of a setting counts
        }
        write_file(data_ / "postgresql.conf", text);
    }

    std::string name_;
    std::filesystem::path data_;
    std::filesystem::path log_;
    std::uint16_t port_;
    std::optional<std::uint16_t> upstream_;
    std::map<std::string, std::string> settings_;
    Process process_;
};

} // namespace failover::test
