// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace failover {

/// Which statements of one database session are worth preparing, so that the server parses and
/// plans them once: those whose very text comes again and again (as pgjdbc's prepareThreshold).
/// What it costs is bounded: at most `most` texts are remembered, none longer than `longest`.
///
/// A text always gets the same name, and no other text gets it: behind a pooler that hands sessions
/// on, what another process prepared under a name is the same statement.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class StatementCache {
public:
    static constexpr std::size_t most = 256;
    static constexpr std::size_t longest = 8192;

    enum class Step {
        /// Run it as it is.
        plain,
        /// Prepare it under `name`, call prepared() when that went well, and run it.
        prepare,
        /// Run what is prepared under `name`.
        prepared,
    };
    struct Use {
        Step step = Step::plain;
        /// Valid until outdated() or the next use(); null with plain.
        const char* name = nullptr;
    };

    /// `after`: uses of a text that are plain, before it is prepared. 0: none is ever prepared.
    explicit StatementCache(std::uint32_t after) noexcept : after_{after} {}

    /// `sql` is about to be run once more.
    [[nodiscard]] Use use(const std::string& sql);
    /// It was prepared, or turned out to be so.
    void prepared(const std::string& sql);
    /// The server does not know it any more, or its tables have changed: it is plain again, and
    /// prepared anew under another name when it goes on being used; after some times no more.
    void outdated(const std::string& sql);

private:
    enum class State : std::uint8_t { counting, prepared, refused };
    struct Entry {
        std::uint32_t uses = 0;
        State state = State::counting;
        std::uint32_t generation = 0;
        std::string name{};
    };

    bool make_room();
    static bool means_now(std::string_view sql);
    static std::string name_of(std::string_view sql, std::uint32_t generation);

    std::uint32_t after_;
    std::unordered_map<std::string, Entry> entries_{};
};

inline StatementCache::Use StatementCache::use(const std::string& sql) {
    if (after_ == 0 || sql.size() > longest) {
        return {};
    }
    auto found = entries_.find(sql);
    if (found == entries_.end()) {
        if (entries_.size() >= most && !make_room()) {
            return {};
        }
        found = entries_.try_emplace(sql).first;
    }
    Entry& entry = found->second;
    switch (entry.state) {
        case State::prepared:
            return {Step::prepared, entry.name.c_str()};
        case State::refused:
            return {};
        case State::counting:
            break;
    }
    if (entry.uses < after_) {
        ++entry.uses;
        return {};
    }
    if (means_now(sql)) {
        entry.state = State::refused;
        return {};
    }
    entry.name = name_of(sql, entry.generation);
    return {Step::prepare, entry.name.c_str()};
}

inline void StatementCache::prepared(const std::string& sql) {
    if (const auto found = entries_.find(sql); found != entries_.end()) {
        found->second.state = State::prepared;
    }
}

/// A text that is outdated again and again would leave one statement on the server each time.
inline void StatementCache::outdated(const std::string& sql) {
    constexpr std::uint32_t most_generations = 4;
    if (const auto found = entries_.find(sql); found != entries_.end()) {
        const std::uint32_t next = found->second.generation + 1;
        found->second = Entry{.state = next < most_generations ? State::counting : State::refused,
                              .generation = next};
    }
}

/// Does it hold a literal whose value is fixed when a statement is parsed: 'now', 'today',
/// 'tomorrow', 'yesterday' (PostgreSQL's manual, 8.5.1.4)? Prepared, it would stay that moment. In
/// doubt: yes.
inline bool StatementCache::means_now(std::string_view sql) {
    const auto begins = [](std::string_view text, std::string_view word) {
        return text.size() >= word.size() &&
               std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
                   return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
               });
    };
    for (std::size_t at = sql.find('\''); at != std::string_view::npos; at = sql.find('\'', at)) {
        at = sql.find_first_not_of(" \t\r\n", at + 1);
        if (at == std::string_view::npos) {
            return false;
        }
        const std::string_view rest = sql.substr(at);
        if (begins(rest, "now") || begins(rest, "today") || begins(rest, "tomorrow") ||
            begins(rest, "yesterday")) {
            return true;
        }
    }
    return false;
}

/// Forgets texts that were not worth it so far. False: all are.
inline bool StatementCache::make_room() {
    return std::erase_if(entries_, [](const auto& item) {
               return item.second.state == State::counting && item.second.generation == 0;
           }) > 0;
}

/// 128 bits of two unlike hashes (FNV-1a forwards, and a multiply-xorshift backwards), and the
/// length: two texts of one application do not share them by chance.
inline std::string StatementCache::name_of(std::string_view sql, std::uint32_t generation) {
    std::uint64_t forwards = 0xCBF29CE484222325U;
    for (const char c : sql) {
        forwards = (forwards ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    }
    std::uint64_t backwards = 0x9E3779B97F4A7C15U;
    for (std::size_t i = sql.size(); i-- > 0;) {
        backwards = (backwards + static_cast<unsigned char>(sql[i])) * 0xBF58476D1CE4E5B9U;
        backwards ^= backwards >> 29U;
    }
    std::string name = "failover_";
    for (const std::uint64_t word : {forwards, backwards}) {
        for (int shift = 60; shift >= 0; shift -= 4) {
            name += "0123456789abcdef"[word >> static_cast<unsigned>(shift) & 15U];
        }
    }
    return name + '_' + std::to_string(sql.size()) + '_' + std::to_string(generation);
}

} // namespace failover
