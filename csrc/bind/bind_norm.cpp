// Normalisations: the functions of kernels/norm.h.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/format.h"
#include "kernels/norm.h"

namespace fb::py {

using namespace nb::literals;

void bind_norm(nb::module_& m) {
  m.def(
      "batch_norm",
      [](const Tensor& t, const Tensor* weight, const Tensor* bias, const Tensor* running_mean,
         const Tensor* running_var, bool training, double momentum, double eps) {
        const Tensor in = t;
        const Held w(weight), b(bias), rm(running_mean), rv(running_var);
        return released(t.numel(), [&] {
          return batch_norm(in, w.get(), b.get(), rm.get(), rv.get(), training, momentum, eps);
        });
      },
      "t"_a, "weight"_a.none(), "bias"_a.none(), "running_mean"_a.none(), "running_var"_a.none(),
      "training"_a, "momentum"_a, "eps"_a);
  m.def(
      "batch_norm_backward",
      [](const Tensor& grad, const Tensor& t, const Tensor* weight, const Tensor& mean,
         const Tensor& rstd, bool training) {
        const Tensor g = grad, in = t, held_mean = mean, held_rstd = rstd;
        const Held w(weight);
        return released(t.numel(), [&] {
          return batch_norm_backward(g, in, w.get(), held_mean, held_rstd, training);
        });
      },
      "grad"_a, "t"_a, "weight"_a.none(), "mean"_a, "rstd"_a, "training"_a);
  m.def(
      "group_norm",
      [](const Tensor& t, std::int64_t groups, const Tensor* weight, const Tensor* bias,
         double eps) {
        const Tensor in = t;
        const Held w(weight), b(bias);
        return released(t.numel(), [&] {
          auto [out, mean, rstd] = group_norm(in, groups, w.get(), b.get(), eps);
          return TensorTriple{in_channels_last(out, is_channels_last(in)), mean, rstd};
        });
      },
      "t"_a, "groups"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a);
  m.def(
      "group_norm_backward",
      [](const Tensor& grad, const Tensor& t, std::int64_t groups, const Tensor* weight,
         const Tensor& mean, const Tensor& rstd) {
        const Tensor g = grad, in = t, held_mean = mean, held_rstd = rstd;
        const Held w(weight);
        return released(t.numel(), [&] {
          return group_norm_backward(g, in, groups, w.get(), held_mean, held_rstd);
        });
      },
      "grad"_a, "t"_a, "groups"_a, "weight"_a.none(), "mean"_a, "rstd"_a);
  m.def(
      "layer_norm",
      [](const Tensor& t, const Dims& shape, const Tensor* weight, const Tensor* bias, double eps) {
        const Tensor in = t;
        const Held w(weight), b(bias);
        return released(t.numel(), [&] { return layer_norm(in, shape, w.get(), b.get(), eps); });
      },
      "t"_a, "shape"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a);
  m.def(
      "layer_norm_backward",
      [](const Tensor& grad, const Tensor& t, const Dims& shape, const Tensor* weight,
         const Tensor& mean, const Tensor& rstd) {
        const Tensor g = grad, in = t, held_mean = mean, held_rstd = rstd;
        const Held w(weight);
        return released(t.numel(), [&] {
          return layer_norm_backward(g, in, shape, w.get(), held_mean, held_rstd);
        });
      },
      "grad"_a, "t"_a, "shape"_a, "weight"_a.none(), "mean"_a, "rstd"_a);
  m.def(
      "rms_norm",
      [](const Tensor& t, const Dims& shape, const Tensor* weight, double eps) {
        const Tensor in = t;
        const Held w(weight);
        return released(t.numel(), [&] { return rms_norm(in, shape, w.get(), eps); });
      },
      "t"_a, "shape"_a, "weight"_a.none(), "eps"_a);
  m.def(
      "rms_norm_backward",
      [](const Tensor& grad, const Tensor& t, const Dims& shape, const Tensor* weight,
         const Tensor& rstd) {
        const Tensor g = grad, in = t, held_rstd = rstd;
        const Held w(weight);
        return released(t.numel(),
                        [&] { return rms_norm_backward(g, in, shape, w.get(), held_rstd); });
      },
      "grad"_a, "t"_a, "shape"_a, "weight"_a.none(), "rstd"_a);
}

}  // namespace fb::py
