// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace failover::bench {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;

/// Size of every answer of the servers below.
inline constexpr std::size_t answer_size = 128;

inline std::uint16_t free_port() {
    boost::asio::io_context io;
    tcp::acceptor acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
    return acceptor.local_endpoint().port();
}

/// A server program with a directory of its own; killed and removed with this object, and killed
/// when this process dies.
class Server {
public:
    explicit Server(std::uint16_t port) : port_{port} {
        std::string name = (fs::temp_directory_path() / "failover-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error{"cannot make " + name};
        }
        directory_ = name;
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        if (process_ > 0) {
            ::kill(process_, SIGTERM);
            ::waitpid(process_, nullptr, 0);
        }
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] const fs::path& directory() const noexcept { return directory_; }

    fs::path write(const std::string& name, const std::string& text) const {
        std::ofstream{directory_ / name} << text;
        return directory_ / name;
    }

    /// Starts the program and returns once it accepts connections.
    void start(std::vector<std::string> command) {
        std::vector<char*> arguments;
        for (std::string& word : command) {
            arguments.push_back(word.data());
        }
        arguments.push_back(nullptr);
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            ::close_range(3, ~0U, 0); // none of this process's sockets is the server's
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
        wait_until_it_accepts(command[0]);
    }

private:
    void wait_until_it_accepts(const std::string& program) {
        boost::asio::io_context io;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        while (std::chrono::steady_clock::now() < give_up) {
            tcp::socket socket{io};
            boost::system::error_code error;
            socket.connect({boost::asio::ip::address_v4::loopback(), port_}, error);
            if (!error) {
                return;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }
        throw std::runtime_error{program + " did not start; see whether it is installed"};
    }

    std::uint16_t port_;
    fs::path directory_;
    pid_t process_ = -1;
};

/// One nginx worker that answers everything from memory and never closes a connection by itself.
/// `listen`: the address to listen on.
class Nginx : public Server {
public:
    explicit Nginx(const std::string& listen = "127.0.0.1") : Server{free_port()} {
        const std::string dir = directory().string();
        std::string text =
            "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n"
            "pid " +
            dir + "/pid;\nerror_log " + dir +
            "/error.log crit;\n"
            "events { worker_connections 16384; }\n"
            "http {\n  access_log off;\n  default_type text/plain;\n"
            "  keepalive_requests 1000000000;\n  keepalive_timeout 1h;\n";
        for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
            text += std::string{"  "} + kind + "_temp_path " + dir + '/' + kind + ";\n";
        }
        text += "  server {\n    listen " + listen + ':' + std::to_string(port()) +
                " backlog=4096;\n    location / { return 200 \"" + std::string(answer_size, 'x') +
                "\"; }\n  }\n}\n";
        start({program(), "-c", write("nginx.conf", text).string(), "-p", dir, "-e",
               dir + "/error.log"});
    }

private:
    // A user's PATH on Debian has no /usr/sbin.
    static std::string program() {
        return fs::exists("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx";
    }
};

/// One HAProxy thread in front of one server, connections kept alive on both sides.
class Haproxy : public Server {
public:
    explicit Haproxy(std::uint16_t backend) : Server{free_port()} {
        const std::string text =
            "global\n  maxconn 4000\n  nbthread 1\n"
            "defaults\n  mode http\n  timeout connect 2s\n  timeout client 1h\n"
            "  timeout server 1h\n  option http-keep-alive\n  http-reuse always\n"
            "frontend in\n  bind 127.0.0.1:" +
            std::to_string(port()) +
            "\n  default_backend out\nbackend out\n  server s1 127.0.0.1:" +
            std::to_string(backend) + "\n";
        start({program(), "-db", "-q", "-f", write("haproxy.cfg", text).string()});
    }

private:
    static std::string program() {
        return fs::exists("/usr/sbin/haproxy") ? "/usr/sbin/haproxy" : "haproxy";
    }
};

} // namespace failover::bench
