// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace failover::discovery {

/// Cuts the body of a watch into lines. How the bytes arrive says nothing: one object may come in
/// many pieces (a slice of 1000 endpoints is one line of 129 KB) and one piece may hold many.
/// Threads    one thread.
class WatchLines {
public:
    /// Longest line kept, bytes. The largest object an apiserver stores is 1.5 MB.
    static constexpr std::size_t default_limit = std::size_t{16} << 20U;

    explicit WatchLines(std::size_t limit = default_limit) noexcept : limit_{limit} {}

    /// Gives each line that is now complete to `on_line`, without its end; empty ones are skipped.
    /// False when a line is too long: what follows is dropped until reset().
    template <class OnLine>
    bool feed(std::string_view bytes, OnLine on_line) {
        while (!too_long_ && !bytes.empty()) {
            const std::size_t end = bytes.find('\n');
            const std::string_view piece = bytes.substr(0, end);
            if (piece.size() > limit_ - partial_.size()) {
                too_long_ = true;
                partial_ = {};
                break;
            }
            if (end == std::string_view::npos) {
                partial_ += piece;
                break;
            }
            bytes.remove_prefix(end + 1);
            if (partial_.empty()) {
                give(piece, on_line); // the usual case: nothing is copied
                continue;
            }
            partial_ += piece;
            const std::string line = std::move(partial_);
            partial_ = {};
            give(line, on_line);
        }
        return !too_long_;
    }

    /// Bytes of a line that has no end yet. A watch that ends with some was cut; they are no
    /// object.
    [[nodiscard]] std::size_t pending() const noexcept { return partial_.size(); }

    /// Before the next watch.
    void reset() noexcept {
        partial_.clear();
        too_long_ = false;
    }

private:
    template <class OnLine>
    static void give(std::string_view line, OnLine& on_line) {
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (!line.empty()) {
            on_line(line);
        }
    }

    std::size_t limit_;
    std::string partial_;
    bool too_long_ = false;
};

} // namespace failover::discovery
