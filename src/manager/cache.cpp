// SPDX-License-Identifier: MIT
#include "../redis/cache.hpp"

#include "cache_verbs.hpp"
#include "manager_access.hpp"
#include <failover/cache.hpp>

#include <chrono>
#include <utility>

namespace failover {

using cache::Calls;
using cache::Work;
using detail::Cache;
using detail::must;
using namespace detail::verbs;

namespace {

Result<Reply> run(Cache& cache, Work work, const CacheOptions& options) {
    touch(cache, work);
    return cache.calls().run(std::move(work), options);
}

asio::awaitable<Loaded> now(const std::function<Loaded()>* loader) {
    co_return (*loader)();
}

} // namespace

FailoverCache::FailoverCache(FailoverManager& manager) {
    const detail::MakeAttachment make = [](const AttachmentParts& parts) {
        auto made = std::make_shared<Cache>(parts);
        made->start();
        return made;
    };
    cache_ = std::static_pointer_cast<Cache>(detail::ManagerAccess::attach(manager, "cache", make));
}

FailoverCache::FailoverCache(std::shared_ptr<detail::Cache> cache, CacheOptions options)
    : cache_{std::move(cache)}, options_{std::move(options)} {}

FailoverCache FailoverCache::with(CacheOptions options) const {
    return FailoverCache{cache_, std::move(options)};
}

Result<FailoverCache::Value> FailoverCache::try_get(std::string key) const {
    const Counted counted{cache_->meter(), Verb::get};
    Result<Value> value =
        value_of(cache_->calls().run(cache::get_work(std::move(key)), options_), cache_->meter());
    counted.ended(value);
    return value;
}

FailoverCache::Value FailoverCache::get(std::string key) const {
    return must(try_get(std::move(key)));
}

Result<void> FailoverCache::try_set(std::string key, std::string value, Milliseconds ttl) const {
    if (auto refused = refusal(ttl, value)) {
        return *std::move(refused);
    }
    const Counted counted{cache_->meter(), Verb::set};
    Work work = set_work(std::move(key), value, ttl, cache_->calls().config());
    Result<void> result = done(run(*cache_, std::move(work), options_));
    counted.ended(result);
    return result;
}

void FailoverCache::set(std::string key, std::string value, Milliseconds ttl) const {
    must(try_set(std::move(key), std::move(value), ttl));
}

Result<bool> FailoverCache::try_del(std::string key) const {
    const Counted counted{cache_->meter(), Verb::del};
    Work work = del_work(std::move(key), options_, cache_->calls().config());
    Result<bool> result = was_there(run(*cache_, std::move(work), options_));
    counted.ended(result);
    return result;
}

bool FailoverCache::del(std::string key) const {
    return must(try_del(std::move(key)));
}

Result<Reply> FailoverCache::try_command(std::vector<std::string> args) const {
    const Counted counted{cache_->meter(), Verb::command};
    Checked checked = check(args);
    if (checked.refused) {
        return *std::move(checked.refused);
    }
    Result<Reply> reply = run(*cache_, std::move(checked.work), options_);
    counted.ended(reply);
    return reply;
}

Reply FailoverCache::command(std::vector<std::string> args) const {
    return must(try_command(std::move(args)));
}

Result<std::string> FailoverCache::load(std::string key, Milliseconds ttl, const Loader& loader,
                                        const LoadOptions& options) const {
    if (auto refused = refusal(ttl)) {
        return *std::move(refused);
    }
    if (cache_->calls().would_deadlock()) {
        return Calls::fail(Errc::would_deadlock, "use the async_ form");
    }
    const Counted counted{cache_->meter(), Verb::load};
    Result<std::string> value = cache_->calls().block_on(
        cache_->loads().run(
            std::move(key), ttl, [&loader] { return now(&loader); }, options),
        TimePoint::max());
    counted.ended(value);
    return value;
}

Result<void> FailoverCache::try_health_check() const {
    if (cache_->calls().would_deadlock()) {
        return Calls::fail(Errc::would_deadlock, "use the async_ form");
    }
    return cache_->health_check(options_);
}

void FailoverCache::health_check() const {
    must(try_health_check());
}

CacheTopology FailoverCache::topology() const {
    return cache_->topology();
}

void FailoverCache::drain(std::string_view id) const {
    cache_->set_draining(id, true);
}

void FailoverCache::undrain(std::string_view id) const {
    cache_->set_draining(id, false);
}

void FailoverCache::fail_over(std::string_view id) const {
    cache_->fail_over(id);
}

void FailoverCache::failback() const {
    cache_->failback();
}

} // namespace failover
