// Picking and placing elements by index: advanced indexing, gather/scatter, where, cat.
#pragma once
#include <optional>
#include <vector>

#include "core/tensor.h"

namespace fb {

// One index per leading axis of the tensor: int64/int32 tensors, bool/uint8 masks, or nothing (the
// whole axis). NumPy's rules; every index is checked (Error(Index)).
using Indices = std::vector<std::optional<Tensor>>;

Tensor index(const Tensor& self, const Indices& indices);
// self[indices] = values (or += with accumulate, each occurrence counted).
void index_put(const Tensor& self, const Indices& indices, const Tensor& values, bool accumulate);

Tensor index_select(const Tensor& self, int dim, const Tensor& index);
// self[..., index[i], ...] += alpha * source[..., i, ...]
void index_add(const Tensor& self, int dim, const Tensor& index, const Tensor& source,
               const Scalar& alpha);

enum class Scatter { Set, Add, Multiply, Max, Min };
Tensor gather(const Tensor& self, int dim, const Tensor& index);
// self[..., index[i][j], ...] (op)= source[i][j]; source broadcasts to index's shape.
void scatter(const Tensor& self, int dim, const Tensor& index, const Tensor& source, Scatter mode);

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// The coordinates of the non-zero elements, one row each.
Tensor nonzero(const Tensor& t);
// The elements of `t` where mask holds, in order; both broadcast.
Tensor masked_select(const Tensor& t, const Tensor& mask);
Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim);

}  // namespace fb
