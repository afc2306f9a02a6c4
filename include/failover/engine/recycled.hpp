// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>

namespace failover {

namespace detail {

/// Blocks of one size that this thread freed and takes again.
template <std::size_t Size>
class SpareBlocks {
public:
    SpareBlocks() = default;
    SpareBlocks(const SpareBlocks&) = delete;
    SpareBlocks& operator=(const SpareBlocks&) = delete;
    ~SpareBlocks() {
        gone_ = true;
        while (count_ > 0) {
            ::operator delete(blocks_[--count_]);
        }
    }
    void* take() { return count_ > 0 ? blocks_[--count_] : ::operator new(Size); }
    void give(void* block) noexcept {
        if (count_ < blocks_.size() && !gone_) {
            blocks_[count_++] = block;
        } else {
            ::operator delete(block);
        }
    }
    static SpareBlocks& mine() {
        thread_local SpareBlocks blocks;
        return blocks;
    }

private:
    std::array<void*, 128> blocks_{};
    std::size_t count_ = 0;
    bool gone_ = false;
};

} // namespace detail

/// For std::allocate_shared() of what is made and dropped with every call: malloc keeps only a few
/// blocks of a size at hand, and a batch of commands makes more.
/// Threads    safe; a block may be freed by another thread than the one that took it.
template <class T>
class RecycledAllocator {
public:
    using value_type = T;

    RecycledAllocator() = default;
    template <class U>
    // NOLINTNEXTLINE(google-explicit-constructor): allocators are rebound.
    RecycledAllocator(const RecycledAllocator<U>&) noexcept {}

    [[nodiscard]] T* allocate(std::size_t count) {
        if (count == 1) {
            return static_cast<T*>(detail::SpareBlocks<sizeof(T)>::mine().take());
        }
        return static_cast<T*>(::operator new(count * sizeof(T)));
    }
    void deallocate(T* block, std::size_t count) noexcept {
        if (count == 1) {
            detail::SpareBlocks<sizeof(T)>::mine().give(block);
        } else {
            ::operator delete(block);
        }
    }
    template <class U>
    bool operator==(const RecycledAllocator<U>&) const noexcept {
        return true;
    }
};

} // namespace failover
