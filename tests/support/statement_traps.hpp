// SPDX-License-Identifier: MIT
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// `statement` ends a transaction block with success.
inline bool is_commit(std::string_view statement) {
    std::string words;
    for (const char byte : statement) {
        const auto letter = static_cast<unsigned char>(byte);
        if (std::isspace(letter) == 0 && byte != ';') {
            words.push_back(static_cast<char>(std::tolower(letter)));
        }
    }
    return words == "commit" || words == "end" || words == "commitwork" ||
           words == "committransaction";
}

/// What becomes of a statement on its way.
enum class Fate {
    forward,
    /// It is executed, the client sees a reset in place of the answer.
    lose_answer,
    /// It is not executed, both sides see a reset.
    lose_request,
};

struct StatementTrap {
    Fate fate = Fate::forward;
    /// Part of the statement; empty: a commit.
    std::string text{};
    /// How many statements it still catches.
    unsigned left = 1;
};

/// The statements that a proxy waits for.
/// Threads    one thread.
class StatementTraps {
public:
    void add(StatementTrap trap) { traps_.push_back(std::move(trap)); }
    void clear() { traps_.clear(); }

    /// Decides on `statement` and counts it.
    [[nodiscard]] Fate fate_of(std::string_view statement) {
        for (auto trap = traps_.begin(); trap != traps_.end(); ++trap) {
            const bool caught = trap->text.empty() ? is_commit(statement)
                                                   : statement.find(trap->text) != statement.npos;
            if (caught && !statement.empty()) {
                const Fate fate = trap->fate;
                if (--trap->left == 0) {
                    traps_.erase(trap);
                }
                return fate;
            }
        }
        return Fate::forward;
    }

private:
    std::vector<StatementTrap> traps_;
};

} // namespace failover::test
