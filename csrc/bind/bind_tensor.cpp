// Views, copies, creation: the functions of core/tensor.h and kernels/copy.h.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "bind/pytensor.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "core/subnormal.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/format.h"

namespace fb::py {

using namespace nb::literals;

namespace {

Tensor view(const Tensor& t, const Dims& sizes) {
  const Dims wanted = infer_size(sizes, t.numel());
  auto out = t.try_view(wanted);
  FB_CHECK(out, Shape,
           "view: view size is not compatible with input tensor's size and stride (at least one "
           "dimension spans across two contiguous subspaces). Use "
           ".reshape(...) instead. size is ",
           wanted, ", input is ", t.sizes(), " with strides ", t.strides());
  return *out;
}

Tensor reshape(const Tensor& t, const Dims& sizes) {
  const Dims wanted = infer_size(sizes, t.numel());
  if (auto out = t.try_view(wanted)) return *out;
  return *contiguous(t).try_view(wanted);
}

Tensor flatten(const Tensor& t, std::int64_t start_dim, std::int64_t end_dim) {
  const int start = normalize_dim(start_dim, t.ndim(), "flatten"),
            end = normalize_dim(end_dim, t.ndim(), "flatten");
  FB_CHECK(start <= end, Runtime,
           "flatten() has invalid args: start_dim cannot come after end_dim");
  if (start == end && t.ndim()) return t;
  Dims sizes;
  std::int64_t joined = 1;
  for (int d = 0; d < t.ndim(); ++d) {
    if (d < start || d > end)
      sizes.push_back(t.size(d));
    else
      joined *= t.size(d);
    if (d == end) sizes.push_back(joined);
  }
  if (t.ndim() == 0) sizes.push_back(1);
  return reshape(t, sizes);
}

Tensor transpose(const Tensor& t, std::int64_t a, std::int64_t b) {
  return t.transpose(normalize_dim(a, t.ndim(), "transpose"),
                     normalize_dim(b, t.ndim(), "transpose"));
}

Tensor permute(const Tensor& t, const Dims& dims) {
  FB_CHECK(dims.size() == t.ndim(), Runtime,
           "permute(sparse_coo): number of dimensions in the tensor input does not match the "
           "length of the desired ordering of dimensions i.e. input.dim() = ",
           t.ndim(), " is not equal to len(dims) = ", dims.size());
  Dims order = dims;
  std::uint64_t seen = 0;
  for (auto& d : order) {
    d = normalize_dim(d, t.ndim(), "permute");
    FB_CHECK(!(seen >> d & 1), Runtime, "permute(): duplicate dims are not allowed.");
    seen |= std::uint64_t{1} << d;
  }
  return t.permute(order);
}

Tensor select(const Tensor& t, std::int64_t dim, std::int64_t index) {
  FB_CHECK(t.ndim() > 0, Index, "select() cannot be applied to a 0-dim tensor.");
  const int d = normalize_dim(dim, t.ndim(), "select");
  const std::int64_t n = t.size(d);
  FB_CHECK(index >= -n && index < n, Index, "select(): index ", index,
           " out of range for tensor of size ", t.sizes(), " at dimension ", d);
  return t.select(d, index < 0 ? index + n : index);
}

Tensor slice(const Tensor& t, std::int64_t dim, std::optional<std::int64_t> start,
             std::optional<std::int64_t> end, std::int64_t step) {
  FB_CHECK(t.ndim() > 0, Index, "slice() cannot be applied to a 0-dim tensor.");
  const int d = normalize_dim(dim, t.ndim(), "slice");
  FB_CHECK(step > 0, Value, "slice step must be positive");
  const std::int64_t n = t.size(d);
  auto clip = [n](std::int64_t v) {
    return v < 0 ? std::max<std::int64_t>(v + n, 0) : std::min(v, n);
  };
  const std::int64_t first = clip(start.value_or(0)), last = std::max(first, clip(end.value_or(n)));
  return t.slice(d, first, last > first ? (last - first - 1) / step + 1 : 0, step);
}

Tensor squeeze(const Tensor& t, std::optional<Dims> dims) {
  std::uint64_t drop = 0;
  if (dims) {
    for (auto d : *dims) drop |= std::uint64_t{1} << normalize_dim(d, t.ndim(), "squeeze");
  } else {
    drop = ~std::uint64_t{0};
  }
  Tensor out = t;
  for (int d = t.ndim() - 1; d >= 0; --d)
    if ((drop >> d & 1) && t.size(d) == 1) out = out.squeeze(d);
  return out.ndim() == t.ndim() ? t.restride(t.sizes(), t.strides(), t.offset()) : out;
}

Tensor unsqueeze(const Tensor& t, std::int64_t dim) {
  return t.unsqueeze(normalize_dim(dim, t.ndim() + 1, "unsqueeze"));
}

}  // namespace

void bind_tensor(nb::module_& m) {
  m.def("alias", [](const Lazy& t) { return *t.tensor; });
  m.def("view", lazy(view));
  m.def("reshape", lazy(reshape));
  m.def("flatten", lazy(flatten));
  m.def("transpose", lazy(transpose));
  m.def("permute", lazy(permute));
  m.def("expand", [](const Lazy& t, const Dims& sizes) { return t->expand(sizes, "expand"); });
  m.def("select", lazy(select));
  m.def("slice", lazy(slice), "t"_a, "dim"_a, "start"_a.none(), "end"_a.none(), "step"_a);
  m.def("squeeze", lazy(squeeze), "t"_a, "dims"_a.none());
  m.def("unsqueeze", lazy(unsqueeze));
  m.def(
      "as_strided",
      [](const Lazy& t, const Dims& sizes, const Dims& strides,
         std::optional<std::int64_t> offset) {
        return t->as_strided(sizes, strides, offset.value_or(t->offset()));
      },
      "t"_a, "sizes"_a, "strides"_a, "offset"_a.none());

  // Views of the same storage with these flags toggled.
  m.def("conj_view", [](const Lazy& t) { return t->with_flags(!t->is_conj(), t->is_neg()); });
  m.def("neg_view", [](const Lazy& t) {
    FB_CHECK(t->dtype() != DType::Bool, DType, "_neg_view: not implemented for bool");
    return t->with_flags(t->is_conj(), !t->is_neg());
  });
  m.def("resolved", lazy(resolved));

  m.def("empty", [](const Dims& sizes, DType dtype) { return empty(sizes, dtype); });
  m.def("empty_strided", [](const Dims& sizes, const Dims& strides, DType dtype) {
    return empty_strided(sizes, strides, dtype);
  });
  m.def("empty_like", [](const Tensor& t, DType dtype) { return empty_like(t, dtype); });
  m.def("full", [](const Dims& sizes, const Scalar& value, DType dtype) {
    return full(sizes, value, dtype);
  });
  m.def("scalar_tensor",
        [](const Scalar& value, DType dtype) { return scalar_tensor(value, dtype); });
  m.def("arange", [](const Scalar& start, const Scalar& step, std::int64_t count, DType dtype) {
    return arange(start, step, count, dtype);
  });
  m.def("copy_into", [](const Lazy& dst, const Lazy& src) {
    if (dst->sizes() == src->sizes()) check_overlap(dst, src, "copy_");
    copy_into(dst, src);
  });
  m.def("fill", lazy(fill));
  m.def("cast", lazy(cast));
  m.def("clone", lazy(clone));
  m.def("contiguous", lazy(contiguous));
  m.def("is_channels_last", [](const Dims& sizes, const Dims& strides) {
    FB_CHECK(sizes.size() == strides.size(), Shape, "is_channels_last: as many strides as sizes");
    return is_channels_last(sizes, strides);
  });
  // A new tensor of these sizes, channels-last if `like` is.
  m.def("empty_in_format_of", [](const Tensor& like, const Dims& sizes) {
    if (!is_channels_last(like) || sizes.size() != like.ndim())
      return empty(sizes, like.dtype(), like.device());
    checked_numel(sizes, "empty");
    return empty_strided(sizes, channels_last_strides(sizes), like.dtype(), like.device());
  });
  m.def("promote", [](DType a, DType b) { return promote(a, b); });
  m.def("can_cast", [](DType a, DType b) { return can_cast(a, b); });
  m.def("broadcast_shapes",
        [](const Dims& a, const Dims& b) { return broadcast_shapes(a, b, "broadcast_shapes"); });

  // f(*args, **kwargs) on the device `meta`: shapes, dtypes and strides, no values.
  m.def(
      "shape_only",
      [](nb::object f, nb::tuple args, nb::dict kwargs) {
        const ShapeOnly shapes;
        return f(*args, **kwargs);
      },
      "f"_a, "args"_a, "kwargs"_a = nb::dict());

  m.def(
      "get_num_threads", [] { return num_threads(); },
      R"(How many threads an operation may use.

Example:
    >>> flambeau.get_num_threads() >= 1
    True
)");
  m.def("set_flush_denormal", &flush_subnormals);
  m.def("set_num_threads", [](int n) {
    FB_CHECK(n > 0, Runtime, "set_num_threads expects a positive integer");
    set_num_threads(n);
  });
  m.def("isa_name", [] { return isa_name(); });
  m.def("empty_cache", [] { empty_cache(); });
  m.def("set_cache_limit", [](std::int64_t bytes) { set_cache_limit(bytes); });
  m.def("reset_peak_stats", [] { reset_peak_stats(); });
  m.def("allocator_stats", [] {
    const AllocatorStats s = allocator_stats();
    nb::dict d;
    d["allocated"] = s.allocated;
    d["peak_allocated"] = s.peak_allocated;
    d["cached"] = s.cached;
    d["allocations"] = s.allocations;
    d["cache_hits"] = s.cache_hits;
    return d;
  });
}

}  // namespace fb::py
