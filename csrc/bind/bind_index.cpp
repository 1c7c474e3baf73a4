// Indexing kernels. Index lists come as Python lists of tensors and None.
#include <nanobind/stl/vector.h>

#include "bind/pytensor.h"
#include "kernels/index.h"

namespace fb::py {
namespace {

Indices to_indices(nb::list list) {
  Indices out;
  for (nb::handle o : list) {
    if (o.is_none()) {
      out.emplace_back();
      continue;
    }
    if (!is_tensor(o.ptr())) throw nb::type_error("index: expected tensors or None");
    out.emplace_back(resolved(kernel_tensor(o.ptr())));
  }
  return out;
}

// Calls f without the GIL when there is much to do.
template <class F>
auto run(std::int64_t work, F&& f) {
  if (work < (1 << 16)) return f();
  nb::gil_scoped_release release;
  return f();
}

std::vector<Tensor> to_tensors(nb::handle sequence, const char* op) {
  nb::object fast = nb::steal(PySequence_Fast(sequence.ptr(), "expected a sequence of tensors"));
  if (!fast) throw nb::python_error();
  std::vector<Tensor> out;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(fast.ptr(), k);
    if (!is_tensor(o))
      fail(ErrorKind::Type, op, "(): expected Tensor as element ", k, " in argument 0, but got ",
           Py_TYPE(o)->tp_name);
    out.push_back(resolved(kernel_tensor(o)));
  }
  return out;
}

}  // namespace

void bind_index(nb::module_& m) {
  m.def("index", [](const Tensor& t, nb::list indices) {
    const Tensor self = t;
    const Indices list = to_indices(indices);
    return run(self.numel(), [&] { return index(self, list); });
  });
  m.def("index_put", [](const Tensor& t, nb::list indices, const Tensor& values, bool accumulate) {
    index_put(t, to_indices(indices), values, accumulate);
  });
  m.def("index_select", [](const Tensor& t, std::int64_t dim, const Tensor& i) {
    return index_select(t, normalize_dim(dim, t.ndim(), "index_select"), i);
  });
  m.def("index_add", [](const Tensor& t, std::int64_t dim, const Tensor& i, const Tensor& source,
                        const Scalar& alpha) {
    index_add(t, normalize_dim(dim, t.ndim(), "index_add_"), i, source, alpha);
  });
  m.def("gather", [](const Tensor& t, std::int64_t dim, const Tensor& i) {
    return gather(t, normalize_dim(dim, t.ndim(), "gather"), i);
  });
  m.def("scatter", [](const Tensor& t, std::int64_t dim, const Tensor& i, const Tensor& source,
                      int mode) {
    FB_CHECK(mode >= 0 && mode <= 4, Value, "scatter: unknown mode ", mode);
    scatter(t, normalize_dim(dim, t.ndim(), "scatter"), i, source, static_cast<Scatter>(mode));
  });
  m.def("where", [](const Tensor& c, const Tensor& a, const Tensor& b) {
    const Tensor x = c, y = a, z = b;
    return run(x.numel(), [&] { return where(x, y, z); });
  });
  m.def("nonzero", [](const Tensor& t) { return nonzero(t); });
  m.def("masked_select",
        [](const Tensor& t, const Tensor& mask) { return masked_select(t, mask); });
  m.def("cat", [](nb::handle tensors, std::int64_t dim) {
    const std::vector<Tensor> list = to_tensors(tensors, "cat");
    std::int64_t work = 0;
    for (const Tensor& t : list) work += t.numel();
    return run(work, [&] { return cat(list, dim); });
  });
}

}  // namespace fb::py
