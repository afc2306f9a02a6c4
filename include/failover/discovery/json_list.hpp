// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

namespace failover::discovery {

/// Finds the elements of a JSON list without parsing them, so that a long one can be read in parts.
/// When the list is walked to its end and each element is JSON by itself, the whole text is; a text
/// that is not JSON ends as malformed or has an element that is not.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class JsonList {
public:
    /// `json` outlives this object.
    explicit JsonList(std::string_view json) noexcept : text_{json} {
        skip_space();
        state_ = at() == '[' ? State::first : State::malformed;
    }

    /// Finds one more element. False: there is none, or malformed().
    [[nodiscard]] bool next() noexcept {
        if (state_ == State::ended || state_ == State::malformed) {
            return false;
        }
        ++place_; // the bracket or the comma
        skip_space();
        if (state_ == State::first && at() == ']') {
            return end();
        }
        state_ = State::inside;
        const std::size_t begin = place_;
        skip_element();
        element_ = text_.substr(begin, place_ - begin);
        skip_space();
        if (element_.empty() || (at() != ',' && at() != ']')) {
            return fail();
        }
        if (at() == ']') {
            end();
        }
        return state_ != State::malformed;
    }

    /// The element found last.
    [[nodiscard]] std::string_view element() const noexcept { return element_; }
    /// The text is no list, or not JSON.
    [[nodiscard]] bool malformed() const noexcept { return state_ == State::malformed; }

private:
    enum class State { first, inside, ended, malformed };

    /// 0 at the end: no text without quotes may hold it.
    [[nodiscard]] char at() const noexcept { return place_ < text_.size() ? text_[place_] : '\0'; }

    static bool is_space(char c) noexcept {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
    }
    void skip_space() noexcept {
        while (is_space(at())) {
            ++place_;
        }
    }
    bool fail() noexcept {
        state_ = State::malformed;
        return false;
    }
    /// At the closing bracket: nothing may follow.
    bool end() noexcept {
        ++place_;
        skip_space();
        state_ = place_ == text_.size() ? State::ended : State::malformed;
        return false;
    }

    void skip_element() noexcept {
        const char first = at();
        if (first == '"') {
            skip_string();
        } else if (first == '{' || first == '[') {
            skip_container();
        } else {
            // Visible ASCII only: a parser may take a NUL for the end, or skip a byte order mark.
            while (at() > ' ' && at() != ',' && at() != ']') {
                ++place_;
            }
        }
    }
    /// At the opening quote; to behind the closing one.
    void skip_string() noexcept {
        ++place_;
        while (place_ < text_.size() && text_[place_] != '"') {
            place_ += text_[place_] == '\\' ? 2 : 1;
        }
        ++place_;
        place_ = place_ < text_.size() ? place_ : text_.size();
    }
    /// Which bracket closes which is the parser's to check.
    void skip_container() noexcept {
        std::size_t depth = 0;
        while (place_ < text_.size()) {
            const char c = text_[place_];
            if (c == '"') {
                skip_string();
                continue;
            }
            ++place_;
            if (c == '{' || c == '[') {
                ++depth;
            } else if ((c == '}' || c == ']') && --depth == 0) {
                return;
            }
        }
    }

    std::string_view text_;
    std::size_t place_ = 0;
    State state_ = State::first;
    std::string_view element_;
};

} // namespace failover::discovery
