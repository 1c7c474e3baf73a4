#include "core/tensor.h"

#include <algorithm>
#include <limits>

namespace fb {
namespace {

DType g_default_dtype = DType::Float32;

bool compute_contiguous(const Dims& sizes, const Dims& strides) {
  std::int64_t expected = 1;
  for (int i = sizes.size() - 1; i >= 0; --i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] != 1) {
      if (strides[i] != expected) return false;
      expected = wrapping_product(expected, sizes[i]);
    }
  }
  return true;
}

// The number of elements from the first to past the last one addressed.
std::int64_t extent(const Dims& sizes, const Dims& strides, const char* op) {
  std::int64_t last = 0;
  for (int i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return 0;
    std::int64_t reach = 0;
    const bool overflow = __builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) ||
                          __builtin_add_overflow(last, reach, &last) ||
                          last == std::numeric_limits<std::int64_t>::max();
    FB_CHECK(!overflow, Shape, op, ": sizes and strides overflow: sizes are ", sizes,
             ", strides are ", strides);
  }
  return last + 1;
}

}  // namespace

DType default_dtype() { return g_default_dtype; }
void set_default_dtype(DType dtype) { g_default_dtype = dtype; }

Tensor::Tensor(StoragePtr storage, DType dtype, Dims sizes, Dims strides, std::int64_t offset)
    : storage_(std::move(storage)),
      sizes_(std::move(sizes)),
      strides_(std::move(strides)),
      offset_(offset),
      numel_(fb::numel(sizes_)),
      dtype_(dtype),
      contiguous_(numel_ == 0 || compute_contiguous(sizes_, strides_)) {}

bool Tensor::is_non_overlapping_and_dense() const {
  if (contiguous_) return true;
  int order[Dims::max_size];
  int n = 0;
  for (int i = 0; i < ndim(); ++i)
    if (sizes_[i] != 1) order[n++] = i;
  std::sort(order, order + n, [&](int a, int b) { return strides_[a] < strides_[b]; });
  std::int64_t expected = 1;
  for (int k = 0; k < n; ++k) {
    if (strides_[order[k]] != expected) return false;
    expected *= sizes_[order[k]];
  }
  return true;
}

bool Tensor::has_internal_overlap() const {
  if (numel_ == 0) return false;
  for (int i = 0; i < ndim(); ++i)
    if (sizes_[i] > 1 && strides_[i] == 0) return true;
  return false;
}

Tensor Tensor::restride(Dims sizes, Dims strides, std::int64_t offset) const {
  Tensor out(storage_, dtype_, std::move(sizes), std::move(strides), offset);
  out.versions_ = versions_;
  out.conj_ = conj_;
  out.neg_ = neg_;
  return out;
}

Tensor Tensor::as_strided(Dims sizes, Dims strides, std::int64_t offset) const {
  FB_CHECK(sizes.size() == strides.size(), Shape,
           "as_strided: mismatch in length of strides and shape: sizes are ", sizes,
           ", strides are ", strides);
  checked_numel(sizes, "as_strided");
  for (auto s : strides)
    FB_CHECK(
        s >= 0, Shape,
        "as_strided: Negative strides are not supported at the moment, got strides: ", strides);
  FB_CHECK(offset >= 0, Shape, "as_strided: Tensor: invalid storage offset ", offset);
  const std::int64_t available = static_cast<std::int64_t>(storage_->nbytes / itemsize());
  const std::int64_t needed = extent(sizes, strides, "as_strided");
  FB_CHECK(needed == 0 || (offset <= available && needed <= available - offset), Shape,
           "as_strided: setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ",
           offset, " are out of bounds for storage of size ", storage_->nbytes, " bytes");
  return restride(std::move(sizes), std::move(strides), offset);
}

Tensor Tensor::with_dtype(DType dtype) const {
  Tensor out(storage_, dtype, sizes_, strides_, offset_);
  out.versions_ = versions_;
  return out;
}

Tensor Tensor::with_own_version() const {
  Tensor out = *this;
  out.versions_ = StoragePtr(new Storage);
  return out;
}

Tensor Tensor::with_flags(bool conj, bool neg) const {
  Tensor out = *this;
  out.conj_ = conj;
  out.neg_ = neg;
  return out;
}

