#include "kernels/creation.h"

#include <algorithm>
#include <cmath>

#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/copy_lines.h"

namespace fb {
namespace {

// Integers and 16-bit floats are computed in float, as torch does; the others in their own type.
template <class T>
struct step_type {
  using type = std::conditional_t<std::is_integral_v<T> && sizeof(T) == 8, double, float>;
};
template <>
struct step_type<double> {
  using type = double;
};
template <>
struct step_type<complex64> {
  using type = complex64;
};
template <>
struct step_type<complex128> {
  using type = complex128;
};

template <class T, class S>
T narrow(S value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return T(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

// value(k) for every element k.
template <class T, class F>
void generate(const Tensor& out, F value) {
  T* data = out.data<T>();
  parallel_for(0, out.numel(), default_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) data[k] = value(k);
  });
}

// base + by * k, for floats rounded once, as by a fused multiply-add, which torch uses there.
template <class T, class S>
S along(S base, S by, std::int64_t k) {
  if constexpr (std::is_integral_v<T> && std::is_same_v<S, float>)
    return base + by * static_cast<float>(k);
  else if constexpr (std::is_same_v<S, float>)
    return static_cast<float>(double{base} + double{by} * static_cast<double>(k));
  else if constexpr (std::is_same_v<S, double>)
    return std::fma(by, static_cast<double>(k), base);
  else
    return base + by * static_cast<S>(k);
}

template <class T, class S>
auto points(const Scalar& start, const Scalar& end, std::int64_t steps) {
  const S first = start.to<S>(), last = end.to<S>();
  const S by = steps > 1 ? (last - first) / static_cast<S>(steps - 1) : S(0);
  return [=](std::int64_t k) {
    return k < steps / 2 || steps == 1 ? along<T>(first, by, k)
                                       : along<T>(last, -by, steps - k - 1);
  };
}

std::int64_t checked_steps(std::int64_t steps, const char* op) {
  FB_CHECK(steps >= 0, Runtime, op, ": number of steps must be non-negative");
  return steps;
}

}  // namespace

namespace {

// The first half counts up from the start, the second one down from the end.
void float_points(const Tensor& out, float first, float last) {
  auto* data = out.data<float>();
  const std::int64_t steps = out.numel(), half = steps / 2;
  const float by = steps > 1 ? (last - first) / static_cast<float>(steps - 1) : 0;
  parallel_for(0, half, default_grain, [&](std::int64_t b, std::int64_t e) {
    copy_lines().ramp_float(data + b, first, by, b, 1, e - b);
  });
  parallel_for(half, steps, default_grain, [&](std::int64_t b, std::int64_t e) {
    copy_lines().ramp_float(data + b, last, -by, steps - 1 - b, -1, e - b);
  });
}

}  // namespace

Tensor linspace(const Scalar& start, const Scalar& end, std::int64_t steps, DType dtype) {
  Tensor out = empty({checked_steps(steps, "linspace")}, dtype);
  if (dtype == DType::Float32 && steps > 1) {
    float_points(out, start.to<float>(), end.to<float>());
    return out;
  }
  dispatch_all(dtype, [&]<class T>() {
    const auto at = points<T, typename step_type<T>::type>(start, end, steps);
    generate<T>(out, [&](std::int64_t k) { return narrow<T>(at(k)); });
  });
  return out;
}

Tensor logspace(const Scalar& start, const Scalar& end, std::int64_t steps, double base,
                DType dtype) {
  Tensor out = empty({checked_steps(steps, "logspace")}, dtype);
  dispatch_all(dtype, [&]<class T>() {
    using S = typename step_type<T>::type;
    const auto at = points<T, S>(start, end, steps);
    const S b = static_cast<S>(base);
    generate<T>(out, [&](std::int64_t k) { return narrow<T>(std::pow(b, at(k))); });
  });
  return out;
}

Tensor eye(std::int64_t n, std::int64_t m, DType dtype) {
  FB_CHECK(n >= 0, Runtime, "eye: n must be greater or equal to 0, got ", n);
  FB_CHECK(m >= 0, Runtime, "eye: m must be greater or equal to 0, got ", m);
  Tensor out = full({n, m}, Scalar(0), dtype);
  const std::int64_t length = std::min(n, m);
  if (length) fill(out.as_strided({length}, {m + 1}, 0), Scalar(1));
  return out;
}

Tensor triangle(const Tensor& t, std::int64_t diagonal, bool upper) {
  const char* op = upper ? "triu" : "tril";
  require_cpu(t, op);
  FB_CHECK(t.ndim() >= 2, Runtime, op, ": input tensor must have at least 2 dimensions: input is ",
           t.sizes());
  Tensor out = empty(t.sizes(), t.dtype(), t.device());
  copy_into(out, t);
  const std::int64_t rows = t.size(t.ndim() - 2), columns = t.size(t.ndim() - 1);
  const std::int64_t item = static_cast<std::int64_t>(t.itemsize());
  if (out.numel() == 0) return out;
  const std::int64_t all_rows = out.numel() / columns;
  // Far diagonals are all the same, and stay clear of overflow.
  const std::int64_t k = std::clamp(diagonal, -rows - 1, columns + 1);
  parallel_for(0, all_rows, std::max<std::int64_t>(default_grain / columns, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   const std::int64_t cut =
                       std::clamp<std::int64_t>(row % rows + k + (upper ? 0 : 1), 0, columns);
                   char* first = out.bytes() + (row * columns + (upper ? 0 : cut)) * item;
                   std::memset(first, 0,
                               static_cast<std::size_t>((upper ? cut : columns - cut) * item));
                 }
               });
  return out;
}

