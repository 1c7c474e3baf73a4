// Convolutions: kernels/conv.h.
#include "bind/pytensor.h"
#include "kernels/conv.h"

namespace fb::py {

using namespace nb::literals;

void bind_conv(nb::module_& m) {
  m.def(
      "convolution",
      [](const Tensor& x, const Tensor& weight, const Tensor* bias, const Dims& stride,
         const Dims& padding, const Dims& dilation, std::int64_t groups) {
        const nb::gil_scoped_release release;
        return convolution(x, weight, bias ? *bias : Tensor(), {stride, padding, dilation, groups});
      },
      "x"_a, "weight"_a, "bias"_a.none(), "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
  m.def(
      "convolution_transposed",
      [](const Tensor& y, const Tensor& weight, const Tensor* bias, const Dims& sizes,
         const Dims& stride, const Dims& padding, const Dims& dilation, std::int64_t groups) {
        const nb::gil_scoped_release release;
        return convolution_transposed(y, weight, bias ? *bias : Tensor(), sizes,
                                      {stride, padding, dilation, groups});
      },
      "y"_a, "weight"_a, "bias"_a.none(), "sizes"_a, "stride"_a, "padding"_a, "dilation"_a,
      "groups"_a);
  m.def("convolution_weight_grad", [](const Tensor& grad, const Tensor& x, const Dims& weight_sizes,
                                      const Dims& stride, const Dims& padding, const Dims& dilation,
                                      std::int64_t groups) {
    const nb::gil_scoped_release release;
    return convolution_weight_grad(grad, x, weight_sizes, {stride, padding, dilation, groups});
  });
}

}  // namespace fb::py