Tensor Tensor::select(int dim, std::int64_t index) const {
  Dims sizes = sizes_, strides = strides_;
  sizes.erase(dim);
  strides.erase(dim);
  return restride(std::move(sizes), std::move(strides),
                  offset_ + wrapping_product(index, strides_[dim]));
}

Tensor Tensor::slice(int dim, std::int64_t start, std::int64_t length, std::int64_t step) const {
  Dims sizes = sizes_, strides = strides_;
  sizes[dim] = length;
  strides[dim] = wrapping_product(strides[dim], step);
  return restride(std::move(sizes), std::move(strides),
                  offset_ + wrapping_product(start, strides_[dim]));
}

Tensor Tensor::transpose(int a, int b) const {
  Dims sizes = sizes_, strides = strides_;
  if (ndim()) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return restride(std::move(sizes), std::move(strides), offset_);
}

Tensor Tensor::permute(const Dims& order) const {
  Dims sizes, strides;
  sizes.resize(ndim());
  strides.resize(ndim());
  for (int i = 0; i < ndim(); ++i) {
    sizes[i] = sizes_[static_cast<int>(order[i])];
    strides[i] = strides_[static_cast<int>(order[i])];
  }
  return restride(std::move(sizes), std::move(strides), offset_);
}

Tensor Tensor::unsqueeze(int dim) const {
  Dims sizes = sizes_, strides = strides_;
  const std::int64_t stride = dim < ndim() ? wrapping_product(sizes_[dim], strides_[dim]) : 1;
  sizes.insert(dim, 1);
  strides.insert(dim, stride);
  return restride(std::move(sizes), std::move(strides), offset_);
}

Tensor Tensor::squeeze(int dim) const {
  Dims sizes = sizes_, strides = strides_;
  sizes.erase(dim);
  strides.erase(dim);
  return restride(std::move(sizes), std::move(strides), offset_);
}

Tensor Tensor::expand(const Dims& sizes, const char* op) const {
  const int lead = sizes.size() - ndim();
  FB_CHECK(lead >= 0, Shape, op, ": the number of sizes provided (", sizes.size(),
           ") must be greater or equal to the number of dimensions in the tensor (", ndim(), ")");
  Dims new_sizes = sizes, strides;
  strides.resize(sizes.size());
  for (int i = sizes.size() - 1; i >= 0; --i) {
    const int from = i - lead;
    if (from < 0) {
      FB_CHECK(sizes[i] >= 0, Shape, op, ": The expanded size of the tensor (", sizes[i],
               ") isn't allowed in a leading, non-existing dimension ", i);
      strides[i] = 0;
      continue;
    }
    if (sizes[i] == -1) new_sizes[i] = sizes_[from];
    FB_CHECK(new_sizes[i] == sizes_[from] || (sizes_[from] == 1 && new_sizes[i] >= 0), Shape, op,
             ": The expanded size of the tensor (", sizes[i], ") must match the existing size (",
             sizes_[from], ") at non-singleton dimension ", i, ".  Target sizes: ", AsList{sizes},
             ".  Tensor sizes: ", AsList{sizes_});
    strides[i] = new_sizes[i] == sizes_[from] ? strides_[from] : 0;
  }
  checked_numel(new_sizes, op);
  return restride(std::move(new_sizes), std::move(strides), offset_);
}

std::optional<Tensor> Tensor::try_view(const Dims& sizes) const {
  if (contiguous_) return restride(sizes, contiguous_strides(sizes), offset_);
  // Walk both shapes from the last axis; a group of old axes that is contiguous within itself may
  // be cut into any new axes with the same product.
  Dims strides;
  strides.resize(sizes.size());
  int view_dim = sizes.size() - 1;
  std::int64_t base = strides_.back(), old_numel = 1, new_numel = 1;
  for (int d = ndim() - 1; d >= 0; --d) {
    old_numel *= sizes_[d];
    const bool group_ends = d == 0 || (sizes_[d - 1] != 1 && strides_[d - 1] != old_numel * base);
    if (!group_ends) continue;
    while (view_dim >= 0 && (new_numel < old_numel || sizes[view_dim] == 1)) {
      strides[view_dim] = new_numel * base;
      new_numel *= sizes[view_dim];
      --view_dim;
    }
    if (new_numel != old_numel) return std::nullopt;
    if (d > 0) {
      base = strides_[d - 1];
      old_numel = new_numel = 1;
    }
  }
  if (view_dim != -1) return std::nullopt;
  return restride(sizes, std::move(strides), offset_);
}

