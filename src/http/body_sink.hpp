// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace failover::http {

/// Takes the body of a response as it arrives, for answers that have no end of their own.
class BodySink {
public:
    /// The next bytes, in order; how they are cut says nothing. Must not throw.
    virtual void on_body(std::string_view bytes) = 0;

protected:
    ~BodySink() = default;
};

} // namespace failover::http
