// Resizing along the spatial axes of (N, C, d1, ..., dK) tensors, K from 1 to 3: each output is a
// weighted sum of a few inputs along each axis, so that an axis is a sparse matrix and the whole a
// product of such matrices. The gradient is the product of their transposes. float32 and float64
// have kernels; 16-bit floats are computed in float32. Results lie as the input does.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// `mode` is nearest, nearest-exact, linear, cubic, or with antialiasing linear_aa, cubic_aa,
// lanczos_aa. `scales` says how much larger the output is along each axis, where that is not the
// ratio of the sizes; empty or 0: it is.
Tensor interpolate(const Tensor& x, const Dims& size, const std::string& mode, bool align_corners,
                   const std::vector<double>& scales);
// The adjoint: from the gradient of the output to that of an input with the spatial sizes `size`.
Tensor interpolate_backward(const Tensor& grad, const Dims& size, const std::string& mode,
                            bool align_corners, const std::vector<double>& scales);

// The taps of one axis: output i is the sum of weight[k * out + i] times the input at
// index[k * out + i] over k < count[i]. Behind count[i] the weight is 0 and the index `in`.
template <class T>
struct ResizeAxis {
  std::int64_t in, out, width;  // width: the largest count
  const std::int32_t* index;
  const T* weight;
  const std::int32_t* count;
};

template <class T>
struct ResizeKernels {
  // Output `i` of an axis whose elements are lines of n values.
  void (*mix)(const ResizeAxis<T>&, std::int64_t i, const T* x, T* out, std::int64_t n);
  // All outputs of an axis whose elements are single values; x[axis.in] is read and should be 0,
  // if counts differ from the width.
  void (*gather)(const ResizeAxis<T>&, const T* x, T* out);
};
struct ResizeLoops {
  ResizeKernels<float> f32;
  ResizeKernels<double> f64;
};
FB_ISA_TABLE(ResizeLoops, resize_loops)

}  // namespace fb
