// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/resp.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/role/cache_marks.hpp>
#include <failover/role/fill_lease.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace failover::cache {

/// The commands by which one key is copied to a node that warms up. It never lives longer there
/// than at its origin.
class WarmCopy {
public:
    WarmCopy(std::string key, const std::string& origin)
        : key_{std::move(key)}, mark_{pending_mark(origin)}, token_{lease_token_text(new_seed())} {}

    [[nodiscard]] std::string acquire() const {
        return resp({"EVAL", acquire_script, "1", key_, token_, "3000"});
    }
    [[nodiscard]] bool acquired(const Answer& answer) const {
        return answer.good() && !answer.reply.elements().empty() &&
               answer.reply.elements()[0].integer() == 2;
    }
    [[nodiscard]] std::string get() const { return resp({"GET", key_}); }
    [[nodiscard]] std::string life() const { return resp({"PTTL", key_}); }
    /// None: it is gone at its origin.
    [[nodiscard]] std::optional<std::string> fill(const std::string& value,
                                                  const Answer& life) const {
        const std::int64_t left = life.good() ? life.reply.integer() : -2;
        if (left == -2 || left == 0) {
            return std::nullopt;
        }
        const std::string milliseconds = left < 0 ? "0" : std::to_string(left);
        return resp({"EVAL", copy_script, "2", key_, mark_, token_, value, milliseconds});
    }
    [[nodiscard]] std::string release() const {
        return resp({"EVAL", release_script, "1", key_, token_});
    }

private:
    const std::string key_;
    const std::string mark_;
    const std::string token_;
};

} // namespace failover::cache
