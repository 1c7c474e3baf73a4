#include "kernels/pool_pairs.h"

#include <algorithm>
#include <bit>

#include "core/allocator.h"
#include "core/parallel.h"

namespace fb {
namespace {

// Outputs that one thread takes on.
constexpr std::int64_t grain = 1 << 13;

template <class T>
const PairLoopsOf<T>& loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return pair_loops().of_float;
  else
    return pair_loops().of_double;
}

bool all_are(const Dims& dims, std::int64_t value) {
  return dims.size() == 2 && dims[0] == value && dims[1] == value;
}

// Places in the plane of the windows' corners, of outputs from any in the first plane on.
template <class T>
void fill_places(std::int64_t height, std::int64_t width, std::int64_t count, T* places) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t output = i % (height * width);
    places[i] = static_cast<T>(output / width * 4 * width + output % width * 2);
  }
}

template <class T>
void run(const Tensor& x, const Tensor& out, const Tensor& indices) {
  const PairLoopsOf<T>& loops = loops_of<T>();
  const int last = out.ndim() - 1;
  const std::int64_t height = out.size(last - 1), width = out.size(last), plane = height * width;
  const std::int64_t n = loops.lanes, total = out.numel();
  Workspace<std::int32_t> places(static_cast<std::size_t>(plane + n));
  fill_places(height, width, plane + n, places.data());
  const T* from = x.data<const T>();
  T* to = out.data<T>();
  std::int64_t* index = indices.data<std::int64_t>();
  parallel_for(0, total / n, grain / n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * n; i < end * n; i += n)
      loops.max(from + 4 * i, width, places.data() + i % plane, to + i, index + i);
  });
  const std::int64_t done = total / n * n;
  if (done == total || shape_only()) return;
  // The last outputs by a whole vector of their own.
  Workspace<T> inputs(static_cast<std::size_t>(4 * n)), values(static_cast<std::size_t>(n));
  Workspace<std::int64_t> found(static_cast<std::size_t>(n));
  std::fill_n(std::copy(from + 4 * done, from + 4 * total, inputs.data()), 4 * (n - total + done),
              T(0));
  loops.max(inputs.data(), width, places.data() + done % plane, values.data(), found.data());
  std::copy_n(values.data(), total - done, to + done);
  std::copy_n(found.data(), total - done, index + done);
}

}  // namespace

std::optional<std::pair<Tensor, Tensor>> max_pool_pairs(const Tensor& x, const Dims& kernel,
                                                        const Dims& stride, const Dims& padding,
                                                        const Dims& dilation) {
  const int last = x.ndim() - 1;
  const bool real = x.dtype() == DType::Float32 || x.dtype() == DType::Float64;
  if (!real || !x.is_contiguous() || x.numel() == 0 || last < 1 || !all_are(kernel, 2) ||
      !all_are(stride, 2) || !all_are(padding, 0) || !all_are(dilation, 1))
    return {};
  const std::int64_t height = x.size(last - 1), width = x.size(last);
  const std::int64_t lanes =
      x.dtype() == DType::Float32 ? pair_loops().of_float.lanes : pair_loops().of_double.lanes;
  // A vector of outputs has whole rows of all widths that divide its size.
  if (height % 2 || width % 2 || width / 2 > lanes ||
      !std::has_single_bit(static_cast<std::uint64_t>(width)))
    return {};
  Dims sizes = x.sizes();
  sizes[last - 1] = height / 2;
  sizes[last] = width / 2;
  const Tensor out = empty(sizes, x.dtype()), indices = empty(sizes, DType::Int64);
  dispatch_float(x.dtype(), "max_pool2d", [&]<class T>() { run<T>(x, out, indices); });
  return std::pair{out, indices};
}

}  // namespace fb
