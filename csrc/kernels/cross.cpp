#include "kernels/cross.h"

#include <cstdint>
#include <type_traits>

#include "core/iter.h"

namespace fb {
namespace {

// Bytes from one element of a vector to the next.
struct Steps {
  std::int64_t out, a, b;
};

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float,
                                std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>>;

template <class T>
Wide<T> element(const char* data, std::int64_t offset) {
  return static_cast<Wide<T>>(*reinterpret_cast<const T*>(data + offset));
}

template <class T>
void cross_loop(char* const* data, const std::int64_t* strides, std::int64_t n,
                const void* params) {
  const Steps& step = *static_cast<const Steps*>(params);
  for (std::int64_t i = 0; i < n; ++i) {
    char* out = data[0] + i * strides[0];
    const char *a = data[1] + i * strides[1], *b = data[2] + i * strides[2];
    Wide<T> x[3], y[3];
    for (int k = 0; k < 3; ++k) {
      x[k] = element<T>(a, k * step.a);
      y[k] = element<T>(b, k * step.b);
    }
    for (int k = 0; k < 3; ++k) {
      const int next = (k + 1) % 3, last = (k + 2) % 3;
      *reinterpret_cast<T*>(out + k * step.out) =
          static_cast<T>(x[next] * y[last] - x[last] * y[next]);
    }
  }
}

}  // namespace

Tensor cross(const Tensor& a, const Tensor& b, int axis) {
  require_cpu(a, "linalg.cross");
  require_cpu(b, "linalg.cross");
  FB_CHECK(a.dtype() == b.dtype() && a.dtype() != DType::Bool, DType,
           "linalg.cross: expected two tensors of one dtype that is not bool: input is ",
           dtype_name(a.dtype()), ", other is ", dtype_name(b.dtype()));
  FB_CHECK(a.ndim() == b.ndim() && axis >= 0 && axis < a.ndim() && a.size(axis) == 3 &&
               b.size(axis) == 3,
           Shape, "linalg.cross: expected vectors of three elements along axis ", axis,
           ": input is ", a.sizes(), ", other is ", b.sizes());
  const Dims sizes = broadcast_shapes(a.sizes(), b.sizes(), "linalg.cross");
  const Tensor out = empty(sizes, a.dtype());
  const Tensor first_out = out.select(axis, 0), first_a = a.select(axis, 0),
               first_b = b.select(axis, 0);
  const auto size = static_cast<std::int64_t>(a.itemsize());
  const Steps steps{out.stride(axis) * size, a.stride(axis) * size, b.stride(axis) * size};
  dispatch_all(a.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>)
      run_loop(cross_loop<T>, first_out.sizes(), {first_out, first_a, first_b}, &steps);
  });
  return out;
}

}  // namespace fb
