#include "kernels/optim.h"

#include <cmath>

#include "kernels/optim_rows.h"

namespace fb {

using optim::Distinct;
using optim::make_rows;
using optim::run_rows;

namespace {

// The value of a counter of a parameter: a tensor of one float.
double read_counter(const char* op, const Tensor& counter) {
  FB_CHECK(counter.numel() == 1 && counter.is_cpu(), Runtime, op,
           ": a step count must be one number on the CPU, got ", counter.sizes());
  return dispatch_float(counter.dtype(), op,
                        [&]<class T>() { return static_cast<double>(*counter.data<T>()); });
}

void write_counter(const char* op, const Tensor& counter, double value) {
  counter.bump_version();
  dispatch_float(counter.dtype(), op, [&]<class T>() { *counter.data<T>() = T(value); });
}

// Multiplies in the arithmetic of the counter, which is what follows the reference.
double multiply_counter(const char* op, const Tensor& counter, double factor) {
  counter.bump_version();
  return dispatch_float(counter.dtype(), op, [&]<class T>() {
    return static_cast<double>(*counter.data<T>() *= static_cast<T>(factor));
  });
}

void check_counters(const char* op, Tensors params, Tensors counters) {
  FB_CHECK(counters.size() == params.size(), Runtime, op,
           ": the lists must have one length: there are ", params.size(),
           " parameters, got a list of ", counters.size());
  for (const Tensor* counter : counters) read_counter(op, *counter);
}

// Counts every parameter's step; nothing has changed if a count is wrong.
Distinct<double> count_steps(const char* op, Tensors params, Tensors steps) {
  check_counters(op, params, steps);
  Distinct<double> counts;
  for (const Tensor* step : steps) {
    const double count = read_counter(op, *step) + 1;
    write_counter(op, *step, count);
    counts.add(count);
  }
  return counts;
}

// One value for all.
Distinct<double> uncounted(std::size_t params) {
  return {{0.0}, std::vector<std::size_t>(params, 0)};
}

template <class T>
T sign(bool maximize) {
  return T(maximize ? -1 : 1);
}

// The scalars of a running average of the gradient and one of its square, with either kind of
// weight decay.
template <class Scalars, class T, class Options>
void set_averages(Scalars& s, T, const Options& o, bool decoupled) {
  s.blend = static_cast<T>(1 - o.beta1);
  s.beta1 = T(1) - s.blend;
  s.beta2 = static_cast<T>(o.beta2);
  s.rest2 = static_cast<T>(1 - o.beta2);
  s.eps = static_cast<T>(o.eps);
  s.decay = decoupled ? T(0) : static_cast<T>(o.weight_decay);
  s.shrink = decoupled ? static_cast<T>(1 - o.lr * o.weight_decay) : T(1);
  s.sign = sign<T>(o.maximize);
}

// How much a running average that started from zero is too small after so many steps.
double bias(double beta, double step) { return 1 - std::pow(beta, step); }

}  // namespace

void sgd_step(Tensors params, Tensors grads, Tensors buffers, const SgdOptions& o) {
  const auto rows = make_rows("sgd_step", {params, grads, buffers}, 2);
  run_rows(rows, optim_loops().sgd, uncounted(params.size()), [&]<class T>(T, double) {
    return SgdScalars<T>{static_cast<T>(o.lr),
                         static_cast<T>(o.momentum),
                         static_cast<T>(1 - o.dampening),
                         static_cast<T>(o.weight_decay),
                         sign<T>(o.maximize),
                         o.nesterov,
                         o.first_step};
  });
}

void adam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
               Tensors largest_sqs, Tensors steps, const AdamOptions& o) {
  const auto rows = make_rows("adam_step", {params, grads, averages, average_sqs, largest_sqs}, 4);
  const auto counts = count_steps("adam_step", params, steps);
  run_rows(rows, optim_loops().adam, counts, [&]<class T>(T, double step) {
    AdamScalars<T> s;
    set_averages(s, T{}, o, o.decoupled);
    s.step_size = static_cast<T>(o.lr / bias(o.beta1, step));
    s.correction = static_cast<T>(std::sqrt(bias(o.beta2, step)));
    return s;
  });
}

