// Inner loops of indexing and selection over contiguous floats, compiled for each instruction set.
#pragma once
#include <cstdint>

#include "core/isa.h"

namespace fb {

template <class T>
struct IndexLoopsOf {
  // to[k] += from[k]
  void (*add)(T* to, const T* from, std::int64_t n);
  // The first k of [begin, end) whose element is not within the bound: above (below) it, or NaN
  // is one of them. `end` if there is none.
  std::int64_t (*find_above)(const T* x, std::int64_t begin, std::int64_t end, T bound);
  std::int64_t (*find_below)(const T* x, std::int64_t begin, std::int64_t end, T bound);
};

struct IndexLoops {
  IndexLoopsOf<float> f32;
  IndexLoopsOf<double> f64;
};
FB_ISA_TABLE(IndexLoops, index_loops)

}  // namespace fb
