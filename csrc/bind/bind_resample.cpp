// Resizing: kernels/resample.h.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/pytensor.h"
#include "kernels/resample.h"

namespace fb::py {

void bind_resample(nb::module_& m) {
  m.def("interpolate", &interpolate, nb::call_guard<nb::gil_scoped_release>());
  m.def("interpolate_backward", &interpolate_backward, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace fb::py
