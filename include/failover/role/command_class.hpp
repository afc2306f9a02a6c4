// SPDX-License-Identifier: MIT
#pragma once

#include <failover/role/command_kind.hpp>

#include <span>
#include <string>

namespace failover {

/// One command, and where its keys are: those it reads, of a command that writes those it changes.
struct CommandTraits {
    CommandClass kind = CommandClass::once;
    /// Positions in the arguments, where 0 is the name. `first_key` 0: none. `last_key` below 0
    /// counts from the end, -1 is the last argument.
    int first_key = 0;
    int last_key = 0;
    int step = 1;
    /// Position of an argument that says how many keys follow it. 0: none.
    int numkeys_at = 0;
    /// It deletes every key.
    bool flushes = false;
    /// For people; of `refused` only.
    const char* why_refused = "";
};

/// `args[0]` is the name, in any case. Commands of Redis 7.2; the key of an unknown one is its
/// first argument. Never allocates.
[[nodiscard]] CommandTraits traits_of(std::span<const std::string> args) noexcept;

/// f(const std::string& key) for every key, in their order. Arguments that are not there are not
/// keys.
template <class F>
void for_each_key(const CommandTraits& traits, std::span<const std::string> args, F f);

} // namespace failover

#include <failover/role/detail/command_rules.hpp>
