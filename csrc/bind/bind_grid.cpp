// Sampling at the positions of a grid: kernels/grid.h.
#include <nanobind/stl/pair.h>

#include "bind/pytensor.h"
#include "kernels/grid.h"

namespace fb::py {

void bind_grid(nb::module_& m) {
  m.def("grid_sample", &grid_sample, nb::call_guard<nb::gil_scoped_release>());
  m.def("grid_sample_backward", &grid_sample_backward, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace fb::py
