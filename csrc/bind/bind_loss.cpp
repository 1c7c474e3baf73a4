// Losses: the functions of kernels/loss.h.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/loss.h"

namespace fb::py {

using namespace nb::literals;

void bind_loss(nb::module_& m) {
  m.def(
      "cross_entropy",
      [](const Tensor& scores, const Tensor& target, const Tensor* weight,
         std::int64_t ignore_index, double smoothing, const std::string& reduction) {
        const Tensor x = scores, y = target;
        const Held w(weight);
        const Reduction how = reduction_of(reduction.c_str());
        return released(x.numel(),
                        [&] { return cross_entropy(x, y, w.get(), ignore_index, smoothing, how); });
      },
      "scores"_a, "target"_a, "weight"_a.none(), "ignore_index"_a, "smoothing"_a, "reduction"_a);
  m.def(
      "cross_entropy_backward",
      [](const Tensor& grad, const Tensor& scores, const Tensor& target, const Tensor* weight,
         const Tensor& lse, const Tensor& total_weight, std::int64_t ignore_index, double smoothing,
         const std::string& reduction) {
        const Tensor g = grad, x = scores, y = target, held_lse = lse, total = total_weight;
        const Held w(weight);
        const Reduction how = reduction_of(reduction.c_str());
        return released(x.numel(), [&] {
          return cross_entropy_backward(g, x, y, w.get(), held_lse, total, ignore_index, smoothing,
                                        how);
        });
      },
      "grad"_a, "scores"_a, "target"_a, "weight"_a.none(), "lse"_a, "total_weight"_a,
      "ignore_index"_a, "smoothing"_a, "reduction"_a);
  m.def(
      "nll_loss",
      [](const Tensor& log_probabilities, const Tensor& target, const Tensor* weight,
         std::int64_t ignore_index, const std::string& reduction) {
        return nll_loss(log_probabilities, target, weight, ignore_index,
                        reduction_of(reduction.c_str()));
      },
      "log_probabilities"_a, "target"_a, "weight"_a.none(), "ignore_index"_a, "reduction"_a);
  m.def(
      "nll_loss_backward",
      [](const Tensor& grad, const Tensor& log_probabilities, const Tensor& target,
         const Tensor* weight, const Tensor& total_weight, std::int64_t ignore_index,
         const std::string& reduction) {
        return nll_loss_backward(grad, log_probabilities, target, weight, total_weight,
                                 ignore_index, reduction_of(reduction.c_str()));
      },
      "grad"_a, "log_probabilities"_a, "target"_a, "weight"_a.none(), "total_weight"_a,
      "ignore_index"_a, "reduction"_a);
  m.def("pointwise_loss", [](const std::string& name, const Tensor& input, const Tensor& target,
                             double param, const std::string& reduction) {
    const Tensor x = input, y = target;
    const Pointwise kind = pointwise_of(name.c_str());
    const Reduction how = reduction_of(reduction.c_str());
    return released(x.numel(), [&] { return pointwise_loss(kind, x, y, param, how); });
  });
  m.def("pointwise_loss_backward", [](const std::string& name, const Tensor& grad,
                                      const Tensor& input, const Tensor& target, double param,
                                      const std::string& reduction) {
    const Tensor g = grad, x = input, y = target;
    const Pointwise kind = pointwise_of(name.c_str());
    const Reduction how = reduction_of(reduction.c_str());
    return released(x.numel(), [&] { return pointwise_loss_backward(kind, g, x, y, param, how); });
  });
}

}  // namespace fb::py
