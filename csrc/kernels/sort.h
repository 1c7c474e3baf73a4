// Sorting and selecting along one axis, distinct elements, searching sorted ones, counting.
#pragma once
#include <optional>
#include <tuple>
#include <utility>

#include "core/tensor.h"

namespace fb {

using TensorPair = std::pair<Tensor, Tensor>;
using TensorTriple = std::tuple<Tensor, Tensor, Tensor>;

// All return (values, indices). NaN counts as larger than every number. Equal elements keep their
// order, also when descending.
TensorPair sort(const Tensor& t, std::int64_t dim, bool descending);
TensorPair topk(const Tensor& t, std::int64_t k, std::int64_t dim, bool largest);
TensorPair kthvalue(const Tensor& t, std::int64_t k, std::int64_t dim, bool keepdim);
// The lower of the two middle elements; a NaN is the median unless NaN are ignored.
TensorPair median(const Tensor& t, std::int64_t dim, bool keepdim, bool ignore_nan);
// The most frequent element (the smallest of those) and its last place.
TensorPair mode(const Tensor& t, std::int64_t dim, bool keepdim);

// (distinct elements, for each element which it is, how many of each). NaN differs from itself.
// Without dim: of all elements; with dim: of the slices along it. `sorted`: else only neighbours
// are compared and the order is kept. What is not wanted may be empty.
TensorTriple unique(const Tensor& t, std::optional<std::int64_t> dim, bool sorted,
                    bool with_inverse, bool with_counts);

// For each value how many elements of its row of `sequence` come before it: those smaller, and with
// `right` those equal. `sorter` has the places of the elements of `sequence` in ascending order.
Tensor searchsorted(const Tensor& sequence, const Tensor& values, bool right, bool out_int32,
                    const Tensor* sorter);

// Counts in `bins` equal intervals from low to high; elements outside do not count.
Tensor histc(const Tensor& t, std::int64_t bins, double low, double high);
// How often 0, 1, ... occur, or the sums of their weights.
Tensor bincount(const Tensor& t, const Tensor* weights, std::int64_t minlength);

}  // namespace fb
