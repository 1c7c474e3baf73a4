#include "kernels/random.h"

#include <cmath>
#include <numbers>

#include "kernels/random_stream.h"

namespace fb {
namespace {

using Words = const std::uint32_t*;

constexpr std::int64_t block = 16;           // normal numbers that are made together
constexpr std::int64_t cheap_grain = 32768;  // items for one thread
constexpr std::int64_t libm_grain = 1024;

void require_floating(const Tensor& out, const char* op) {
  FB_CHECK(is_floating(out.dtype()), NotImplemented, op, ": not implemented for ",
           dtype_name(out.dtype()));
}

// A complex tensor as its real and imaginary parts, along a new last axis.
Tensor parts(const Tensor& t) {
  Dims sizes = t.sizes(), strides = t.strides();
  for (auto& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  return Tensor(t.storage(), real_dtype(t.dtype()), sizes, strides, 2 * t.offset());
}

// ---------------------------------------------------------------------------- uniform

// The 16-bit floats are rounded from float32, and the open end once more kept out.
template <class T>
void uniform_rounded(T* out, std::int64_t n, float from, float to, Generator& generator) {
  const auto low = T(from);
  const float high = T(to);
  for_values<float>(
      generator, n, 1, cheap_grain,
      [&](Words words, float* values, std::int64_t count) {
        random_loops().uniform_f32(words, values, count, from, to);
      },
      [&](std::int64_t begin, const float* values, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
          const T value(values[i]);
          out[begin + i] = static_cast<float>(value) == high ? low : value;
        }
      });
}

void uniform_flat(const Tensor& out, double from, double to, Generator& generator) {
  const auto from_f = static_cast<float>(from), to_f = static_cast<float>(to);
  switch (out.dtype()) {
    case DType::Float32:
      for_words(generator, out.numel(), 1, cheap_grain,
                [&](Words w, std::int64_t b, std::int64_t n) {
                  random_loops().uniform_f32(w, out.data<float>() + b, n, from_f, to_f);
                });
      break;
    case DType::Float64:
      for_words(generator, out.numel(), 2, cheap_grain,
                [&](Words w, std::int64_t b, std::int64_t n) {
                  random_loops().uniform_f64(w, out.data<double>() + b, n, from, to);
                });
      break;
    case DType::Float16:
      uniform_rounded(out.data<Half>(), out.numel(), from_f, to_f, generator);
      break;
    default:
      uniform_rounded(out.data<BFloat16>(), out.numel(), from_f, to_f, generator);
  }
}

double largest(DType dtype) {
  switch (dtype) {
    case DType::Float16:
      return 65504.0;
    case DType::BFloat16:
      return 0x1.fep127;
    case DType::Float32:
      return std::numeric_limits<float>::max();
    default:
      return std::numeric_limits<double>::max();
  }
}

void check_uniform_bounds(DType dtype, double from, double to) {
  const double limit = largest(dtype);
  FB_CHECK(std::abs(from) <= limit, Runtime, "uniform_: from is out of bounds for ",
           dtype_name(dtype), ": from is ", from);
  FB_CHECK(std::abs(to) <= limit, Runtime, "uniform_: to is out of bounds for ", dtype_name(dtype),
           ": to is ", to);
  FB_CHECK(from <= to, Runtime,
           "uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  FB_CHECK(to - from <= limit, Runtime, "uniform_ expects to-from <= ", limit,
           ", the largest number of ", dtype_name(dtype), ", but found to=", to,
           " and from=", from);
}

// ----------------------------------------------------------------------------- normal

// Tensors of 16 numbers or more: Box and Muller on blocks of 16.
void normal_blocks_f32(float* out, std::int64_t blocks, float mean, float std,
                       Generator& generator) {
  for_words(generator, blocks, block, 2048 / block, [&](Words w, std::int64_t b, std::int64_t n) {
    random_loops().normal_f32(w, out + b * block, n, mean, std);
  });
}

void normal_blocks_f64(double* out, std::int64_t blocks, double mean, double std,
                       Generator& generator) {
  for_words(generator, blocks, 2 * block, libm_grain / block,
            [&](Words w, std::int64_t begin, std::int64_t n) {
              for (std::int64_t b = 0; b < n; ++b, w += 2 * block) {
                double* o = out + (begin + b) * block;
                for (int j = 0; j < 8; ++j) {
                  const double radius = std::sqrt(-2 * std::log(1 - unit_double(w + 2 * j)));
                  const double angle = 2 * std::numbers::pi * unit_double(w + block + 2 * j);
                  o[j] = std::fma(radius * std::cos(angle), std, mean);
                  o[j + 8] = std::fma(radius * std::sin(angle), std, mean);
                }
              }
            });
}

template <class T>
void normal_blocks_rounded(T* out, std::int64_t blocks, float mean, float std,
                           Generator& generator) {
  for_values<float>(
      generator, blocks, block, 2048 / block,
      [&](Words words, float* values, std::int64_t count) {
        random_loops().normal_f32(words, values, count, mean, std);
      },
      [&](std::int64_t begin, const float* values, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) out[begin + i] = T(values[i]);
      },
      block);
}

void skip_words(Generator& generator, std::int64_t count) {
  std::uint32_t words[2 * block];
  generator.draw(words, count);
}

// The last 16 are made anew when the size is no multiple of 16.
void normal_large(const Tensor& out, double mean, double std, Generator& generator) {
  const std::int64_t n = out.numel(), rest = n % block;
  const auto mean_f = static_cast<float>(mean), std_f = static_cast<float>(std);
  const auto fill = [&](std::int64_t begin, std::int64_t blocks) {
    switch (out.dtype()) {
      case DType::Float32:
        return normal_blocks_f32(out.data<float>() + begin, blocks, mean_f, std_f, generator);
      case DType::Float64:
        return normal_blocks_f64(out.data<double>() + begin, blocks, mean, std, generator);
      case DType::Float16:
        return normal_blocks_rounded(out.data<Half>() + begin, blocks, mean_f, std_f, generator);
      default:
        return normal_blocks_rounded(out.data<BFloat16>() + begin, blocks, mean_f, std_f,
                                     generator);
    }
  };
  fill(0, n / block);
  if (rest == 0) return;
  // PyTorch draws for the incomplete block first, except for the 16-bit types.
  if (out.dtype() == DType::Float32) skip_words(generator, rest);
  if (out.dtype() == DType::Float64) skip_words(generator, 2 * rest);
  fill(n - block, 1);
}

// One at a time, in pairs whose second half may wait for the next call; in double for every dtype.
template <class Map>
void normal_serial(const Tensor& out, const char* op, Map map, Generator& generator) {
  std::int64_t n = out.numel(), start = 0;
  if (generator.spare_normal) {
    const double value = map(*generator.spare_normal);
    generator.spare_normal.reset();
    store(out, op, 0, &value, 1);
    start = 1;
  }
  double last = 0;
  for_values<double>(
      generator, (n - start + 1) / 2, 4, libm_grain,
      [](Words w, double* values, std::int64_t pairs) {
        for (std::int64_t i = 0; i < pairs; ++i, w += 4) {
          const double radius = std::sqrt(-2 * std::log1p(-unit_double(w + 2)));
          const double angle = 2 * std::numbers::pi * unit_double(w);
          values[2 * i] = radius * std::cos(angle);
          values[2 * i + 1] = radius * std::sin(angle);
        }
      },
      [&](std::int64_t begin, double* values, std::int64_t count) {
        if (start + begin + count > n) last = values[--count];
        for (std::int64_t i = 0; i < count; ++i) values[i] = map(values[i]);
        store(out, op, start + begin, values, count);
      },
      2);
  if ((n - start) % 2 != 0) generator.spare_normal = last;
}

// Distributions made from one uniform double, computed in double for every dtype.
template <class Map>
void fill_mapped(const Tensor& out, const char* op, Generator& generator, Map map) {
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, op, [&](const Tensor& flat) {
    for_values<double>(
        generator, flat.numel(), 2, libm_grain,
        [&](Words w, double* values, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) values[i] = map(unit_double(w + 2 * i));
        },
        [&](std::int64_t begin, const double* values, std::int64_t count) {
          store(flat, op, begin, values, count);
        });
  });
}

