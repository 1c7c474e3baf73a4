#include "kernels/conv.h"

#include <algorithm>
#include <type_traits>

#include "kernels/conv_algorithms.h"
#include "kernels/conv_complex.h"
#include "kernels/conv_integer.h"
#include "kernels/copy.h"
#include "kernels/format.h"

namespace fb {
namespace {

enum class Algorithm { Window, Pointwise, Depthwise, Winograd, Columns };

bool is_pointwise(const ConvShape& s) {
  return std::all_of(std::begin(s.axes), std::end(s.axes),
                     [](const Axis& a) { return a.kernel == 1 && a.stride == 1 && a.pad == 0; });
}

bool is_depthwise(const ConvShape& s) { return s.in_channels == s.groups && s.groups > 1; }

// For the convolution and its transpose.
Algorithm choose(const ConvShape& s, DType dtype) {
  if (is_depthwise(s)) return Algorithm::Depthwise;
  if (columns_apply(s)) return Algorithm::Columns;
  if (is_pointwise(s)) return pointwise_applies(s) ? Algorithm::Pointwise : Algorithm::Window;
  return dtype == DType::Float32 && winograd_applies(s) ? Algorithm::Winograd : Algorithm::Window;
}

Algorithm choose_for_weight(const ConvShape& s, DType dtype) {
  if (is_depthwise(s)) return Algorithm::Depthwise;
  if (dtype == DType::Float32 && winograd_weight_applies(s)) return Algorithm::Winograd;
  return columns_weight_apply(s) ? Algorithm::Columns : Algorithm::Window;
}

// Checks the values of one argument that has a value per axis.
void check_axes(const Dims& values, int axes, std::int64_t least, const char* op,
                const char* name) {
  FB_CHECK(values.size() == axes, Shape, op, ": expected ", axes, " values of ", name, ", got ",
           values);
  constexpr std::int64_t most = std::int64_t{1} << 31;
  for (const auto v : values)
    FB_CHECK(v >= least && v < most, Runtime, op, ": ", name, " must be at least ", least,
             " and fit 31 bits, got ", values);
}

// The values of one side, "(3 x 4)", as torch's texts have them.
struct Product {
  const std::int64_t* values;
  int count;
  friend std::ostream& operator<<(std::ostream& out, const Product& p) {
    for (int i = 0; i < p.count; ++i) out << (i ? " x " : "(") << p.values[i];
    return out << ")";
  }
};

// Checks everything but the sizes of the output, and derives the shape.
ConvShape conv_shape(const Dims& x, const Dims& w, const ConvGeometry& g, const char* op) {
  const int axes = x.size() - 2;
  FB_CHECK(axes >= 1 && axes <= conv_axes && w.size() == x.size(), Shape, op,
           ": expected an input and a weight of three, four or five axes: input is ", x,
           ", weight is ", w);
  check_axes(g.stride, axes, 1, op, "stride");
  check_axes(g.padding, axes, 0, op, "padding");
  check_axes(g.dilation, axes, 1, op, "dilation");
  FB_CHECK(g.groups > 0, Runtime, op, ": groups must be positive, got ", g.groups);
  for (int a = 0; a < axes; ++a)
    FB_CHECK(w[2 + a] > 0, Shape, op, ": the kernel must not be empty: weight is ", w);
  FB_CHECK(w[0] > 0 && w[0] % g.groups == 0, Shape, op, ": expected weight to be at least ",
           g.groups, " at dimension 0 and divisible by groups=", g.groups, ": weight is ", w);
  FB_CHECK(w[1] * g.groups == x[1], Shape, op, ": Given groups=", g.groups, ", weight of size ", w,
           ", expected input", x, " to have ", w[1] * g.groups, " channels, but got ", x[1],
           " channels instead");
  ConvShape s{x[0], x[1], w[0], g.groups, {}};
  std::int64_t padded[conv_axes], reach[conv_axes];
  bool fits = true;
  for (int i = 0; i < conv_axes; ++i) {
    const int a = i - (conv_axes - axes);
    if (a < 0) {
      s.axes[i] = {1, 1, 1, 1, 0, 1};
      continue;
    }
    padded[a] = x[2 + a] + 2 * g.padding[a];
    reach[a] = g.dilation[a] * (w[2 + a] - 1) + 1;
    fits = fits && padded[a] >= reach[a];
    s.axes[i] = {x[2 + a],     (padded[a] - reach[a]) / g.stride[a] + 1,
                 w[2 + a],     g.stride[a],
                 g.padding[a], g.dilation[a]};
  }
  FB_CHECK(fits, Shape, op, ": Calculated padded input size per channel: ", Product{padded, axes},
           ". Kernel size: ", Product{reach, axes},
           ". Kernel size can't be greater than actual input size");
  return s;
}

// (batch, channels, out sizes) with as many axes as `like`.
Dims output_sizes(const ConvShape& s, const Dims& like) {
  Dims sizes{s.batch, s.out_channels};
  for (int a = conv_axes - (like.size() - 2); a < conv_axes; ++a) sizes.push_back(s.axes[a].out);
  return sizes;
}

void check_same_dtype(const Tensor& a, const Tensor& b, const char* op, const char* a_name,
                      const char* b_name) {
  require_cpu(a, op);
  require_cpu(b, op);
  FB_CHECK(a.dtype() == b.dtype(), DType, op, ": expected operands of the same dtype: ", a_name,
           " is ", dtype_name(a.dtype()), ", ", b_name, " is ", dtype_name(b.dtype()));
  FB_CHECK(a.dtype() != DType::Bool, NotImplemented, op, ": not implemented for bool");
}

void check_output(const Tensor& y, const ConvShape& s, const char* op) {
  const Dims expected = output_sizes(s, y.sizes());
  FB_CHECK(y.sizes() == expected, Shape, op,
           ": the gradient must have the sizes of the output: expected ", expected, ", got ",
           y.sizes());
}

void check_bias(const Tensor& x, const Tensor& bias, std::int64_t channels, const char* op) {
  if (!bias.defined()) return;
  check_same_dtype(x, bias, op, "input", "bias");
  FB_CHECK(bias.ndim() == 1 && bias.size(0) == channels, Shape, op,
           ": expected bias to be 1-dimensional with ", channels,
           " elements, but got bias of size ", bias.sizes());
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }
Tensor widened(const Tensor& t, DType dtype) { return t.defined() ? cast(t, dtype) : t; }

bool any_channels_last(const Tensor& a, const Tensor& b) {
  return is_channels_last(a) || is_channels_last(b);
}

Tensor laid_out(const Tensor& t, bool channels_last) {
  return channels_last ? in_channels_last(t) : contiguous(t);
}
Tensor empty_images(const Dims& sizes, DType dtype, bool channels_last) {
  return channels_last ? empty_strided(sizes, channels_last_strides(sizes), dtype)
                       : empty(sizes, dtype);
}

// The images of a tensor that is row-major or dense in the channels-last order.
template <class T>
Images<T> images(const Tensor& t, std::int64_t groups, bool channels_last) {
  Images<T> made{t.data<T>(), t.size(1) / groups, {1, 1, 1}, 0, 0, 0};
  for (int a = 0; a < t.ndim() - 2; ++a) made.size[conv_axes - (t.ndim() - 2) + a] = t.size(2 + a);
  made.image_stride = t.size(1) * made.pixels();
  made.channel_stride = channels_last ? 1 : made.pixels();
  made.pixel_stride = channels_last ? t.size(1) : 1;
  return made;
}

template <class T>
const T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<const T>() : nullptr;
}

template <class T>
void forward(const ConvShape& s, Algorithm algorithm, const Images<const T>& x, const T* w,
             const T* bias, const Images<T>& y) {
  switch (algorithm) {
    case Algorithm::Depthwise:
      return depthwise_forward(s, x, w, bias, y);
    case Algorithm::Columns:
      return columns_forward(s, x, w, bias, y);
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
void transposed(const ConvShape& s, Algorithm algorithm, const Images<const T>& y, const T* w,
                const T* bias, const Images<T>& x) {
  switch (algorithm) {
    case Algorithm::Depthwise:
      return depthwise_transposed(s, y, w, bias, x);
    case Algorithm::Columns:
      return columns_transposed(s, y, w, bias, x);
    case Algorithm::Pointwise:
      return pointwise_transposed(s, y, w, bias, x);
    case Algorithm::Winograd:
      if constexpr (std::is_same_v<T, float>) return winograd_transposed(s, y, w, bias, x);
      [[fallthrough]];
    case Algorithm::Window:
      return window_transposed(s, y, w, bias, x);
  }
}

template <class T>
void weight_grad(const ConvShape& s, Algorithm algorithm, const Images<const T>& grad,
                 const Images<const T>& x, T* grad_w) {
  switch (algorithm) {
    case Algorithm::Depthwise:
      return depthwise_weight_grad(s, grad, x, grad_w);
    case Algorithm::Columns:
      return columns_weight_grad(s, grad, x, grad_w);
    case Algorithm::Winograd:
      if constexpr (std::is_same_v<T, float>) return winograd_weight_grad(s, grad, x, grad_w);
      [[fallthrough]];
    case Algorithm::Pointwise:
    case Algorithm::Window:
      return window_weight_grad(s, grad, x, grad_w);
  }
}

constexpr const char* forward_names[] = {"conv1d", "conv2d", "conv3d"};
constexpr const char* transposed_names[] = {"conv_transpose1d", "conv_transpose2d",
                                            "conv_transpose3d"};
constexpr const char* weight_names[] = {"conv1d_weight", "conv2d_weight", "conv3d_weight"};
const char* name_for(const char* const (&names)[conv_axes], const Tensor& t) {
  return names[std::clamp(t.ndim() - 3, 0, conv_axes - 1)];
}

}  // namespace

Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const ConvGeometry& geometry) {
  const char* op = name_for(forward_names, x);
  check_same_dtype(x, weight, op, "input", "weight");
  const ConvShape s = conv_shape(x.sizes(), weight.sizes(), geometry, op);
  check_bias(x, bias, s.out_channels, op);
  const DType dtype = x.dtype();
  const bool last = any_channels_last(x, weight);
  if (is_half(dtype)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Float32); };
    return cast(convolution(wide(x), wide(weight), wide(bias), geometry), dtype);
  }
  if (is_complex(dtype))
    return in_channels_last(complex_convolution(x, weight, bias, geometry), last);
  if (is_integral(dtype, false)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Int64); };
    const Tensor out =
        integer_convolution(s, wide(x), wide(weight), wide(bias), output_sizes(s, x.sizes()));
    return in_channels_last(cast(out, dtype), last);
  }
  const Algorithm algorithm = choose(s, dtype);
  const bool through = last && algorithm != Algorithm::Depthwise;
  const Tensor source = laid_out(x, through), w = contiguous(weight),
               shift = bias.defined() ? contiguous(bias) : bias;
  const Tensor out = empty_images(output_sizes(s, x.sizes()), dtype, through);
  dispatch_float(dtype, op, [&]<class T>() {
    if (s.has_outputs() && !shape_only())
      forward(s, algorithm, images<const T>(source, s.groups, through), w.data<const T>(),
              data_or_null<T>(shift), images<T>(out, s.groups, through));
  });
  return in_channels_last(out, last);
}

