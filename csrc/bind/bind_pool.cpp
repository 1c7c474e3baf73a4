// Pooling: kernels/pool.h.
#include <nanobind/stl/pair.h>

#include "bind/pytensor.h"
#include "kernels/pool.h"

namespace fb::py {

void bind_pool(nb::module_& m) {
  m.def("max_pool2d", [](const Tensor& x, const Dims& kernel, const Dims& stride,
                         const Dims& padding, const Dims& dilation, bool ceil_mode) {
    const nb::gil_scoped_release release;
    return max_pool2d(x, kernel, stride, padding, dilation, ceil_mode);
  });
  m.def("max_pool2d_backward",
        [](const Tensor& grad, const Tensor& indices, const Dims& input_sizes) {
          const nb::gil_scoped_release release;
          return max_pool2d_backward(grad, indices, input_sizes);
        });
  m.def("avg_pool2d",
        [](const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
           bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
          const nb::gil_scoped_release release;
          return avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor);
        });
  m.def("avg_pool2d_backward",
        [](const Tensor& grad, const Dims& input_sizes, const Dims& kernel, const Dims& stride,
           const Dims& padding, bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
          const nb::gil_scoped_release release;
          return avg_pool2d_backward(grad, input_sizes, kernel, stride, padding, ceil_mode,
                                     count_include_pad, divisor);
        });
  m.def("adaptive_avg_pool2d", [](const Tensor& x, const Dims& output) {
    const nb::gil_scoped_release release;
    return adaptive_avg_pool2d(x, output);
  });
  m.def("adaptive_avg_pool2d_backward", [](const Tensor& grad, const Dims& input_sizes) {
    const nb::gil_scoped_release release;
    return adaptive_avg_pool2d_backward(grad, input_sizes);
  });
  m.def("adaptive_max_pool2d", [](const Tensor& x, const Dims& output) {
    const nb::gil_scoped_release release;
    return adaptive_max_pool2d(x, output);
  });
}

}  // namespace fb::py
