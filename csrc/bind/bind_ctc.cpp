// Connectionist temporal classification: kernels/ctc.h.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include "bind/pytensor.h"
#include "kernels/ctc.h"

namespace fb::py {

void bind_ctc(nb::module_& m) {
  m.def("ctc_loss", &ctc_loss, nb::call_guard<nb::gil_scoped_release>());
  m.def("ctc_loss_backward", &ctc_loss_backward, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace fb::py