Tensor convolution_transposed(const Tensor& y, const Tensor& weight, const Tensor& bias,
                              const Dims& sizes, const ConvGeometry& geometry) {
  const char* op = name_for(transposed_names, y);
  check_same_dtype(y, weight, op, "input", "weight");
  FB_CHECK(y.ndim() == weight.ndim() && y.ndim() > 2 && y.size(1) == weight.size(0), Shape, op,
           ": Given transposed=1, weight of size ", weight.sizes(), ", expected input", y.sizes(),
           " to have as many axes and ", weight.ndim() > 0 ? weight.size(0) : 0, " channels");
  const ConvShape s = conv_shape(sizes, weight.sizes(), geometry, op);
  check_output(y, s, op);
  check_bias(y, bias, s.in_channels, op);
  const DType dtype = y.dtype();
  const bool last = any_channels_last(y, weight);
  if (is_half(dtype)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Float32); };
    return cast(convolution_transposed(wide(y), wide(weight), wide(bias), sizes, geometry), dtype);
  }
  if (is_complex(dtype))
    return in_channels_last(complex_convolution_transposed(y, weight, bias, sizes, geometry), last);
  if (is_integral(dtype, false)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Int64); };
    const Tensor out = integer_convolution_transposed(s, wide(y), wide(weight), wide(bias), sizes);
    return in_channels_last(cast(out, dtype), last);
  }
  const Algorithm algorithm = choose(s, dtype);
  const bool through = last && algorithm != Algorithm::Depthwise;
  const Tensor source = laid_out(y, through), w = contiguous(weight),
               shift = bias.defined() ? contiguous(bias) : bias;
  const Tensor out = empty_images(sizes, dtype, through);
  dispatch_float(dtype, op, [&]<class T>() {
    if (s.has_inputs() && !shape_only())
      transposed(s, algorithm, images<const T>(source, s.groups, through), w.data<const T>(),
                 data_or_null<T>(shift), images<T>(out, s.groups, through));
  });
  return in_channels_last(out, last);
}

