// Steps of optimizers. A list holds one tensor for each parameter; None stands for a list that the
// options do not need.
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>
#include <vector>

#include "bind/pytensor.h"
#include "kernels/lbfgs.h"
#include "kernels/newton_schulz.h"
#include "kernels/optim.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// The tensors of a Python list, without copying them while the GIL protects them.
class TensorList {
 public:
  explicit TensorList(nb::handle list) {
    if (list.is_none()) return;
    FB_CHECK(PyList_Check(list.ptr()), Type, "expected a list of tensors or None");
    const Py_ssize_t n = PyList_GET_SIZE(list.ptr());
    pointers_.reserve(static_cast<std::size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PyList_GET_ITEM(list.ptr(), i);
      FB_CHECK(is_tensor(item), Type, "expected a list of tensors, got an element of type ",
               Py_TYPE(item)->tp_name);
      FB_CHECK(!kernel_tensor(item).is_lazy(), Runtime,
               "optimizers take no conj or neg views: use resolve_conj() or resolve_neg() first");
      pointers_.push_back(&as_tensor(item)->t);
      numel_ += as_tensor(item)->t.numel();
    }
  }
  // Takes copies of the tensors: from here on other threads may change the Python objects.
  void own() {
    copies_.reserve(pointers_.size());
    for (auto& pointer : pointers_) pointer = &copies_.emplace_back(*pointer);
  }
  std::int64_t numel() const { return numel_; }
  operator Tensors() const { return pointers_; }

 private:
  std::vector<const Tensor*> pointers_;
  std::vector<Tensor> copies_;
  std::int64_t numel_ = 0;
};

using Lists = std::vector<TensorList>;

// Runs step(lists), without the GIL where that is worth it.
template <class F>
void stepping(std::initializer_list<nb::handle> handles, F&& step) {
  Lists lists;
  lists.reserve(handles.size());
  for (nb::handle list : handles) lists.emplace_back(list);
  note_writers(Tensors(lists.front()));
  if (lists.front().numel() < 16384) {
    step(lists);
    return;
  }
  for (TensorList& list : lists) list.own();
  nb::gil_scoped_release release;
  step(lists);
}

