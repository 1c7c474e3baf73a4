// softmax and log_softmax: the functions of kernels/softmax.h.
#include <nanobind/stl/optional.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/softmax.h"

namespace fb::py {

using namespace nb::literals;

void bind_softmax(nb::module_& m) {
  m.def(
      "softmax",
      [](const Tensor& t, std::int64_t dim, std::optional<DType> dtype, bool log) {
        const Tensor held = t;
        return released(t.numel(), [&] { return softmax(held, dim, dtype, log); });
      },
      "t"_a, "dim"_a, "dtype"_a.none(), "log"_a);
  m.def("softmax_backward", [](const Tensor& grad, const Tensor& out, std::int64_t dim, bool log) {
    const Tensor held = grad, held_out = out;
    return released(out.numel(), [&] { return softmax_backward(held, held_out, dim, log); });
  });
}

}  // namespace fb::py