void adamax_step(Tensors params, Tensors grads, Tensors averages, Tensors norms, Tensors steps,
                 const AdamaxOptions& o) {
  const auto rows = make_rows("adamax_step", {params, grads, averages, norms});
  const auto counts = count_steps("adamax_step", params, steps);
  run_rows(rows, optim_loops().adamax, counts, [&]<class T>(T, double step) {
    const T blend = static_cast<T>(1 - o.beta1);
    return AdamaxScalars<T>{blend,
                            T(1) - blend,
                            static_cast<T>(o.beta2),
                            static_cast<T>(o.eps),
                            static_cast<T>(o.lr / bias(o.beta1, step)),
                            static_cast<T>(o.weight_decay),
                            sign<T>(o.maximize)};
  });
}

void nadam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs,
                Tensors mu_products, Tensors steps, const NAdamOptions& o) {
  const auto rows = make_rows("nadam_step", {params, grads, averages, average_sqs});
  check_counters("nadam_step", params, mu_products);
  const auto counts = count_steps("nadam_step", params, steps);
  // The momentum of a step, which rises towards beta1.
  const auto momentum = [&](double step) {
    return o.beta1 * (1 - 0.5 * std::pow(0.96, step * o.momentum_decay));
  };
  Distinct<std::array<double, 2>> states;  // step, product of the momenta
  for (std::size_t i = 0; i < params.size(); ++i) {
    const double step = counts.values[counts.number_of[i]];
    states.add({step, multiply_counter("nadam_step", *mu_products[i], momentum(step))});
  }
  run_rows(rows, optim_loops().nadam, states, [&]<class T>(T, const std::array<double, 2>& state) {
    const auto [step, product] = state;
    const double now = momentum(step), next = momentum(step + 1);
    NAdamScalars<T> s;
    set_averages(s, T{}, o, o.decoupled);
    s.correction = static_cast<T>(bias(o.beta2, step));
    s.of_gradient = static_cast<T>(-o.lr * (1 - now) / (1 - product));
    s.of_average = static_cast<T>(-o.lr * next / (1 - product * next));
    return s;
  });
}

void radam_step(Tensors params, Tensors grads, Tensors averages, Tensors average_sqs, Tensors steps,
                const AdamOptions& o) {
  const auto rows = make_rows("radam_step", {params, grads, averages, average_sqs});
  const auto counts = count_steps("radam_step", params, steps);
  run_rows(rows, optim_loops().radam, counts, [&]<class T>(T, double step) {
    // The length of the average of squares, at most and now.
    const double most = 2 / (1 - o.beta2) - 1;
    const double length = most - 2 * step * std::pow(o.beta2, step) / bias(o.beta2, step);
    const double variance = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length);
    RAdamScalars<T> s;
    set_averages(s, T{}, o, o.decoupled);
    s.unbias = static_cast<T>(bias(o.beta1, step));
    s.lr = static_cast<T>(o.lr);
    s.correction = static_cast<T>(std::sqrt(bias(o.beta2, step)));
    s.rectified = length > 5;
    s.rectifier = s.rectified ? static_cast<T>(std::sqrt(variance)) : T(1);
    return s;
  });
}

void adagrad_step(Tensors params, Tensors grads, Tensors sums, Tensors steps,
                  const AdagradOptions& o) {
  const auto rows = make_rows("adagrad_step", {params, grads, sums});
  const auto counts = count_steps("adagrad_step", params, steps);
  run_rows(rows, optim_loops().adagrad, counts, [&]<class T>(T, double step) {
    return AdagradScalars<T>{static_cast<T>(o.lr / (1 + (step - 1) * o.lr_decay)),
                             static_cast<T>(o.eps), static_cast<T>(o.weight_decay),
                             sign<T>(o.maximize)};
  });
}

