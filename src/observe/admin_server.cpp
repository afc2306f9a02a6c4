// SPDX-License-Identifier: MIT
#include "admin_server.hpp"

#include "admin_page.hpp"
#include "events_json.hpp"
#include "listen_address.hpp"
#include <failover/base/error.hpp>
#include <failover/base/json.hpp>
#include <failover/version.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace failover {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Text = http::response<http::string_body>;

constexpr auto io_timeout = std::chrono::seconds{10};
constexpr std::uint32_t largest_head = 8U << 10U;
constexpr std::uint64_t largest_body = 64U << 10U;
constexpr std::size_t most_connections = 64;
constexpr auto accept_pause = std::chrono::milliseconds{100};

} // namespace

class AdminServer::State : public std::enable_shared_from_this<State> {
public:
    State(const asio::any_io_executor& executor, AdminHandlers handlers,
          const std::string& endpoint)
        : handlers_{std::move(handlers)},
          strand_{asio::make_strand(executor)},
          acceptor_{strand_},
          pause_{strand_} {
        const tcp::endpoint address = parse_listen(executor, endpoint);
        boost::system::error_code error;
        acceptor_.open(address.protocol(), error);
        if (!error) {
            acceptor_.set_option(asio::socket_base::reuse_address{true}, error);
        }
        if (!error) {
            acceptor_.bind(address, error);
        }
        if (!error) {
            acceptor_.listen(asio::socket_base::max_listen_connections, error);
        }
        if (error) {
            refuse_listen(endpoint, error.message());
        }
        port_ = acceptor_.local_endpoint().port();
    }

    void start() {
        if (started_.exchange(true)) {
            return;
        }
        asio::co_spawn(strand_, accept_loop(shared_from_this()), [](const std::exception_ptr&) {});
    }

