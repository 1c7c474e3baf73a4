// Pooling: kernels/pool.h.
#include <nanobind/stl/pair.h>

#include "bind/pytensor.h"
#include "kernels/format.h"
#include "kernels/pool.h"

namespace fb::py {

namespace {

// Results lie as the input does: the kernels compute row-major planes.
std::pair<Tensor, Tensor> both_like(const std::pair<Tensor, Tensor>& results, const Tensor& x) {
  const bool last = is_channels_last(x);
  return {in_channels_last(results.first, last), in_channels_last(results.second, last)};
}

}  // namespace

void bind_pool(nb::module_& m) {
  m.def("max_pool2d", [](const Tensor& x, const Dims& kernel, const Dims& stride,
                         const Dims& padding, const Dims& dilation, bool ceil_mode) {
    const nb::gil_scoped_release release;
    return both_like(max_pool2d(x, kernel, stride, padding, dilation, ceil_mode), x);
  });
  m.def("max_pool2d_backward",
        [](const Tensor& grad, const Tensor& indices, const Dims& input_sizes) {
          const nb::gil_scoped_release release;
          return in_channels_last(max_pool2d_backward(grad, indices, input_sizes),
                                  is_channels_last(grad));
        });
  m.def("avg_pool2d",
        [](const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding,
           bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
          const nb::gil_scoped_release release;
          return in_channels_last(
              avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor),
              is_channels_last(x));
        });
  m.def("avg_pool2d_backward",
        [](const Tensor& grad, const Dims& input_sizes, const Dims& kernel, const Dims& stride,
           const Dims& padding, bool ceil_mode, bool count_include_pad, std::int64_t divisor) {
          const nb::gil_scoped_release release;
          return in_channels_last(avg_pool2d_backward(grad, input_sizes, kernel, stride, padding,
                                                      ceil_mode, count_include_pad, divisor),
                                  is_channels_last(grad));
        });
  m.def("adaptive_avg_pool2d", [](const Tensor& x, const Dims& output) {
    const nb::gil_scoped_release release;
    return in_channels_last(adaptive_avg_pool2d(x, output), is_channels_last(x));
  });
  m.def("adaptive_avg_pool2d_backward", [](const Tensor& grad, const Dims& input_sizes) {
    const nb::gil_scoped_release release;
    return in_channels_last(adaptive_avg_pool2d_backward(grad, input_sizes),
                            is_channels_last(grad));
  });
  m.def("adaptive_max_pool2d", [](const Tensor& x, const Dims& output) {
    const nb::gil_scoped_release release;
    return both_like(adaptive_max_pool2d(x, output), x);
  });
}

}  // namespace fb::py
