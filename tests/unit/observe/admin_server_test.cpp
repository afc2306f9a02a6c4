// SPDX-License-Identifier: MIT
#include "observe/admin_server.hpp"

#include "support/sockets.hpp"
#include <failover/base/error.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace failover::admin_server_test {

using namespace std::chrono_literals;
using nlohmann::json;
using test::connect_to;
using test::Fd;

/// A blocking client that sends exactly the bytes it is told to.
class RawClient {
public:
    explicit RawClient(std::uint16_t port) : fd_{connect_to(port)} {}

    [[nodiscard]] bool connected() const { return static_cast<bool>(fd_); }
    /// False when the peer no longer takes bytes.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    /// Waits for bytes or the end for at most `limit`; false when the connection
    /// has ended.
    bool read_some(std::chrono::milliseconds limit) {
        pollfd waiting{fd_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(limit.count())) == 0) {
            return true;
        }
        char bytes[4096];
        const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
        if (n <= 0) {
            return false;
        }
        received_.append(bytes, static_cast<std::size_t>(n));
        return true;
    }
    /// Everything until the peer closes.
    std::string read_all(std::chrono::milliseconds limit = 10s) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (read_some(100ms)) {
            if (std::chrono::steady_clock::now() > end) {
                ADD_FAILURE() << "the connection stays open after\n" << received_;
                break;
            }
        }
        return received_;
    }
    /// Until `text` has arrived.
    bool read_until(const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (received_.find(text) == std::string::npos) {
            if (!read_some(100ms) || std::chrono::steady_clock::now() > end) {
                return false;
            }
        }
        return true;
    }

private:
    Fd fd_;
    std::string received_;
};

std::string body_of(const std::string& answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? std::string{} : answer.substr(end + 4);
}

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++count;
    }
    return count;
}

/// A running server and the thread it runs on.
class AdminServerTest : public testing::Test {
protected:
    void SetUp() override {
        server_.start();
        thread_ = std::thread{[this] { io_.run(); }};
    }
    void TearDown() override {
        server_.stop();
        work_.reset();
        thread_.join();
    }
    AdminHandlers handlers() {
        AdminHandlers all;
        all.metrics = [] { return std::string{"# HELP up x\n# TYPE up gauge\nup 1\n"}; };
        all.status = [] { return std::string{R"({"services":[]})"}; };
        all.events = events_;
        all.healthy = [this] { return healthy_.load(); };
        return all;
    }
    /// One request on a connection of its own; the whole answer.
    std::string ask(const std::string& line, const std::string& fields = {}) {
        RawClient client{server_.port()};
        client.send(line + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + "\r\n");
        return client.read_all();
    }

    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
    std::shared_ptr<EventHub> events_ = std::make_shared<EventHub>();
    std::atomic<bool> healthy_{true};
    AdminServer server_{io_.get_executor(), handlers(), "127.0.0.1:0"};
    std::thread thread_;
};

TEST_F(AdminServerTest, serves_metrics_in_the_text_format) {
    const std::string answer = ask("GET /metrics");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos) << answer;
    EXPECT_EQ(body_of(answer), "# HELP up x\n# TYPE up gauge\nup 1\n");
}

TEST_F(AdminServerTest, healthz_says_503_while_stopping) {
    const std::string well = ask("GET /healthz");
    EXPECT_TRUE(well.starts_with("HTTP/1.1 200 ")) << well;
    EXPECT_EQ(body_of(well), R"({"status":"ok"})");
    healthy_ = false;
    const std::string stopping = ask("GET /healthz");
    EXPECT_TRUE(stopping.starts_with("HTTP/1.1 503 ")) << stopping;
    EXPECT_EQ(json::parse(body_of(stopping))["status"], "stopping");
}

TEST_F(AdminServerTest, status_is_what_the_handler_says) {
    const std::string answer = ask("GET /api/v1/status?pretty");
    EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
    EXPECT_EQ(body_of(answer), R"({"services":[]})");
}