void bind_optimizers(nb::module_& m) {
  m.def(
      "sgd_step",
      [](nb::handle params, nb::handle grads, nb::handle momentum_buffers, double lr,
         double momentum, double dampening, double weight_decay, bool nesterov, bool maximize,
         bool first_step) {
        stepping({params, grads, momentum_buffers}, [&](const Lists& l) {
          sgd_step(l[0], l[1], l[2],
                   {lr, momentum, dampening, weight_decay, nesterov, maximize, first_step});
        });
      },
      "params"_a, "grads"_a, "momentum_buffers"_a.none(), "lr"_a, "momentum"_a, "dampening"_a,
      "weight_decay"_a, "nesterov"_a, "maximize"_a, "first_step"_a);
  m.def(
      "adam_step",
      [](nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_avg_sqs,
         nb::handle max_exp_avg_sqs, nb::handle steps, double lr, double beta1, double beta2,
         double eps, double weight_decay, bool decoupled, bool maximize) {
        stepping({params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps},
                 [&](const Lists& l) {
                   adam_step(l[0], l[1], l[2], l[3], l[4], l[5],
                             {lr, beta1, beta2, eps, weight_decay, decoupled, maximize});
                 });
      },
      "params"_a, "grads"_a, "exp_avgs"_a, "exp_avg_sqs"_a, "max_exp_avg_sqs"_a.none(), "steps"_a,
      "lr"_a, "beta1"_a, "beta2"_a, "eps"_a, "weight_decay"_a, "decoupled"_a, "maximize"_a);
  m.def(
      "adamax_step",
      [](nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_infs,
         nb::handle steps, double lr, double beta1, double beta2, double eps, double weight_decay,
         bool maximize) {
        stepping({params, grads, exp_avgs, exp_infs, steps}, [&](const Lists& l) {
          adamax_step(l[0], l[1], l[2], l[3], l[4],
                      {lr, beta1, beta2, eps, weight_decay, maximize});
        });
      },
      "params"_a, "grads"_a, "exp_avgs"_a, "exp_infs"_a, "steps"_a, "lr"_a, "beta1"_a, "beta2"_a,
      "eps"_a, "weight_decay"_a, "maximize"_a);
  m.def(
      "nadam_step",
      [](nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_avg_sqs,
         nb::handle mu_products, nb::handle steps, double lr, double beta1, double beta2,
         double eps, double weight_decay, double momentum_decay, bool decoupled, bool maximize) {
        stepping({params, grads, exp_avgs, exp_avg_sqs, mu_products, steps}, [&](const Lists& l) {
          nadam_step(l[0], l[1], l[2], l[3], l[4], l[5],
                     {lr, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize});
        });
      },
      "params"_a, "grads"_a, "exp_avgs"_a, "exp_avg_sqs"_a, "mu_products"_a, "steps"_a, "lr"_a,
      "beta1"_a, "beta2"_a, "eps"_a, "weight_decay"_a, "momentum_decay"_a, "decoupled"_a,
      "maximize"_a);
  m.def(
      "radam_step",
      [](nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_avg_sqs,
         nb::handle steps, double lr, double beta1, double beta2, double eps, double weight_decay,
         bool decoupled, bool maximize) {
        stepping({params, grads, exp_avgs, exp_avg_sqs, steps}, [&](const Lists& l) {
          radam_step(l[0], l[1], l[2], l[3], l[4],
                     {lr, beta1, beta2, eps, weight_decay, decoupled, maximize});
        });
      },
      "params"_a, "grads"_a, "exp_avgs"_a, "exp_avg_sqs"_a, "steps"_a, "lr"_a, "beta1"_a, "beta2"_a,
      "eps"_a, "weight_decay"_a, "decoupled"_a, "maximize"_a);
  m.def(
      "adagrad_step",
      [](nb::handle params, nb::handle grads, nb::handle sums, nb::handle steps, double lr,
         double lr_decay, double eps, double weight_decay, bool maximize) {
        stepping({params, grads, sums, steps}, [&](const Lists& l) {
          adagrad_step(l[0], l[1], l[2], l[3], {lr, lr_decay, eps, weight_decay, maximize});
        });
      },
      "params"_a, "grads"_a, "sums"_a, "steps"_a, "lr"_a, "lr_decay"_a, "eps"_a, "weight_decay"_a,
      "maximize"_a);
  m.def(
      "adadelta_step",
      [](nb::handle params, nb::handle grads, nb::handle square_avgs, nb::handle acc_deltas,
         nb::handle steps, double lr, double rho, double eps, double weight_decay, bool maximize) {
        stepping({params, grads, square_avgs, acc_deltas, steps}, [&](const Lists& l) {
          adadelta_step(l[0], l[1], l[2], l[3], l[4], {lr, rho, eps, weight_decay, maximize});
        });
      },
      "params"_a, "grads"_a, "square_avgs"_a, "acc_deltas"_a, "steps"_a, "lr"_a, "rho"_a, "eps"_a,
      "weight_decay"_a, "maximize"_a);
  m.def(
      "rmsprop_step",
      [](nb::handle params, nb::handle grads, nb::handle square_avgs, nb::handle grad_avgs,
         nb::handle momentum_buffers, nb::handle steps, double lr, double alpha, double eps,
         double momentum, double weight_decay, bool maximize) {
        stepping({params, grads, square_avgs, grad_avgs, momentum_buffers, steps},
                 [&](const Lists& l) {
                   rmsprop_step(l[0], l[1], l[2], l[3], l[4], l[5],
                                {lr, alpha, eps, momentum, weight_decay, maximize});
                 });
      },
      "params"_a, "grads"_a, "square_avgs"_a, "grad_avgs"_a.none(), "momentum_buffers"_a.none(),
      "steps"_a, "lr"_a, "alpha"_a, "eps"_a, "momentum"_a, "weight_decay"_a, "maximize"_a);
  m.def(
      "rprop_step",
      [](nb::handle params, nb::handle grads, nb::handle prevs, nb::handle step_sizes,
         nb::handle steps, double eta_minus, double eta_plus, double step_min, double step_max,
         bool maximize) {
        stepping({params, grads, prevs, step_sizes, steps}, [&](const Lists& l) {
          rprop_step(l[0], l[1], l[2], l[3], l[4],
                     {eta_minus, eta_plus, step_min, step_max, maximize});
        });
      },
      "params"_a, "grads"_a, "prevs"_a, "step_sizes"_a, "steps"_a, "eta_minus"_a, "eta_plus"_a,
      "step_min"_a, "step_max"_a, "maximize"_a);
  m.def(
      "asgd_step",
      [](nb::handle params, nb::handle grads, nb::handle axs, nb::handle etas, nb::handle mus,
         nb::handle steps, double lr, double lambd, double alpha, double t0, double weight_decay,
         bool maximize) {
        stepping({params, grads, axs, etas, mus, steps}, [&](const Lists& l) {
          asgd_step(l[0], l[1], l[2], l[3], l[4], l[5],
                    {lr, lambd, alpha, t0, weight_decay, maximize});
        });
      },
      "params"_a, "grads"_a, "axs"_a, "etas"_a, "mus"_a, "steps"_a, "lr"_a, "lambd"_a, "alpha"_a,
      "t0"_a, "weight_decay"_a, "maximize"_a);
}

