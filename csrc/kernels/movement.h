// Views beyond core/tensor.h, and copies that rearrange: flip, roll, repeat, strided scatter.
#pragma once
#include "core/tensor.h"

namespace fb {

// A view of the diagonal; its axis comes last.
Tensor diagonal(const Tensor& t, std::int64_t offset, int dim1, int dim2);
// A view of windows along `dim`; the place within a window comes last.
Tensor unfold(const Tensor& t, int dim, std::int64_t size, std::int64_t step);
// The same bytes as another element type; the last axis scales when the sizes differ.
Tensor view_as_dtype(const Tensor& t, DType dtype);
Tensor view_as_real(const Tensor& t);     // complex -> (..., 2)
Tensor view_as_complex(const Tensor& t);  // (..., 2) -> complex

Tensor flip(const Tensor& t, std::uint64_t dims);  // bits over the axes
Tensor roll(const Tensor& t, const Dims& shifts, const Dims& dims);
Tensor repeat(const Tensor& t, const Dims& repeats);
// 0 repeats[0] times, then 1 repeats[1] times, ...
Tensor repeat_indices(const Tensor& repeats);
Tensor clone_strided(const Tensor& t, const Dims& strides);

// Sizes, strides and offset of a view within its storage.
struct Geometry {
  Dims sizes, strides;
  std::int64_t offset = 0;
};
// With A the map from a tensor that lies as `whole` to its as_strided view `part`: A(t), its
// transpose (repeated places add up), and t with the places of the view set to zero.
Tensor strided_gather(const Tensor& t, const Geometry& whole, const Geometry& part);
Tensor strided_scatter_add(const Tensor& t, const Geometry& whole, const Geometry& part);
Tensor strided_clear(const Tensor& t, const Geometry& whole, const Geometry& part);

}  // namespace fb
