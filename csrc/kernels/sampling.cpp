// Random integers, permutations, counts and indices.
#include <bit>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "kernels/random.h"
#include "kernels/random_stream.h"

namespace fb {
namespace {

using Words = const std::uint32_t*;

// The largest integer up to which a dtype holds every integer.
std::uint64_t largest_integer(DType dtype, const char* op) {
  switch (dtype) {
    case DType::Bool:
      return 1;
    case DType::UInt8:
      return 255;
    case DType::Int8:
      return 127;
    case DType::Int16:
      return 32767;
    case DType::UInt16:
      return 65535;
    case DType::Int32:
      return (std::uint64_t{1} << 31) - 1;
    case DType::UInt32:
      return (std::uint64_t{1} << 32) - 1;
    case DType::Int64:
      return (std::uint64_t{1} << 63) - 1;
    case DType::UInt64:
      return ~std::uint64_t{0};
    case DType::Float16:
      return 1 << 11;
    case DType::BFloat16:
      return 1 << 8;
    case DType::Float32:
      return 1 << 24;
    case DType::Float64:
      return std::uint64_t{1} << 53;
    default:
      fail(ErrorKind::NotImplemented, op,
           ": handles only integral, floating-point and boolean types, got ", dtype_name(dtype));
  }
}

// The range of values a bound may have at all: a float type also takes large ones, with gaps.
void check_bound(DType dtype, const char* name, double value) {
  double low = 0, high = static_cast<double>(largest_integer(dtype, "random_"));
  if (is_signed(dtype)) low = -high - 1;
  if (is_floating(dtype)) {
    high = dtype == DType::Float16 ? 65504.0 : 0x1p63;
    low = -high;
  }
  FB_CHECK(value >= low && value <= high, Runtime, "random_: ", name, " is out of bounds for ",
           dtype_name(dtype), ": ", name, " is ", static_cast<std::int64_t>(value));
}

// The integers of a float type have gaps of 2^k from some size on: bounds whose inner neighbour
// rounds outwards move inwards to the next number that the type holds.
struct Bounds {
  std::int64_t from, to;
};
template <class T>
Bounds representable_bounds(Bounds bounds, int digits) {
  const auto rounded = [](std::int64_t value) {
    return convert_random<std::int64_t>(static_cast<double>(T(value)));
  };
  const auto gap = [digits](std::int64_t value) {
    return std::int64_t{1} << (std::bit_width(static_cast<std::uint64_t>(std::abs(value))) -
                               digits);
  };
  const std::int64_t first = rounded(bounds.from + 1), last = rounded(bounds.to - 1);
  if (first < bounds.from) bounds.from = first + gap(bounds.from + 1);
  if (last >= bounds.to) bounds.to = last - gap(bounds.to - 1);
  return bounds;
}
Bounds representable_bounds(DType dtype, Bounds bounds) {
  switch (dtype) {
    case DType::Float16:
      return representable_bounds<Half>(bounds, 11);
    case DType::BFloat16:
      return representable_bounds<BFloat16>(bounds, 8);
    case DType::Float32:
      return representable_bounds<float>(bounds, 24);
    case DType::Float64:
      return representable_bounds<double>(bounds, 53);
    default:
      return bounds;
  }
}

// Draws modulo `range`, plus `base`; a range of 0 stands for all 2^64 numbers, as they are drawn.
void integers(const Tensor& flat, std::uint64_t range, std::int64_t base, bool wide_draws,
              Generator& generator) {
  const auto narrow = [&](Words w, std::int64_t* values, std::int64_t n) {
    random_loops().modulo(w, values, n, static_cast<std::uint32_t>(range), base);
  };
  const auto offset = static_cast<std::uint64_t>(base);
  const auto wide = [&](Words w, std::int64_t* values, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t draw = static_cast<std::uint64_t>(w[2 * i]) << 32 | w[2 * i + 1];
      values[i] = static_cast<std::int64_t>(range == 0 ? draw : draw % range + offset);
    }
  };
  const auto write = [&](std::int64_t begin, const std::int64_t* values, std::int64_t n) {
    store(flat, "random_", begin, values, n);
  };
  if (wide_draws)
    for_values<std::int64_t>(generator, flat.numel(), 2, 4096, wide, write);
  else
    for_values<std::int64_t>(generator, flat.numel(), 1, 16384, narrow, write);
}

void fill_integers(const Tensor& out, std::uint64_t range, std::int64_t base, bool wide_draws,
                   Generator& generator) {
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "random_", [&](const Tensor& flat) {
    integers(flat, range, base, wide_draws, generator);
  });
}

