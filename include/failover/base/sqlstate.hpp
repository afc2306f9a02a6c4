// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_code.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace failover {

/// The category of codes made by make_sqlstate().
[[nodiscard]] const boost::system::error_category& sqlstate_category() noexcept;

/// A SQLSTATE (ISO 9075: five of 0-9 and A-Z) as an error_code, for attempt logs. Text that is none
/// gives the code "XX000", an internal error of the database.
[[nodiscard]] boost::system::error_code make_sqlstate(std::string_view state) noexcept;

/// The five characters; empty when `code` is of another category.
[[nodiscard]] std::string sqlstate_of(const boost::system::error_code& code);

namespace detail {

inline constexpr std::string_view sqlstate_letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
inline constexpr std::size_t sqlstate_length = 5;

/// Base 36, and one more so that "00000" is not "no error"; -1: no SQLSTATE.
inline int pack_sqlstate(std::string_view state) noexcept {
    if (state.size() != sqlstate_length) {
        return -1;
    }
    int packed = 0;
    for (const char c : state) {
        const std::size_t digit = sqlstate_letters.find(c);
        if (digit == std::string_view::npos) {
            return -1;
        }
        packed = packed * 36 + static_cast<int>(digit);
    }
    return packed + 1;
}

inline std::string unpack_sqlstate(int packed) {
    std::string state(sqlstate_length, '0');
    --packed;
    for (std::size_t i = sqlstate_length; i-- > 0; packed /= 36) {
        state[i] = sqlstate_letters[static_cast<std::size_t>(packed % 36)];
    }
    return state;
}

class SqlstateCategory final : public boost::system::error_category {
public:
    constexpr SqlstateCategory() noexcept : error_category{0x6661'696c'7371'6c73ULL} {}
    const char* name() const noexcept override { return "sqlstate"; }
    std::string message(int value) const override { return "SQLSTATE " + unpack_sqlstate(value); }
    using error_category::equivalent;
};

inline constexpr SqlstateCategory sqlstate_category_instance{};

} // namespace detail

inline const boost::system::error_category& sqlstate_category() noexcept {
    return detail::sqlstate_category_instance;
}

inline boost::system::error_code make_sqlstate(std::string_view state) noexcept {
    const int packed = detail::pack_sqlstate(state);
    return {packed > 0 ? packed : detail::pack_sqlstate("XX000"), sqlstate_category()};
}

inline std::string sqlstate_of(const boost::system::error_code& code) {
    return code.category() == sqlstate_category() ? detail::unpack_sqlstate(code.value())
                                                  : std::string{};
}

} // namespace failover
