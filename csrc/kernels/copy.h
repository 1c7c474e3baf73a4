// Copying, casting and filling.
#pragma once
#include "core/iter.h"

namespace fb {

// These know conj and neg views, on either side.

// dst[...] = src[...], broadcasting src and converting the dtype; overlapping memory is safe.
void copy_into(const Tensor& dst, const Tensor& src);
void fill(const Tensor& dst, const Scalar& value);
Tensor cast(const Tensor& t, DType dtype);  // itself when the dtype is the same
Tensor contiguous(const Tensor& t);         // itself when already row-major
Tensor clone(const Tensor& t);              // keeps the layout of dense tensors

Tensor full(const Dims& sizes, const Scalar& value, DType dtype);
Tensor scalar_tensor(const Scalar& value, DType dtype);
// start, start + step, ...: computed in the output's type (integers) or in double.
Tensor arange(const Scalar& start, const Scalar& step, std::int64_t count, DType dtype);
// The elements of a conj or neg view in memory of their own; any other tensor itself.
Tensor resolved(const Tensor& t);
// The only element; Error(Runtime) for any other number of elements.
Scalar item(const Tensor& t);

}  // namespace fb