// The exchanges of Fisher and Yates. Targets are worked out ahead, so that their memory is on its
// way when its turn comes.
template <class Index>
void shuffle(Index* p, std::int64_t n, Generator& generator) {
  std::iota(p, p + n, Index{0});
  constexpr std::int64_t ahead = 128;
  std::uint32_t words[ahead];
  for (std::int64_t begin = 0; begin < n - 1; begin += ahead) {
    const std::int64_t count = std::min(ahead, n - 1 - begin);
    generator.draw(words, count);
    std::uint32_t target[ahead];
    for (std::int64_t k = 0; k < count; ++k) {
      const auto i = static_cast<std::uint32_t>(begin + k);
      target[k] = i + words[k] % (static_cast<std::uint32_t>(n) - i);
      __builtin_prefetch(p + target[k], 1);
    }
    for (std::int64_t k = 0; k < count; ++k) std::swap(p[begin + k], p[target[k]]);
  }
}

// The variant that grows the permutation, for sizes whose remainders of 32 bits would be uneven.
void shuffle_large(std::int64_t* p, std::int64_t n, Generator& generator) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto target =
        static_cast<std::int64_t>(generator.draw64() % static_cast<std::uint64_t>(i + 1));
    p[i] = i;
    std::swap(p[i], p[target]);
  }
}

// Counts uniform factors until their product falls below exp(-rate).
double poisson_by_product(double rate, Generator& generator) {
  const double limit = std::exp(-rate);
  double product = 1, count = 0;
  while ((product *= generator.draw_double()) > limit) ++count;
  return count;
}

// W. Hörmann, "The transformed rejection method for generating Poisson random variables" (1993),
// algorithm PTRS.
double poisson_by_rejection(double rate, Generator& generator) {
  const double root = std::sqrt(rate), log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * root;
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double accept = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = generator.draw_double() - 0.5, v = generator.draw_double();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= accept) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    int sign;  // lgamma_r: std::lgamma writes a global
    const double log_weight = -rate + k * log_rate - lgamma_r(k + 1, &sign);
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <= log_weight) return k;
  }
}

double poisson_one(double rate, Generator& generator) {
  FB_CHECK(rate >= 0, Runtime,
           "poisson: invalid Poisson rate, expected rate to be non-negative, got ", rate);
  if (rate == 0) return 0;
  return rate < 10 ? poisson_by_product(rate, generator) : poisson_by_rejection(rate, generator);
}

// Weights as rows of float32 or float64; each must be finite and non-negative, with a positive sum.
template <class T>
void check_weights(const T* weights, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (std::int64_t c = 0; c < columns; ++c) {
      const T w = weights[r * columns + c];
      FB_CHECK(w >= 0 && std::isfinite(w), Runtime,
               "multinomial: probability tensor contains either `inf`, `nan` or element < 0: ", w,
               " in row ", r);
      sum += w;
    }
    FB_CHECK(sum > 0, Runtime,
             "multinomial: invalid multinomial distribution (sum of probabilities <= 0) in row ",
             r);
  }
}