// fill_mapped for functions of log(u) or log(1 - u). What is rounded to a shorter type afterwards
// takes the vector logarithm; float64 takes the C library's, whose last bit is PyTorch's.
template <class Map>
void fill_mapped_log(const Tensor& out, const char* op, bool of_complement, Generator& generator,
                     Map map) {
  if (out.dtype() == DType::Float64) {
    fill_mapped(out, op, generator, [of_complement, map](double u) {
      return map(of_complement ? std::log1p(-u) : std::log(u));
    });
    return;
  }
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, op, [&](const Tensor& flat) {
    for_values<double>(
        generator, flat.numel(), 2, 4096,
        [&](Words w, double* values, std::int64_t count) {
          random_loops().log_f64(w, values, count, of_complement);
          for (std::int64_t i = 0; i < count; ++i) values[i] = map(values[i]);
        },
        [&](std::int64_t begin, const double* values, std::int64_t count) {
          store(flat, op, begin, values, count);
        });
  });
}

// -------------------------------------------------------------------------- Bernoulli

// A 53-bit draw is below this number with probability p.
std::uint64_t threshold(double p) { return static_cast<std::uint64_t>(std::ceil(p * 0x1p53)); }

void check_bernoulli_dtype(const Tensor& out) {
  const DType d = out.dtype();
  const bool wide_unsigned = d == DType::UInt16 || d == DType::UInt32 || d == DType::UInt64;
  FB_CHECK(!is_complex(d) && !wide_unsigned, NotImplemented, "bernoulli_: not implemented for ",
           dtype_name(d));
}

