// Views and rearranging copies: the functions of kernels/movement.h.
#include "kernels/movement.h"

#include <nanobind/stl/string.h>

#include "bind/pytensor.h"
#include "kernels/copy.h"

namespace fb::py {

namespace {

Geometry geometry(nb::tuple layout) {
  return {nb::cast<Dims>(layout[0]), nb::cast<Dims>(layout[1]), nb::cast<std::int64_t>(layout[2])};
}

std::uint64_t flipped(const Dims& dims, int ndim) {
  std::uint64_t bits = 0;
  for (auto d : dims) {
    const int at = normalize_dim(d, ndim, "flip");
    FB_CHECK(!(bits >> at & 1), Runtime, "flip: dim ", at,
             " appears multiple times in the list of dims");
    bits |= std::uint64_t{1} << at;
  }
  return bits;
}

// Long copies let other Python threads run meanwhile.
template <class F>
Tensor run(const Tensor& t, F&& f) {
  const Tensor held = t;
  if (held.numel() < (1 << 16)) return f(held);
  nb::gil_scoped_release release;
  return f(held);
}

}  // namespace

void bind_movement(nb::module_& m) {
  m.def("diagonal",
        [](const Lazy& lazy_view, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
          const Tensor& t = lazy_view;
          const int a = normalize_dim(dim1, t.ndim(), "diagonal"),
                    b = normalize_dim(dim2, t.ndim(), "diagonal");
          FB_CHECK(t.ndim() >= 2, Runtime,
                   "diagonal: input must have at least 2 dimensions: input is ", t.sizes());
          return diagonal(t, offset, a, b);
        });
  m.def("unfold", [](const Lazy& t, std::int64_t dim, std::int64_t size, std::int64_t step) {
    return unfold(t, normalize_dim(dim, t->ndim(), "unfold"), size, step);
  });
  m.def("view", lazy(view_as_dtype));  // x.view(dtype); that for sizes is in bind_tensor.cpp
  m.def("view_as_real", lazy(view_as_real));
  m.def("view_as_complex", lazy(view_as_complex));
  m.def("flip", [](const Tensor& t, const Dims& dims) {
    const std::uint64_t bits = flipped(dims, t.ndim());
    return run(t, [&](const Tensor& held) { return flip(held, bits); });
  });
  m.def("roll", [](const Tensor& t, const Dims& shifts, const Dims& dims) {
    return run(t, [&](const Tensor& held) { return roll(held, shifts, dims); });
  });
  m.def("repeat", [](const Tensor& t, const Dims& repeats) {
    return run(t, [&](const Tensor& held) { return repeat(held, repeats); });
  });
  m.def("repeat_indices", repeat_indices);
  m.def("clone_strided", [](const Tensor& t, const Dims& strides) {
    return run(t, [&](const Tensor& held) { return clone_strided(held, strides); });
  });
  m.def("strided_gather", [](const Tensor& t, nb::tuple whole, nb::tuple part) {
    return strided_gather(t, geometry(whole), geometry(part));
  });
  m.def("strided_scatter_add", [](const Tensor& t, nb::tuple whole, nb::tuple part) {
    return strided_scatter_add(t, geometry(whole), geometry(part));
  });
  m.def("strided_clear", [](const Tensor& t, nb::tuple whole, nb::tuple part) {
    return strided_clear(t, geometry(whole), geometry(part));
  });
}

}  // namespace fb::py