template <class T>
void sample_with_replacement(const T* weights, std::int64_t rows, std::int64_t columns,
                             std::int64_t count, std::int64_t* out, Generator& generator) {
  Workspace<T> cumulative(static_cast<std::size_t>(columns));
  T* const first = cumulative.data();
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = weights + r * columns;
    T sum = 0;
    for (std::int64_t c = 0; c < columns; ++c) first[c] = sum += row[c];
    for (std::int64_t c = 0; c < columns; ++c) first[c] /= sum;
    for_words(generator, count, 2, 512, [&](Words w, std::int64_t begin, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i) {
        const double draw = unit_double(w + 2 * i);
        const T* found = std::partition_point(
            first, first + columns - 1, [draw](T c) { return static_cast<double>(c) < draw; });
        out[r * count + begin + i] = found - first;
      }
    });
  }
}

// The indices of the `count` largest keys of each row, largest first.
template <class T>
void largest_of_rows(const T* keys, std::int64_t rows, std::int64_t columns, std::int64_t count,
                     std::int64_t* out) {
  parallel_for(0, rows, std::max<std::int64_t>(1, 8192 / columns),
               [&](std::int64_t begin, std::int64_t end) {
                 Workspace<std::int64_t> order(static_cast<std::size_t>(columns));
                 std::int64_t* const first = order.data();
                 for (std::int64_t r = begin; r < end; ++r) {
                   const T* row = keys + r * columns;
                   if (count == 1) {
                     out[r] = std::max_element(row, row + columns) - row;
                     continue;
                   }
                   std::iota(first, first + columns, std::int64_t{0});
                   std::partial_sort(first, first + count, first + columns,
                                     [row](std::int64_t a, std::int64_t b) {
                                       return row[a] > row[b] || (row[a] == row[b] && a < b);
                                     });
                   std::copy(first, first + count, out + r * count);
                 }
               });
}

// Weights over exponential draws: the largest ones are a sample without replacement.
Tensor race_keys(const Tensor& weights, Generator& generator) {
  const Tensor draws = empty_like(weights);
  exponential_(draws, 1.0, generator);
  const Tensor keys = contiguous(draws), rows = contiguous(weights);
  dispatch_floating(weights.dtype(), "multinomial", [&]<class T>() {
    T* key = keys.data<T>();
    const T* w = rows.data<T>();
    for (std::int64_t i = 0; i < keys.numel(); ++i) key[i] = T(w[i] / key[i]);
  });
  return keys;
}

}  // namespace

void random_(const Tensor& out, std::int64_t from, std::optional<std::int64_t> to,
             Generator& generator) {
  check_bound(out.dtype(), "from", static_cast<double>(from));
  std::uint64_t range;
  if (to) {
    FB_CHECK(from < *to, Runtime,
             "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
    check_bound(out.dtype(), "to - 1", static_cast<double>(*to - 1));
    const Bounds bounds = representable_bounds(out.dtype(), {from, *to});
    FB_CHECK(bounds.from < bounds.to, Runtime, "random_: ", dtype_name(out.dtype()),
             " holds no integer in the range: from is ", from, ", to is ", *to);
    from = bounds.from;
    range = static_cast<std::uint64_t>(bounds.to) - static_cast<std::uint64_t>(bounds.from);
  } else {
    const std::uint64_t last = largest_integer(out.dtype(), "random_");
    FB_CHECK(from < 0 || static_cast<std::uint64_t>(from) <= last, Runtime,
             "random_: from must be at most ", last, " for ", dtype_name(out.dtype()), ": from is ",
             from);
    range = last - static_cast<std::uint64_t>(from) + 1;
  }
  // PyTorch takes 64 bits per number from ranges of 2^28 on, where remainders of 32 bits are
  // uneven.
  const bool wide_draws = range == 0 || range >= std::uint64_t{1} << 28;
  fill_integers(out, range, from, wide_draws, generator);
}

void random_(const Tensor& out, Generator& generator) {
  const DType d = out.dtype();
  FB_CHECK(d != DType::UInt16 && d != DType::UInt32 && d != DType::UInt64, NotImplemented,
           "random_: not implemented for ", dtype_name(d));
  const bool wide_draws = d == DType::Int64 || d == DType::Float64;
  fill_integers(out, largest_integer(d, "random_") + 1, 0, wide_draws, generator);
}

void randperm(const Tensor& out, Generator& generator) {
  const DType d = out.dtype();
  const std::int64_t n = out.numel();
  FB_CHECK(is_floating(d) || (is_integral(d, false) && d != DType::UInt16 && d != DType::UInt32 &&
                              d != DType::UInt64),
           NotImplemented, "randperm: not implemented for ", dtype_name(d));
  const std::uint64_t last = largest_integer(d, "randperm");
  // bfloat16 is let through, with its gaps, because PyTorch does.
  FB_CHECK(d == DType::BFloat16 || static_cast<std::uint64_t>(n) <= last + 1, Runtime,
           "randperm: n cannot be greater than ", last + 1, " for ", dtype_name(d), ": n is ", n);
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "randperm", [&](const Tensor& flat) {
    constexpr std::int64_t large = std::numeric_limits<std::uint32_t>::max() / 20;
    if (n < large) {
      Workspace<std::int32_t> order(static_cast<std::size_t>(n));
      shuffle(order.data(), n, generator);
      store(flat, "randperm", 0, order.data(), n);
    } else {
      Workspace<std::int64_t> order(static_cast<std::size_t>(n));
      shuffle_large(order.data(), n, generator);
      store(flat, "randperm", 0, order.data(), n);
    }
  });
}

