// flambeau._C: the object types, then one function per bind_<family>.cpp (the build lists them).
#include "bind/pytensor.h"

namespace fb::py {
#define FB_FAMILY(name) void bind_##name(nb::module_& m);
#include "bind_families.inc"
#undef FB_FAMILY
void bind_random(nb::module_& m);
void bind_tensor(nb::module_& m);
void bind_index(nb::module_& m);
void bind_creation(nb::module_& m);
void bind_reduce(nb::module_& m);
void bind_elementwise(nb::module_& m);
}  // namespace fb::py

NB_MODULE(_C, m) {
  m.doc() = "The compiled layer of flambeau: tensors, the recorder and the CPU kernels.";
  fb::py::init_dtype(m);
  fb::py::init_tensor(m);
  fb::py::init_op(m);
  fb::py::init_engine(m);
#define FB_FAMILY(name) fb::py::bind_##name(m);
#include "bind_families.inc"
#undef FB_FAMILY
  fb::py::bind_random(m);
  fb::py::bind_tensor(m);
  fb::py::bind_index(m);
  fb::py::bind_creation(m);
  fb::py::bind_reduce(m);
  fb::py::bind_elementwise(m);
}
