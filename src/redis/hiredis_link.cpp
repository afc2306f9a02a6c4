// SPDX-License-Identifier: MIT
#include "hiredis_link.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::redis {
namespace {

/// More zombies than this are told as one.
constexpr std::size_t most_zombies = 1024;

cache::Opened refused(FaultKind fault, error_code cause, std::string text) {
    return {nullptr,
            cache::Answer::without_reply(fault, Phase::queued, false, cause, std::move(text))};
}

/// Waits for a name to be known, on the calling thread.
void look_up(Resolver& resolver, const std::string& host, TimePoint until) {
    asio::io_context context{1};
    CallControl control;
    asio::co_spawn(context, resolver.resolve(host, until, control),
                   [](const std::exception_ptr&, const Resolver::Answer&) {});
    context.run();
}

} // namespace

HiredisLink::HiredisLink(const boost::asio::any_io_executor& executor, LinkOptions options,
                         std::shared_ptr<Resolver> resolver)
    : options_{std::move(options)}, resolver_{std::move(resolver)} {
    for (std::size_t i = 0; i < options_.pipelines; ++i) {
        pipelines_.push_back(std::make_shared<Pipeline>(executor, static_cast<LinkContext&>(*this),
                                                        options_.pipeline));
    }
}

HiredisLink::~HiredisLink() {
    HiredisLink::close();
}

void HiredisLink::submit(std::uint64_t hash, std::string_view bytes,
                         std::shared_ptr<cache::Command> command, TimePoint at, TimePoint until,
                         bool now) {
    pipelines_[hash % pipelines_.size()]->submit(bytes, std::move(command), at, until, now);
}

cache::Opened HiredisLink::take(TimePoint until, CallControl* control) {
    {
        std::unique_lock lock{mutex_};
        for (;;) {
            if (closed_) {
                return refused(FaultKind::cancelled, make_error_code(Errc::not_running),
                               "the cache was stopped");
            }
            if (!idle_.empty()) {
                std::unique_ptr<HiredisSession> session = std::move(idle_.back());
                idle_.pop_back();
                if (!session->quiet()) { // a server that restarted closed it
                    continue;
                }
                ++out_;
                return {std::move(session), {}};
            }
            if (out_ < options_.sessions) {
                break;
            }
            if (freed_.wait_until(lock, until) == std::cv_status::timeout) {
                return refused(FaultKind::local_reject, make_error_code(Errc::queue_full),
                               "no connection became free in time; raise pool_size");
            }
        }
        ++out_;
    }
    const TimePoint limit = std::min(until, Clock::now() + options_.pipeline.connect_timeout);
    if (resolver_->known(options_.host) == nullptr) {
        look_up(*resolver_, options_.host, limit);
    }
    cache::Opened opened = HiredisSession::open(*this, limit, control, false);
    if (opened.session == nullptr) {
        const std::lock_guard lock{mutex_};
        --out_;
        freed_.notify_one();
    }
    return opened;
}

void HiredisLink::give(std::unique_ptr<cache::Session> session) {
    std::unique_ptr<HiredisSession> own{static_cast<HiredisSession*>(session.release())};
    const std::lock_guard lock{mutex_};
    --out_;
    if (!closed_ && own->usable() &&
        (trusted_.empty() || own->identity().run_id.empty() ||
         own->identity().run_id == trusted_)) {
        idle_.push_back(std::move(own));
    }
    freed_.notify_one();
}

cache::Opened HiredisLink::open(TimePoint until, CallControl* control) {
    if (resolver_->known(options_.host) == nullptr) {
        look_up(*resolver_, options_.host, until);
    }
    return HiredisSession::open(*this, until, control, true);
}

void HiredisLink::trust(const std::string& run_id) {
    {
        const std::lock_guard lock{mutex_};
        if (trusted_ == run_id) {
            return;
        }
        trusted_ = run_id;
        std::erase_if(idle_, [&](const std::unique_ptr<HiredisSession>& session) {
            return session->identity().run_id != run_id;
        });
    }
    for (const std::shared_ptr<Pipeline>& pipeline : pipelines_) {
        // One that is only logging in is judged when it has.
        if (const std::string run = pipeline->run_id(); !run.empty() && run != run_id) {
            pipeline->drop();
        }
    }
}

void HiredisLink::drop() {
    std::vector<std::unique_ptr<HiredisSession>> idle;
    {
        const std::lock_guard lock{mutex_};
        idle.swap(idle_);
    }
    for (const std::shared_ptr<Pipeline>& pipeline : pipelines_) {
        pipeline->drop();
    }
}

void HiredisLink::close() {
    std::vector<std::unique_ptr<HiredisSession>> idle;
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        idle.swap(idle_);
        freed_.notify_all();
    }
    for (const std::shared_ptr<Pipeline>& pipeline : pipelines_) {
        pipeline->close();
    }
}

bool HiredisLink::is_at(const std::string& host, std::uint16_t port) {
    if (port != options_.port) {
        return false;
    }
    if (host == options_.host) {
        return true;
    }
    const std::shared_ptr<const Resolver::Answer> here = resolver_->known(options_.host);
    const std::shared_ptr<const Resolver::Answer> there = resolver_->known(host);
    if (here == nullptr || there == nullptr || !*here || !*there) {
        return false;
    }
    return std::any_of((*there)->begin(), (*there)->end(), [&](const asio::ip::address& one) {
        return std::find((*here)->begin(), (*here)->end(), one) != (*here)->end();
    });
}

std::string HiredisLink::address() {
    const std::shared_ptr<const Resolver::Answer> answer = resolver_->known(options_.host);
    if (answer == nullptr || !answer->has_value() || (*answer)->empty()) {
        return {};
    }
    const std::lock_guard lock{mutex_};
    return (**answer)[next_address_ % (*answer)->size()].to_string();
}

bool HiredisLink::accepts(const cache::Identity& identity) {
    const std::lock_guard lock{mutex_};
    return trusted_.empty() || identity.run_id.empty() || identity.run_id == trusted_;
}

void HiredisLink::add_zombie(const cache::Identity& identity) {
    const std::lock_guard lock{mutex_};
    if (zombies_.size() >= most_zombies) {
        // Of one that has no name the keeper waits until whatever it may do is done.
        zombies_.back() = {{identity.run_id, 0}, Clock::now(), ++zombies_made_};
        return;
    }
    zombies_.push_back({identity, Clock::now(), ++zombies_made_});
}

void HiredisLink::connect_failed() {
    const std::lock_guard lock{mutex_};
    ++next_address_;
}

std::vector<cache::Zombie> HiredisLink::zombies() const {
    const std::lock_guard lock{mutex_};
    return {zombies_.begin(), zombies_.end()};
}

void HiredisLink::bury(std::uint64_t number) {
    const std::lock_guard lock{mutex_};
    while (!zombies_.empty() && zombies_.front().number <= number) {
        zombies_.pop_front();
    }
}

std::size_t HiredisLink::connections() const {
    return static_cast<std::size_t>(
        std::count_if(pipelines_.begin(), pipelines_.end(),
                      [](const auto& pipeline) { return pipeline->connected(); }));
}

std::size_t HiredisLink::pending() const {
    std::size_t pending = 0;
    for (const std::shared_ptr<Pipeline>& pipeline : pipelines_) {
        pending += pipeline->pending();
    }
    return pending;
}

} // namespace failover::redis
