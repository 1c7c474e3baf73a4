// Batch, group, layer and root-mean-square normalisation with their gradients.
#pragma once
#include <tuple>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// float32 and float64. Null weights count as one, null biases as zero.
template <class T>
struct NormLoopsOf {
  // Rows of n elements, each normalised on its own; no mean: only scaled by the root mean square.
  void (*layer)(const T* x, const T* weight, const T* bias, T* out, T* mean, T* rstd,
                std::int64_t rows, std::int64_t n, double eps);
  // Any of the three gradients may be null; those of weight and bias are added to.
  void (*layer_backward)(const T* grad, const T* x, const T* mean, const T* rstd, const T* weight,
                         T* grad_x, T* grad_weight, T* grad_bias, std::int64_t rows,
                         std::int64_t n);
  // Runs of elements that share their statistics and weights.
  void (*run)(const T* x, T* out, T mean, T scale, T shift, std::int64_t n);  // (x - mean) s + b
  // sums[0] = sum of grad, sums[1] = sum of grad (x - mean)
  void (*run_sums)(const T* grad, const T* x, T mean, std::int64_t n, double* sums);
  void (*run_backward)(const T* grad, const T* x, T* out, T mean, T a, T b, T c,
                       std::int64_t n);  // a grad + b (x - mean) + c
  // The same with statistics and weights per element of a row of n.
  void (*rows)(const T* x, T* out, const T* mean, const T* scale, const T* shift, std::int64_t rows,
               std::int64_t n);
  void (*rows_sums)(const T* grad, const T* x, const T* mean, std::int64_t rows, std::int64_t n,
                    double* sum, double* product_sum);
  void (*rows_backward)(const T* grad, const T* x, T* out, const T* mean, const T* a, const T* b,
                        const T* c, std::int64_t rows, std::int64_t n);
};
struct NormLoops {
  NormLoopsOf<float> of_float;
  NormLoopsOf<double> of_double;
};
FB_ISA_TABLE(NormLoops, norm_loops)

using TensorTriple = std::tuple<Tensor, Tensor, Tensor>;

// Statistics over everything but axis 1, or those given when not training; in training the running
// ones are updated in place: running += momentum (batch - running), with the unbiased variance.
// Returns the result, the means and the reciprocal standard deviations used.
TensorTriple batch_norm(const Tensor& t, const Tensor* weight, const Tensor* bias,
                        const Tensor* running_mean, const Tensor* running_var, bool training,
                        double momentum, double eps);
// Gradients of input, weight and bias. `mean` and `rstd` as returned by the forward.
TensorTriple batch_norm_backward(const Tensor& grad, const Tensor& t, const Tensor* weight,
                                 const Tensor& mean, const Tensor& rstd, bool training);

// Statistics over groups of neighbouring channels (axis 1) of each example.
TensorTriple group_norm(const Tensor& t, std::int64_t groups, const Tensor* weight,
                        const Tensor* bias, double eps);
TensorTriple group_norm_backward(const Tensor& grad, const Tensor& t, std::int64_t groups,
                                 const Tensor* weight, const Tensor& mean, const Tensor& rstd);

// Statistics over the last axes, whose sizes are `shape`; weight and bias have these sizes too.
TensorTriple layer_norm(const Tensor& t, const Dims& shape, const Tensor* weight,
                        const Tensor* bias, double eps);
TensorTriple layer_norm_backward(const Tensor& grad, const Tensor& t, const Dims& shape,
                                 const Tensor* weight, const Tensor& mean, const Tensor& rstd);
// x / sqrt(mean(x^2) + eps) over the last axes. Returns the result and the reciprocal roots.
std::pair<Tensor, Tensor> rms_norm(const Tensor& t, const Dims& shape, const Tensor* weight,
                                   double eps);
std::pair<Tensor, Tensor> rms_norm_backward(const Tensor& grad, const Tensor& t, const Dims& shape,
                                            const Tensor* weight, const Tensor& rstd);

}  // namespace fb
