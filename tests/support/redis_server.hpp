// SPDX-License-Identifier: MIT
#pragma once

#include "process.hpp"
#include "redis_probe.hpp"
#include "sockets.hpp"
#include "temp_dir.hpp"
#include "wait_until.hpp"

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// One redis-server on loopback: a port and a directory, which it keeps when it is stopped and
/// started. It saves nothing by itself, so it starts empty, unless restore_old_rdb() said
/// otherwise.
/// Threads    one thread at a time; the one that starts it must outlive it.
class RedisServer {
public:
    struct Options {
        /// More words of the command line: {"--maxmemory", "2mb"}, {"--user", "app", "on",
        /// ">secret", "~*", "+@all"}, {"--enable-debug-command", "yes"}.
        std::vector<std::string> arguments{};
        /// Of the default user; empty: none is needed.
        std::string password{};
        /// Certificate and key of a TLS listener beside the plain one; empty: none. It asks for no
        /// client certificate, unless `arguments` have {"--tls-auth-clients", "yes"}.
        std::string cert_file{};
        std::string key_file{};
        std::string ca_file{};
    };

    RedisServer() : RedisServer{Options{}} {}
    explicit RedisServer(Options options) : options_{std::move(options)} { start(); }
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    ~RedisServer() { kill(); }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::uint16_t tls_port() const noexcept { return tls_port_; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// `credentials` is USER:PASSWORD, or :PASSWORD for the default user.
    [[nodiscard]] std::string url(const std::string& credentials = {}) const {
        return "redis://" + (credentials.empty() ? "" : credentials + '@') + address();
    }
    [[nodiscard]] std::string tls_url(const std::string& credentials = {}) const {
        return "rediss://" + (credentials.empty() ? "" : credentials + '@') +
               "127.0.0.1:" + std::to_string(tls_port_);
    }
    [[nodiscard]] std::filesystem::path directory() const { return dir_.path(); }
    [[nodiscard]] std::string log() const { return read_file(dir_ / "log"); }
    [[nodiscard]] bool running() noexcept { return process_.running(); }

    /// The words of its next start; the old ones are forgotten.
    void set_arguments(std::vector<std::string> arguments) {
        options_.arguments = std::move(arguments);
    }

    /// Starts it; returns once it has loaded its data.
    void start() {
        launch();
        await_start();
    }
    /// The first half of start(): the server may be loading for long.
    void launch() {
        std::filesystem::remove(dir_ / live_rdb);
        if (std::exchange(restoring_, false)) {
            std::filesystem::copy_file(dir_ / old_rdb, dir_ / live_rdb);
        }
        process_ = Process{command_line(), dir_ / "log"};
    }
    void await_start() {
        const bool up = wait_until([this] { return !running() || loaded(); }, 30s);
        if (!up || !running()) {
            throw std::runtime_error{"redis-server did not start: " + log()};
        }
    }
    /// SIGTERM, as a service manager stops it; returns once it is gone. A frozen one must be thawed
    /// before.
    void stop() {
        process_.signal(SIGTERM);
        if (!wait_until([this] { return !running(); })) {
            throw std::runtime_error{"redis-server did not stop: " + log()};
        }
    }
    /// SIGKILL: connections are reset, the data is gone.
    void kill() noexcept { process_.kill(); }
    /// SIGSTOP: the kernel still accepts connections and acknowledges data, nothing answers.
    void freeze() const noexcept { process_.freeze(); }
    void thaw() const noexcept { process_.thaw(); }

    /// Keeps a copy of the data as it is now.
    void save_rdb() {
        const RedisValue answer = command({"SAVE"});
        if (answer.is_error()) {
            throw std::runtime_error{"redis-server saves nothing: " + answer.text};
        }
        std::filesystem::rename(dir_ / live_rdb, dir_ / old_rdb);
        saved_ = true;
    }
    /// The next start, and no later one, has the data of the last save_rdb().
    void restore_old_rdb() {
        if (!saved_) {
            throw std::logic_error{"save_rdb() was never called"};
        }
        restoring_ = true;
    }
    [[nodiscard]] bool saved() const noexcept { return saved_; }

    /// A connection of the test's own, logged in.
    [[nodiscard]] RedisProbe probe(std::chrono::milliseconds limit = std::chrono::seconds{
                                       5}) const {
        RedisProbe probe{port_, limit};
        if (!options_.password.empty()) {
            probe.command({"AUTH", options_.password});
        }
        return probe;
    }
    /// One command over a connection of its own.
    RedisValue command(const std::vector<std::string>& args) const { return probe().command(args); }
    /// Value of a line of INFO; empty: there is none.
    [[nodiscard]] std::string info(std::string_view name) const {
        const std::string text = "\r\n" + command({"INFO"}).text;
        const std::string start = "\r\n" + std::string{name} + ':';
        const std::size_t at = text.find(start);
        if (at == std::string::npos) {
            return {};
        }
        const std::size_t value = at + start.size();
        return text.substr(value, text.find("\r\n", value) - value);
    }

private:
    static constexpr const char* live_rdb = "dump.rdb";
    static constexpr const char* old_rdb = "old.rdb";

    std::vector<std::string> command_line() const {
        std::vector<std::string> words{"redis-server",
                                       "--port",
                                       std::to_string(port_),
                                       "--bind",
                                       "127.0.0.1",
                                       "--save",
                                       "",
                                       "--appendonly",
                                       "no",
                                       "--dir",
                                       dir_.path(),
                                       "--dbfilename",
                                       live_rdb};
        if (!options_.password.empty()) {
            words.insert(words.end(), {"--requirepass", options_.password});
        }
        if (!options_.cert_file.empty()) {
            words.insert(words.end(),
                         {"--tls-port", std::to_string(tls_port_), "--tls-cert-file",
                          options_.cert_file, "--tls-key-file", options_.key_file,
                          "--tls-ca-cert-file", options_.ca_file, "--tls-auth-clients", "no"});
        }
        words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
        return words;
    }

    /// Any answer but LOADING will do: NOAUTH comes from a server that is up.
    bool loaded() const {
        try {
            return !command({"PING"}).text.starts_with("LOADING");
        } catch (const RedisProbeError&) {
            return false;
        }
    }

    Options options_;
    TempDir dir_;
    std::uint16_t port_ = free_port();
    std::uint16_t tls_port_ = free_port();
    bool saved_ = false;
    bool restoring_ = false;
    Process process_; // ends before its directory goes
};

} // namespace failover::test
