#include "kernels/movement.h"

#include <algorithm>

#include "core/iter.h"
#include "kernels/copy.h"
#include "kernels/format.h"

namespace fb {

Tensor diagonal(const Tensor& t, std::int64_t offset, int dim1, int dim2) {
  FB_CHECK(dim1 != dim2, Runtime, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  const std::int64_t rows = t.size(dim1), columns = t.size(dim2);
  const std::int64_t k = std::clamp(offset, -rows, columns);
  const std::int64_t length =
      std::max<std::int64_t>(k >= 0 ? std::min(rows, columns - k) : std::min(rows + k, columns), 0);
  Dims sizes = t.sizes(), strides = t.strides();
  for (int d : {std::max(dim1, dim2), std::min(dim1, dim2)}) {
    sizes.erase(d);
    strides.erase(d);
  }
  sizes.push_back(length);
  strides.push_back(t.stride(dim1) + t.stride(dim2));
  const std::int64_t start = length == 0 ? 0 : k >= 0 ? k * t.stride(dim2) : -k * t.stride(dim1);
  return t.restride(std::move(sizes), std::move(strides), t.offset() + start);
}

Tensor unfold(const Tensor& t, int dim, std::int64_t size, std::int64_t step) {
  const std::int64_t length = t.ndim() ? t.size(dim) : 1;
  FB_CHECK(size >= 0, Runtime, "size is ", size, " but must be >= 0");
  FB_CHECK(size <= length, Runtime, "maximum size for tensor at dimension ", dim, " is ", length,
           " but size is ", size);
  FB_CHECK(step > 0, Runtime, "step is ", step, " but must be > 0");
  Dims sizes = t.sizes(), strides = t.strides();
  if (t.ndim()) {
    sizes[dim] = (length - size) / step + 1;
    strides[dim] = t.stride(dim) * std::min(step, length + 1);
  }
  sizes.push_back(size);
  strides.push_back(t.ndim() ? t.stride(dim) : 1);
  return t.restride(std::move(sizes), std::move(strides), t.offset());
}

namespace {

Tensor view_narrower(const Tensor& t, DType dtype, std::int64_t ratio) {
  FB_CHECK(t.stride(t.ndim() - 1) == 1, Runtime, "view: self.stride(-1) must be 1 to view ",
           dtype_name(t.dtype()), " as ", dtype_name(dtype), " (different element sizes), but got ",
           t.stride(t.ndim() - 1));
  Dims sizes = t.sizes(), strides = t.strides();
  for (auto& s : strides) s *= ratio;
  strides[t.ndim() - 1] = 1;
  sizes[t.ndim() - 1] *= ratio;
  return Tensor(t.storage(), dtype, std::move(sizes), std::move(strides), t.offset() * ratio);
}

Tensor view_wider(const Tensor& t, DType dtype, std::int64_t ratio) {
  const auto names = [&] {
    return std::string(dtype_name(t.dtype())) + " as " + dtype_name(dtype) +
           " (different element sizes)";
  };
  const int last = t.ndim() - 1;
  FB_CHECK(t.size(last) % ratio == 0, Runtime, "view: self.size(-1) must be divisible by ", ratio,
           " to view ", names(), ", but got ", t.size(last));
  FB_CHECK(t.offset() % ratio == 0, Runtime, "view: self.storage_offset() must be divisible by ",
           ratio, " to view ", names(), ", but got ", t.offset());
  FB_CHECK(t.stride(last) == 1, Runtime, "view: self.stride(-1) must be 1 to view ", names(),
           ", but got ", t.stride(last));
  Dims sizes = t.sizes(), strides = t.strides();
  for (int d = 0; d < last; ++d) {
    FB_CHECK(strides[d] % ratio == 0, Runtime, "view: self.stride(", d, ") must be divisible by ",
             ratio, " to view ", names(), ", but got ", strides[d]);
    strides[d] /= ratio;
  }
  sizes[last] /= ratio;
  return Tensor(t.storage(), dtype, std::move(sizes), std::move(strides), t.offset() / ratio);
}

}  // namespace

Tensor view_as_dtype(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  FB_CHECK(!t.is_conj(), Runtime,
           "torch.Tensor.view is not supported for conjugate view tensors when converting to a "
           "different dtype.");
  FB_CHECK(!t.is_neg(), Runtime,
           "torch.Tensor.view is not supported for tensors with negative bit set when converting "
           "to a different dtype.");
  const std::size_t from = t.itemsize(), to = itemsize(dtype);
  if (from == to) return t.with_dtype(dtype);
  FB_CHECK(t.ndim() > 0, Runtime, "view: self.dim() cannot be 0 to view ", dtype_name(t.dtype()),
           " as ", dtype_name(dtype), " (different element sizes)");
  return from > to ? view_narrower(t, dtype, static_cast<std::int64_t>(from / to))
                   : view_wider(t, dtype, static_cast<std::int64_t>(to / from));
}

Tensor view_as_real(const Tensor& t) {
  FB_CHECK(is_complex(t.dtype()), Runtime,
           "view_as_real is only supported for complex tensors, got ", dtype_name(t.dtype()));
  FB_CHECK(!t.is_conj(), Runtime,
           "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate "
           "tensor so you can view it as real, use self.resolve_conj(); however, be warned that "
           "the resulting tensor will NOT alias the original.");
  Dims sizes = t.sizes(), strides = t.strides();
  for (auto& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  return Tensor(t.storage(), real_dtype(t.dtype()), std::move(sizes), std::move(strides),
                t.offset() * 2)
      .with_flags(false, t.is_neg());
}

Tensor view_as_complex(const Tensor& t) {
  FB_CHECK(t.dtype() == DType::Float32 || t.dtype() == DType::Float64, Runtime,
           "view_as_complex is only supported for float and double tensors, but got a tensor of "
           "scalar type: ",
           dtype_name(t.dtype()));
  const int last = t.ndim() - 1;
  FB_CHECK(last >= 0 && t.size(last) == 2, Runtime,
           "view_as_complex: Tensor must have a last dimension of size 2: input is ", t.sizes());
  FB_CHECK(t.stride(last) == 1, Runtime,
           "view_as_complex: Tensor must have a last dimension with stride 1: strides are ",
           t.strides());
  FB_CHECK(t.offset() % 2 == 0, Runtime,
           "view_as_complex: Tensor must have a storage_offset divisible by 2");
  Dims sizes = t.sizes(), strides = t.strides();
  sizes.erase(last);
  strides.erase(last);
  for (auto& s : strides) {
    FB_CHECK(s % 2 == 0, Runtime,
             "view_as_complex: Tensor must have a stride divisible by 2 for all but last "
             "dimension: strides are ",
             t.strides());
    s /= 2;
  }
  return Tensor(t.storage(), complex_dtype(t.dtype()), std::move(sizes), std::move(strides),
                t.offset() / 2)
      .with_flags(false, t.is_neg());
}

Tensor flip(const Tensor& t, std::uint64_t dims) {
  require_cpu(t, "flip");
  Tensor out = empty_like(t);
  if (t.numel() == 0) return out;
  Dims strides = t.strides();
  std::int64_t offset = t.offset();
  for (int d = 0; d < t.ndim(); ++d)
    if (dims >> d & 1) {
      offset += (t.size(d) - 1) * strides[d];
      strides[d] = -strides[d];
    }
  copy_into(out, t.restride(t.sizes(), std::move(strides), offset));
  return out;
}

namespace {

Tensor roll_one(const Tensor& t, std::int64_t shift, int dim) {
  Tensor out = is_channels_last(t)
                   ? empty_strided(t.sizes(), channels_last_strides(t.sizes()), t.dtype())
                   : empty(t.sizes(), t.dtype());
  const std::int64_t n = t.size(dim);
  if (t.numel() == 0) return out;
  const std::int64_t moved = ((shift % n) + n) % n;
  copy_into(out.slice(dim, moved, n - moved, 1), t.slice(dim, 0, n - moved, 1));
  if (moved) copy_into(out.slice(dim, 0, moved, 1), t.slice(dim, n - moved, moved, 1));
  return out;
}

}  // namespace

Tensor roll(const Tensor& t, const Dims& shifts, const Dims& dims) {
  require_cpu(t, "roll");
  FB_CHECK(!shifts.empty(), Runtime, "`shifts` required");
  if (dims.empty() && shifts.size() == 1) {
    const Tensor flat = contiguous(t);
    return roll_one(*flat.try_view({t.numel()}), shifts[0], 0).try_view(t.sizes()).value();
  }
  FB_CHECK(shifts.size() == dims.size(), Runtime,
           "shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  Tensor out = t;
  for (int k = 0; k < dims.size(); ++k) {
    const int dim = normalize_dim(dims[k], t.ndim(), "roll");
    out = t.ndim() ? roll_one(out, shifts[k], dim) : clone(out);
  }
  return out;
}

Tensor repeat(const Tensor& t, const Dims& repeats) {
  require_cpu(t, "repeat");
  const int lead = repeats.size() - t.ndim();
  FB_CHECK(lead >= 0, Runtime,
           "repeat: Number of dimensions of repeat dims can not be smaller than number of "
           "dimensions of tensor: input is ",
           t.sizes(), ", repeats are ", repeats);
  // Each axis of the result as the pair (repeats, size): the copy is then a broadcast.
  Dims sizes, pairs, source_sizes;
  for (int d = 0; d < repeats.size(); ++d) {
    FB_CHECK(repeats[d] >= 0, Runtime,
             "repeat: Trying to create tensor with negative dimension: repeats are ", repeats);
    const std::int64_t n = d < lead ? 1 : t.size(d - lead);
    std::int64_t total = 0;
    FB_CHECK(!__builtin_mul_overflow(n, repeats[d], &total), Shape,
             "repeat: the result must fit in memory: input is ", t.sizes(), ", repeats are ",
             repeats);
    sizes.push_back(total);
    if (repeats[d] != 1) {
      pairs.push_back(repeats[d]);
      source_sizes.push_back(1);
    }
    pairs.push_back(n);
    source_sizes.push_back(n);
  }
  Tensor out = empty(sizes, t.dtype(), t.device());
  if (out.numel() == 0) return out;
  Dims source_strides;
  source_strides.resize(source_sizes.size());
  for (int d = repeats.size() - 1, k = source_sizes.size() - 1; d >= 0; --d) {
    source_strides[k--] = d < lead ? 0 : t.stride(d - lead);
    if (repeats[d] != 1) source_strides[k--] = 0;
  }
  copy_into(*out.try_view(pairs), t.restride(source_sizes, source_strides, t.offset()));
  return out;
}

Tensor repeat_indices(const Tensor& repeats) {
  require_values("repeat_interleave");
  require_cpu(repeats, "repeat_interleave");
  FB_CHECK(repeats.ndim() == 1, Runtime,
           "repeat_interleave only accept 1D vector as repeat: repeats are ", repeats.sizes());
  const Tensor counts = contiguous(repeats);
  return dispatch_index(repeats.dtype(), "repeat_interleave", [&]<class T>() {
    const T* count = counts.data<T>();
    std::int64_t total = 0;
    for (std::int64_t k = 0; k < counts.numel(); ++k) {
      FB_CHECK(count[k] >= 0, Runtime, "repeats can not be negative");
      FB_CHECK(!__builtin_add_overflow(total, static_cast<std::int64_t>(count[k]), &total), Shape,
               "repeat_interleave: the result must fit in memory");
    }
    Tensor out = empty({total}, DType::Int64);
    std::int64_t* next = out.data<std::int64_t>();
    for (std::int64_t k = 0; k < counts.numel(); ++k) next = std::fill_n(next, count[k], k);
    return out;
  });
}

Tensor clone_strided(const Tensor& t, const Dims& strides) {
  Tensor out = empty_strided(t.sizes(), strides, t.dtype(), t.device());
  copy_into(out, t);
  return out;
}

// ---- as_strided and its transpose ----

namespace {

// Fails if a place of the view cannot be counted.
std::int64_t last_place(const Geometry& g) {
  std::int64_t last = g.offset, step = 0;
  bool counts = g.offset >= 0;
  for (int d = 0; d < g.sizes.size() && counts; ++d)
    counts = g.strides[d] >= 0 && !__builtin_mul_overflow(g.sizes[d] - 1, g.strides[d], &step) &&
             !__builtin_add_overflow(last, step, &last);
  FB_CHECK(counts && last < INT64_MAX, Runtime,
           "as_strided: no storage has such places: sizes are ", g.sizes, ", strides are ",
           g.strides, ", the offset is ", g.offset);
  return last;
}

// Memory that both views fit in: zeros, with each view's offset shifted to its start.
struct Stage {
  Tensor memory, whole, part;

  Stage(DType dtype, const Geometry& whole_at, const Geometry& part_at) {
    const bool has_whole = numel(whole_at.sizes) > 0, has_part = numel(part_at.sizes) > 0;
    const std::int64_t low = std::min(has_whole ? whole_at.offset : part_at.offset,
                                      has_part ? part_at.offset : whole_at.offset);
    FB_CHECK(low >= 0, Runtime, "as_strided: the offset must not be negative, got ", low);
    const std::int64_t high = std::max(has_whole ? last_place(whole_at) : low - 1,
                                       has_part ? last_place(part_at) : low - 1);
    memory = full({high - low + 1}, Scalar(0), dtype);
    whole =
        memory.as_strided(whole_at.sizes, whole_at.strides, has_whole ? whole_at.offset - low : 0);
    part = memory.as_strided(part_at.sizes, part_at.strides, has_part ? part_at.offset - low : 0);
  }
};

template <class T>
void accumulate(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  for (std::int64_t k = 0; k < n; ++k) {
    T& out = *reinterpret_cast<T*>(data[0] + k * strides[0]);
    out = T(out + *reinterpret_cast<const T*>(data[1] + k * strides[1]));
  }
}

// view += t on one thread: places may repeat.
void add_into(const Tensor& view, const Tensor& t) {
  dispatch_all(t.dtype(), [&]<class T>() {
    run_loop(accumulate<T>, t.sizes(), {view, t}, nullptr, std::max<std::int64_t>(t.numel(), 1));
  });
}

// Elements of an expanded tensor share a place, which then stands for their sum: each gets its
// part.
std::int64_t sharers(const Geometry& g) {
  std::int64_t n = 1;
  for (int d = 0; d < g.sizes.size(); ++d)
    if (g.strides[d] == 0) n *= std::max<std::int64_t>(g.sizes[d], 1);
  return n;
}

template <class T>
void divide(char* const* data, const std::int64_t* strides, std::int64_t n, const void* params) {
  const double by = *static_cast<const double*>(params);
  for (std::int64_t k = 0; k < n; ++k) {
    T& value = *reinterpret_cast<T*>(data[0] + k * strides[0]);
    if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>)
      value = T(static_cast<typename T::value_type>(value.real() / by),
                static_cast<typename T::value_type>(value.imag() / by));
    else
      value = static_cast<T>(static_cast<float>(value) / static_cast<float>(by));
  }
}

void share_evenly(const Tensor& memory, const Geometry& whole) {
  const double by = static_cast<double>(sharers(whole));
  if (by == 1) return;
  dispatch_all(memory.dtype(),
               [&]<class T>() { run_loop(divide<T>, memory.sizes(), {memory}, &by); });
}

void check_like(const Tensor& t, const Geometry& g, const char* op) {
  require_cpu(t, op);
  FB_CHECK(t.sizes() == g.sizes, Shape, op, ": expected a tensor of sizes ", g.sizes, ", got ",
           t.sizes());
}

}  // namespace

Tensor strided_gather(const Tensor& t, const Geometry& whole, const Geometry& part) {
  check_like(t, whole, "strided_gather");
  const Stage stage(t.dtype(), whole, part);
  add_into(stage.whole, t);
  share_evenly(stage.memory, whole);
  return clone(stage.part);
}

namespace {

// As it lies if that is dense, so that gradients are laid out like what they belong to.
Tensor result(const Tensor& t) { return t.is_non_overlapping_and_dense() ? t : clone(t); }

}  // namespace

Tensor strided_scatter_add(const Tensor& t, const Geometry& whole, const Geometry& part) {
  check_like(t, part, "strided_scatter_add");
  const Stage stage(t.dtype(), whole, part);
  add_into(stage.part, t);
  share_evenly(stage.memory, whole);
  return result(stage.whole);
}

Tensor strided_clear(const Tensor& t, const Geometry& whole, const Geometry& part) {
  check_like(t, whole, "strided_clear");
  const Stage stage(t.dtype(), whole, part);
  add_into(stage.whole, t);
  share_evenly(stage.memory, whole);
  fill(stage.part, Scalar(0));
  return result(stage.whole);
}

}  // namespace fb
