// Convolutions: kernels/conv.h. The kernels compute row-major images; where an operand is
// channels-last, so is the result.
#include "bind/pytensor.h"
#include "kernels/conv.h"
#include "kernels/format.h"

namespace fb::py {

using namespace nb::literals;

void bind_conv(nb::module_& m) {
  m.def(
      "conv2d",
      [](const Tensor& x, const Tensor& weight, const Tensor* bias, const Dims& stride,
         const Dims& padding, const Dims& dilation, std::int64_t groups) {
        const nb::gil_scoped_release release;
        return in_channels_last(
            conv2d(x, weight, bias ? *bias : Tensor(), stride, padding, dilation, groups),
            is_channels_last(x) || is_channels_last(weight));
      },
      "x"_a, "weight"_a, "bias"_a.none(), "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
  m.def("conv2d_backward_input",
        [](const Tensor& grad, const Tensor& weight, const Dims& input_sizes, const Dims& stride,
           const Dims& padding, const Dims& dilation, std::int64_t groups) {
          const nb::gil_scoped_release release;
          return in_channels_last(
              conv2d_backward_input(grad, weight, input_sizes, stride, padding, dilation, groups),
              is_channels_last(grad) || is_channels_last(weight));
        });
  m.def("conv2d_backward_weight",
        [](const Tensor& grad, const Tensor& x, const Dims& weight_sizes, const Dims& stride,
           const Dims& padding, const Dims& dilation, std::int64_t groups) {
          const nb::gil_scoped_release release;
          return in_channels_last(
              conv2d_backward_weight(grad, x, weight_sizes, stride, padding, dilation, groups),
              is_channels_last(grad) || is_channels_last(x));
        });
  m.def("conv2d_backward_bias", [](const Tensor& grad) {
    const nb::gil_scoped_release release;
    return conv2d_backward_bias(grad);
  });
}

}  // namespace fb::py
