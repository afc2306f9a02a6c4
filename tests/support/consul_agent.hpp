// SPDX-License-Identifier: MIT
#pragma once

#include "plain_request.hpp"
#include "process.hpp"
#include "sockets.hpp"
#include "temp_dir.hpp"
#include "wait_until.hpp"

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// Path of a Consul agent: from PATH, or fetched once by scripts/fetch-consul. Throws when there is
/// neither: a test that needs Consul fails, it is not skipped.
inline const std::string& consul_program() {
    static const std::string path = [] {
        std::string out;
        const std::string command = FAILOVER_SOURCE_DIR "/scripts/fetch-consul";
        std::FILE* pipe = ::popen(command.c_str(), "r");
        char bytes[4096];
        while (pipe != nullptr && std::fgets(bytes, sizeof bytes, pipe) != nullptr) {
            out += bytes;
        }
        if (pipe == nullptr || ::pclose(pipe) != 0 || out.empty()) {
            throw std::runtime_error{command + " found no consul"};
        }
        out.pop_back(); // the line's end
        return out;
    }();
    return path;
}

/// A -dev agent on loopback: a cluster of one that forgets everything when it ends.
/// Threads    one thread.
class ConsulAgent {
public:
    struct Options {
        /// More configuration, HCL.
        std::string hcl{};
        /// Certificate and key of an HTTPS listener; empty: none.
        std::string cert_file{};
        std::string key_file{};
        std::string ca_file{};
    };
    using Reply = PlainReply;

    ConsulAgent() : ConsulAgent{Options{}} {}
    explicit ConsulAgent(Options options) : options_{std::move(options)} { start(); }

    /// Starts it, after kill() or stop(), on the same ports; returns once it has a leader.
    void start() {
        const std::string port = std::to_string(port_);
        std::string hcl = "disable_update_check = true " + options_.hcl;
        if (!options_.cert_file.empty()) {
            hcl += " ports { https = " + std::to_string(https_port_) + " } cert_file = \"" +
                   options_.cert_file + "\" key_file = \"" + options_.key_file + "\" ca_file = \"" +
                   options_.ca_file + '"';
        }
        process_ = Process{{consul_program(),
                            "agent",
                            "-dev",
                            "-node",
                            "n" + port,
                            "-bind",
                            "127.0.0.1",
                            "-client",
                            "127.0.0.1",
                            "-http-port",
                            port,
                            "-server-port",
                            std::to_string(server_port_),
                            "-serf-lan-port",
                            std::to_string(serf_port_),
                            "-serf-wan-port",
                            "-1",
                            "-dns-port",
                            "-1",
                            "-grpc-port",
                            "-1",
                            "-disable-host-node-id",
                            "-log-level",
                            "warn",
                            "-hcl",
                            hcl},
                           dir_ / "log"};
        const bool ready = wait_until([this] {
            return call("GET", "/v1/status/leader").body.find(':') != std::string::npos;
        });
        if (!ready) {
            throw std::runtime_error{"consul did not start: " + read_file(dir_ / "log")};
        }
    }
    /// SIGKILL: connections break, the state is gone.
    void kill() { process_.kill(); }
    /// SIGTERM, as a service manager stops it.
    void stop() {
        process_.signal(SIGTERM);
        wait_until([this] { return !process_.running(); });
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    [[nodiscard]] std::string https_address() const {
        return "127.0.0.1:" + std::to_string(https_port_);
    }

    /// One request of the test's own; status 0 when nobody answers.
    [[nodiscard]] Reply call(std::string_view method, std::string_view path,
                             std::string_view body = {}, std::string_view token = {}) const {
        const std::string fields =
            token.empty() ? "" : "X-Consul-Token: " + std::string{token} + "\r\n";
        return plain_request(port_, method, path, body, fields);
    }

    /// Registers an instance of "web" at `port`; with `check`, one of http://127.0.0.1:port/health
    /// every second. Throws when the agent refuses it.
    void add(const std::string& id, std::uint16_t port, bool check = false) const {
        const std::string number = std::to_string(port);
        const std::string body = R"({"ID":")" + id +
                                 R"(","Name":"web","Address":"127.0.0.1","Port":)" + number +
                                 (check ? R"(,"Check":{"Interval":"1s","HTTP":"http://127.0.0.1:)" +
                                              number + R"(/health"}})"
                                        : "}");
        require(call("PUT", "/v1/agent/service/register", body));
    }
    void remove(const std::string& id) const {
        require(call("PUT", "/v1/agent/service/deregister/" + id));
    }
    [[nodiscard]] bool knows(const std::string& id) const {
        return call("GET", "/v1/agent/service/" + id).status == 200;
    }

private:
    static void require(const Reply& reply) {
        if (reply.status != 200) {
            throw std::runtime_error{"consul answers " + std::to_string(reply.status) + ": " +
                                     reply.body};
        }
    }

    Options options_;
    TempDir dir_;
    std::uint16_t port_ = free_port();
    std::uint16_t server_port_ = free_port();
    std::uint16_t serf_port_ = free_port();
    std::uint16_t https_port_ = free_port();
    Process process_; // ends before its directory goes
};

} // namespace failover::test