template <class P>
void check_probabilities(const P* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<double>(p[i]);
    FB_CHECK(value >= 0 && value <= 1, Runtime,
             "bernoulli_: Expected p_in >= 0 && p_in <= 1 to be true, but got p_in=", value);
  }
}

// p is row-major and has an element for each of `out`; a draw has the precision of p.
template <class P>
void bernoulli_each(const Tensor& out, const P* p, int words_per_draw,
                    void (*uniform)(Words, P*, std::int64_t, P, P), Generator& generator) {
  check_probabilities(p, out.numel());
  constexpr std::int64_t piece = 512;
  for_words(generator, out.numel(), words_per_draw, cheap_grain,
            [&](Words words, std::int64_t begin, std::int64_t count) {
              P draws[piece];
              std::uint8_t hits[piece];
              for (std::int64_t done = 0; done < count; done += piece) {
                const std::int64_t m = std::min(piece, count - done);
                const P* prob = p + begin + done;
                uniform(words + done * words_per_draw, draws, m, P(0), P(1));
                for (std::int64_t i = 0; i < m; ++i) hits[i] = draws[i] < prob[i];
                store(out, "bernoulli_", begin + done, hits, m);
              }
            });
}

// ---------------------------------------------------------------------------- dropout

// out = x * mask * scale; the three share one contiguous layout.
void apply_mask(const Tensor& x, const std::uint8_t* mask, const Tensor& out, double scale,
                std::int64_t begin, std::int64_t n) {
  dispatch_floating(x.dtype(), "dropout", [&]<class T>() {
    const T* in = x.data<T>() + begin;
    T* o = out.data<T>() + begin;
    if constexpr (std::is_same_v<T, float>) {
      random_loops().dropout_f32(in, mask, o, n, static_cast<float>(scale));
    } else if constexpr (std::is_same_v<T, double>) {
      random_loops().dropout_f64(in, mask, o, n, scale);
    } else {
      const float rounded = T(static_cast<float>(scale));
      for (std::int64_t i = 0; i < n; ++i)
        o[i] = T(static_cast<float>(in[i]) * (mask[i] ? rounded : 0.0f));
    }
  });
}

