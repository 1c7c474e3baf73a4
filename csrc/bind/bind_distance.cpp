// Distances between rows: kernels/distance.h.
#include "bind/pytensor.h"
#include "kernels/distance.h"

namespace fb::py {

void bind_distance(nb::module_& m) {
  m.def("distances", [](const Tensor& x1, const Tensor& x2, double p) {
    const Tensor a = x1, b = x2;
    const nb::gil_scoped_release release;
    return distances(a, b, p);
  });
  m.def("distances_below", [](const Tensor& x, double p) {
    const Tensor held = x;
    const nb::gil_scoped_release release;
    return distances_below(held, p);
  });
}

}  // namespace fb::py
