// Losses of margins: kernels/margin.h.
#include "bind/pytensor.h"
#include "kernels/margin.h"

namespace fb::py {

void bind_margin(nb::module_& m) {
  m.def("multilabel_margin", &multilabel_margin, nb::call_guard<nb::gil_scoped_release>());
  m.def("multilabel_margin_backward", &multilabel_margin_backward,
        nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace fb::py
