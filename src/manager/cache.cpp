// SPDX-License-Identifier: MIT
#include "../redis/cache.hpp"

#include "manager_access.hpp"
#include <failover/cache.hpp>

#include <chrono>
#include <utility>

namespace failover {
namespace {

using cache::Calls;
using cache::Work;
using detail::Cache;
using Verb = CacheMeter::Verb;

/// Counts a call when it has ended.
class Counted {
public:
    Counted(CacheMeter& meter, Verb verb) : meter_{meter}, verb_{verb} {}

    template <class T>
    void ended(const Result<T>& result) const {
        meter_.call(verb_, result ? CacheMeter::End::ok : CacheMeter::End::failed,
                    Clock::now() - start_);
    }

private:
    CacheMeter& meter_;
    const Verb verb_;
    const TimePoint start_ = Clock::now();
};

Work get_work(std::string key) {
    std::string bytes = cache::resp({"GET", key});
    Work work = cache::read_work(std::move(key), std::move(bytes));
    work.copies = true;
    return work;
}

std::string milliseconds_text(std::chrono::milliseconds ttl) {
    return std::to_string(ttl.count());
}

Work set_work(std::string key, const std::string& value, std::chrono::milliseconds ttl,
              const CacheConfig& config) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(config.gutter_ttl);
    const bool forever = ttl.count() == 0;
    std::string bytes = forever ? cache::resp({"SET", key, value})
                                : cache::resp({"SET", key, value, "PX", milliseconds_text(ttl)});
    Work work = cache::write_work(std::move(key), std::move(bytes));
    if (config.mode == CacheMode::gutter) {
        work.capped = cache::resp({"SET", work.key, value, "PX",
                                   milliseconds_text(forever ? limit : std::min(ttl, limit))});
    }
    return work;
}

Work del_work(std::string key, const CacheOptions& options, const CacheConfig& config) {
    std::string bytes =
        options.version.empty()
            ? cache::resp({"DEL", key})
            : cache::resp({"EVAL", bury_script, "1", key, version_text(options.version),
                           milliseconds_text(std::chrono::duration_cast<std::chrono::milliseconds>(
                               config.load.lease * 5))});
    return cache::write_work(std::move(key), std::move(bytes));
}

Result<FailoverCache::Value> value_of(Result<Reply> reply, CacheMeter& meter) {
    if (!reply) {
        return std::move(reply).error();
    }
    if (reply->is_nil()) {
        meter.miss();
        return FailoverCache::Value{};
    }
    meter.hit();
    return FailoverCache::Value{std::move(*reply).text()};
}

Result<void> done(Result<Reply> reply) {
    if (!reply) {
        return std::move(reply).error();
    }
    return {};
}

Result<bool> was_there(Result<Reply> reply) {
    if (!reply) {
        return std::move(reply).error();
    }
    return reply->integer() > 0;
}

/// Why a set() or a command cannot be; none: it can.
std::optional<Failure> refusal(std::chrono::milliseconds ttl, std::string_view value = {}) {
    if (is_placeholder(value)) {
        return Calls::fail(Errc::invalid_request,
                           "a value that begins as the library's own placeholders do");
    }
    if (ttl.count() < 0) {
        return Calls::fail(Errc::invalid_request, "a ttl is at least 1 ms, or zero for none");
    }
    return std::nullopt;
}

struct Checked {
    Work work;
    std::optional<Failure> refused;
};

Checked check(const std::vector<std::string>& args) {
    if (args.empty() || args.front().empty()) {
        return {{}, Calls::fail(Errc::invalid_request, "a command has a name")};
    }
    const CommandTraits traits = traits_of(args);
    if (traits.kind == CommandClass::refused) {
        return {
            {},
            Calls::fail(Errc::invalid_request, escaped(args.front()) + ": " + traits.why_refused)};
    }
    return {cache::command_work(args, traits), std::nullopt};
}

void touch(Cache& cache, const Work& work) {
    if (work.keys) {
        for (const std::string& key : *work.keys) {
            cache.loads().touched(key);
        }
    }
}

Result<Reply> run(Cache& cache, Work work, const CacheOptions& options) {
    touch(cache, work);
    cache.auditor().add(work.key);
    return cache.calls().run(std::move(work), options);
}

asio::awaitable<Result<Reply>> async_run(std::shared_ptr<Cache> cache, Verb verb, Work work,
                                         CacheOptions options) {
    touch(*cache, work);
    cache->auditor().add(work.key);
    const Counted counted{cache->meter(), verb};
    Result<Reply> reply = co_await cache->calls().async_run(std::move(work), std::move(options));
    counted.ended(reply);
    co_return reply;
}

template <class T>
T must(Result<T> result) {
    if (!result) {
        throw Error{std::move(result).error()};
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
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
        value_of(cache_->calls().run(get_work(std::move(key)), options_), cache_->meter());
    counted.ended(value);
    return value;
}

FailoverCache::Value FailoverCache::get(std::string key) const {
    return must(try_get(std::move(key)));
}

asio::awaitable<Result<FailoverCache::Value>> FailoverCache::async_try_get(std::string key) const {
    const std::shared_ptr<Cache> cache = cache_;
    CacheOptions options = options_;
    const Counted counted{cache->meter(), Verb::get};
    Work work = get_work(std::move(key));
    Result<Value> value = value_of(
        co_await cache->calls().async_run(std::move(work), std::move(options)), cache->meter());
    counted.ended(value);
    co_return value;
}

asio::awaitable<FailoverCache::Value> FailoverCache::async_get(std::string key) const {
    const std::shared_ptr<Cache> cache = cache_;
    CacheOptions options = options_;
    const Counted counted{cache->meter(), Verb::get};
    Work work = get_work(std::move(key));
    Result<Value> value = value_of(
        co_await cache->calls().async_run(std::move(work), std::move(options)), cache->meter());
    counted.ended(value);
    co_return must(std::move(value));
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

asio::awaitable<Result<void>> FailoverCache::async_try_set(std::string key, std::string value,
                                                           Milliseconds ttl) const {
    if (auto refused = refusal(ttl, value)) {
        co_return *std::move(refused);
    }
    const std::shared_ptr<Cache> cache = cache_;
    Work work = set_work(std::move(key), value, ttl, cache->calls().config());
    CacheOptions options = options_;
    co_return done(co_await async_run(cache, Verb::set, std::move(work), std::move(options)));
}

asio::awaitable<void> FailoverCache::async_set(std::string key, std::string value,
                                               Milliseconds ttl) const {
    return must_async(async_try_set(std::move(key), std::move(value), ttl));
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

asio::awaitable<Result<bool>> FailoverCache::async_try_del(std::string key) const {
    const std::shared_ptr<Cache> cache = cache_;
    CacheOptions options = options_;
    Work work = del_work(std::move(key), options, cache->calls().config());
    co_return was_there(co_await async_run(cache, Verb::del, std::move(work), std::move(options)));
}

asio::awaitable<bool> FailoverCache::async_del(std::string key) const {
    return must_async(async_try_del(std::move(key)));
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

asio::awaitable<Result<Reply>> FailoverCache::async_try_command(
    std::vector<std::string> args) const {
    Checked checked = check(args);
    if (checked.refused) {
        co_return *std::move(checked.refused);
    }
    const std::shared_ptr<Cache> cache = cache_;
    CacheOptions options = options_;
    co_return co_await async_run(cache, Verb::command, std::move(checked.work), std::move(options));
}

asio::awaitable<Reply> FailoverCache::async_command(std::vector<std::string> args) const {
    return must_async(async_try_command(std::move(args)));
}

namespace {

asio::awaitable<Result<std::string>> counted_load(std::shared_ptr<Cache> cache, std::string key,
                                                  std::chrono::milliseconds ttl,
                                                  cache::Loads::Loader loader,
                                                  LoadOptions options) {
    const Counted counted{cache->meter(), Verb::load};
    Result<std::string> value =
        co_await cache->loads().run(std::move(key), ttl, std::move(loader), std::move(options));
    counted.ended(value);
    co_return value;
}

asio::awaitable<Loaded> now(const std::function<Loaded()>* loader) {
    co_return (*loader)();
}

} // namespace

Result<std::string> FailoverCache::load(std::string key, Milliseconds ttl, const Loader& loader,
                                        const LoadOptions& options) const {
    if (auto refused = refusal(ttl)) {
        return *std::move(refused);
    }
    if (cache_->calls().would_deadlock()) {
        return Calls::fail(Errc::would_deadlock, "use the async_ form");
    }
    return cache_->calls().block_on(counted_load(
        cache_, std::move(key), ttl, [&loader] { return now(&loader); }, options));
}

asio::awaitable<Result<std::string>> FailoverCache::async_load(std::string key, Milliseconds ttl,
                                                               AsyncLoader loader,
                                                               LoadOptions options) const {
    if (auto refused = refusal(ttl)) {
        co_return *std::move(refused);
    }
    const std::shared_ptr<Cache> cache = cache_;
    co_return co_await counted_load(cache, std::move(key), ttl, std::move(loader),
                                    std::move(options));
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

asio::awaitable<Result<void>> FailoverCache::async_try_health_check() const {
    const std::shared_ptr<Cache> cache = cache_;
    co_return co_await cache->async_health_check(options_);
}

asio::awaitable<void> FailoverCache::async_health_check() const {
    return must_async(async_try_health_check());
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
