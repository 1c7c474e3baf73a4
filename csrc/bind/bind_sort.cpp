// Sorting, searching, counting: the functions of kernels/sort.h.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/sort.h"

namespace fb::py {

using namespace nb::literals;

void bind_sort(nb::module_& m) {
  m.def("sort", [](const Tensor& t, std::int64_t dim, bool descending) {
    const Tensor held = t;
    return released(t.numel(), [&] { return sort(held, dim, descending); });
  });
  m.def("topk", [](const Tensor& t, std::int64_t k, std::int64_t dim, bool largest) {
    const Tensor held = t;
    return released(t.numel(), [&] { return topk(held, k, dim, largest); });
  });
  m.def("kthvalue", [](const Tensor& t, std::int64_t k, std::int64_t dim, bool keepdim) {
    const Tensor held = t;
    return released(t.numel(), [&] { return kthvalue(held, k, dim, keepdim); });
  });
  m.def("median", [](const Tensor& t, std::int64_t dim, bool keepdim, bool ignore_nan) {
    const Tensor held = t;
    return released(t.numel(), [&] { return median(held, dim, keepdim, ignore_nan); });
  });
  m.def("mode", [](const Tensor& t, std::int64_t dim, bool keepdim) {
    const Tensor held = t;
    return released(t.numel(), [&] { return mode(held, dim, keepdim); });
  });
  m.def(
      "unique",
      [](const Tensor& t, std::optional<std::int64_t> dim, bool sorted, bool with_inverse,
         bool with_counts) {
        const Tensor held = t;
        return released(t.numel(),
                        [&] { return unique(held, dim, sorted, with_inverse, with_counts); });
      },
      "t"_a, "dim"_a.none(), "sorted"_a, "with_inverse"_a, "with_counts"_a);
  m.def(
      "searchsorted",
      [](const Tensor& sequence, const Tensor& values, bool right, bool out_int32,
         const Tensor* sorter) {
        const Tensor rows = sequence, in = values;
        const Held places(sorter);
        return released(in.numel(),
                        [&] { return searchsorted(rows, in, right, out_int32, places.get()); });
      },
      "sequence"_a, "values"_a, "right"_a, "out_int32"_a, "sorter"_a.none());
  m.def("histc", [](const Tensor& t, std::int64_t bins, double low, double high) {
    const Tensor held = t;
    return released(t.numel(), [&] { return histc(held, bins, low, high); });
  });
  m.def(
      "bincount",
      [](const Tensor& t, const Tensor* weights, std::int64_t minlength) {
        const Tensor held = t;
        const Held w(weights);
        return released(t.numel(), [&] { return bincount(held, w.get(), minlength); });
      },
      "t"_a, "weights"_a.none(), "minlength"_a);
}

}  // namespace fb::py
