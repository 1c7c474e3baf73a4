// Steps of optimizers over lists of tensors in one pass: the elements of all tensors are one range
// that is split over the threads, so many small tensors cost no more than one large one.
//
// An optimizer is: its options and function here, the scalars that its loop needs, the loop in
// optim.simd.cpp (a lambda over the elements of one place), and in optim.cpp how the scalars follow
// from the options and the step count. What they have in common is in optim_rows.
#pragma once
#include <span>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

using Tensors = std::span<const Tensor* const>;

struct SgdOptions {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first_step;  // the momentum buffers hold nothing yet
};
struct AdamOptions {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;  // the decay shrinks the parameter, not the gradient
  bool maximize;
};
struct AdamaxOptions {
  double lr, beta1, beta2, eps, weight_decay;
  bool maximize;
};
struct NAdamOptions {
  double lr, beta1, beta2, eps, weight_decay, momentum_decay;
  bool decoupled, maximize;
};
struct AdagradOptions {
  double lr, lr_decay, eps, weight_decay;
  bool maximize;
};
struct AdadeltaOptions {
  double lr, rho, eps, weight_decay;
  bool maximize;
};
struct RmspropOptions {
  double lr, alpha, eps, momentum, weight_decay;
  bool maximize;
};
struct RpropOptions {
  double eta_minus, eta_plus, step_min, step_max;
  bool maximize;
};
struct AsgdOptions {
  double lr, lambd, alpha, t0, weight_decay;
  bool maximize;
};

// A list that the options do not need is empty. Each of `steps` is one float, counted up here.
void sgd_step(Tensors params, Tensors grads, Tensors buffers, const SgdOptions& options);
void adam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
               Tensors largest_sqs, Tensors steps, const AdamOptions& options);
void adamax_step(Tensors params, Tensors grads, Tensors averages, Tensors norms, Tensors steps,
                 const AdamaxOptions& options);
// `mu_products` are one float each, like `steps`.
void nadam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
                Tensors mu_products, Tensors steps, const NAdamOptions& options);
void radam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs, Tensors steps,
                const AdamOptions& options);
void adagrad_step(Tensors params, Tensors grads, Tensors sums, Tensors steps,
                  const AdagradOptions& options);
void adadelta_step(Tensors params, Tensors grads, Tensors average_sqs, Tensors deltas,
                   Tensors steps, const AdadeltaOptions& options);
void rmsprop_step(Tensors params, Tensors grads, Tensors average_sqs, Tensors averages,
                  Tensors buffers, Tensors steps, const RmspropOptions& options);
void rprop_step(Tensors params, Tensors grads, Tensors previous, Tensors step_sizes, Tensors steps,
                const RpropOptions& options);
// `etas` and `mus` are one float each: the present learning rate and weight of the average.
void asgd_step(Tensors params, Tensors grads, Tensors averages, Tensors etas, Tensors mus,
               Tensors steps, const AsgdOptions& options);
// Moves each of `targets` towards its source by the fraction `weight`.
void lerp_step(Tensors targets, Tensors sources, double weight);
// Multiplies all tensors by `factor`.
void scale_step(Tensors tensors, double factor);

// What a loop needs, in the arithmetic of the tensors. `sign` is -1 to maximize; `decay` is added
// to the gradient as a fraction of the parameter, `shrink` multiplies the parameter itself.
template <class T>
struct SgdScalars {
  T lr, momentum, undamped, decay, sign;  // undamped: 1 - dampening
  bool nesterov, first_step;
};
template <class T>
struct AdamScalars {
  T blend, beta1, beta2, rest2, eps;  // blend: 1 - beta1; rest2: 1 - beta2
  T step_size, correction;            // lr / (1 - beta1^t), sqrt(1 - beta2^t)
  T decay, shrink, sign;
};
template <class T>
struct AdamaxScalars {
  T blend, beta1, beta2, eps, step_size, decay, sign;
};
template <class T>
struct NAdamScalars {
  T blend, beta1, beta2, rest2, eps, correction;  // correction: 1 - beta2^t
  T of_gradient, of_average;                      // the two parts of the step
  T decay, shrink, sign;
};
template <class T>
struct RAdamScalars {
  T blend, beta1, beta2, rest2, eps;
  T unbias, lr, correction, rectifier;  // unbias: 1 - beta1^t; correction: sqrt(1 - beta2^t)
  T decay, shrink, sign;
  bool rectified;
};
template <class T>
struct AdagradScalars {
  T lr, eps, decay, sign;
};
template <class T>
struct AdadeltaScalars {
  T lr, rho, rest, eps, decay, sign;  // rest: 1 - rho
};
template <class T>
struct RmspropScalars {
  T lr, alpha, rest, eps, momentum, decay, sign;  // rest: 1 - alpha
};
template <class T>
struct RpropScalars {
  T eta_minus, eta_plus, step_min, step_max, sign;
};
template <class T>
struct AsgdScalars {
  T shrink, eta, mu, decay, sign;
};
template <class T>
struct LerpScalars {
  T weight, rest;
};
template <class T>
struct ScaleScalars {
  T factor;
};

// A loop over the operands of a step: the parameter, its gradient, its state. A null pointer stands
// for an operand that the options do not need.
template <template <class> class Scalars>
struct StepLoop {
  void (*f32)(float* const* operands, std::int64_t n, const Scalars<float>& scalars);
  void (*f64)(double* const* operands, std::int64_t n, const Scalars<double>& scalars);
};

struct OptimLoops {
  StepLoop<SgdScalars> sgd;
  StepLoop<AdamScalars> adam;
  StepLoop<AdamaxScalars> adamax;
  StepLoop<NAdamScalars> nadam;
  StepLoop<RAdamScalars> radam;
  StepLoop<AdagradScalars> adagrad;
  StepLoop<AdadeltaScalars> adadelta;
  StepLoop<RmspropScalars> rmsprop;
  StepLoop<RpropScalars> rprop;
  StepLoop<AsgdScalars> asgd;
  StepLoop<LerpScalars> lerp;
  StepLoop<ScaleScalars> scale;
};
FB_ISA_TABLE(OptimLoops, optim_loops)

}  // namespace fb
