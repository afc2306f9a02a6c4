// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace failover::discovery {

/// What a peer sent is not what it has to be; what() names where and how. Never leaves this
/// library.
class FormatError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace failover::discovery
