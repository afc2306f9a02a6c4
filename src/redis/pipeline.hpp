// SPDX-License-Identifier: MIT
#pragma once

#include "login.hpp"
#include "reply_slot.hpp"
#include <failover/base/time.hpp>
#include <failover/engine/cache/link.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/circular_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct redisAsyncContext;

namespace failover::redis {

class TlsSettings;

/// What a node's connections share.
class LinkContext {
public:
    LinkContext() = default;
    LinkContext(const LinkContext&) = delete;
    LinkContext& operator=(const LinkContext&) = delete;
    virtual ~LinkContext() = default;

    /// An address to connect to now; empty: the host name does not resolve.
    [[nodiscard]] virtual std::string address() = 0;
    [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
    [[nodiscard]] virtual const Credentials& credentials() const noexcept = 0;
    /// Null: no TLS.
    [[nodiscard]] virtual TlsSettings* tls() const noexcept = 0;
    /// May a connection to that server process be used?
    [[nodiscard]] virtual bool accepts(const cache::Identity& identity) = 0;
    virtual void add_zombie(const cache::Identity& identity) = 0;
    /// The next attempt is to go to the name's next address.
    virtual void connect_failed() = 0;
};

struct PipelineOptions {
    /// Silence of the server after which the connection is given up.
    Duration silence{};
    Duration connect_timeout{};
    std::size_t max_pending = 0;
};

/// One connection that carries the commands of many callers, in order, without waiting for replies
/// in between. It connects when it is first needed, logs in, and connects again after it broke,
/// when next needed, after a pause that grows. Commands given meanwhile wait for it.
///
/// Replies are matched by order alone (RESP2 has nothing else), so a connection on which a reply is
/// overdue is closed, never skipped.
///
/// hiredis's asynchronous API connects, begins TLS and logs in, and carries everything over TLS.
/// Once a plain connection is ready its bytes go past that API, from and to the socket, and only
/// its reader is used: one system call for a batch of commands and one for their replies, where the
/// API and what it takes to follow it need six (docs/adr/0011).
///
/// Threads    safe: a mutex guards hiredis and the socket; whoever holds it, works.
/// Runs on    its executor, and the threads that submit.
class Pipeline final : public std::enable_shared_from_this<Pipeline> {
public:
    Pipeline(const boost::asio::any_io_executor& executor, LinkContext& context,
             const PipelineOptions& options);
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;
    ~Pipeline();

    void submit(std::string_view bytes, std::shared_ptr<cache::Command> command, TimePoint at,
                TimePoint until, bool now);
    /// Closes it; it may connect again at once.
    void drop();
    /// For ever.
    void close();

    /// Of the server process; empty: not connected.
    [[nodiscard]] std::string run_id() const;
    [[nodiscard]] bool connected() const;
    [[nodiscard]] std::size_t pending() const;

private:
    enum class State { idle, connecting, logging_in, ready, closed };

    struct Flight {
        std::shared_ptr<cache::Command> command; // null: part of the log-in
        TimePoint sent{};
        TimePoint until{};
        bool expired = false;
    };
    struct Queued {
        std::string bytes;
        std::shared_ptr<cache::Command> command;
        TimePoint until{};
    };
    struct Ended {
        std::shared_ptr<cache::Command> command;
        cache::Answer answer;
        bool expired = false;
    };
    /// What became of commands while the lock was held; told once it is not.
    using Ends = std::vector<Ended>;

    struct Hooks; // hiredis's callbacks

    // With the lock held:
    void connect(TimePoint now, Ends& ends);
    void begin_login(Ends& ends);
    void take_reply(void* reply);
    void logged_in(Ends& ends);
    void flush();
    void read();
    void write();
    void receive();
    void take_received(std::size_t size);
    [[nodiscard]] error_code take_socket();
    void go_direct();
    void write_out();
    void lose(cache::Answer why);
    void send(std::string_view bytes, Flight flight, Ends& ends);
    void add_flight(Flight flight);
    void follow();
    void arm(TimePoint due);
    void fail(cache::Answer why, TimePoint now, Ends& ends);
    void let_go();
    void after_events(Ends& ends);
    [[nodiscard]] TimePoint expire_queued(TimePoint now, Ends& ends);
    [[nodiscard]] TimePoint expire_flights(TimePoint now, Ends& ends);
    void post_flush();

    void on_readable(std::uint64_t epoch);
    void on_received(std::uint64_t epoch, const error_code& error, std::size_t size);
    template <class Work>
    void on_replies(std::uint64_t epoch, const Work& work);
    void on_writable(std::uint64_t epoch);
    void on_timer();
    void flush_now(Ends* spare);
    static void tell(Ends& ends, bool here);

    const boost::asio::any_io_executor executor_;
    LinkContext& context_;
    const PipelineOptions options_;

    mutable std::mutex mutex_;
    State state_ = State::idle;
    redisAsyncContext* redis_ = nullptr;
    std::optional<boost::asio::generic::stream_protocol::socket> socket_;
    bool direct_ = false; // past hiredis's asynchronous API
    std::string out_;     // when it is: what is written, from out_begin_ on
    std::size_t out_begin_ = 0;
    std::vector<char> in_;
    std::optional<boost::asio::steady_timer> timer_; // none: closed, and the executor may be gone
    std::optional<TimePoint> armed_;
    std::optional<Login> login_;
    cache::Identity identity_;
    boost::circular_buffer<Flight> flights_;
    std::deque<Queued> queue_;
    ReplySlot slot_;
    Ends spare_;             // memory of an earlier turn
    Ends* ends_ = nullptr;   // where the callbacks of hiredis put what they learn
    TimePoint now_{};        // when they do
    cache::Answer broken_{}; // why the connection ended, while it does
    std::string refusal_;    // of the log-in
    TimePoint progress_{};   // when the server last sent anything
    TimePoint connect_until_{};
    TimePoint not_before_{}; // the next connect
    Duration pause_{};
    std::size_t unflushed_ = 0;
    bool reading_ = false;
    bool writing_ = false;
    bool wants_read_ = false;
    bool wants_write_ = false;
    bool flush_posted_ = false;
    std::uint64_t epoch_ = 0; // of the socket: its handlers know which one they are of
};

} // namespace failover::redis
