// Losses of margins: kernels/margin.h.
#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/margin.h"

namespace fb::py {

using namespace nb::literals;

void bind_margin(nb::module_& m) {
  m.def(
      "multi_margin",
      [](const Tensor& scores, const Tensor& target, int p, double margin, const Tensor* weight) {
        const Tensor x = scores, y = target;
        const Held w(weight);
        return released(x.numel(), [&] { return multi_margin(x, y, p, margin, w.get()); });
      },
      "x"_a, "target"_a, "p"_a, "margin"_a, "weight"_a.none());
  m.def(
      "multi_margin_backward",
      [](const Tensor& grad, const Tensor& scores, const Tensor& target, int p, double margin,
         const Tensor* weight) {
        const Tensor g = grad, x = scores, y = target;
        const Held w(weight);
        return released(x.numel(),
                        [&] { return multi_margin_backward(g, x, y, p, margin, w.get()); });
      },
      "grad"_a, "x"_a, "target"_a, "p"_a, "margin"_a, "weight"_a.none());
  m.def("multilabel_margin", &multilabel_margin, nb::call_guard<nb::gil_scoped_release>());
  m.def("multilabel_margin_backward", &multilabel_margin_backward,
        nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace fb::py
