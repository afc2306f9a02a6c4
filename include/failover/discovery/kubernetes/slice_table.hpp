// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/slice_merge.hpp>

#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {

/// The slices of one service as last heard. Only a complete list and events of a watch change it:
/// no error says "no endpoints".
/// Threads    one thread.
class SliceTable {
public:
    /// A complete list: what it lacks is gone. True when it says something new.
    bool replace_all(std::vector<Slice> slices) {
        SliceMap now;
        for (Slice& slice : slices) {
            std::string name = slice.name;
            now.insert_or_assign(std::move(name), std::move(slice));
        }
        const bool changed = now != slices_;
        slices_ = std::move(now);
        return changed;
    }

    /// ADDED of a known one and DELETED of an unknown one are no errors: a watch that goes on from
    /// an older resourceVersion repeats what is known. True when the table may have changed.
    bool apply(WatchEvent event) {
        switch (event.type) {
            case WatchEvent::Type::added:
            case WatchEvent::Type::modified: {
                std::string name = event.slice.name;
                slices_.insert_or_assign(std::move(name), std::move(event.slice));
                return true;
            }
            case WatchEvent::Type::deleted:
                return slices_.erase(event.slice.name) > 0;
            case WatchEvent::Type::bookmark:
            case WatchEvent::Type::error:
            case WatchEvent::Type::other:
                break;
        }
        return false;
    }

    [[nodiscard]] const SliceMap& slices() const noexcept { return slices_; }
    /// No slice at all; a service scaled to zero has slices without endpoints.
    [[nodiscard]] bool empty() const noexcept { return slices_.empty(); }
    [[nodiscard]] MergedSlices endpoints(const SliceSelection& selection) const {
        return merge_slices(slices_, selection);
    }

private:
    SliceMap slices_;
};

} // namespace failover::discovery