Tensor empty(const Dims& sizes, DType dtype, Device device) {
  const std::int64_t n = checked_numel(sizes, "empty");
  return Tensor(make_storage(static_cast<std::size_t>(n) * itemsize(dtype), device), dtype, sizes,
                contiguous_strides(sizes), 0);
}

Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device) {
  FB_CHECK(sizes.size() == strides.size(), Shape,
           "empty_strided: mismatch in length of strides and shape: sizes are ", sizes,
           ", strides are ", strides);
  checked_numel(sizes, "empty_strided");
  for (auto s : strides)
    FB_CHECK(s >= 0, Shape, "empty_strided: strides must not be negative: got ", strides);
  const std::int64_t n = extent(sizes, strides, "empty_strided");
  FB_CHECK(n <= (std::int64_t{1} << 58), Shape,
           "empty_strided: the storage must fit in memory: sizes are ", sizes, ", strides are ",
           strides);
  return Tensor(make_storage(static_cast<std::size_t>(n) * itemsize(dtype), device), dtype, sizes,
                strides, 0);
}

Tensor empty_like(const Tensor& like, DType dtype) {
  // Without elements every tensor is contiguous, but its strides are kept.
  if (like.is_contiguous() && like.numel() != 0) return empty(like.sizes(), dtype, like.device());
  if (like.is_non_overlapping_and_dense())
    return empty_strided(like.sizes(), like.strides(), dtype, like.device());
  // The axes in the order of their strides, without the gaps. An axis of stride 0 says nothing of
  // the order: it stays where it is, and others may move past it.
  const int n = like.ndim();
  int order[Dims::max_size];  // from the smallest stride on
  for (int i = 0; i < n; ++i) order[i] = n - 1 - i;
  for (int i = 1; i < n; ++i) {
    for (int here = i, before = i - 1; before >= 0; --before) {
      const std::int64_t a = like.stride(order[before]), b = like.stride(order[here]);
      if (a == 0 || b == 0) continue;
      if (a < b || (a == b && like.size(order[before]) <= like.size(order[here]))) break;
      std::swap(order[before], order[here]);
      here = before;
    }
  }
  Dims strides;
  strides.resize(n);
  std::int64_t step = 1;
  for (int k = 0; k < n; ++k) {
    strides[order[k]] = step;
    step *= std::max<std::int64_t>(like.size(order[k]), 1);
  }
  return empty_strided(like.sizes(), strides, dtype, like.device());
}

Dims infer_size(const Dims& sizes, std::int64_t numel) {
  Dims out = sizes;
  int unknown = -1;
  std::int64_t known = 1;
  bool overflow = false;
  for (int i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      FB_CHECK(unknown < 0, Shape, "only one dimension can be inferred: shape is ", sizes);
      unknown = i;
    } else {
      FB_CHECK(sizes[i] >= 0, Shape, "invalid shape dimension ", sizes[i], ": shape is ", sizes);
      overflow |= __builtin_mul_overflow(known, sizes[i], &known);
    }
  }
  if (unknown >= 0) {
    FB_CHECK(known != 0, Shape, "cannot reshape tensor of ", numel, " elements into shape ",
             AsList{sizes},
             " because the unspecified dimension size -1 can be any value and is ambiguous");
    FB_CHECK(!overflow && numel % known == 0, Shape, "shape '", AsList{sizes},
             "' is invalid for input of size ", numel);
    out[unknown] = numel / known;
  } else {
    FB_CHECK(!overflow && known == numel, Shape, "shape '", AsList{sizes},
             "' is invalid for input of size ", numel);
  }
  return out;
}

void require_aligned(const char* data, DType dtype, const char* op) {
  const std::size_t alignment = is_complex(dtype) ? itemsize(dtype) / 2 : itemsize(dtype);
  FB_CHECK(reinterpret_cast<std::uintptr_t>(data) % alignment == 0, Value, op,
           ": the first byte must be at an address that is a multiple of ", alignment, " for ",
           dtype_name(dtype), "; copy the data first");
}

}  // namespace fb
