// Pooling: kernels/pool.h.
#include <nanobind/stl/pair.h>

#include "bind/pytensor.h"
#include "kernels/pool.h"

namespace fb::py {

void bind_pool(nb::module_& m) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  m.def("max_pool", &max_pool, Released());
  m.def("adaptive_max_pool", &adaptive_max_pool, Released());
  m.def("fractional_max_pool", &fractional_max_pool, Released());
  m.def("max_pool_backward", &max_pool_backward, Released());
  m.def("max_unpool", &max_unpool, Released());
  m.def("avg_pool", &avg_pool, Released());
  m.def("avg_pool_backward", &avg_pool_backward, Released());
  m.def("adaptive_avg_pool", &adaptive_avg_pool, Released());
  m.def("adaptive_avg_pool_backward", &adaptive_avg_pool_backward, Released());
}

}  // namespace fb::py
