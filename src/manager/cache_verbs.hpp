// SPDX-License-Identifier: MIT
#pragma once

#include "../redis/cache.hpp"
#include <failover/cache.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// What the blocking and the awaited verbs of FailoverCache share.

namespace failover::detail::verbs {

using cache::Calls;
using cache::Work;
using Verb = CacheMeter::Verb;

inline void count(CacheMeter& meter, Verb verb, bool good, TimePoint start) {
    meter.call(verb, good ? CacheMeter::End::ok : CacheMeter::End::failed, Clock::now() - start);
}

/// Counts a call when it has ended.
class Counted {
public:
    Counted(CacheMeter& meter, Verb verb) : meter_{meter}, verb_{verb} {}

    template <class T>
    void ended(const Result<T>& result) const {
        ended(result.has_value());
    }
    void ended(bool good) const { count(meter_, verb_, good, start_); }

private:
    CacheMeter& meter_;
    const Verb verb_;
    const TimePoint start_ = Clock::now();
};

inline std::string milliseconds_text(std::chrono::milliseconds ttl) {
    return std::to_string(ttl.count());
}

/// Longer ones take a script's server too long.
inline constexpr std::size_t most_timed = std::size_t{1} << 20U;

inline Work set_work(std::string key, const std::string& value, std::chrono::milliseconds ttl,
                     const CacheConfig& config) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(config.gutter_ttl);
    const bool forever = ttl.count() == 0;
    std::string bytes = forever ? cache::resp({"SET", key, value})
                                : cache::resp({"SET", key, value, "PX", milliseconds_text(ttl)});
    Work work = cache::write_work(std::move(key), std::move(bytes));
    if (config.mode != CacheMode::replicated) {
        work.leaves = OwnWrites::digest_of(value);
    }
    work.timed = work.bytes.size() <= most_timed;
    if (config.mode == CacheMode::gutter) {
        work.capped = cache::resp({"SET", work.key, value, "PX",
                                   milliseconds_text(forever ? limit : std::min(ttl, limit))});
    }
    return work;
}

inline Work del_work(std::string key, const CacheOptions& options, const CacheConfig& config) {
    std::string bytes =
        options.version.empty()
            ? cache::resp({"DEL", key})
            : cache::resp({"EVAL", bury_script, "1", key, version_text(options.version),
                           milliseconds_text(std::chrono::duration_cast<std::chrono::milliseconds>(
                               config.load.lease * 5))});
    Work work = cache::write_work(std::move(key), std::move(bytes));
    work.leaves = OwnWrites::nothing;
    work.timed = options.version.empty() && work.bytes.size() <= most_timed;
    return work;
}

inline Result<FailoverCache::Value> value_of(Result<Reply> reply, CacheMeter& meter) {
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

inline Result<void> done(Result<Reply> reply) {
    if (!reply) {
        return std::move(reply).error();
    }
    return {};
}

inline Result<bool> was_there(Result<Reply> reply) {
    if (!reply) {
        return std::move(reply).error();
    }
    return reply->integer() > 0;
}

/// Why a set() or a command cannot be; none: it can.
inline std::optional<Failure> refusal(std::chrono::milliseconds ttl, std::string_view value = {}) {
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

inline Checked check(const std::vector<std::string>& args) {
    if (args.empty() || args.front().empty()) {
        return {{}, Calls::fail(Errc::invalid_request, "a command has a name")};
    }
    const std::string& name = args.front();
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-' || c == '|';
    });
    if (!plain || name == "pmonitor" || name == "PMONITOR") {
        return {{}, Calls::fail(Errc::invalid_request, "no command has the name " + escaped(name))};
    }
    const CommandTraits traits = traits_of(args);
    if (traits.kind == CommandClass::refused) {
        return {
            {},
            Calls::fail(Errc::invalid_request, escaped(args.front()) + ": " + traits.why_refused)};
    }
    return {cache::command_work(args, traits), std::nullopt};
}

inline void touch(Cache& cache, const Work& work) {
    if (work.keys) {
        for (const std::string& key : *work.keys) {
            cache.loads().touched(key);
        }
        cache.auditor().add(work.key);
    }
}

} // namespace failover::detail::verbs
