// Bags of looked-up rows: kernels/bag.h.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/bag.h"

namespace fb::py {

using namespace nb::literals;

void bind_bag(nb::module_& m) {
  m.def(
      "embedding_bag",
      [](const Tensor& weight, const Tensor& index, const Tensor& offsets, const Tensor* factors,
         const std::string& mode, bool last_included, std::int64_t padding) {
        const Tensor table = weight, i = index, o = offsets;
        const Held f(factors);
        const BagMode how = bag_mode_of(mode.c_str());
        return released(i.numel() * 16, [&] {
          return embedding_bag(table, i, o, f.get(), how, last_included, padding);
        });
      },
      "weight"_a, "index"_a, "offsets"_a, "factors"_a.none(), "mode"_a, "last_included"_a,
      "padding"_a);
  m.def(
      "embedding_bag_backward",
      [](const Tensor& grad, const Tensor& index, const Tensor& of_index, const Tensor* shares,
         std::int64_t rows) {
        const Tensor g = grad, i = index, b = of_index;
        const Held s(shares);
        return released(g.numel(), [&] { return embedding_bag_backward(g, i, b, s.get(), rows); });
      },
      "grad"_a, "index"_a, "of_index"_a, "shares"_a.none(), "rows"_a);
}

}  // namespace fb::py
