#include "core/shape.h"

namespace fb {

std::ostream& operator<<(std::ostream& stream, const Dims& dims) {
  stream << '(';
  for (int i = 0; i < dims.size(); ++i) stream << (i ? ", " : "") << dims[i];
  return stream << (dims.size() == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& stream, const AsList& list) {
  stream << '[';
  for (int i = 0; i < list.dims.size(); ++i) stream << (i ? ", " : "") << list.dims[i];
  return stream << ']';
}

std::int64_t checked_numel(const Dims& sizes, const char* op) {
  std::int64_t n = 1;
  bool overflow = false, empty = false;
  for (auto s : sizes) {
    FB_CHECK(s >= 0, Shape, op, ": Dimension size must be non-negative: sizes are ", sizes);
    if (s == 0) empty = true;
    overflow |= __builtin_mul_overflow(n, s, &n);
  }
  if (empty) return 0;
  // 16 is the largest item size: the byte count must fit too.
  FB_CHECK(!overflow && n <= (std::int64_t{1} << 58), Shape, op,
           ": Storage size calculation overflowed: the number of elements must fit in memory: "
           "sizes are ",
           sizes);
  return n;
}

Dims contiguous_strides(const Dims& sizes) {
  Dims strides;
  strides.resize(sizes.size());
  std::int64_t step = 1;
  for (int i = sizes.size() - 1; i >= 0; --i) {
    strides[i] = step;
    if (sizes[i] > 1) step = wrapping_product(step, sizes[i]);
  }
  return strides;
}

int normalize_dim(std::int64_t dim, int ndim, const char* op) {
  const int range = ndim ? ndim : 1;
  FB_CHECK(dim >= -range && dim < range, Index, op,
           ": Dimension out of range (expected to be in range of [", -range, ", ", range - 1,
           "], but got ", dim, ")");
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op) {
  if (a == b) return a;
  const int n = a.size() > b.size() ? a.size() : b.size();
  Dims out;
  out.resize(n);
  for (int i = 0; i < n; ++i) {
    const int ia = i - (n - a.size()), ib = i - (n - b.size());
    const std::int64_t sa = ia < 0 ? 1 : a[ia], sb = ib < 0 ? 1 : b[ib];
    FB_CHECK(sa == sb || sa == 1 || sb == 1, Shape, op, ": The size of tensor a (", sa,
             ") must match the size of tensor b (", sb, ") at non-singleton dimension ", i,
             ": a is ", a, ", b is ", b);
    out[i] = sa == 1 ? sb : sa;
  }
  return out;
}

}  // namespace fb
