// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace failover::discovery {

/// What an answer's index says against the last one.
enum class IndexMove {
    /// There was none before.
    first,
    /// Something changed: perhaps what was asked for, perhaps only the index itself.
    forward,
    /// The wait passed and nothing changed; or the agent does not block.
    unmoved,
    /// The agent's state was restored or lost: nothing known of it before holds.
    backwards,
    /// No usable index: the agent cannot be waited on.
    missing,
};

/// The value of an X-Consul-Index field; none when it is absent, no number, or 0, which a correct
/// server never sends.
[[nodiscard]] inline std::optional<std::uint64_t> parse_index(
    std::optional<std::string_view> field) noexcept {
    std::uint64_t index = 0;
    if (!field || field->empty()) {
        return std::nullopt;
    }
    const auto parsed = std::from_chars(field->data(), field->data() + field->size(), index);
    if (parsed.ec != std::errc{} || parsed.ptr != field->data() + field->size() || index == 0) {
        return std::nullopt;
    }
    return index;
}

/// Which `index` the next blocking query carries, by the rules of Consul's documentation. A query
/// with an index that the agent has not reached yet blocks its whole wait although things change,
/// so whenever an index may be stale the next query carries none and is answered at once.
///
/// Threads    Distinct objects: safe. Shared object: unsafe.
class BlockingIndex {
public:
    /// The index to send, at least 1; none: ask without one and be answered at once.
    [[nodiscard]] std::optional<std::uint64_t> next() const noexcept { return next_; }

    /// A 200 came with this X-Consul-Index. The only way by which an index is stored: error replies
    /// carry "1", which must not be kept.
    IndexMove on_answer(std::optional<std::string_view> field) noexcept {
        const std::optional<std::uint64_t> index = parse_index(field);
        if (!index) {
            next_.reset();
            return IndexMove::missing;
        }
        const std::optional<std::uint64_t> sent = next_;
        const std::optional<std::uint64_t> before = last_;
        last_ = index;
        // Below what was sent: start over. What was not asked with an index is a start by itself.
        next_ = sent && *index < *sent ? std::nullopt : index;
        if (!before) {
            return IndexMove::first;
        }
        return *index < *before    ? IndexMove::backwards
               : *index == *before ? IndexMove::unmoved
                                   : IndexMove::forward;
    }

    /// No 200 came, or another agent is asked from now on. What answers may have lost its state or
    /// be behind, so the next query does not block; that the index then went back is still noticed.
    void on_failure() noexcept { next_.reset(); }

private:
    std::optional<std::uint64_t> next_;
    std::optional<std::uint64_t> last_;
};

} // namespace failover::discovery
