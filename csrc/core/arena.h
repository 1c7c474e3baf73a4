// Blocks of middling size, cut from arenas and joined again when they come back. Lists of fixed
// sizes would keep one idle block for every size a program has used; here what one size leaves
// behind serves the next, so the resident memory stays near what is in use at the peak.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fb {

// The piece of an arena that one block lies in. Its neighbours are found through `size` and
// `before`, so freeing needs no search.
struct alignas(64) Chunk {
  std::size_t size;  // with this header
  Chunk* before;     // the neighbour below; null at the arena's start
  bool free;
  bool last;            // the arena ends with this chunk
  std::size_t touched;  // of a free chunk: the bytes that may be resident, thought to come first
  Chunk* next;          // in its bin
  Chunk* previous;
};
static_assert(sizeof(Chunk) == 64, "blocks are aligned to 64 bytes");

// The arenas of the process. Not locked: the allocator does that.
class Arenas {
 public:
  static constexpr std::size_t arena_size = std::size_t{32} << 20;
  static constexpr std::size_t smallest_block = std::size_t{32} << 10;
  static constexpr std::size_t largest_block = (std::size_t{2} << 20) - 1;

  // Memory for add(), or null when the system has no more.
  static void* map();
  // Blocks that fit nowhere else come from this arena from now on.
  void add(void* arena);

  struct Block {
    void* memory;  // null when no arena has room
    std::size_t size;
    bool reused;  // all of it may be resident already
  };
  Block take(std::size_t bytes);
  // Returns the block's size.
  std::size_t give(void* memory);

  // Gives the pages of all free chunks back to the system.
  void release();
  // The bytes of free chunks that may be resident.
  std::int64_t touched() const { return touched_; }

 private:
  // Bin 0 has what is too small to serve any request alone; the others are four to a power of two.
  static constexpr int num_bins = 42;
  static int bin_of(std::size_t size);
  Chunk* find(std::size_t size) const;
  void link(Chunk* chunk);
  void unlink(Chunk* chunk);
  void join_with_next(Chunk* chunk);
  void release(Chunk* chunk);

  Chunk* bins_[num_bins] = {};
  std::uint64_t filled_ = 0;  // the bins that are not empty
  // The end of the newest arena, in no bin: what has never been used is used last.
  Chunk* top_ = nullptr;
  std::int64_t touched_ = 0;
};

}  // namespace fb