Tensor triangle_indices(std::int64_t rows, std::int64_t columns, std::int64_t offset, bool upper,
                        DType dtype) {
  const char* op = upper ? "triu_indices" : "tril_indices";
  FB_CHECK(rows >= 0, Runtime, op, ": row must be non-negative, got", rows);
  FB_CHECK(columns >= 0, Runtime, op, ": col must be non-negative, got", columns);
  FB_CHECK(dtype == DType::Int32 || dtype == DType::Int64, NotImplemented, "\"", op,
           "\" not implemented for '", dtype_name(dtype), "'");
  checked_numel({rows, columns}, op);
  const std::int64_t k = std::clamp(offset, -rows - 1, columns + 1);
  auto first = [&](std::int64_t row) {
    return upper ? std::clamp<std::int64_t>(row + k, 0, columns) : 0;
  };
  auto last = [&](std::int64_t row) {
    return upper ? columns : std::clamp<std::int64_t>(row + k + 1, 0, columns);
  };
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < rows; ++row) count += last(row) - first(row);
  Tensor out = empty({2, count}, dtype);
  dispatch_index(dtype, op, [&]<class T>() {
    T* row_out = out.data<T>();
    T* column_out = row_out + count;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = first(row); column < last(row); ++column) {
        *row_out++ = static_cast<T>(row);
        *column_out++ = static_cast<T>(column);
      }
  });
  return out;
}

namespace {

template <class T>
void interleave(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  for (std::int64_t i = 0; i < n; ++i)
    *reinterpret_cast<std::complex<T>*>(data[0] + i * strides[0]) =
        std::complex<T>(*reinterpret_cast<const T*>(data[1] + i * strides[1]),
                        *reinterpret_cast<const T*>(data[2] + i * strides[2]));
}

}  // namespace

Tensor make_complex(const Tensor& real, const Tensor& imag) {
  require_cpu(real, "complex");
  require_cpu(imag, "complex");
  FB_CHECK(real.dtype() == DType::Float32 || real.dtype() == DType::Float64, Runtime,
           "complex: Expected both inputs to be Float or Double tensors but got ",
           dtype_name(real.dtype()), " and ", dtype_name(imag.dtype()));
  FB_CHECK(real.dtype() == imag.dtype(), Runtime, "complex: Expected object of scalar type ",
           dtype_name(real.dtype()), " but got scalar type ", dtype_name(imag.dtype()),
           " for second argument");
  const Dims shape = broadcast_shapes(real.sizes(), imag.sizes(), "complex");
  const DType dtype = complex_dtype(real.dtype());
  const Operand parts[] = {real, imag};
  const Tensor out = empty_result(shape, dtype, parts, 2);
  run_loop(real.dtype() == DType::Float32 ? interleave<float> : interleave<double>, shape,
           {out, real, imag});
  return out;
}

}  // namespace fb