    /// Callable from any thread: the handlers are cut off at once, the sockets on the strand.
    void stop() {
        AdminHandlers cut_off; // they may own the context whose queue owns this object
        {
            const std::lock_guard lock{mutex_};
            if (std::exchange(stopped_, true)) {
                return;
            }
            std::swap(cut_off, handlers_);
        }
        asio::post(strand_, [self = shared_from_this()] {
            boost::system::error_code ignored;
            self->acceptor_.close(ignored);
            self->pause_.cancel();
            for (beast::tcp_stream* stream : self->streams_) {
                stream->close();
            }
        });
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
    static asio::awaitable<void> accept_loop(std::shared_ptr<State> self) {
        boost::system::error_code error;
        while (self->acceptor_.is_open()) {
            tcp::socket socket = co_await self->acceptor_.async_accept(
                asio::redirect_error(asio::use_awaitable, error));
            if (error == asio::error::operation_aborted) {
                co_return;
            }
            if (error) { // out of descriptors, say: asking again at once would only burn the CPU
                self->pause_.expires_after(accept_pause);
                co_await self->pause_.async_wait(asio::redirect_error(asio::use_awaitable, error));
                continue;
            }
            if (self->streams_.size() < most_connections) {
                asio::co_spawn(self->strand_, serve(self, beast::tcp_stream{std::move(socket)}),
                               [](const std::exception_ptr&) {});
            }
        }
    }

    static asio::awaitable<void> serve(std::shared_ptr<State> self, beast::tcp_stream stream) {
        if (!self->acceptor_.is_open()) { // stop() came between accepting and here
            co_return;
        }
        const Listed listed{self->streams_, stream};
        beast::flat_buffer buffer;
        bool keep = true;
        while (keep) {
            http::request_parser<http::string_body> parser;
            parser.header_limit(largest_head);
            parser.body_limit(largest_body);
            boost::system::error_code error;
            stream.expires_after(io_timeout);
            co_await http::async_read(stream, buffer, parser,
                                      asio::redirect_error(asio::use_awaitable, error));
            std::optional<Text> answer;
            if (!error) {
                answer = self->respond(parser.get());
            } else {
                answer = complain(error);
            }
            if (!answer) {
                break;
            }
            keep = answer->keep_alive();
            stream.expires_after(io_timeout);
            co_await http::async_write(stream, *answer,
                                       asio::redirect_error(asio::use_awaitable, error));
            keep = keep && !error;
        }
        boost::system::error_code ignored;
        stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    }

    /// Keeps a stream where stop() finds it, however its coroutine ends.
    class Listed {
    public:
        Listed(std::list<beast::tcp_stream*>& all, beast::tcp_stream& one)
            : all_{all}, place_{all.insert(all.end(), &one)} {}
        Listed(const Listed&) = delete;
        Listed& operator=(const Listed&) = delete;
        ~Listed() { all_.erase(place_); }

    private:
        std::list<beast::tcp_stream*>& all_;
        std::list<beast::tcp_stream*>::iterator place_;
    };

    /// An answer for a request that could not be read; none: just close.
    static std::optional<Text> complain(const boost::system::error_code& error) {
        if (error == http::error::header_limit) {
            return plain(http::status::request_header_fields_too_large, 11, false);
        }
        if (error == http::error::body_limit) {
            return plain(http::status::payload_too_large, 11, false);
        }
        if (error == beast::error::timeout || error == http::error::end_of_stream ||
            error.category() != make_error_code(http::error::bad_version).category()) {
            return std::nullopt;
        }
        return plain(http::status::bad_request, 11, false);
    }

    static Text plain(http::status status, unsigned dialect, bool keep) {
        return text(status, dialect, keep, "text/plain; charset=utf-8",
                    std::string{http::obsolete_reason(status)} + '\n');
    }

    static Text text(http::status status, unsigned dialect, bool keep, std::string_view type,
                     std::string body) {
        Text answer{status, dialect};
        answer.set(http::field::server, std::string{"failover/"} + failover::version);
        answer.set(http::field::content_type, beast::string_view{type.data(), type.size()});
        answer.set(http::field::cache_control, "no-store");
        answer.set("X-Content-Type-Options", "nosniff");
        answer.keep_alive(keep);
        answer.body() = std::move(body);
        answer.prepare_payload();
        return answer;
    }

    std::optional<Text> respond(const http::request<http::string_body>& request) {
        // Held while a handler runs: once stop() has returned, none does.
        const std::lock_guard lock{mutex_};
        if (stopped_) {
            return std::nullopt;
        }
        const bool head = request.method() == http::verb::head;
        if (!head && request.method() != http::verb::get) {
            Text answer = plain(http::status::method_not_allowed, request.version(), false);
            answer.set(http::field::allow, "GET, HEAD");
            return answer;
        }
        Text answer = safe_route(request);
        if (head) { // the length of what GET would send, and nothing of it
            const std::size_t size = answer.body().size();
            answer.body().clear();
            answer.content_length(size);
        }
        return answer;
    }

    Text safe_route(const http::request<http::string_body>& request) {
        try {
            return route(request);
        } catch (const std::exception&) {
            return plain(http::status::internal_server_error, request.version(), false);
        }
    }

    Text route(const http::request<http::string_body>& request) {
        const std::string_view target{request.target().data(), request.target().size()};
        const std::string_view path = target.substr(0, target.find('?'));
        const std::string_view query = target.substr(path.size());
        const auto answer = [&](http::status status, std::string_view type, std::string body) {
            return text(status, request.version(), request.keep_alive(), type, std::move(body));
        };
        constexpr std::string_view json = "application/json";
        if (path == "/metrics") {
            return answer(http::status::ok, "text/plain; version=0.0.4; charset=utf-8",
                          handlers_.metrics());
        }
        if (path == "/healthz") {
            const bool good = handlers_.healthy();
            return answer(good ? http::status::ok : http::status::service_unavailable, json,
                          good ? R"({"status":"ok"})" : R"({"status":"stopping"})");
        }
        if (path == "/api/v1/status") {
            return answer(http::status::ok, json, handlers_.status());
        }
        if (path == "/api/v1/events") {
            return answer(http::status::ok, json, events_json(*handlers_.events, query));
        }
        if (path == "/") {
            return answer(http::status::ok, "text/html; charset=utf-8",
                          std::string{observe::admin_page});
        }
        return plain(http::status::not_found, request.version(), request.keep_alive());
    }

    AdminHandlers handlers_;
    asio::strand<asio::any_io_executor> strand_;
    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::atomic<bool> started_{false};
    std::uint16_t port_ = 0;
    std::list<beast::tcp_stream*> streams_; // of the connections being served; on the strand
    std::mutex mutex_;
    bool stopped_ = false;
};

AdminServer::AdminServer(const asio::any_io_executor& executor, AdminHandlers handlers,
                         const std::string& endpoint)
    : state_{std::make_shared<State>(executor, std::move(handlers), endpoint)} {}

AdminServer::~AdminServer() {
    stop();
}

void AdminServer::start() {
    state_->start();
}

void AdminServer::stop() {
    state_->stop();
}

std::uint16_t AdminServer::port() const noexcept {
    return state_->port();
}

} // namespace failover