Tensor convolution_weight_grad(const Tensor& grad, const Tensor& x, const Dims& weight_sizes,
                               const ConvGeometry& geometry) {
  const char* op = name_for(weight_names, x);
  check_same_dtype(grad, x, op, "the gradient", "input");
  const ConvShape s = conv_shape(x.sizes(), weight_sizes, geometry, op);
  check_output(grad, s, op);
  const DType dtype = grad.dtype();
  const bool last = any_channels_last(grad, x);
  if (is_half(dtype)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Float32); };
    return cast(convolution_weight_grad(wide(grad), wide(x), weight_sizes, geometry), dtype);
  }
  if (is_complex(dtype))
    return in_channels_last(complex_convolution_weight_grad(grad, x, weight_sizes, geometry), last);
  if (is_integral(dtype, false)) {
    const auto wide = [](const Tensor& t) { return widened(t, DType::Int64); };
    return in_channels_last(
        cast(integer_convolution_weight_grad(s, wide(grad), wide(x), weight_sizes), dtype), last);
  }
  const Algorithm algorithm = choose_for_weight(s, dtype);
  const bool through = last && algorithm != Algorithm::Depthwise;
  const Tensor source = laid_out(x, through), g = laid_out(grad, through);
  const Tensor out = empty(weight_sizes, dtype);
  dispatch_float(dtype, op, [&]<class T>() {
    if (out.numel() == 0 || shape_only()) return;
    if (s.has_outputs())
      weight_grad(s, algorithm, images<const T>(g, s.groups, through),
                  images<const T>(source, s.groups, through), out.data<T>());
    else
      std::fill_n(out.data<T>(), out.numel(), T(0));
  });
  return in_channels_last(out, last);
}

}  // namespace fb
