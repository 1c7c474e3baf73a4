#include "kernels/format.h"

#include <algorithm>

#include "kernels/copy.h"

namespace fb {
namespace {

bool has_channels(const Dims& sizes) { return sizes.size() == 4 || sizes.size() == 5; }

// The axes from the innermost in memory to the outermost.
Dims inner_to_outer(int ndim) {
  Dims order{1};
  for (int d = ndim - 1; d >= 2; --d) order.push_back(d);
  order.push_back(0);
  return order;
}

}  // namespace

bool is_channels_last(const Dims& sizes, const Dims& strides) {
  if (!has_channels(sizes) || strides[1] == 0) return false;
  std::int64_t reach = 0;  // of the axes so far
  for (auto axis : inner_to_outer(sizes.size())) {
    const int d = static_cast<int>(axis);
    if (sizes[d] == 0 || strides[d] < reach) return false;
    if (d == 0 && reach == strides[1]) return false;  // all sizes are one: row-major as well
    reach = strides[d] * std::max<std::int64_t>(sizes[d], 1);
  }
  return true;
}

Dims channels_last_strides(const Dims& sizes) {
  Dims strides;
  strides.resize(sizes.size());
  std::int64_t step = 1;
  for (auto axis : inner_to_outer(sizes.size())) {
    strides[static_cast<int>(axis)] = step;
    step *= std::max<std::int64_t>(sizes[static_cast<int>(axis)], 1);
  }
  return strides;
}

Tensor in_channels_last(const Tensor& t, bool wanted) {
  if (!wanted || !has_channels(t.sizes())) return t;
  const Dims strides = channels_last_strides(t.sizes());
  if (t.strides() == strides) return t;
  const Tensor out = empty_strided(t.sizes(), strides, t.dtype(), t.device());
  copy_into(out, t);
  return out;
}

}  // namespace fb
