// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>

#include <boost/asio/awaitable.hpp>

#include <type_traits>
#include <utility>

namespace failover::detail {

/// The value of a try_ form, for the form that throws Error.
template <class T>
T must(Result<T> result) {
    if (!result) {
        throw Error{std::move(result).error()};
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}
template <class T>
boost::asio::awaitable<T> must_async(boost::asio::awaitable<Result<T>> work) {
    Result<T> result = co_await std::move(work);
    if (!result) {
        throw Error{std::move(result).error()};
    }
    if constexpr (!std::is_void_v<T>) {
        co_return std::move(*result);
    }
}

} // namespace failover::detail
