#include "kernels/conv_complex.h"

#include "kernels/copy.h"
#include "kernels/movement.h"

namespace fb {
namespace {

// The real and the imaginary parts, and what is to be stored as their negatives.
Tensor part(const Tensor& z, int index, bool negative = false) {
  const Tensor parts = view_as_real(z);
  return parts.select(parts.ndim() - 1, index).with_flags(false, negative);
}

// `sizes` with the axis of channels doubled.
Dims doubled(Dims sizes, int axis) {
  sizes[axis] *= 2;
  return sizes;
}
// `sizes` with an axis of two after that of channels.
Dims split(const Dims& sizes) {
  Dims out{sizes[0], sizes[1], 2};
  for (int a = 2; a < sizes.size(); ++a) out.push_back(sizes[a]);
  return out;
}

// (n, c, ...) complex as (n, 2 c, ...) real.
Tensor as_real(const Tensor& z) {
  const Tensor out = empty(split(z.sizes()), real_dtype(z.dtype()));
  for (int i = 0; i < 2; ++i) copy_into(out.select(2, i), part(z, i));
  return *out.try_view(doubled(z.sizes(), 1));
}

// The inverse, for `sizes` of the complex tensor.
Tensor as_complex(const Tensor& t, const Dims& sizes) {
  Dims pairs = sizes;
  pairs.push_back(2);
  const Tensor out = empty(pairs, t.dtype()), parts = *t.try_view(split(sizes));
  for (int i = 0; i < 2; ++i) copy_into(out.select(sizes.size(), i), parts.select(2, i));
  return view_as_complex(out);
}

// The real weight (2 o, 2 c, ...) that multiplies pairs of channels as the complex one, or as its
// conjugate, multiplies channels.
Tensor real_weight(const Tensor& w, bool conjugate) {
  const Tensor out = empty(split(doubled(w.sizes(), 0)), real_dtype(w.dtype()));
  for (int row = 0; row < 2; ++row) {
    // (o, c, ...): the outputs' real or imaginary parts.
    const Tensor rows = out.slice(0, row, w.size(0), 2);
    for (int col = 0; col < 2; ++col) {
      const bool negative = row != col && (row == 0) != conjugate;
      copy_into(rows.select(2, col), part(w, row != col, negative));
    }
  }
  return *out.try_view(doubled(doubled(w.sizes(), 0), 1));
}

Tensor real_bias(const Tensor& bias) {
  if (!bias.defined()) return bias;
  return *view_as_real(contiguous(bias)).try_view({2 * bias.size(0)});
}

}  // namespace

Tensor complex_convolution(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const ConvGeometry& geometry) {
  const Tensor out =
      contiguous(convolution(as_real(x), real_weight(weight, false), real_bias(bias), geometry));
  Dims sizes = out.sizes();
  sizes[1] /= 2;
  return as_complex(out, sizes);
}

// The transposed real weight belongs to the conjugate of the complex one.
Tensor complex_convolution_transposed(const Tensor& y, const Tensor& weight, const Tensor& bias,
                                      const Dims& sizes, const ConvGeometry& geometry) {
  const Tensor out = convolution_transposed(as_real(y), real_weight(weight, true), real_bias(bias),
                                            doubled(sizes, 1), geometry);
  return as_complex(out, sizes);
}

// grad * x over a batch twice as long: the real part of grad times (re x, im x), and the imaginary
// part times (-im x, re x).
Tensor complex_convolution_weight_grad(const Tensor& grad, const Tensor& x,
                                       const Dims& weight_sizes, const ConvGeometry& geometry) {
  const std::int64_t n = x.size(0);
  const DType real = real_dtype(x.dtype());
  const Tensor factors = empty(split(doubled(x.sizes(), 0)), real);
  const Tensor grads = empty(doubled(grad.sizes(), 0), real);
  for (int i = 0; i < 2; ++i) {
    const Tensor half = factors.slice(0, i * n, n, 1);
    copy_into(half.select(2, 0), part(x, i, i == 1));
    copy_into(half.select(2, 1), part(x, 1 - i));
    copy_into(grads.slice(0, i * n, n, 1), part(grad, i));
  }
  const Tensor out =
      convolution_weight_grad(grads, *factors.try_view(doubled(doubled(x.sizes(), 0), 1)),
                              doubled(weight_sizes, 1), geometry);
  return as_complex(out, weight_sizes);
}

}  // namespace fb
