// Tensors made from a formula: ranges, the identity, triangles and their indices.
#pragma once
#include "core/tensor.h"

namespace fb {

// `steps` values from start to end, both included; symmetric about the middle, as torch computes
// them.
Tensor linspace(const Scalar& start, const Scalar& end, std::int64_t steps, DType dtype);
// base ** linspace(start, end, steps).
Tensor logspace(const Scalar& start, const Scalar& end, std::int64_t steps, double base,
                DType dtype);
Tensor eye(std::int64_t n, std::int64_t m, DType dtype);
// The last two axes with what is above (lower) or below (upper) the diagonal set to zero.
Tensor triangle(const Tensor& t, std::int64_t diagonal, bool upper);
// Row and column numbers of a triangle of a (rows, columns) matrix: (2, count), row by row.
Tensor triangle_indices(std::int64_t rows, std::int64_t columns, std::int64_t offset, bool upper,
                        DType dtype);
// real + i * imag, both of one floating type.
Tensor make_complex(const Tensor& real, const Tensor& imag);

}  // namespace fb
