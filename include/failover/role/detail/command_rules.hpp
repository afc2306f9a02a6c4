// SPDX-License-Identifier: MIT
#pragma once

// Bodies of command_class.hpp.

#include <failover/role/command_class.hpp>
#include <failover/role/detail/command_table.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <system_error>

namespace failover::detail::commands {

using CommandArgs = std::span<const std::string>;

constexpr char upper(char c) noexcept {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

/// `word` is in capital letters.
inline bool says(std::string_view text, std::string_view word) noexcept {
    return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(),
                                                    [](char a, char b) { return upper(a) == b; });
}

inline bool says_one_of(std::string_view text,
                        std::initializer_list<std::string_view> words) noexcept {
    return std::any_of(words.begin(), words.end(),
                       [=](std::string_view word) { return says(text, word); });
}

/// Position of the first argument from `from` that is this word; args.size() when none is.
inline std::size_t position_of(CommandArgs args, std::size_t from, std::string_view word) noexcept {
    while (from < args.size() && !says(args[from], word)) {
        ++from;
    }
    return from;
}

/// Every option but a life changes what is set by what is there, or what is answered.
inline bool sets_whatever_is_there(CommandArgs args) noexcept {
    for (std::size_t i = 3; i < args.size(); i += 2) {
        if (!says_one_of(args[i], {"EX", "PX", "EXAT", "PXAT"})) {
            return false;
        }
    }
    return true;
}

inline bool adds_whatever_is_there(CommandArgs args) noexcept {
    std::size_t i = 2;
    for (; i < args.size() && says_one_of(args[i], {"NX", "XX", "GT", "LT", "CH", "INCR"}); ++i) {
        if (!says(args[i], "CH")) {
            return false;
        }
    }
    return true;
}

/// The last destination counts, as in Redis.
inline void store_into(CommandTraits& traits, CommandArgs args, std::size_t from,
                       std::initializer_list<std::string_view> words) noexcept {
    for (std::size_t i = from; i + 1 < args.size(); ++i) {
        if (says_one_of(args[i], words)) {
            traits.kind = CommandClass::once;
            traits.first_key = traits.last_key = static_cast<int>(i + 1);
            ++i;
        }
    }
}

inline void read_streams(CommandTraits& traits, CommandArgs args) noexcept {
    const std::size_t streams = position_of(args, 1, "STREAMS");
    if (position_of(args, 1, "BLOCK") < streams) {
        traits = {.kind = CommandClass::refused, .why_refused = why_blocks};
        return;
    }
    const std::size_t named = (args.size() - std::min(args.size(), streams + 1)) / 2;
    if (named > 0) {
        traits.first_key = static_cast<int>(streams + 1);
        traits.last_key = static_cast<int>(streams + named);
    }
}

inline void judge_bitfield(CommandTraits& traits, CommandArgs args) noexcept {
    const bool only_gets = std::none_of(
        args.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(args.size(), 2)),
        args.end(), [](const std::string& arg) {
            return says_one_of(arg, {"SET", "INCRBY"});
        });
    traits.kind = only_gets ? CommandClass::read : CommandClass::once;
}

inline void judge_scripts(CommandTraits& traits, std::string_view name, CommandArgs args) noexcept {
    const std::string_view what = args.size() > 1 ? std::string_view{args[1]} : std::string_view{};
    if (says_one_of(what, {"EXISTS", "LIST", "DUMP", "STATS", "HELP"})) {
        traits.kind = CommandClass::read;
    } else if (says_one_of(what, {"FLUSH", "DELETE"}) ||
               (says(what, "LOAD") && (name == "SCRIPT" || position_of(args, 2, "REPLACE") == 2))) {
        traits.kind = CommandClass::idempotent;
    } else if (name == "SCRIPT" && says(what, "DEBUG")) {
        traits = {.kind = CommandClass::refused, .why_refused = why_state};
    }
}

inline void apply_rule(CommandTraits& traits, const CommandRow& row, CommandArgs args) noexcept {
    const std::string_view second = args.size() > 1 ? std::string_view{args[1]} : "";
    switch (row.rule) {
        case CommandRule::none:
            break;
        case CommandRule::set:
            traits.kind = sets_whatever_is_there(args) ? same : once;
            break;
        case CommandRule::expire:
            traits.kind = args.size() <= 3 ? same : once;
            break;
        case CommandRule::hash_expire:
            traits.kind = args.size() <= 3 || says(args[3], "FIELDS") ? same : once;
            break;
        case CommandRule::sorted_add:
            traits.kind = adds_whatever_is_there(args) ? same : once;
            break;
        case CommandRule::sort:
            store_into(traits, args, 2, {"STORE"});
            break;
        case CommandRule::georadius:
            store_into(traits, args, row.name == "GEORADIUS" ? 6 : 5, {"STORE", "STOREDIST"});
            break;
        case CommandRule::bitfield:
            judge_bitfield(traits, args);
            break;
        case CommandRule::stream_read:
            read_streams(traits, args);
            break;
        case CommandRule::client:
            if (says_one_of(second, {"ID", "LIST", "INFO", "GETNAME"})) {
                traits = {.kind = CommandClass::read};
            }
            break;
        case CommandRule::script:
            judge_scripts(traits, row.name, args);
            break;
        case CommandRule::config:
            traits.kind = says(second, "GET") ? reads : once;
            break;
    }
}

} // namespace failover::detail::commands

namespace failover {

inline CommandTraits traits_of(std::span<const std::string> args) noexcept {
    if (args.empty() || args[0].empty()) {
        return {.kind = CommandClass::refused, .why_refused = "the command has no name"};
    }
    std::array<char, 24> name{};
    const detail::commands::CommandRow* row = nullptr;
    if (args[0].size() <= name.size()) {
        std::transform(args[0].begin(), args[0].end(), name.begin(), detail::commands::upper);
        row = detail::commands::find_command({name.data(), args[0].size()});
    }
    if (row == nullptr) {
        return {.kind = CommandClass::once, .first_key = 1, .last_key = 1};
    }
    CommandTraits traits{.kind = row->kind,
                         .first_key = row->first,
                         .last_key = row->last,
                         .step = row->step,
                         .numkeys_at = row->numkeys_at,
                         .flushes = row->name == "FLUSHDB" || row->name == "FLUSHALL",
                         .why_refused = row->why};
    detail::commands::apply_rule(traits, *row, args);
    return traits;
}

template <class F>
void for_each_key(const CommandTraits& traits, std::span<const std::string> args, F f) {
    const auto size = static_cast<std::ptrdiff_t>(args.size());
    std::ptrdiff_t first = traits.first_key;
    std::ptrdiff_t last = traits.last_key;
    std::ptrdiff_t step = traits.step;
    if (traits.numkeys_at > 0) {
        if (traits.numkeys_at >= size) {
            return;
        }
        const std::string& text = args[static_cast<std::size_t>(traits.numkeys_at)];
        std::int32_t keys = 0;
        const char* const end = text.data() + text.size();
        if (std::from_chars(text.data(), end, keys).ptr != end) {
            return;
        }
        first = traits.numkeys_at + 1;
        last = traits.numkeys_at + static_cast<std::ptrdiff_t>(keys);
        step = 1;
    } else if (last < 0) {
        last += size;
    }
    if (first <= 0 || step <= 0) {
        return;
    }
    last = std::min(last, size - 1);
    for (std::ptrdiff_t i = first; i <= last; i += step) {
        f(args[static_cast<std::size_t>(i)]);
    }
}

} // namespace failover
