// Small blocks (below 32 KiB) and mapped ones (from 2 MiB on) come in size classes, four to each
// power of two, so that a block serves any request that wastes less than a quarter of it. Free
// blocks of a class form a list through their own first bytes. Blocks between come from arenas.
// One spin lock guards lists, arenas and statistics; system calls happen outside it, except for
// giving the pages of arenas back.
#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <thread>

#include "core/arena.h"
#include "core/cgroup.h"
#include "core/error.h"

namespace fb {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;  // from here on blocks are mapped
constexpr std::size_t largest_request = std::size_t{1} << 46;
constexpr int num_classes = 160;

// Under AddressSanitizer every request is a block of its own, so that overruns are found.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;
#else
constexpr bool caching = true;
#endif

bool in_arena(std::size_t bytes) {
  return caching && bytes >= Arenas::smallest_block && bytes <= Arenas::largest_block;
}

int class_of(std::size_t bytes) {
  const std::size_t last = std::max(bytes, alignment) - 1;
  if (last < 256) return static_cast<int>(last / 64);
  const int log = std::bit_width(last) - 1;
  return (log - 7) * 4 + static_cast<int>(last >> (log - 2)) - 4;
}

constexpr std::size_t class_size(int index) {
  if (index < 4) return static_cast<std::size_t>(index + 1) * 64;
  return static_cast<std::size_t>(index % 4 + 5) << (index / 4 + 5);
}
static_assert(class_size(num_classes - 1) >= largest_request);

void* map_huge(std::size_t bytes) {
  const std::size_t whole = bytes + huge_page;
  void* raw = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  // Huge pages need aligned addresses: cut off what sticks out on both sides.
  const auto start = reinterpret_cast<std::uintptr_t>(raw);
  const std::size_t before = (huge_page - start % huge_page) % huge_page;
  char* block = static_cast<char*>(raw) + before;
  if (before) munmap(raw, before);
  munmap(block + bytes, huge_page - before);
#if defined(MADV_HUGEPAGE)
  madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

void* system_allocate(std::size_t size) {
  if (caching && size >= huge_page) return map_huge(size);
  void* block = nullptr;
  return posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
}

void system_free(void* block, std::size_t size) {
  if (caching && size >= huge_page) {
    munmap(block, size);
  } else {
    std::free(block);
  }
}

class SpinLock {
 public:
  void lock() {
    while (taken_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

struct FreeBlock {
  FreeBlock* next;
  std::size_t size;  // of the class; set when the block leaves the cache
};

struct FreeList {
  FreeBlock* first = nullptr;
  std::int64_t last_use = 0;  // value of stats.allocations
};

std::int64_t default_cache_limit() {
  std::int64_t memory = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  if (const std::int64_t limit = cgroup_memory()) memory = std::min(memory, limit);
  return memory / 4;
}

class Cache {
 public:
  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

  // A block of the class, or null. Counts the request.
  void* take(int index) {
    std::lock_guard guard(lock_);
    FreeList& list = lists_[index];
    list.last_use = ++stats_.allocations;
    FreeBlock* block = list.first;
    if (!block) return nullptr;
    list.first = block->next;
    in_lists_ -= static_cast<std::int64_t>(class_size(index));
    ++stats_.cache_hits;
    hand_out(class_size(index));
    return block;
  }

  // A block of an arena, or null if none has room.
  void* take_from_arenas(std::size_t bytes) {
    std::lock_guard guard(lock_);
    return cut(bytes);
  }

  void* take_from_new_arena(void* arena, std::size_t bytes) {
    std::lock_guard guard(lock_);
    arenas_.add(arena);
    return cut(bytes);
  }

  // Keeps a block of an arena; returns what has to be freed for it.
  FreeBlock* give_to_arenas(void* memory) {
    std::lock_guard guard(lock_);
    stats_.allocated -= static_cast<std::int64_t>(arenas_.give(memory));
    return cached() > limit() ? drop(limit()) : nullptr;
  }

  void count_new(std::size_t size) {
    std::lock_guard guard(lock_);
    hand_out(size);
  }

  void count_returned(std::size_t size) {
    std::lock_guard guard(lock_);
    stats_.allocated -= static_cast<std::int64_t>(size);
  }

  // Keeps the block; returns what has to be freed for it.
  FreeBlock* give(void* memory, int index) {
    const auto size = static_cast<std::int64_t>(class_size(index));
    auto* block = static_cast<FreeBlock*>(memory);
    std::lock_guard guard(lock_);
    stats_.allocated -= size;
    FreeBlock* dropped = nullptr;
    if (cached() + size > limit()) dropped = drop(std::max<std::int64_t>(limit() - size, 0));
    if (size > limit()) {
      *block = {dropped, class_size(index)};
      return block;
    }
    block->next = lists_[index].first;
    lists_[index].first = block;
    in_lists_ += size;
    return dropped;
  }

  FreeBlock* shrink_to(std::int64_t bytes) {
    std::lock_guard guard(lock_);
    return drop(bytes);
  }

  FreeBlock* set_limit(std::int64_t bytes) {
    std::lock_guard guard(lock_);
    limit_ = bytes;
    return drop(bytes);
  }

  AllocatorStats stats() {
    std::lock_guard guard(lock_);
    stats_.cached = cached();
    return stats_;
  }

  void reset_peak() {
    std::lock_guard guard(lock_);
    stats_.peak_allocated = stats_.allocated;
  }

 private:
  std::int64_t cached() const { return in_lists_ + arenas_.touched(); }

  std::int64_t limit() {
    if (limit_ < 0) limit_ = default_cache_limit();
    return limit_;
  }

  void* cut(std::size_t bytes) {
    const Arenas::Block block = arenas_.take(bytes);
    if (!block.memory) return nullptr;
    ++stats_.allocations;
    stats_.cache_hits += block.reused;
    hand_out(block.size);
    return block.memory;
  }

  void hand_out(std::size_t size) {
    stats_.allocated += static_cast<std::int64_t>(size);
    stats_.peak_allocated = std::max(stats_.peak_allocated, stats_.allocated);
  }

  // Unlinks blocks until at most `bytes` are cached, beginning with the classes that have not been
  // asked for the longest. The arenas come last: their free chunks serve requests of any size.
  FreeBlock* drop(std::int64_t bytes) {
    FreeBlock* dropped = nullptr;
    while (in_lists_ && cached() > bytes) {
      int oldest = -1;
      for (int i = 0; i < num_classes; ++i) {
        if (lists_[i].first && (oldest < 0 || lists_[i].last_use < lists_[oldest].last_use)) {
          oldest = i;
        }
      }
      FreeList& list = lists_[oldest];
      const std::size_t size = class_size(oldest);
      while (list.first && cached() > bytes) {
        FreeBlock* block = list.first;
        list.first = block->next;
        *block = {dropped, size};
        dropped = block;
        in_lists_ -= static_cast<std::int64_t>(size);
      }
    }
    if (cached() > bytes || bytes == 0) arenas_.release();
    return dropped;
  }

  SpinLock lock_;
  std::int64_t limit_ = -1;  // read from the system at first use
  AllocatorStats stats_;     // `cached` is set when they are read
  std::int64_t in_lists_ = 0;
  Arenas arenas_;
  FreeList lists_[num_classes];
};

constinit Cache cache;

void free_chain(FreeBlock* chain) {
  while (chain) {
    FreeBlock* next = chain->next;
    system_free(chain, chain->size);
    chain = next;
  }
}

// fork() while another thread holds the lock would leave the child's lock taken for ever.
[[maybe_unused]] const int fork_handlers =
    pthread_atfork([] { cache.lock(); }, [] { cache.unlock(); }, [] { cache.unlock(); });

[[noreturn]] void out_of_memory(std::size_t bytes) {
  const AllocatorStats stats = cache.stats();
  fail(ErrorKind::Memory, "out of memory: tried to allocate ", bytes, " bytes (", stats.allocated,
       " bytes are allocated, ", stats.cached, " bytes are cached)");
}

void* allocate_in_arena(std::size_t bytes) {
  if (void* block = cache.take_from_arenas(bytes)) return block;
  void* arena = Arenas::map();
  if (!arena) {
    empty_cache();
    arena = Arenas::map();
    if (!arena) out_of_memory(bytes);
  }
  return cache.take_from_new_arena(arena, bytes);
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > largest_request) out_of_memory(bytes);
  if (in_arena(bytes)) return allocate_in_arena(bytes);
  const int index = class_of(bytes);
  if (void* block = cache.take(index)) return block;
  const std::size_t size = caching ? class_size(index) : bytes;
  void* block = system_allocate(size);
  if (!block) {
    empty_cache();
    block = system_allocate(size);
    if (!block) out_of_memory(bytes);
  }
  cache.count_new(size);
  return block;
}

void deallocate(void* pointer, std::size_t bytes) noexcept {
  if (!pointer) return;
  if (in_arena(bytes)) {
    free_chain(cache.give_to_arenas(pointer));
  } else if (caching) {
    free_chain(cache.give(pointer, class_of(bytes)));
  } else {
    cache.count_returned(bytes);
    system_free(pointer, bytes);
  }
}

void empty_cache() { free_chain(cache.shrink_to(0)); }

void set_cache_limit(std::int64_t bytes) {
  FB_CHECK(bytes >= 0, Value, "set_cache_limit: expected a number of bytes, got ", bytes);
  free_chain(cache.set_limit(bytes));
}

AllocatorStats allocator_stats() { return cache.stats(); }

void reset_peak_stats() { cache.reset_peak(); }

}  // namespace fb
