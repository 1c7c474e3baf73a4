// Padding: kernels/pad.h.
#include <nanobind/stl/string.h>

#include "bind/pytensor.h"
#include "kernels/pad.h"

namespace fb::py {
namespace {

Edge edge_of(const std::string& mode) {
  if (mode == "constant") return Edge::Constant;
  if (mode == "reflect") return Edge::Reflect;
  if (mode == "replicate") return Edge::Replicate;
  FB_CHECK(mode == "circular", Value, "pad: the mode is constant, reflect, replicate or circular, ",
           "got ", mode);
  return Edge::Circular;
}

}  // namespace

void bind_pad(nb::module_& m) {
  m.def("pad",
        [](const Tensor& input, const Dims& widths, const std::string& mode, const Scalar& value) {
          const Edge edge = edge_of(mode);
          const nb::gil_scoped_release released;
          return pad(input, widths, edge, value);
        });
  m.def("pad_backward",
        [](const Tensor& grad, const Dims& widths, const std::string& mode, const Dims& sizes) {
          const Edge edge = edge_of(mode);
          const nb::gil_scoped_release released;
          return pad_backward(grad, widths, edge, sizes);
        });
}

}  // namespace fb::py
