// Steps of optimizers. A list holds one tensor for each parameter; None stands for a list that the
// options do not need.
#include <vector>

#include "bind/pytensor.h"
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
      FB_CHECK(!as_tensor(item)->t.is_lazy(), Runtime,
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

// Runs `step` on the lists, without the GIL where that is worth it.
template <class F, class... Lists>
void stepping(F&& step, TensorList& params, Lists&... others) {
  if (params.numel() < 16384) {
    step();
    return;
  }
  params.own();
  (others.own(), ...);
  nb::gil_scoped_release release;
  step();
}

void bound_sgd_step(nb::handle params, nb::handle grads, nb::handle momentum_buffers, double lr,
                    double momentum, double dampening, double weight_decay, bool nesterov,
                    bool maximize, bool first_step) {
  TensorList p(params), g(grads), b(momentum_buffers);
  const SgdOptions options{lr, momentum, dampening, weight_decay, nesterov, maximize, first_step};
  stepping([&] { sgd_step(p, g, b, options); }, p, g, b);
}

void bound_adam_step(nb::handle params, nb::handle grads, nb::handle exp_avgs,
                     nb::handle exp_avg_sqs, nb::handle max_exp_avg_sqs, nb::handle steps,
                     double lr, double beta1, double beta2, double eps, double weight_decay,
                     bool amsgrad, bool decoupled, bool maximize) {
  TensorList p(params), g(grads), m(exp_avgs), v(exp_avg_sqs),
      largest(amsgrad ? max_exp_avg_sqs : nb::handle(Py_None)), t(steps);
  const AdamOptions options{lr, beta1, beta2, eps, weight_decay, decoupled, maximize};
  stepping([&] { adam_step(p, g, m, v, largest, t, options); }, p, g, m, v, largest, t);
}

}  // namespace

void bind_optim(nb::module_& m) {
  m.def("sgd_step", bound_sgd_step, "params"_a, "grads"_a, "momentum_buffers"_a.none(), "lr"_a,
        "momentum"_a, "dampening"_a, "weight_decay"_a, "nesterov"_a, "maximize"_a, "first_step"_a);
  m.def("adam_step", bound_adam_step, "params"_a, "grads"_a, "exp_avgs"_a, "exp_avg_sqs"_a,
        "max_exp_avg_sqs"_a.none(), "steps"_a, "lr"_a, "beta1"_a, "beta2"_a, "eps"_a,
        "weight_decay"_a, "amsgrad"_a, "decoupled"_a, "maximize"_a);
}

}  // namespace fb::py
