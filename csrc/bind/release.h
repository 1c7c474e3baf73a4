// Letting other Python threads run during long kernels.
#pragma once
#include "bind/pytensor.h"

namespace fb::py {

// Calls f, without the GIL when there are many elements to work on; f must not touch Python objects
// and must hold its own copies of the tensors.
template <class F>
auto released(std::int64_t work, F&& f) {
  constexpr std::int64_t release_from = 1 << 16;
  if (work < release_from) return f();
  nb::gil_scoped_release release;
  return f();
}

}  // namespace fb::py
