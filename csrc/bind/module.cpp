// flambeau._C: the object types, then one function per bind_<family>.cpp (the build lists them).
#include "bind/pytensor.h"

namespace fb::py {
#define FB_FAMILY(name) void bind_##name(nb::module_& m);
#include "bind_families.inc"
#undef FB_FAMILY
}  // namespace fb::py

NB_MODULE(_C, m) {
  m.doc() = "The compiled layer of flambeau: tensors, the recorder and the CPU kernels.";
  // The recorder and the engine hold operations, the class Tensor and the default generator until
  // the process ends: destructors of the user's objects may call operations to the last.
  nanobind::set_leak_warnings(false);
  fb::py::init_dtype(m);
  fb::py::init_tensor(m);
  fb::py::init_op(m);
  fb::py::init_node(m);
  fb::py::init_engine(m);
  fb::py::init_transform(m);
#define FB_FAMILY(name) fb::py::bind_##name(m);
#include "bind_families.inc"
#undef FB_FAMILY
}