// 1 / (1 - p) as PyTorch rounds it: the divisor is a number of the tensor's own arithmetic.
double dropout_scale(DType dtype, double p) {
  if (p == 1) return 0;
  if (dtype == DType::Float64) return 1 / (1 - p);
  return 1.0f / static_cast<float>(1 - p);
}

}  // namespace

void uniform_(const Tensor& out, double from, double to, Generator& generator) {
  if (is_complex(out.dtype())) return uniform_(parts(out), from, to, generator);
  require_floating(out, "uniform_");
  check_uniform_bounds(out.dtype(), from, to);
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "uniform_",
                       [&](const Tensor& flat) { uniform_flat(flat, from, to, generator); });
}

void normal_(const Tensor& out, double mean, double std, Generator& generator) {
  FB_CHECK(std >= 0, Runtime, "normal expects std >= 0.0, but found std ", std);
  if (is_complex(out.dtype()))  // the variance is shared by the two parts
    return normal_(parts(out), mean, std * (1 / std::numbers::sqrt2), generator);
  require_floating(out, "normal_");
  const std::scoped_lock lock(generator.mutex());
  if (out.numel() >= block && out.is_contiguous()) {
    require_cpu(out, "normal_");
    normal_large(out, mean, std, generator);
    return;
  }
  fill_in_memory_order(out, "normal_", [&](const Tensor& flat) {
    normal_serial(flat, "normal_", [=](double z) { return std::fma(z, std, mean); }, generator);
  });
}

void log_normal_(const Tensor& out, double mean, double std, Generator& generator) {
  require_floating(out, "log_normal_");
  FB_CHECK(std > 0, Runtime, "log_normal_ expects std > 0.0, but found std=", std);
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "log_normal_", [&](const Tensor& flat) {
    normal_serial(
        flat, "log_normal_", [=](double z) { return std::exp(std::fma(z, std, mean)); }, generator);
  });
}

void exponential_(const Tensor& out, double lambda, Generator& generator) {
  FB_CHECK(is_floating(out.dtype()), Runtime,
           "exponential_: Exponential distribution is a continuous probability distribution. "
           "dtype must be a floating point but you specified ",
           dtype_name(out.dtype()));
  FB_CHECK(lambda > 0, Runtime, "exponential_ expects lambda > 0.0, but found lambda=", lambda);
  fill_mapped_log(out, "exponential_", true, generator,
                  [scale = -1 / lambda](double log) { return scale * log; });
}

void cauchy_(const Tensor& out, double median, double sigma, Generator& generator) {
  FB_CHECK(is_floating(out.dtype()), Runtime,
           "cauchy_: Cauchy distribution is a continuous probability distribution. "
           "dtype must be a floating point but you specified ",
           dtype_name(out.dtype()));
  FB_CHECK(sigma > 0, Runtime, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  fill_mapped(out, "cauchy_", generator, [=](double u) {
    return std::fma(sigma, std::tan(std::numbers::pi * (u - 0.5)), median);
  });
}

void geometric_(const Tensor& out, double p, Generator& generator) {
  FB_CHECK(is_floating(out.dtype()) || is_integral(out.dtype(), false), NotImplemented,
           "geometric_: not implemented for ", dtype_name(out.dtype()));
  FB_CHECK(p > 0 && p < 1, Runtime, "geometric_ expects p to be in (0, 1), but got p=", p);
  fill_mapped_log(out, "geometric_", false, generator,
                  [log_miss = std::log1p(-p)](double log) { return std::ceil(log / log_miss); });
}

void bernoulli_(const Tensor& out, double p, Generator& generator) {
  FB_CHECK(p >= 0 && p <= 1, Runtime, "bernoulli_ expects p to be in [0, 1], but got p=", p);
  check_bernoulli_dtype(out);
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "bernoulli_", [&](const Tensor& flat) {
    for_values<std::uint8_t>(
        generator, flat.numel(), 2, cheap_grain,
        [&](Words w, std::uint8_t* values, std::int64_t n) {
          random_loops().below(w, values, n, threshold(p));
        },
        [&](std::int64_t begin, const std::uint8_t* values, std::int64_t n) {
          store(flat, "bernoulli_", begin, values, n);
        });
  });
}

