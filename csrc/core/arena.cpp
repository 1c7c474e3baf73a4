// A chunk is found by best fit among the first ones of its bin, then in the bins above it, then at
// the end of the newest arena. What a block does not need of its chunk goes back into a bin.
#include "core/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace fb {
namespace {

constexpr std::size_t header = sizeof(Chunk);
constexpr int smallest_log = std::bit_width(Arenas::smallest_block) - 1;
// A bin can be long, and a better fit deep in it is not worth the search.
constexpr int longest_search = 32;

Chunk* after(Chunk* chunk) {
  return reinterpret_cast<Chunk*>(reinterpret_cast<char*>(chunk) + chunk->size);
}

// A smaller chunk fits better; of equals the lower one, so that the upper ends of arenas stay free.
bool better(const Chunk* a, const Chunk* b) {
  return !b || a->size < b->size || (a->size == b->size && a < b);
}

}  // namespace

void* Arenas::map() {
  void* memory =
      mmap(nullptr, arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void Arenas::add(void* arena) {
  if (top_) link(top_);
  top_ = static_cast<Chunk*>(arena);
  *top_ = {.size = arena_size,
           .before = nullptr,
           .free = true,
           .last = true,
           .touched = 0,
           .next = nullptr,
           .previous = nullptr};
}

int Arenas::bin_of(std::size_t size) {
  if (size < smallest_block) return 0;
  const int log = std::bit_width(size) - 1;
  return (log - smallest_log) * 4 + static_cast<int>(size >> (log - 2)) - 3;
}

Chunk* Arenas::find(std::size_t size) const {
  for (std::uint64_t bins = filled_ >> bin_of(size) << bin_of(size); bins; bins &= bins - 1) {
    Chunk* best = nullptr;
    int steps = 0;
    for (Chunk* c = bins_[std::countr_zero(bins)]; c && steps < longest_search; c = c->next) {
      if (c->size >= size && better(c, best)) best = c;
      ++steps;
    }
    if (best) return best;
  }
  return top_ && top_->size >= size ? top_ : nullptr;
}

void Arenas::link(Chunk* chunk) {
  const int bin = bin_of(chunk->size);
  chunk->previous = nullptr;
  chunk->next = bins_[bin];
  if (chunk->next) chunk->next->previous = chunk;
  bins_[bin] = chunk;
  filled_ |= std::uint64_t{1} << bin;
}

void Arenas::unlink(Chunk* chunk) {
  if (chunk->next) chunk->next->previous = chunk->previous;
  if (chunk->previous) {
    chunk->previous->next = chunk->next;
    return;
  }
  const int bin = bin_of(chunk->size);
  bins_[bin] = chunk->next;
  if (!chunk->next) filled_ &= ~(std::uint64_t{1} << bin);
}

Arenas::Block Arenas::take(std::size_t bytes) {
  const std::size_t size = (bytes + header - 1) / header * header + header;
  Chunk* chunk = find(size);
  if (!chunk) return {};
  const bool is_top = chunk == top_;
  if (is_top) {
    top_ = nullptr;
  } else {
    unlink(chunk);
  }
  const bool reused = chunk->touched >= size;
  const std::size_t left = chunk->size - size;
  touched_ -= static_cast<std::int64_t>(chunk->touched);
  if (left >= 2 * header) {
    chunk->size = size;
    Chunk* rest = after(chunk);
    *rest = {.size = left,
             .before = chunk,
             .free = true,
             .last = chunk->last,
             .touched = chunk->touched > size ? chunk->touched - size : 0,
             .next = nullptr,
             .previous = nullptr};
    chunk->last = false;
    if (!rest->last) after(rest)->before = rest;
    touched_ += static_cast<std::int64_t>(rest->touched);
    if (is_top) {
      top_ = rest;
    } else {
      link(rest);
    }
  }
  chunk->free = false;
  return {chunk + 1, chunk->size - header, reused};
}

std::size_t Arenas::give(void* memory) {
  Chunk* chunk = static_cast<Chunk*>(memory) - 1;
  const std::size_t size = chunk->size;
  chunk->free = true;
  chunk->touched = size;
  touched_ += static_cast<std::int64_t>(size);
  bool is_top = false;
  if (!chunk->last && after(chunk)->free) {
    is_top = after(chunk) == top_;
    if (!is_top) unlink(after(chunk));
    join_with_next(chunk);
  }
  if (chunk->before && chunk->before->free) {
    chunk = chunk->before;  // never the top, which has no neighbour above
    unlink(chunk);
    join_with_next(chunk);
  }
  if (is_top) {
    top_ = chunk;
  } else {
    link(chunk);
  }
  return size - header;
}

void Arenas::join_with_next(Chunk* chunk) {
  const Chunk* next = after(chunk);
  chunk->size += next->size;
  chunk->touched += next->touched;
  chunk->last = next->last;
  if (!chunk->last) after(chunk)->before = chunk;
}

void Arenas::release() {
  for (Chunk* first : bins_) {
    for (Chunk* chunk = first; chunk;) {
      Chunk* next = chunk->next;
      const bool whole = !chunk->before && chunk->last;
      if (whole) unlink(chunk);
      release(chunk);
      chunk = next;
    }
  }
  if (top_) {
    Chunk* chunk = top_;
    if (!chunk->before) top_ = nullptr;
    release(chunk);
  }
  touched_ = 0;
}

// A chunk that is a whole arena must be in no bin: its header goes too.
void Arenas::release(Chunk* chunk) {
  if (!chunk->before && chunk->last) {
    munmap(chunk, chunk->size);
    return;
  }
  if (!chunk->touched) return;
  static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto start = (reinterpret_cast<std::uintptr_t>(chunk + 1) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(after(chunk)) / page * page;
  if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
  chunk->touched = 0;
}

}  // namespace fb
