// flambeau._C: one init function per file of this folder.
#include "bind/pytensor.h"

namespace fb::py {
void bind_random(nb::module_& m);
void bind_tensor(nb::module_& m);
void bind_index(nb::module_& m);
void bind_creation(nb::module_& m);
void bind_movement(nb::module_& m);
void bind_storage(nb::module_& m);
void bind_dlpack(nb::module_& m);
void bind_reduce(nb::module_& m);
}  // namespace fb::py

NB_MODULE(_C, m) {
  m.doc() = "The compiled layer of flambeau: tensors, the recorder and the CPU kernels.";
  fb::py::init_dtype(m);
  fb::py::init_tensor(m);
  fb::py::init_op(m);
  fb::py::init_engine(m);
  fb::py::bind_random(m);
  fb::py::bind_tensor(m);
  fb::py::bind_index(m);
  fb::py::bind_creation(m);
  fb::py::bind_movement(m);
  fb::py::bind_storage(m);
  fb::py::bind_dlpack(m);
  fb::py::bind_reduce(m);
}