void adadelta_step(Tensors params, Tensors grads, Tensors average_sqs, Tensors deltas,
                   Tensors steps, const AdadeltaOptions& o) {
  const auto rows = make_rows("adadelta_step", {params, grads, average_sqs, deltas});
  const auto counts = count_steps("adadelta_step", params, steps);
  run_rows(rows, optim_loops().adadelta, counts, [&]<class T>(T, double) {
    return AdadeltaScalars<T>{static_cast<T>(o.lr),           static_cast<T>(o.rho),
                              static_cast<T>(1 - o.rho),      static_cast<T>(o.eps),
                              static_cast<T>(o.weight_decay), sign<T>(o.maximize)};
  });
}

void rmsprop_step(Tensors params, Tensors grads, Tensors average_sqs, Tensors averages,
                  Tensors buffers, Tensors steps, const RmspropOptions& o) {
  const auto rows = make_rows("rmsprop_step", {params, grads, average_sqs, averages, buffers}, 3);
  const auto counts = count_steps("rmsprop_step", params, steps);
  run_rows(rows, optim_loops().rmsprop, counts, [&]<class T>(T, double) {
    return RmspropScalars<T>{static_cast<T>(o.lr),        static_cast<T>(o.alpha),
                             static_cast<T>(1 - o.alpha), static_cast<T>(o.eps),
                             static_cast<T>(o.momentum),  static_cast<T>(o.weight_decay),
                             sign<T>(o.maximize)};
  });
}

void rprop_step(Tensors params, Tensors grads, Tensors previous, Tensors step_sizes, Tensors steps,
                const RpropOptions& o) {
  const auto rows = make_rows("rprop_step", {params, grads, previous, step_sizes});
  const auto counts = count_steps("rprop_step", params, steps);
  run_rows(rows, optim_loops().rprop, counts, [&]<class T>(T, double) {
    return RpropScalars<T>{static_cast<T>(o.eta_minus), static_cast<T>(o.eta_plus),
                           static_cast<T>(o.step_min), static_cast<T>(o.step_max),
                           sign<T>(o.maximize)};
  });
}

void asgd_step(Tensors params, Tensors grads, Tensors averages, Tensors etas, Tensors mus,
               Tensors steps, const AsgdOptions& o) {
  const auto rows = make_rows("asgd_step", {params, grads, averages});
  check_counters("asgd_step", params, etas);
  check_counters("asgd_step", params, mus);
  const auto counts = count_steps("asgd_step", params, steps);
  Distinct<std::array<double, 2>> states;  // eta, mu of this step
  for (std::size_t i = 0; i < params.size(); ++i) {
    const double step = counts.values[counts.number_of[i]];
    states.add({read_counter("asgd_step", *etas[i]), read_counter("asgd_step", *mus[i])});
    write_counter("asgd_step", *etas[i], o.lr / std::pow(1 + o.lambd * o.lr * step, o.alpha));
    write_counter("asgd_step", *mus[i], 1 / std::max(1.0, step - o.t0));
  }
  run_rows(rows, optim_loops().asgd, states, [&]<class T>(T, const std::array<double, 2>& state) {
    const auto [eta, mu] = state;
    return AsgdScalars<T>{static_cast<T>(1 - o.lambd * eta), static_cast<T>(eta),
                          static_cast<T>(mu), static_cast<T>(o.weight_decay), sign<T>(o.maximize)};
  });
}

void lerp_step(Tensors targets, Tensors sources, double weight) {
  const auto rows = make_rows("lerp_step", {targets, sources});
  run_rows(rows, optim_loops().lerp, uncounted(targets.size()), [&]<class T>(T, double) {
    return LerpScalars<T>{static_cast<T>(weight), T(1) - static_cast<T>(weight)};
  });
}

void scale_step(Tensors tensors, double factor) {
  const auto rows = make_rows("scale_step", {tensors});
  run_rows(rows, optim_loops().scale, uncounted(tensors.size()),
           [&]<class T>(T, double) { return ScaleScalars<T>{static_cast<T>(factor)}; });
}

}  // namespace fb
