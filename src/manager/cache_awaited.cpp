// SPDX-License-Identifier: MIT
#include "cache_verbs.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

// The awaited verbs of FailoverCache. A coroutine may begin after the handle it was made from is
// gone, so each is a function that takes all it needs.

namespace failover {

using cache::Calls;
using cache::Work;
using detail::Cache;
using detail::must;
using detail::must_async;
using namespace detail::verbs;

namespace {

using CachePtr = std::shared_ptr<Cache>;

asio::awaitable<Result<FailoverCache::Value>> get_slowly(Cache* cache,
                                                         std::shared_ptr<cache::ReadCall> call,
                                                         CacheOptions options) {
    Result<Reply> reply = co_await cache->calls().end_get_slowly(call, std::move(options));
    Result<FailoverCache::Value> value = value_of(std::move(reply), cache->meter());
    count(cache->meter(), Verb::get, value.has_value(), call->start());
    co_return value;
}

asio::awaitable<FailoverCache::Value> must_get_slowly(Cache* cache,
                                                      std::shared_ptr<cache::ReadCall> call,
                                                      CacheOptions options) {
    co_return must(co_await get_slowly(cache, std::move(call), std::move(options)));
}

/// The value, when the first attempt came to one.
bool take_value(Cache& cache, cache::ReadCall& call, FailoverCache::Value& value) {
    cache::Answer* const answer = cache.calls().end_get(call);
    if (answer == nullptr) {
        return false;
    }
    cache.meter().call(Verb::get, CacheMeter::End::ok, answer->at - call.start());
    if (answer->reply.is_nil()) {
        cache.meter().miss();
    } else {
        cache.meter().hit();
        value.emplace(std::move(answer->reply).text());
    }
    return true;
}

// The two below are alike but for what they return: it is the call that is made most, one coroutine
// more would cost a tenth of it, and so would what is large in their frames.

asio::awaitable<Result<FailoverCache::Value>> get_value(CachePtr cache, CacheOptions options,
                                                        std::string key) {
    const std::shared_ptr<cache::ReadCall> call = cache->calls().begin_get(
        co_await asio::this_coro::executor, cache, std::move(key), options);
    if (call->node() != nullptr) {
        co_await call->async_wait(asio::use_awaitable);
    }
    FailoverCache::Value value;
    if (take_value(*cache, *call, value)) {
        co_return value;
    }
    co_return co_await get_slowly(cache.get(), call, std::move(options));
}

asio::awaitable<FailoverCache::Value> must_get_value(CachePtr cache, CacheOptions options,
                                                     std::string key) {
    const std::shared_ptr<cache::ReadCall> call = cache->calls().begin_get(
        co_await asio::this_coro::executor, cache, std::move(key), options);
    if (call->node() != nullptr) {
        co_await call->async_wait(asio::use_awaitable);
    }
    FailoverCache::Value value;
    if (take_value(*cache, *call, value)) {
        co_return value;
    }
    co_return co_await must_get_slowly(cache.get(), call, std::move(options));
}

asio::awaitable<Result<Reply>> run(CachePtr cache, Verb verb, Work work, CacheOptions options) {
    touch(*cache, work);
    const Counted counted{cache->meter(), verb};
    Result<Reply> reply = co_await cache->calls().async_run(std::move(work), std::move(options));
    counted.ended(reply);
    co_return reply;
}

asio::awaitable<Result<void>> set_value(CachePtr cache, CacheOptions options, std::string key,
                                        std::string value, std::chrono::milliseconds ttl) {
    if (auto refused = refusal(ttl, value)) {
        co_return *std::move(refused);
    }
    Work work = set_work(std::move(key), value, ttl, cache->calls().config());
    co_return done(co_await run(std::move(cache), Verb::set, std::move(work), std::move(options)));
}

asio::awaitable<Result<bool>> delete_key(CachePtr cache, CacheOptions options, std::string key) {
    Work work = del_work(std::move(key), options, cache->calls().config());
    co_return was_there(
        co_await run(std::move(cache), Verb::del, std::move(work), std::move(options)));
}

asio::awaitable<Result<Reply>> run_command(CachePtr cache, CacheOptions options,
                                           std::vector<std::string> args) {
    Checked checked = check(args);
    if (checked.refused) {
        co_return *std::move(checked.refused);
    }
    co_return co_await run(std::move(cache), Verb::command, std::move(checked.work),
                           std::move(options));
}

asio::awaitable<Result<std::string>> load_value(CachePtr cache, std::string key,
                                                std::chrono::milliseconds ttl,
                                                cache::Loads::Loader loader, LoadOptions options) {
    if (auto refused = refusal(ttl)) {
        co_return *std::move(refused);
    }
    const Counted counted{cache->meter(), Verb::load};
    Result<std::string> value =
        co_await cache->loads().run(std::move(key), ttl, std::move(loader), std::move(options));
    counted.ended(value);
    co_return value;
}

asio::awaitable<Result<void>> check_health(CachePtr cache, CacheOptions options) {
    co_return co_await cache->async_health_check(std::move(options));
}

} // namespace

asio::awaitable<Result<FailoverCache::Value>> FailoverCache::async_try_get(std::string key) const {
    return get_value(cache_, options_, std::move(key));
}

asio::awaitable<FailoverCache::Value> FailoverCache::async_get(std::string key) const {
    return must_get_value(cache_, options_, std::move(key));
}

asio::awaitable<Result<void>> FailoverCache::async_try_set(std::string key, std::string value,
                                                           Milliseconds ttl) const {
    return set_value(cache_, options_, std::move(key), std::move(value), ttl);
}

asio::awaitable<void> FailoverCache::async_set(std::string key, std::string value,
                                               Milliseconds ttl) const {
    return must_async(async_try_set(std::move(key), std::move(value), ttl));
}

asio::awaitable<Result<bool>> FailoverCache::async_try_del(std::string key) const {
    return delete_key(cache_, options_, std::move(key));
}

asio::awaitable<bool> FailoverCache::async_del(std::string key) const {
    return must_async(async_try_del(std::move(key)));
}

asio::awaitable<Result<Reply>> FailoverCache::async_try_command(
    std::vector<std::string> args) const {
    return run_command(cache_, options_, std::move(args));
}

asio::awaitable<Reply> FailoverCache::async_command(std::vector<std::string> args) const {
    return must_async(async_try_command(std::move(args)));
}

asio::awaitable<Result<std::string>> FailoverCache::async_load(std::string key, Milliseconds ttl,
                                                               AsyncLoader loader,
                                                               LoadOptions options) const {
    return load_value(cache_, std::move(key), ttl, std::move(loader), std::move(options));
}

asio::awaitable<Result<void>> FailoverCache::async_try_health_check() const {
    return check_health(cache_, options_);
}

asio::awaitable<void> FailoverCache::async_health_check() const {
    return must_async(async_try_health_check());
}

} // namespace failover
