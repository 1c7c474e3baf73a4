// Histograms: kernels/histogram.h.
#include <nanobind/stl/vector.h>

#include "bind/pytensor.h"
#include "kernels/histogram.h"

namespace fb::py {

using namespace nb::literals;

void bind_histogram(nb::module_& m) {
  m.def(
      "histogram",
      [](const Tensor& points, const std::vector<Tensor>& edges, bool even, const Tensor* weight) {
        const Tensor held = points, weights = weight ? *weight : Tensor();
        const nb::gil_scoped_release release;
        return histogram(held, edges, even, weight ? &weights : nullptr);
      },
      "points"_a, "edges"_a, "even"_a, "weight"_a.none());
}

}  // namespace fb::py
