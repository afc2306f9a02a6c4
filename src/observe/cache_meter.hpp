// SPDX-License-Identifier: MIT
#pragma once

#include "series.hpp"
#include <failover/base/metrics.hpp>

#include <memory>

namespace failover {

/// One that only counts, and hands on what it counted with node() and flush().
class FlushedCacheMeter : public CacheMeter {
public:
    virtual void flush() noexcept = 0;
};

/// The cache's numbers as Prometheus series.
/// Threads    safe.
[[nodiscard]] std::shared_ptr<FlushedCacheMeter> make_cache_meter(
    std::shared_ptr<observe::Families> families);

} // namespace failover
