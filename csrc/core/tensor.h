// A strided view of a storage. Copying a Tensor copies the view, never the data.
#pragma once
#include <optional>

#include "core/dtype.h"
#include "core/scalar.h"
#include "core/shape.h"
#include "core/storage.h"

namespace fb {

class Tensor {
 public:
  Tensor() = default;
  Tensor(StoragePtr storage, DType dtype, Dims sizes, Dims strides, std::int64_t offset);

  bool defined() const { return static_cast<bool>(storage_); }
  const StoragePtr& storage() const { return storage_; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device; }
  bool is_meta() const { return storage_->device.type == DeviceType::Meta; }
  bool is_cpu() const { return storage_->device.type == DeviceType::CPU; }
  const Dims& sizes() const { return sizes_; }
  const Dims& strides() const { return strides_; }
  std::int64_t size(int dim) const { return sizes_[dim]; }
  std::int64_t stride(int dim) const { return strides_[dim]; }
  std::int64_t offset() const { return offset_; }  // in elements
  int ndim() const { return sizes_.size(); }
  std::int64_t numel() const { return numel_; }
  std::size_t itemsize() const { return fb::itemsize(dtype_); }
  std::size_t nbytes() const { return static_cast<std::size_t>(numel_) * itemsize(); }
  bool is_contiguous() const { return contiguous_; }
  // Views whose elements are the conjugates, or the negatives, of what the storage holds. Kernels
  // do not know them: the bindings hand them resolved copies (bind/pytensor.h), and what does know
  // them says so there.
  bool is_conj() const { return conj_; }
  bool is_neg() const { return neg_; }
  bool is_lazy() const { return conj_ || neg_; }
  // Every element has its own place and there are no gaps: some order of the axes is contiguous.
  bool is_non_overlapping_and_dense() const;
  bool has_internal_overlap() const;  // an axis longer than one with stride 0

  char* bytes() const { return storage_->data + offset_ * static_cast<std::int64_t>(itemsize()); }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }
  void bump_version() const { ++version_counter()->version; }
  std::uint32_t version() const { return version_counter()->version; }
  // The same view whose writes, and those of its views, other tensors' versions do not count.
  Tensor with_own_version() const;

  // The same storage seen otherwise. Error(Shape) when the view would leave the storage.
  Tensor as_strided(Dims sizes, Dims strides, std::int64_t offset) const;
  // Without the bounds check: for views that are inside by construction.
  Tensor restride(Dims sizes, Dims strides, std::int64_t offset) const;
  Tensor with_dtype(DType dtype) const;  // same bytes, same item size
  Tensor with_flags(bool conj, bool neg) const;
  Tensor raw() const { return with_flags(false, false); }  // what the storage holds

  Tensor select(int dim, std::int64_t index) const;
  Tensor slice(int dim, std::int64_t start, std::int64_t length, std::int64_t step) const;
  Tensor transpose(int a, int b) const;
  Tensor permute(const Dims& order) const;
  Tensor unsqueeze(int dim) const;
  Tensor squeeze(int dim) const;  // dim of size 1
  Tensor expand(const Dims& sizes, const char* op) const;
  // A view with these sizes, if strides allow it (sizes are non-negative, the product fits).
  std::optional<Tensor> try_view(const Dims& sizes) const;

  // Where in-place writes are counted.
  const StoragePtr& version_counter() const { return versions_ ? versions_ : storage_; }

 private:
  StoragePtr storage_;
  StoragePtr versions_;  // empty, and there for its version; null: the storage counts
  Dims sizes_;
  Dims strides_;
  std::int64_t offset_ = 0;
  std::int64_t numel_ = 0;
  DType dtype_ = DType::Float32;
  bool contiguous_ = true;
  bool conj_ = false;
  bool neg_ = false;
};

Tensor empty(const Dims& sizes, DType dtype, Device device = {});
Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device = {});
// Same sizes and, if the tensor is dense, the same order of axes in memory.
Tensor empty_like(const Tensor& like, DType dtype);
inline Tensor empty_like(const Tensor& like) { return empty_like(like, like.dtype()); }

// float32 unless changed by set_default_dtype.
DType default_dtype();
void set_default_dtype(DType dtype);

// Replaces -1 in `sizes` by what `numel` needs; Error(Shape) with torch's text.
Dims infer_size(const Dims& sizes, std::int64_t numel);

// Foreign memory holds whole elements where the processor expects them: Error(Value) otherwise.
void require_aligned(const char* data, DType dtype, const char* op);

// The kernel that checks its operands belongs to the CPU: Error(Device) otherwise.
inline void require_cpu(const Tensor& t, const char* op) {
  FB_CHECK(t.is_cpu() || shape_only(), Device, op, ": expected a CPU tensor");
}
// The shape of the result depends on the values. Error(NotImplemented) in shape-only mode.
inline void require_values(const char* op) {
  FB_CHECK(!shape_only(), NotImplemented, op,
           ": the shape of the result depends on the values, which tensors on the device meta do "
           "not have");
}

}  // namespace fb
