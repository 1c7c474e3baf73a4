// Contractions of two tensors: kernels/contract.h.
#include "bind/pytensor.h"
#include "kernels/contract.h"

namespace fb::py {

void bind_contract(nb::module_& m) {
  m.def("contract", [](const Tensor& a, const Tensor& b, const Dims& a_labels, const Dims& b_labels,
                       const Dims& out_labels) {
    const Tensor held_a = a, held_b = b;
    if (a.numel() + b.numel() < 1 << 11) return contract(a, a_labels, b, b_labels, out_labels);
    const nb::gil_scoped_release release;
    return contract(held_a, a_labels, held_b, b_labels, out_labels);
  });
}

}  // namespace fb::py
