// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace failover {

/// What Redis answered to a command, as RESP2 knows it. An error at the top is never a Reply but a
/// Failure with Errc::command_failed; inside an array it stays what it is.
/// Threads    Distinct objects: safe. Shared object: safe to read.
class Reply {
public:
    enum class Type : std::uint8_t {
        /// No such key, no such element.
        nil,
        /// "OK", "PONG", "QUEUED".
        status,
        /// A string; any bytes.
        text,
        integer,
        array,
        /// Of one element of an array: the server's words.
        error,
    };

    Reply() = default;
    Reply(Type type, std::string text) : type_{type}, text_{std::move(text)} {}
    explicit Reply(std::int64_t integer) : type_{Type::integer}, integer_{integer} {}
    explicit Reply(std::vector<Reply> elements)
        : type_{Type::array}, elements_{std::move(elements)} {}

    [[nodiscard]] Type type() const noexcept { return type_; }
    [[nodiscard]] bool is_nil() const noexcept { return type_ == Type::nil; }
    /// Of a text, status or error; empty for every other type.
    [[nodiscard]] const std::string& text() const& noexcept { return text_; }
    [[nodiscard]] std::string text() && noexcept { return std::move(text_); }
    /// 0 for every type but integer.
    [[nodiscard]] std::int64_t integer() const noexcept { return integer_; }
    /// Empty for every type but array.
    [[nodiscard]] const std::vector<Reply>& elements() const noexcept { return elements_; }

    /// For who builds an array: the element at `index`, which exists.
    [[nodiscard]] Reply& element(std::size_t index) noexcept { return elements_[index]; }

    friend bool operator==(const Reply&, const Reply&) = default;

private:
    Type type_ = Type::nil;
    std::int64_t integer_ = 0;
    std::string text_;
    std::vector<Reply> elements_;
};

} // namespace failover
