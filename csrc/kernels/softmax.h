// softmax and log_softmax along one axis, with their gradients.
#pragma once
#include <optional>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// float32 and float64. A line is normalised on its own: `rows` has the elements of a line side by
// side, `columns` those of neighbouring lines (`stride` elements from one to the next of a line);
// `line` has room for 2 n registers.
template <class T>
struct SoftmaxLoopsOf {
  void (*rows)(const T* x, T* out, std::int64_t rows, std::int64_t n);
  void (*columns)(const T* x, T* out, T* line, std::int64_t n, std::int64_t stride,
                  std::int64_t width);
  void (*rows_backward)(const T* grad, const T* out, T* result, std::int64_t rows, std::int64_t n);
  void (*columns_backward)(const T* grad, const T* out, T* result, T* line, std::int64_t n,
                           std::int64_t stride, std::int64_t width);
};
struct SoftmaxLoops {
  SoftmaxLoopsOf<float> of_float[2];  // softmax, log_softmax
  SoftmaxLoopsOf<double> of_double[2];
};
FB_ISA_TABLE(SoftmaxLoops, softmax_loops)

Tensor softmax(const Tensor& t, std::int64_t dim, std::optional<DType> dtype, bool log);
// The gradient of the input from that of the output; `out` is what softmax returned.
Tensor softmax_backward(const Tensor& grad, const Tensor& out, std::int64_t dim, bool log);

}  // namespace fb
