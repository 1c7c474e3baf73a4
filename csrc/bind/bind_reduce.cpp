// Reductions: the functions of kernels/reduce.h.
#include <nanobind/stl/optional.h>

#include "bind/pytensor.h"
#include "kernels/reduce.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// Other Python threads may run during long kernels.
template <class F>
auto released(std::int64_t work, F&& f) {
  constexpr std::int64_t release_from = 1 << 16;
  if (work < release_from) return f();
  nb::gil_scoped_release release;
  return f();
}

}  // namespace

void bind_reduce(nb::module_& m) {
  m.def(
      "sum",
      [](const Tensor& t, const std::optional<Dims>& dims, bool keepdim,
         std::optional<DType> dtype) {
        const Tensor held = t;
        return released(t.numel(), [&] { return sum(held, dims, keepdim, dtype); });
      },
      "t"_a, "dims"_a.none(), "keepdim"_a = false, "dtype"_a.none() = nb::none());
}

}  // namespace fb::py
