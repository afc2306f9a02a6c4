// SPDX-License-Identifier: MIT
#pragma once

#include "support/sockets.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace failover::bench {

/// Passes bytes on between clients and one server on loopback, and notes when an answer's first
/// byte came from the server: from then on what the client does with it is the client's time. This
/// relay's own work is counted as the client's. One client at a time.
/// Threads    safe, the destructor excepted.
class StampingRelay {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    explicit StampingRelay(std::uint16_t target) : target_{target} {
        std::tie(listener_, port_) = test::listen_somewhere();
        thread_ = std::thread{[this] { run(); }};
    }
    StampingRelay(const StampingRelay&) = delete;
    StampingRelay& operator=(const StampingRelay&) = delete;
    ~StampingRelay() {
        stopping_ = true;
        thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// Requests that went to the server: pieces of data from a client, each after an answer.
    [[nodiscard]] std::size_t requests() const noexcept { return requests_; }
    /// Does one wait for its answer?
    [[nodiscard]] bool asked() const noexcept { return asked_; }
    /// When the latest answer began.
    [[nodiscard]] TimePoint answered_at() const noexcept {
        return TimePoint{TimePoint::duration{answered_at_}};
    }

private:
    struct Link {
        test::Fd client;
        test::Fd server;
        bool asked = false; // and not answered yet
    };

    void run() {
        while (!stopping_) {
            std::vector<pollfd> waits{{listener_.get(), POLLIN, 0}};
            for (const Link& link : links_) {
                waits.push_back({link.client.get(), POLLIN, 0});
                waits.push_back({link.server.get(), POLLIN, 0});
            }
            ::poll(waits.data(), waits.size(), 20);
            for (std::size_t i = links_.size(); i-- > 0;) {
                Link& link = links_[i];
                const bool alive = (waits[2 * i + 1].revents == 0 || pass_request(link)) &&
                                   (waits[2 * i + 2].revents == 0 || pass_answer(link));
                if (!alive) {
                    links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(i));
                }
            }
            if (waits[0].revents != 0) {
                accept();
            }
        }
    }

    void accept() {
        test::Fd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        test::Fd server = test::connect_to(target_);
        if (client && server) {
            links_.push_back({std::move(client), std::move(server)});
        }
    }

    bool pass_request(Link& link) {
        if (!link.asked) {
            link.asked = true;
            ++requests_;
            asked_ = true;
        }
        return pass(link.client, link.server);
    }
    bool pass_answer(Link& link) {
        if (std::exchange(link.asked, false)) {
            asked_ = false;
            answered_at_ = std::chrono::steady_clock::now().time_since_epoch().count();
        }
        return pass(link.server, link.client);
    }

    static bool pass(const test::Fd& from, const test::Fd& to) {
        char bytes[65536];
        const ssize_t count = ::recv(from.get(), bytes, sizeof bytes, 0);
        for (ssize_t sent = 0; sent < count;) {
            const auto left = static_cast<std::size_t>(count - sent);
            const ssize_t more = ::send(to.get(), bytes + sent, left, MSG_NOSIGNAL);
            if (more <= 0) {
                return false;
            }
            sent += more;
        }
        return count > 0;
    }

    std::uint16_t target_;
    test::Fd listener_;
    std::uint16_t port_ = 0;
    std::vector<Link> links_; // the thread's own
    std::atomic<bool> stopping_{false};
    std::atomic<bool> asked_{false};
    std::atomic<std::size_t> requests_{0};
    std::atomic<TimePoint::rep> answered_at_{0};
    std::thread thread_;
};

} // namespace failover::bench
