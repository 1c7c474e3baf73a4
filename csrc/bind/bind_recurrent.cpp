// Recurrent layers: the functions of kernels/recurrent.h.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/recurrent.h"

namespace fb::py {

using namespace nb::literals;

namespace {

using Sizes = std::optional<std::vector<std::int64_t>>;

RecurrentMode mode_of(int index) {
  FB_CHECK(index >= 0 && index < num_recurrent_modes, Value, "recurrent: no mode ", index);
  return static_cast<RecurrentMode>(index);
}

}  // namespace

void bind_recurrent(nb::module_& m) {
  m.def(
      "recurrent",
      [](int mode, const Tensor& x, const Tensor& h, const Tensor* c, const Tensor& weight,
         const Tensor* bias, Sizes sizes, bool reverse) {
        const Held held_c(c), held_bias(bias);
        const RecurrentInputs in{mode_of(mode),    x,      h, held_c.get(), weight, held_bias.get(),
                                 std::move(sizes), reverse};
        const RecurrentResults r = released(x.numel() * 16, [&] { return recurrent(in); });
        return std::make_tuple(r.out, r.h, r.c, r.kept, r.c_before, r.h_before);
      },
      "mode"_a, "x"_a, "h"_a, "c"_a.none(), "weight"_a, "bias"_a.none(), "sizes"_a.none(),
      "reverse"_a);
  m.def(
      "recurrent_backward",
      [](const Tensor* of_out, const Tensor* of_h, const Tensor* of_c, int mode, const Tensor& x,
         const Tensor& h, const Tensor* c, const Tensor& weight, const Tensor* bias, Sizes sizes,
         bool reverse, const Tensor& out, const Tensor& kept, const Tensor& c_before,
         const Tensor& h_before) {
        const Held held_c(c), held_bias(bias), g(of_out), gh(of_h), gc(of_c);
        const RecurrentInputs in{mode_of(mode),    x,      h, held_c.get(), weight, held_bias.get(),
                                 std::move(sizes), reverse};
        const RecurrentResults results{out, {}, {}, kept, c_before, h_before};
        const RecurrentGradients to = released(x.numel() * 16, [&] {
          return recurrent_backward(in, results, g.get(), gh.get(), gc.get());
        });
        return std::make_tuple(to.x, to.h, to.c, to.product);
      },
      "of_out"_a.none(), "of_h"_a.none(), "of_c"_a.none(), "mode"_a, "x"_a, "h"_a, "c"_a.none(),
      "weight"_a, "bias"_a.none(), "sizes"_a.none(), "reverse"_a, "out"_a, "kept"_a, "c_before"_a,
      "h_before"_a);
}

}  // namespace fb::py
