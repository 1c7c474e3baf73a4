// Letting other Python threads run during long kernels.
#pragma once
#include "bind/pytensor.h"

namespace fb::py {

constexpr std::int64_t release_gil_from = 1 << 16;

// Calls f, without the GIL when there are many elements to work on; f must not touch Python objects
// and must hold its own copies of the tensors.
template <class F>
auto released(std::int64_t work, F&& f) {
  if (work < release_gil_from) return f();
  nb::gil_scoped_release release;
  return f();
}

// A copy of an optional tensor that outlives the GIL.
class Held {
 public:
  explicit Held(const Tensor* t) : given_(t != nullptr) {
    if (t) copy_ = *t;
  }
  const Tensor* get() const { return given_ ? &copy_ : nullptr; }

 private:
  Tensor copy_;
  bool given_;
};

}  // namespace fb::py