TEST_F(AdminServerTest, events_are_valid_json_newest_last_and_can_be_asked_for_since_a_number) {
    for (int i = 1; i <= 3; ++i) {
        events_->publish(Event{.kind = EventKind::endpoint_unhealthy,
                               .service = "billing",
                               .endpoint = "b\"1",
                               .reason = "broken\n\xff" + std::to_string(i),
                               .duration = 1500ms});
    }
    const json all = json::parse(body_of(ask("GET /api/v1/events")));
    ASSERT_EQ(all["events"].size(), 3u);
    EXPECT_EQ(all["events"][0]["number"], 1);
    EXPECT_EQ(all["events"][2]["kind"], "endpoint_unhealthy");
    EXPECT_EQ(all["events"][2]["endpoint"], "b\"1");
    EXPECT_EQ(all["events"][2]["duration_seconds"], 1.5);
    const json late = json::parse(body_of(ask("GET /api/v1/events?since=2")));
    ASSERT_EQ(late["events"].size(), 1u);
    EXPECT_EQ(late["events"][0]["number"], 3);
    const json odd = json::parse(body_of(ask("GET /api/v1/events?since=x")));
    EXPECT_EQ(odd["events"].size(), 3u);
    EXPECT_TRUE(json::parse(body_of(ask("GET /api/v1/events?since=3")))["events"].empty());
}

TEST_F(AdminServerTest, the_page_loads_nothing_from_elsewhere_and_never_makes_markup_of_names) {
    const std::string answer = ask("GET /");
    EXPECT_NE(answer.find("Content-Type: text/html"), std::string::npos) << answer;
    const std::string page = body_of(answer);
    EXPECT_NE(page.find("api/v1/status"), std::string::npos);
    EXPECT_NE(page.find("textContent"), std::string::npos);
    for (const char* shown : {"status.services", "status.database", "status.cache"}) {
        EXPECT_NE(page.find(shown), std::string::npos) << shown;
    }
    for (const char* unwanted : {"http://", "https://", "src=", "@import", "innerHTML",
                                 "insertAdjacentHTML", "document.write"}) {
        EXPECT_EQ(page.find(unwanted), std::string::npos) << unwanted;
    }
}

TEST_F(AdminServerTest, an_unknown_path_is_404_and_another_method_405) {
    EXPECT_TRUE(ask("GET /metric").starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(ask("GET /../etc/passwd").starts_with("HTTP/1.1 404 "));
    for (const char* method : {"POST", "DELETE", "OPTIONS", "PUT"}) {
        const std::string answer = ask(std::string{method} + " /metrics");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 405 ")) << answer;
        EXPECT_NE(answer.find("Allow: GET, HEAD"), std::string::npos) << answer;
    }
}

TEST_F(AdminServerTest, head_has_the_head_of_get_and_no_body) {
    const std::string get = ask("GET /metrics");
    const std::string head = ask("HEAD /metrics");
    EXPECT_EQ(head, get.substr(0, get.find("\r\n\r\n") + 4));
}

TEST_F(AdminServerTest, a_connection_is_kept_until_the_client_closes_it) {
    RawClient client{server_.port()};
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
        ASSERT_TRUE(client.read_until("{\"status\":\"ok\"}"));
    }
    ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    EXPECT_EQ(count_of(client.read_all(), "HTTP/1.1 200 "), 4u);
}

TEST_F(AdminServerTest, http_1_0_is_answered_and_closed) {
    RawClient client{server_.port()};
    client.send("GET /healthz HTTP/1.0\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.0 200 ")) << answer;
}

