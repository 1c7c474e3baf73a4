// The caching CPU allocator: blocks rounded to size classes and kept for reuse, because a fresh
// large block costs more in page faults than most operations that fill it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace fb {

struct AllocatorStats {
  std::int64_t allocated = 0;       // bytes in blocks that are handed out now
  std::int64_t peak_allocated = 0;  // the largest `allocated` since the last reset
  std::int64_t cached = 0;          // bytes kept for reuse
  std::int64_t allocations = 0;     // calls of allocate()
  std::int64_t cache_hits = 0;      // of these, served from the cache
};

// 64-byte aligned, at least `bytes` long (a zero request gives a null pointer). Throws
// Error(Memory) with the sizes when the system has no more.
void* allocate(std::size_t bytes);
// `bytes` is what allocate() was asked for.
void deallocate(void* pointer, std::size_t bytes) noexcept;

// Gives every cached block back to the system.
void empty_cache();
// The most bytes kept for reuse (default: a quarter of physical memory).
void set_cache_limit(std::int64_t bytes);
AllocatorStats allocator_stats();
void reset_peak_stats();

// Scratch memory of one kernel call.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::size_t count)
      : count_(count), data_(static_cast<T*>(allocate(bytes_of(count)))) {}
  ~Workspace() { deallocate(data_, count_ * sizeof(T)); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  T* data() { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }

 private:
  // A product that does not fit becomes a size that allocate() refuses.
  static std::size_t bytes_of(std::size_t count) {
    return count > SIZE_MAX / sizeof(T) ? SIZE_MAX : count * sizeof(T);
  }
  std::size_t count_;
  T* data_;
};

}  // namespace fb