Tensor poisson(const Tensor& rate, Generator& generator) {
  require_cpu(rate, "poisson");
  FB_CHECK(is_floating(rate.dtype()), NotImplemented, "poisson: not implemented for ",
           dtype_name(rate.dtype()));
  const Tensor rates = contiguous(rate), out = empty(rate.sizes(), rate.dtype());
  const std::scoped_lock lock(generator.mutex());
  dispatch_floating(rate.dtype(), "poisson", [&]<class T>() {
    const T* in = rates.data<T>();
    T* o = out.data<T>();
    for (std::int64_t i = 0; i < out.numel(); ++i)
      o[i] = convert_random<T>(poisson_one(static_cast<double>(in[i]), generator));
  });
  return out;
}

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement,
                   Generator& generator) {
  require_cpu(weights, "multinomial");
  const int ndim = weights.ndim();
  FB_CHECK(is_floating(weights.dtype()), Runtime,
           "multinomial only supports floating-point dtypes for input, got: ",
           dtype_name(weights.dtype()));
  FB_CHECK(ndim == 1 || ndim == 2, Runtime, "multinomial: prob_dist must be 1 or 2 dim, got ",
           weights.sizes());
  FB_CHECK(count > 0, Runtime, "multinomial: cannot sample n_sample <= 0 samples, got ", count);
  const std::int64_t columns = weights.size(ndim - 1), rows = ndim == 2 ? weights.size(0) : 1;
  FB_CHECK(replacement || count <= columns, Runtime,
           "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: ",
           "n_sample is ", count, ", prob_dist is ", weights.sizes());
  FB_CHECK(columns > 0 || rows == 0, Runtime,
           "multinomial: cannot sample from an empty distribution: prob_dist is ", weights.sizes());
  const Tensor out = empty(ndim == 2 ? Dims{rows, count} : Dims{count}, DType::Int64);
  if (out.numel() == 0 || shape_only()) return out;
  const DType accumulate = weights.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  dispatch_float(accumulate, "multinomial", [&]<class T>() {
    const Tensor table = contiguous(cast(weights, accumulate));
    check_weights(table.data<T>(), rows, columns);
    if (replacement && count > 1) {
      const std::scoped_lock lock(generator.mutex());
      sample_with_replacement(table.data<T>(), rows, columns, count, out.data<std::int64_t>(),
                              generator);
    } else {
      const Tensor keys = cast(race_keys(weights, generator), accumulate);
      largest_of_rows(keys.data<T>(), rows, columns, count, out.data<std::int64_t>());
    }
  });
  return out;
}

}  // namespace fb