TEST_F(AdminServerTest, pipelined_requests_are_answered_in_order) {
    RawClient client{server_.port()};
    client.send(
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
        "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string answers = client.read_all();
    EXPECT_EQ(count_of(answers, "HTTP/1.1 200 "), 3u) << answers;
    const std::size_t missing = answers.find("HTTP/1.1 404 ");
    EXPECT_LT(answers.find("HTTP/1.1 200 "), missing) << answers;
    EXPECT_LT(missing, answers.find("{\"services\":[]}")) << answers;
}

TEST_F(AdminServerTest, garbage_is_refused_and_the_next_client_served) {
    for (const std::string& garbage :
         {std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over "
                      "TLS\r\n\r\n"},
          std::string{"GET\r\n\r\n"}, std::string{"GET / HTTP/9.9\r\n\r\n"},
          std::string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, std::string(200, '\0'),
          std::string{"GET / HTTP/1.1\r\nHost x\r\n\r\n"},
          std::string{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}}) {
        RawClient client{server_.port()};
        client.send(garbage);
        const std::string answer = client.read_all();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << garbage << " gets " << answer;
    }
    EXPECT_TRUE(ask("GET /healthz").starts_with("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, a_head_over_8_kib_is_431) {
    const std::string field = "X-Long: " + std::string(8 << 10, 'a');
    const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n" + field.substr(0, 8 << 10);
    RawClient client{server_.port()};
    client.send(request);
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
}

TEST_F(AdminServerTest, a_body_over_64_kib_is_413) {
    RawClient client{server_.port()};
    client.send("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
}

TEST_F(AdminServerTest, a_client_that_trickles_its_request_is_cut_off) {
    RawClient client{server_.port()};
    const auto begun = std::chrono::steady_clock::now();
    client.send("GET /metrics HTTP/1.1\r\nX-Slow: ");
    while (client.send("a") && client.read_some(250ms)) {
        ASSERT_LT(std::chrono::steady_clock::now() - begun, 15s) << "still being read";
    }
    EXPECT_GT(std::chrono::steady_clock::now() - begun, 9s);
    EXPECT_TRUE(ask("GET /healthz").starts_with("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, the_65th_connection_is_closed_and_a_free_place_taken_again) {
    const std::string request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    std::vector<RawClient> clients;
    for (int i = 0; i < 64; ++i) {
        clients.emplace_back(server_.port());
        ASSERT_TRUE(clients.back().send(request) && clients.back().read_until("ok")) << i;
    }
    RawClient one_more{server_.port()};
    one_more.send(request);
    EXPECT_EQ(one_more.read_all(), "");
    clients.clear();
    EXPECT_TRUE(test::wait_until([&] { return ask("GET /healthz").starts_with("HTTP/1.1 200 "); }));
}

TEST_F(AdminServerTest, stop_closes_the_port_and_every_connection_and_may_be_repeated) {
    RawClient client{server_.port()};
    ASSERT_TRUE(client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    ASSERT_TRUE(client.read_until("ok"));
    server_.stop();
    server_.stop();
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(count_of(client.read_all(), "HTTP/1.1 "), 1u);
    EXPECT_TRUE(test::wait_until([&] { return !RawClient{server_.port()}.connected(); }));
}

/// The message with which an endpoint is refused; empty when it is accepted.
std::string refusal(const std::string& endpoint) {
    asio::io_context io;
    try {
        AdminServer server{io.get_executor(), {}, endpoint};
        return {};
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Condition::bad_config);
        return error.what();
    }
}

TEST(AdminServerEndpoint, a_taken_port_is_named_with_its_reason) {
    const auto [taken, port] = test::listen_somewhere();
    const std::string endpoint = "127.0.0.1:" + std::to_string(port);
    const std::string why = refusal(endpoint);
    EXPECT_NE(why.find("monitoring.providers.prometheus.endpoint"), std::string::npos) << why;
    EXPECT_NE(why.find(endpoint), std::string::npos) << why;
    EXPECT_NE(why.find("ddress already in use"), std::string::npos) << why;
}

TEST(AdminServerEndpoint, malformed_ones_are_refused) {
    for (const char* bad : {"", "9090", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1",
                            "127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:1x", "[::1:80"}) {
        EXPECT_NE(refusal(bad), "") << bad;
    }
}

TEST(AdminServerEndpoint, names_and_all_interfaces_are_accepted) {
    for (const char* good : {"127.0.0.1:0", ":0", "localhost:0"}) {
        EXPECT_EQ(refusal(good), "") << good;
    }
}

TEST(AdminServerFailure, a_handler_that_throws_is_a_500_and_stop_still_works) {
    asio::io_context io;
    AdminHandlers handlers;
    handlers.metrics = []() -> std::string { throw std::runtime_error{"broken"}; };
    AdminServer server{io.get_executor(), std::move(handlers), "127.0.0.1:0"};
    server.start();
    server.start();
    std::thread thread{[&io] { io.run(); }};
    RawClient client{server.port()};
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
    server.stop();
    thread.join();
}

TEST(AdminServerEndpoint, port_0_takes_a_free_one_and_says_which) {
    asio::io_context io;
    const AdminServer server{io.get_executor(), {}, "127.0.0.1:0"};
    EXPECT_NE(server.port(), 0);
    EXPECT_TRUE(connect_to(server.port()));
}

} // namespace failover::admin_server_test
