// Running sums, products and extremes along one axis.
#pragma once
#include "kernels/reduce.h"

namespace fb {

// Integers and bool add up and multiply in int64. `reverse` runs from the end of the axis.
Tensor cumsum(const Tensor& t, std::int64_t dim, OptionalDType dtype, bool reverse);
Tensor cumprod(const Tensor& t, std::int64_t dim, OptionalDType dtype);
// With the place of the last of equal extremes, as torch has it.
TensorPair cummax(const Tensor& t, std::int64_t dim);
TensorPair cummin(const Tensor& t, std::int64_t dim);
Tensor logcumsumexp(const Tensor& t, std::int64_t dim, bool reverse);

}  // namespace fb
