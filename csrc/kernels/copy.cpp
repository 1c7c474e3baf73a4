#include "kernels/copy.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "core/parallel.h"
#include "kernels/copy_lines.h"
#include "kernels/elementwise.h"

namespace fb {
namespace {

template <class T>
constexpr bool is_complex_v = std::is_same_v<T, complex64> || std::is_same_v<T, complex128>;
template <class T>
constexpr bool is_half_v = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Float to integer as C does where that is defined; NaN and out-of-range values get the
// "integer indefinite" of x86 instead of undefined behaviour. Types that 32 bits hold are cut from
// the one of 32 bits.
template <class To>
To float_to_integer(double value) {
  if constexpr (sizeof(To) < 4 || std::is_same_v<To, std::int32_t>) {
    const bool fits = value > -2147483649.0 && value < 2147483648.0;
    return static_cast<To>(fits ? static_cast<std::int32_t>(value)
                                : std::numeric_limits<std::int32_t>::min());
  }
  if (!(value >= -9223372036854775808.0 && value < 18446744073709551616.0))
    return static_cast<To>(std::numeric_limits<std::int64_t>::min());
  if (value >= 9223372036854775808.0) return static_cast<To>(static_cast<std::uint64_t>(value));
  return static_cast<To>(static_cast<std::int64_t>(value));
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_complex_v<From>) {
    if constexpr (is_complex_v<To>)
      return To(static_cast<typename To::value_type>(value.real()),
                static_cast<typename To::value_type>(value.imag()));
    else if constexpr (std::is_same_v<To, bool>)
      return value.real() != 0 || value.imag() != 0;
    else
      return convert<To>(value.real());
  } else if constexpr (is_complex_v<To>) {
    return To(convert<typename To::value_type>(value));
  } else if constexpr (is_half_v<From>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (is_half_v<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return float_to_integer<To>(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

// `params` is the loop for contiguous lines, where there is one.
template <class To, class From>
void cast_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void* params) {
  // bool is read as a byte: any non-zero byte of foreign memory counts as true.
  using Read = std::conditional_t<std::is_same_v<From, bool>, std::uint8_t, From>;
  char* out = data[0];
  const char* in = data[1];
  const std::int64_t so = strides[0], si = strides[1];
  auto one = [](Read value) -> To {
    if constexpr (std::is_same_v<From, bool>)
      return convert<To>(value != 0);
    else
      return convert<To>(value);
  };
  if (so == static_cast<std::int64_t>(sizeof(To)) &&
      si == static_cast<std::int64_t>(sizeof(From))) {
    if (params) return reinterpret_cast<CastLine>(const_cast<void*>(params))(out, in, n);
    auto* o = reinterpret_cast<To*>(out);
    auto* i = reinterpret_cast<const Read*>(in);
    for (std::int64_t k = 0; k < n; ++k) o[k] = one(i[k]);
    return;
  }
  for (std::int64_t k = 0; k < n; ++k, out += so, in += si)
    *reinterpret_cast<To*>(out) = one(*reinterpret_cast<const Read*>(in));
}

constexpr std::int64_t least_line = 512;

// Same dtype: only the item size matters.
template <class Word>
void move_loop(char* const* data, const std::int64_t* strides, std::int64_t n, const void*) {
  char* out = data[0];
  const char* in = data[1];
  const std::int64_t so = strides[0], si = strides[1];
  constexpr std::int64_t size = sizeof(Word);
  if (so == size && si == size) {
    if (n * size < least_line)
      copy_short_line(out, in, n * size);
    else
      copy_lines().copy_bytes(out, in, n * size);
    return;
  }
  if constexpr (size <= 8) {
    constexpr int log_size = std::countr_zero(sizeof(Word));
    if (so == size && si == 0) return copy_lines().fill[log_size](out, in, n);
    if (so == size && si == -size) return copy_lines().reverse[log_size](out, in, n);
  }
  for (std::int64_t k = 0; k < n; ++k, out += so, in += si)
    *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
}

Loop move_loop_for(std::size_t size) {
  switch (size) {
    case 1:
      return move_loop<std::uint8_t>;
    case 2:
      return move_loop<std::uint16_t>;
    case 4:
      return move_loop<std::uint32_t>;
    case 8:
      return move_loop<std::uint64_t>;
    default:
      return move_loop<complex128>;
  }
}

// ---- copies in which rows become columns ----

struct CopyAxis {
  std::int64_t size, to, from;  // steps in bytes
};

// The axes of a copy of more than one element, those of `dst` that lie closest together first,
// joined where both sides step through them evenly.
int axes_of_copy(const Tensor& dst, const Tensor& src, CopyAxis* axes) {
  const auto size = static_cast<std::int64_t>(dst.itemsize());
  int count = 0;
  for (int d = dst.ndim() - 1; d >= 0; --d)
    if (dst.size(d) != 1) axes[count++] = {dst.size(d), dst.stride(d) * size, src.stride(d) * size};
  std::stable_sort(axes, axes + count,
                   [](const CopyAxis& a, const CopyAxis& b) { return a.to < b.to; });
  int last = -1;
  for (int d = 0; d < count; ++d) {
    const bool joins = last >= 0 && axes[d].to == axes[last].size * axes[last].to &&
                       axes[d].from == axes[last].size * axes[last].from;
    if (joins)
      axes[last].size *= axes[d].size;
    else
      axes[++last] = axes[d];
  }
  return last + 1;
}

// Copies by squares where neighbours on one side are far apart on the other; false, and nothing is
// done, where they are not.
bool transpose_into(const Tensor& dst, const Tensor& src, const CopyAxis* axes, int count) {
  constexpr std::int64_t least = 16;
  const auto size = static_cast<std::int64_t>(dst.itemsize());
  if ((size != 4 && size != 8) || dst.numel() < least * least) return false;
  int row = 1;
  while (row < count && axes[row].from != size) ++row;
  if (row >= count || axes[0].to != size || axes[0].from <= size || axes[0].size < least ||
      axes[row].size < least || axes[row].to <= 0)
    return false;
  const CopyAxis across = axes[0], along = axes[row];
  std::int64_t planes = 1;
  for (int d = 1; d < count; ++d)
    if (d != row) planes *= axes[d].size;
  // Stripes of columns of the result: they read whole stretches of the source.
  constexpr std::int64_t stripe = 64;
  const std::int64_t stripes = (across.size + stripe - 1) / stripe;
  const auto transpose = copy_lines().transpose[size == 8];
  const std::int64_t grain = std::max<std::int64_t>(1, default_grain / (along.size * stripe));
  parallel_for(0, planes * stripes, grain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t first = item % stripes * stripe;
      std::int64_t to = first * across.to, from = first * across.from, rest = item / stripes;
      for (int d = 1; d < count; ++d) {
        if (d == row) continue;
        to += rest % axes[d].size * axes[d].to;
        from += rest % axes[d].size * axes[d].from;
        rest /= axes[d].size;
      }
      transpose(dst.bytes() + to, along.to, src.bytes() + from, across.from, along.size,
                std::min(stripe, across.size - first));
    }
  });
  return true;
}

// Copies short lines, of which many follow one another evenly, without a call for each; false, and
// nothing is done, where there are none.
bool rows_into(const Tensor& dst, const Tensor& src, const CopyAxis* axes, int count) {
  const auto size = static_cast<std::int64_t>(dst.itemsize());
  if (count < 2 || axes[0].to != size || axes[0].from != size) return false;
  const std::int64_t line = axes[0].size * size, in_row = axes[1].size;
  if (line >= least_line) return false;
  std::int64_t rows = 1;
  for (int d = 1; d < count; ++d) rows *= axes[d].size;
  const std::int64_t grain = std::max<std::int64_t>(1, default_grain / axes[0].size);
  parallel_for(0, rows, grain, [&](std::int64_t b, std::int64_t e) {
    while (b < e) {
      const std::int64_t some = std::min(e - b, in_row - b % in_row);
      std::int64_t to = 0, from = 0, rest = b;
      for (int d = 1; d < count; ++d) {
        to += rest % axes[d].size * axes[d].to;
        from += rest % axes[d].size * axes[d].from;
        rest /= axes[d].size;
      }
      copy_lines().copy_rows(dst.bytes() + to, axes[1].to, src.bytes() + from, axes[1].from, line,
                             some);
      b += some;
    }
  });
  return true;
}

// A copy between two layouts in one of the ways above; false, and nothing is done, where neither
// fits or the tensor is too small to look for one.
bool rearrange_into(const Tensor& dst, const Tensor& src) {
  constexpr std::int64_t least = 64;
  if (dst.numel() < least || (dst.is_contiguous() && src.is_contiguous())) return false;
  CopyAxis axes[Dims::max_size];
  const int count = axes_of_copy(dst, src, axes);
  return transpose_into(dst, src, axes, count) || rows_into(dst, src, axes, count);
}

Loop cast_loop_for(DType to, DType from) {
  return dispatch_all(to, [&]<class To>() {
    return dispatch_all(from, [&]<class From>() -> Loop { return cast_loop<To, From>; });
  });
}

// The flags by which two views differ, applied to what `t` holds.
void toggle(const Tensor& t, bool conj, bool neg) {
  static const int conj_id = find_unary("conj_physical"), neg_id = find_unary("neg");
  if (conj && is_complex(t.dtype())) unary(conj_id, t, &t);
  if (neg && t.dtype() != DType::Bool) unary(neg_id, t, &t);
}

// A view of complex numbers may be a copy of real ones, whose sign alone matters then.
void copy_lazy(const Tensor& dst, const Tensor& src) {
  const Tensor to = dst.raw();
  copy_into(to, src.raw());
  toggle(to, src.is_conj() != dst.is_conj(), src.is_neg() != dst.is_neg());
}

}  // namespace

void copy_into(const Tensor& dst, const Tensor& src) {
  if (dst.is_lazy() || src.is_lazy()) return copy_lazy(dst, src);
  FB_CHECK(!src.is_meta() || dst.is_meta(), NotImplemented,
           "Cannot copy out of meta tensor; no data!");
  require_cpu(dst, "copy_");
  require_cpu(src, "copy_");
  check_writable(dst, "copy_");
  if (!(src.sizes() == dst.sizes())) {
    const Dims both = broadcast_shapes(dst.sizes(), src.sizes(), "copy_");
    FB_CHECK(both == dst.sizes(), Shape, "copy_: output with shape ", AsList{dst.sizes()},
             " doesn't match the broadcast shape ", AsList{both});
  }
  const Tensor source = src.expand(dst.sizes(), "copy_");
  if (needs_copy_before_write(dst, source)) return copy_into(dst, clone(source));
  if (dst.dtype() == src.dtype() && rearrange_into(dst, source)) return;
  if (dst.dtype() == src.dtype())
    return run_loop(move_loop_for(dst.itemsize()), dst.sizes(), {dst, source});
  const CastLine line = copy_lines().cast_line(dst.dtype(), src.dtype());
  run_loop(cast_loop_for(dst.dtype(), src.dtype()), dst.sizes(), {dst, source},
           reinterpret_cast<const void*>(line));
}

void fill(const Tensor& dst, const Scalar& value) {
  require_cpu(dst, "fill_");
  if (dst.is_lazy()) return copy_into(dst, full({}, value, dst.dtype()));
  alignas(16) char element[16];
  store_scalar(value, dst.dtype(), element);
  run_loop(move_loop_for(dst.itemsize()), dst.sizes(), {dst, Operand::element(element)});
}

Tensor cast(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  Tensor out = empty_like(t, dtype);
  copy_into(out, t);
  return out;
}

Tensor contiguous(const Tensor& t) {
  if (t.is_contiguous()) return t;
  Tensor out = empty(t.sizes(), t.dtype(), t.device());
  copy_into(out, t);
  return out;
}

Tensor clone(const Tensor& t) {
  if (t.is_lazy()) return resolved(t);
  Tensor out = empty_like(t);
  copy_into(out, t);
  return out;
}

Tensor resolved(const Tensor& t) {
  static const int conj_id = find_unary("conj_physical"), neg_id = find_unary("neg");
  if (!t.is_lazy()) return t;
  Tensor out = t.is_conj() ? unary(conj_id, t.raw()) : unary(neg_id, t.raw());
  if (t.is_conj() && t.is_neg()) unary(neg_id, out, &out);
  return out;
}

Tensor full(const Dims& sizes, const Scalar& value, DType dtype) {
  Tensor out = empty(sizes, dtype);
  fill(out, value);
  return out;
}

Tensor scalar_tensor(const Scalar& value, DType dtype) {
  Tensor out = empty({}, dtype);
  store_scalar(value, dtype, out.bytes());
  return out;
}

Tensor arange(const Scalar& start, const Scalar& step, std::int64_t count, DType dtype) {
  Tensor out = empty({count}, dtype);
  dispatch_all(dtype, [&]<class T>() {
    T* data = out.data<T>();
    if constexpr (std::is_same_v<T, std::int64_t>) {
      const auto first = start.to<std::int64_t>(), by = step.to<std::int64_t>();
      parallel_for(0, count, default_grain, [&](std::int64_t b, std::int64_t e) {
        const auto moved = wrapping_product(b, by);
        copy_lines().ramp_int64(data + b, first + moved, by, e - b);
      });
    } else if constexpr (std::is_same_v<T, float>) {
      parallel_for(0, count, default_grain, [&](std::int64_t b, std::int64_t e) {
        copy_lines().ramp_float(data + b, start.re, step.re, b, 1, e - b);
      });
    } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const T first = start.to<T>(), by = step.to<T>();
      parallel_for(0, count, default_grain, [&](std::int64_t b, std::int64_t e) {
        for (std::int64_t k = b; k < e; ++k)
          data[k] = static_cast<T>(first + static_cast<T>(k) * by);
      });
    } else {
      const double first = start.re, by = step.re;
      parallel_for(0, count, default_grain, [&](std::int64_t b, std::int64_t e) {
        for (std::int64_t k = b; k < e; ++k)
          data[k] = convert<T>(first + by * static_cast<double>(k));
      });
    }
  });
  return out;
}

Scalar item(const Tensor& t) {
  FB_CHECK(t.numel() == 1, Runtime, "item: a Tensor with ", t.numel(),
           " elements cannot be converted to Scalar");
  FB_CHECK(!t.is_meta() || shape_only(), Runtime, "Tensor.item() cannot be called on meta tensors");
  if (t.is_lazy()) return item(resolved(t));
  return load_scalar(t.dtype(), t.bytes());
}

}  // namespace fb
