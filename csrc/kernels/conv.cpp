#include "kernels/conv.h"

#include <algorithm>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/conv_algorithms.h"
#include "kernels/conv_weights.h"
#include "kernels/copy.h"

namespace fb {
namespace {

bool has_outputs(const ConvShape& s) {
  return s.batch > 0 && s.out_channels > 0 && s.out_h > 0 && s.out_w > 0;
}
bool has_inputs(const ConvShape& s) {
  return s.batch > 0 && s.in_channels > 0 && s.in_h > 0 && s.in_w > 0;
}

bool is_pointwise(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 &&
         s.pad_w == 0;
}

enum class Algorithm { Window, Pointwise, Depthwise, Winograd };

template <class T>
Algorithm choose(const ConvShape& s, bool winograd) {
  if (s.in_channels == s.groups && s.groups > 1) return Algorithm::Depthwise;
  if (is_pointwise(s)) return Algorithm::Pointwise;
  return std::is_same_v<T, float> && winograd ? Algorithm::Winograd : Algorithm::Window;
}

}  // namespace

template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y) {
  if (!has_outputs(s)) return;
  switch (choose<T>(s, winograd_applies(s))) {
    case Algorithm::Depthwise:
      return depthwise_forward(s, x, w, bias, y);
    case Algorithm::Pointwise:
      return pointwise_forward(s, x, w, bias, y);
    case Algorithm::Winograd:
      if constexpr (std::is_same_v<T, float>) return winograd_forward(s, x, w, bias, y);
      [[fallthrough]];
    case Algorithm::Window:
      return window_forward(s, x, w, bias, y);
  }
}

template <class T>
void conv_backward_input(const ConvShape& s, const T* grad, const T* w, T* grad_x) {
  if (!has_inputs(s)) return;
  switch (choose<T>(s, winograd_applies(s))) {
    case Algorithm::Depthwise:
      return depthwise_backward_input(s, grad, w, grad_x);
    case Algorithm::Pointwise:
      return pointwise_backward_input(s, grad, w, grad_x);
    case Algorithm::Winograd:
      if constexpr (std::is_same_v<T, float>) return winograd_backward_input(s, grad, w, grad_x);
      [[fallthrough]];
    case Algorithm::Window:
      return window_backward_input(s, grad, w, grad_x);
  }
}

template <class T>
void conv_backward_weight(const ConvShape& s, const T* grad, const T* x, T* grad_w) {
  const std::int64_t size = s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w;
  if (size == 0) return;
  if (!has_outputs(s)) {
    std::fill_n(grad_w, size, T(0));
    return;
  }
  switch (choose<T>(s, winograd_weight_applies(s))) {
    case Algorithm::Depthwise:
      return depthwise_backward_weight(s, grad, x, grad_w);
    case Algorithm::Winograd:
      if constexpr (std::is_same_v<T, float>) return winograd_backward_weight(s, grad, x, grad_w);
      [[fallthrough]];
    case Algorithm::Pointwise:
    case Algorithm::Window:
      return window_backward_weight(s, grad, x, grad_w);
  }
}

