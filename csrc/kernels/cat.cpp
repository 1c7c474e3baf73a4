// Tensors joined along an axis.
#include <algorithm>

#include "kernels/copy.h"
#include "kernels/format.h"
#include "kernels/index.h"

namespace fb {

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t given_dim) {
  FB_CHECK(!tensors.empty(), Value, "cat(): expected a non-empty list of Tensors");
  // An empty vector joins with anything, as ever.
  auto skipped = [](const Tensor& t) { return t.ndim() == 1 && t.size(0) == 0; };
  const Tensor* first = nullptr;
  DType dtype = tensors[0].dtype();
  for (const Tensor& t : tensors) {
    require_cpu(t, "cat");
    FB_CHECK(t.ndim() > 0, Runtime, "zero-dimensional tensor cannot be concatenated");
    dtype = promote(dtype, t.dtype());
    if (!first && !skipped(t)) first = &t;
  }
  if (!first) return empty({0}, dtype);
  const int dim = normalize_dim(given_dim, first->ndim(), "cat");
  Dims shape = first->sizes();
  shape[dim] = 0;
  int k = 0;
  for (const Tensor& t : tensors) {
    const int position = k++;
    if (skipped(t)) continue;
    FB_CHECK(t.ndim() == first->ndim(), Shape, "Tensors must have same number of dimensions: got ",
             first->ndim(), " and ", t.ndim());
    for (int d = 0; d < shape.size(); ++d)
      FB_CHECK(d == dim || t.size(d) == first->size(d), Shape,
               "Sizes of tensors must match except in dimension ", dim, ". Expected size ",
               first->size(d), " but got size ", t.size(d), " for tensor number ", position,
               " in the list.");
    shape[dim] += t.size(dim);
  }
  const bool channels_last = std::all_of(tensors.begin(), tensors.end(), [&](const Tensor& t) {
    return skipped(t) || is_channels_last(t);
  });
  const Tensor out = channels_last ? empty_strided(shape, channels_last_strides(shape), dtype)
                                   : empty(shape, dtype);
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (skipped(t)) continue;
    if (t.numel()) copy_into(out.slice(dim, at, t.size(dim), 1), t);
    at += t.size(dim);
  }
  return out;
}

}  // namespace fb