// Averages and scaled gradients.
void bind_lists(nb::module_& m) {
  m.def(
      "lerp_step",
      [](nb::handle targets, nb::handle sources, double weight) {
        stepping({targets, sources}, [&](const Lists& l) { lerp_step(l[0], l[1], weight); });
      },
      "targets"_a, "sources"_a, "weight"_a);
  m.def(
      "scale_step",
      [](nb::handle tensors, double factor) {
        stepping({tensors}, [&](const Lists& l) { scale_step(l[0], factor); });
      },
      "tensors"_a, "factor"_a);
}

void bind_lbfgs(nb::module_& m) {
  m.def(
      "lbfgs_direction",
      [](const Tensor& gradient, nb::handle steps, nb::handle changes,
         const std::vector<double>& inverses, double scale) {
        const Tensor held = gradient;
        LbfgsDirection found;
        stepping({steps, changes}, [&](const Lists& l) {
          found = lbfgs_direction(held, l[0], l[1], inverses, scale);
        });
        return std::make_tuple(found.direction, found.slope, found.largest);
      },
      "gradient"_a, "steps"_a, "changes"_a, "inverses"_a, "scale"_a);
  m.def(
      "lbfgs_join",
      [](nb::handle parts) {
        LbfgsVector found;
        stepping({parts}, [&](const Lists& l) { found = lbfgs_join(l[0]); });
        return std::make_tuple(found.vector, found.largest);
      },
      "parts"_a);
  m.def(
      "lbfgs_change",
      [](const Tensor& gradient, const Tensor& previous, const Tensor& direction, double length) {
        const Tensor g = gradient, p = previous, d = direction;
        const nb::gil_scoped_release release;
        const LbfgsChange found = lbfgs_change(g, p, d, length);
        return std::make_tuple(found.change, found.step, found.curvature, found.square);
      },
      "gradient"_a, "previous"_a, "direction"_a, "length"_a);
}

void bind_newton_schulz(nb::module_& m) {
  m.def(
      "newton_schulz",
      [](nb::handle matrices, const std::vector<double>& factors, double a, double b, double c,
         int iterations, double eps) {
        std::vector<Tensor> results;
        stepping({matrices}, [&](const Lists& l) {
          results = newton_schulz(l[0], factors, {a, b, c, iterations, eps});
        });
        return results;
      },
      "matrices"_a, "factors"_a, "a"_a, "b"_a, "c"_a, "iterations"_a, "eps"_a);
}

}  // namespace

void bind_optim(nb::module_& m) {
  bind_optimizers(m);
  bind_lists(m);
  bind_lbfgs(m);
  bind_newton_schulz(m);
}

}  // namespace fb::py
