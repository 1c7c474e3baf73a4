// Attention: the functions of kernels/attention.h.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/attention.h"

namespace fb::py {

using namespace nb::literals;

void bind_attention(nb::module_& m) {
  m.def(
      "attention",
      [](const Tensor& query, const Tensor& key, const Tensor& value, const Tensor* mask,
         const Tensor* kept, bool causal, double scale, double kept_factor) {
        const Tensor q = query, k = key, v = value;
        const Held held_mask(mask), held_kept(kept);
        return released(query.numel() * 16, [&] {
          return attention(q, k, v, {causal, scale, held_mask.get(), held_kept.get(), kept_factor});
        });
      },
      "query"_a, "key"_a, "value"_a, "mask"_a.none(), "kept"_a.none(), "causal"_a, "scale"_a,
      "kept_factor"_a);
  m.def(
      "attention_backward",
      [](const Tensor& grad, const Tensor& query, const Tensor& key, const Tensor& value,
         const Tensor& out, const Tensor& log_sums, const Tensor* mask, const Tensor* kept,
         bool causal, double scale, double kept_factor) {
        const Tensor g = grad, q = query, k = key, v = value, o = out, sums = log_sums;
        const Held held_mask(mask), held_kept(kept);
        return released(query.numel() * 16, [&] {
          return attention_backward(g, q, k, v, o, sums,
                                    {causal, scale, held_mask.get(), held_kept.get(), kept_factor});
        });
      },
      "grad"_a, "query"_a, "key"_a, "value"_a, "out"_a, "log_sums"_a, "mask"_a.none(),
      "kept"_a.none(), "causal"_a, "scale"_a, "kept_factor"_a);
}

}  // namespace fb::py
