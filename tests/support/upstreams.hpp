// SPDX-License-Identifier: MIT
#pragma once

#include "process.hpp"
#include "sockets.hpp"
#include "temp_dir.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace failover::test {

/// A real nginx on 127.0.0.1, master and one worker, in its own directory. Answers everything with
/// 200 and its port.
/// Threads    one thread at a time.
class Nginx {
public:
    /// Which requests are written down; both cost a write a request.
    enum class Record { nothing, executions };

    explicit Nginx(Record record = Record::nothing) : port_{free_port()} {
        write_file(dir_ / "nginx.conf", config(record));
        start();
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string id() const { return "127.0.0.1:" + std::to_string(port_); }

    /// SIGKILL to master and worker; returns when the port refuses connections.
    void kill() {
        process_.kill();
        wait_until([this] { return !connect_to(port_); });
    }
    /// SIGSTOP: the kernel still accepts connections and bytes, nobody answers.
    void freeze() const noexcept { process_.freeze(); }
    void thaw() const noexcept { process_.thaw(); }
    /// On the same port. Returns when it accepts.
    void start() {
        process_ = Process{{"nginx", "-p", dir_.path().string(), "-c", "nginx.conf", "-e",
                            "error.log", "-g", "daemon off;"},
                           dir_ / "out.log"};
        if (!wait_for_port(port_)) {
            throw std::runtime_error{"nginx did not start: " + read_file(dir_ / "out.log") +
                                     read_file(dir_ / "error.log")};
        }
    }

    /// How often each request target was executed. nginx writes the line while it rewrites the
    /// target, before a byte of the answer: what was killed after that is counted, too.
    void count_executions(std::unordered_map<std::string, int>& counts) const {
        const std::string log = read_file(dir_ / "executed.log");
        constexpr std::string_view mark = "does not match \"";
        for (std::size_t at = log.find(mark); at != std::string::npos; at = log.find(mark, at)) {
            at += mark.size();
            const std::string_view rest = std::string_view{log}.substr(at);
            ++counts[std::string{rest.substr(0, rest.find('"'))}];
        }
    }

private:
    [[nodiscard]] std::string config(Record record) const {
        const bool write = record == Record::executions;
        const std::string port = std::to_string(port_);
        return "worker_processes 1;\npid nginx.pid;\nuser root;\n"
               "events { worker_connections 2048; }\n"
               "http {\n  access_log off;\n  keepalive_requests 100000;\n" +
               std::string{write ? "  rewrite_log on;\n  error_log executed.log notice;\n" : ""} +
               "  client_body_temp_path body;\n  proxy_temp_path proxy;\n"
               "  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
               "  server {\n    listen 127.0.0.1:" +
               port + " backlog=1024;\n    location = /health { return 200; }\n    location / {\n" +
               (write ? "      rewrite ^never$ /never;\n" : "") + "      return 200 \"" + port +
               "\";\n    }\n  }\n}\n";
    }

    TempDir dir_;
    std::uint16_t port_;
    Process process_;
};

/// A real HAProxy in front of other upstreams.
/// Threads    one thread at a time.
class Haproxy {
public:
    explicit Haproxy(const std::vector<std::uint16_t>& servers) : port_{free_port()} {
        std::string config =
            "defaults\n  mode http\n  timeout connect 1s\n  timeout client 10s\n"
            "  timeout server 10s\n  retries 0\nfrontend front\n"
            "  bind 127.0.0.1:" +
            std::to_string(port_) + "\n  default_backend back\nbackend back\n";
        for (const std::uint16_t port : servers) {
            const std::string text = std::to_string(port);
            config += "  server s" + text + " 127.0.0.1:" + text + '\n';
        }
        write_file(dir_ / "haproxy.cfg", config);
        process_ =
            Process{{"haproxy", "-db", "-f", (dir_ / "haproxy.cfg").string()}, dir_ / "out.log"};
        if (!wait_for_port(port_)) {
            throw std::runtime_error{"haproxy did not start: " + read_file(dir_ / "out.log")};
        }
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// SIGKILL; returns when the port refuses connections.
    void kill() {
        process_.kill();
        wait_until([this] { return !connect_to(port_); });
    }

private:
    TempDir dir_;
    std::uint16_t port_;
    Process process_;
};

} // namespace failover::test
