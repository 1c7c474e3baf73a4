// Steps of optimizers over lists of tensors in one pass: the elements of all tensors are one range
// that is split over the threads, so many small tensors cost no more than one large one.
#pragma once
#include <span>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

using Tensors = std::span<const Tensor* const>;

struct SgdOptions {
  double lr = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
  bool first_step = false;  // the momentum buffers hold nothing yet
};

struct AdamOptions {
  double lr = 0;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: the decay shrinks the parameter, not the gradient
  bool maximize = false;
};

// `buffers` is empty without momentum.
void sgd_step(Tensors params, Tensors grads, Tensors buffers, const SgdOptions& options);
// `largest_sqs` is empty without amsgrad. Each of `steps` is one float, counted up here.
void adam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
               Tensors largest_sqs, Tensors steps, const AdamOptions& options);

// What a loop needs, in the arithmetic of the tensors.
template <class T>
struct SgdScalars {
  T lr, momentum, undamped, decay, sign;  // undamped: 1 - dampening; sign: -1 to maximize
  bool nesterov, first_step;
};
template <class T>
struct AdamScalars {
  T blend, beta1, beta2, rest2, eps;  // blend: 1 - beta1; rest2: 1 - beta2
  T step_size, correction;            // lr / (1 - beta1^t), sqrt(1 - beta2^t)
  T decay, shrink, sign;              // decay: of the gradient; shrink: of the parameter
};

struct OptimLoops {
  // `buffer` may be null: no momentum.
  void (*sgd_f32)(float* p, const float* g, float* buffer, std::int64_t n,
                  const SgdScalars<float>& s);
  void (*sgd_f64)(double* p, const double* g, double* buffer, std::int64_t n,
                  const SgdScalars<double>& s);
  // `largest` may be null: no amsgrad.
  void (*adam_f32)(float* p, const float* g, float* m, float* v, float* largest, std::int64_t n,
                   const AdamScalars<float>& s);
  void (*adam_f64)(double* p, const double* g, double* m, double* v, double* largest,
                   std::int64_t n, const AdamScalars<double>& s);
};
FB_ISA_TABLE(OptimLoops, optim_loops)

}  // namespace fb