void bernoulli_(const Tensor& out, const Tensor& p, Generator& generator) {
  check_bernoulli_dtype(out);
  require_cpu(p, "bernoulli_");
  FB_CHECK(is_floating(p.dtype()), NotImplemented,
           "bernoulli_: probabilities must be floating point: p is ", dtype_name(p.dtype()));
  const bool wide = p.dtype() == DType::Float64;
  const Tensor each =
      cast(contiguous(p.expand(out.sizes(), "bernoulli_").permute(memory_order(out))),
           wide ? DType::Float64 : DType::Float32);
  const std::scoped_lock lock(generator.mutex());
  fill_in_memory_order(out, "bernoulli_", [&](const Tensor& flat) {
    if (wide)
      bernoulli_each(flat, each.data<double>(), 2, random_loops().uniform_f64, generator);
    else
      bernoulli_each(flat, each.data<float>(), 1, random_loops().uniform_f32, generator);
  });
}

Dropout dropout(const Tensor& x, double p, Generator& generator) {
  require_cpu(x, "dropout");
  require_floating(x, "dropout");
  FB_CHECK(p >= 0 && p <= 1, Runtime, "dropout probability has to be between 0 and 1, but got ", p);
  const Dropout result{empty_like(x), empty_like(x, DType::Bool)};
  const Dims order = memory_order(result.mask);
  const Tensor in = contiguous(x.permute(order));
  const Tensor out = result.out.permute(order);
  auto* mask = result.mask.data<std::uint8_t>();
  const double scale = dropout_scale(x.dtype(), p);
  if (p == 1) {  // nothing to decide, and PyTorch draws nothing
    std::fill(mask, mask + x.numel(), std::uint8_t{0});
    apply_mask(in, mask, out, scale, 0, x.numel());
    return result;
  }
  const std::scoped_lock lock(generator.mutex());
  for_words(generator, x.numel(), 2, cheap_grain, [&](Words w, std::int64_t b, std::int64_t n) {
    random_loops().below(w, mask + b, n, threshold(1 - p));
    apply_mask(in, mask + b, out, scale, b, n);
  });
  return result;
}

Tensor dropout_backward(const Tensor& grad, const Tensor& mask, double p) {
  require_cpu(grad, "dropout");
  FB_CHECK(grad.sizes() == mask.sizes(), Shape,
           "dropout: gradient and mask must have one shape: ", "gradient is ", grad.sizes(),
           ", mask is ", mask.sizes());
  FB_CHECK(mask.dtype() == DType::Bool, DType, "dropout: the mask must be bool, got ",
           dtype_name(mask.dtype()));
  const Tensor kept = mask.is_non_overlapping_and_dense() ? mask : contiguous(mask);
  const Tensor result = empty_like(kept, grad.dtype());
  const Dims order = memory_order(kept);
  const Tensor in = contiguous(grad.permute(order));
  const Tensor out = result.permute(order);
  const auto* bytes = kept.data<std::uint8_t>();
  const double scale = dropout_scale(grad.dtype(), p);
  parallel_for(0, grad.numel(), cheap_grain, [&](std::int64_t b, std::int64_t e) {
    apply_mask(in, bytes + b, out, scale, b, e - b);
  });
  return result;
}

}  // namespace fb