namespace {

// The sizes of one side that a convolution of these arguments has along an axis.
std::int64_t output_size(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                         std::int64_t pad, std::int64_t dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

void check_pair(const Dims& values, std::int64_t least, const char* op, const char* name) {
  FB_CHECK(values.size() == 2, Shape, op, ": expected two values of ", name, ", got ", values);
  constexpr std::int64_t most = std::int64_t{1} << 31;
  for (const auto v : values)
    FB_CHECK(v >= least && v < most, Runtime, op, ": ", name, " must be at least ", least,
             " and fit 31 bits, got ", values);
}

// Checks everything but the sizes of a gradient, and derives the shape.
ConvShape conv_shape(const Dims& x, const Dims& w, const Dims& stride, const Dims& padding,
                     const Dims& dilation, std::int64_t groups, const char* op) {
  FB_CHECK(x.size() == 4 && w.size() == 4, Shape, op,
           ": expected an input and a weight of four axes: input is ", x, ", weight is ", w);
  check_pair(stride, 1, op, "stride");
  check_pair(padding, 0, op, "padding");
  check_pair(dilation, 1, op, "dilation");
  FB_CHECK(groups > 0, Runtime, op, ": groups must be positive, got ", groups);
  FB_CHECK(w[2] > 0 && w[3] > 0, Shape, op, ": the kernel must not be empty: weight is ", w);
  FB_CHECK(w[0] > 0 && w[0] % groups == 0, Shape, op, ": expected weight to be at least ", groups,
           " at dimension 0 and divisible by groups=", groups, ": weight is ", w);
  FB_CHECK(w[1] * groups == x[1], Shape, op, ": Given groups=", groups, ", weight of size ", w,
           ", expected input", x, " to have ", w[1] * groups, " channels, but got ", x[1],
           " channels instead");
  ConvShape s{};
  s.batch = x[0];
  s.in_channels = x[1];
  s.in_h = x[2];
  s.in_w = x[3];
  s.out_channels = w[0];
  s.kernel_h = w[2];
  s.kernel_w = w[3];
  s.stride_h = stride[0];
  s.stride_w = stride[1];
  s.pad_h = padding[0];
  s.pad_w = padding[1];
  s.dilation_h = dilation[0];
  s.dilation_w = dilation[1];
  s.groups = groups;
  const std::int64_t reach_h = s.dilation_h * (s.kernel_h - 1) + 1,
                     reach_w = s.dilation_w * (s.kernel_w - 1) + 1;
  FB_CHECK(x[2] + 2 * padding[0] >= reach_h && x[3] + 2 * padding[1] >= reach_w, Shape, op,
           ": Calculated padded input size per channel: (", x[2] + 2 * padding[0], " x ",
           x[3] + 2 * padding[1], "). Kernel size: (", reach_h, " x ", reach_w,
           "). Kernel size can't be greater than actual input size");
  s.out_h = output_size(s.in_h, s.kernel_h, s.stride_h, s.pad_h, s.dilation_h);
  s.out_w = output_size(s.in_w, s.kernel_w, s.stride_w, s.pad_w, s.dilation_w);
  return s;
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* op, const char* a_name,
                      const char* b_name) {
  require_cpu(a, op);
  require_cpu(b, op);
  FB_CHECK(a.dtype() == b.dtype(), DType, op, ": expected operands of the same dtype: ", a_name,
           " is ", dtype_name(a.dtype()), ", ", b_name, " is ", dtype_name(b.dtype()));
}

Dims output_sizes(const ConvShape& s) { return {s.batch, s.out_channels, s.out_h, s.out_w}; }

void check_grad(const Tensor& grad, const ConvShape& s, const char* op) {
  FB_CHECK(grad.sizes() == output_sizes(s), Shape, op,
           ": the gradient must have the sizes of the output: expected ", output_sizes(s), ", got ",
           grad.sizes());
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }
Tensor widened(const Tensor& t) { return t.defined() ? cast(t, DType::Float32) : t; }

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Dims& stride,
              const Dims& padding, const Dims& dilation, std::int64_t groups) {
  check_same_dtype(x, weight, "conv2d", "input", "weight");
  const ConvShape s =
      conv_shape(x.sizes(), weight.sizes(), stride, padding, dilation, groups, "conv2d");
  if (bias.defined()) {
    check_same_dtype(x, bias, "conv2d", "input", "bias");
    FB_CHECK(bias.ndim() == 1 && bias.size(0) == s.out_channels, Shape,
             "conv2d: expected bias to be 1-dimensional with ", s.out_channels,
             " elements, but got bias of size ", bias.sizes());
  }
  if (is_half(x.dtype()))
    return cast(
        conv2d(widened(x), widened(weight), widened(bias), stride, padding, dilation, groups),
        x.dtype());
  const Tensor source = contiguous(x), w = contiguous(weight),
               shift = bias.defined() ? contiguous(bias) : bias;
  const Tensor out = empty(output_sizes(s), x.dtype());
  dispatch_float(x.dtype(), "conv2d", [&]<class T>() {
    conv_forward(s, source.data<const T>(), w.data<const T>(),
                 shift.defined() ? shift.data<const T>() : nullptr, out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_input(const Tensor& grad, const Tensor& weight, const Dims& input_sizes,
                             const Dims& stride, const Dims& padding, const Dims& dilation,
                             std::int64_t groups) {
  constexpr const char* op = "conv2d_backward_input";
  check_same_dtype(grad, weight, op, "the gradient", "weight");
  const ConvShape s =
      conv_shape(input_sizes, weight.sizes(), stride, padding, dilation, groups, op);
  check_grad(grad, s, op);
  if (is_half(grad.dtype()))
    return cast(conv2d_backward_input(widened(grad), widened(weight), input_sizes, stride, padding,
                                      dilation, groups),
                grad.dtype());
  const Tensor source = contiguous(grad), w = contiguous(weight);
  const Tensor out = empty(input_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    conv_backward_input(s, source.data<const T>(), w.data<const T>(), out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_weight(const Tensor& grad, const Tensor& x, const Dims& weight_sizes,
                              const Dims& stride, const Dims& padding, const Dims& dilation,
                              std::int64_t groups) {
  constexpr const char* op = "conv2d_backward_weight";
  check_same_dtype(grad, x, op, "the gradient", "input");
  const ConvShape s = conv_shape(x.sizes(), weight_sizes, stride, padding, dilation, groups, op);
  check_grad(grad, s, op);
  if (is_half(grad.dtype()))
    return cast(conv2d_backward_weight(widened(grad), widened(x), weight_sizes, stride, padding,
                                       dilation, groups),
                grad.dtype());
  const Tensor source = contiguous(x), g = contiguous(grad);
  const Tensor out = empty(weight_sizes, grad.dtype());
  dispatch_float(grad.dtype(), op, [&]<class T>() {
    conv_backward_weight(s, g.data<const T>(), source.data<const T>(), out.data<T>());
  });
  return out;
}

Tensor conv2d_backward_bias(const Tensor& grad) {
  constexpr const char* op = "conv2d_backward_bias";
  require_cpu(grad, op);
  FB_CHECK(grad.ndim() == 4, Shape, op, ": expected a gradient of four axes, got ", grad.sizes());
  if (is_half(grad.dtype())) return cast(conv2d_backward_bias(widened(grad)), grad.dtype());
  const Tensor g = contiguous(grad);
  const Tensor out = empty({g.size(1)}, g.dtype());
  const std::int64_t batch = g.size(0), channels = g.size(1), pixels = g.size(2) * g.size(3);
  dispatch_float(g.dtype(), op, [&]<class T>() {
    const T* data = g.data<const T>();
    T* sums = out.data<T>();
    const std::int64_t grain =
        std::max<std::int64_t>(32768 / std::max<std::int64_t>(batch * pixels, 1), 1);
    parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        T total = 0;
        for (std::int64_t n = 0; n < batch; ++n)
          total += conv_kernels<T>().sum(data + (n * channels + c) * pixels, pixels);
        sums[c] = total;
      }
    });
  });
  return out;
}

#define FB_INSTANTIATE(type)                                                                  \
  template void conv_forward<type>(const ConvShape&, const type*, const type*, const type*,   \
                                   type*);                                                    \
  template void conv_backward_input<type>(const ConvShape&, const type*, const type*, type*); \
  template void conv_backward_weight<type>(const ConvShape&, const type*, const type*, type*);
FB_INSTANTIATE(float)
FB_INSTANTIATE(double)

}  // namespace fb
