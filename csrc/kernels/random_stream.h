// What the random kernels share: drawing words in pieces, and writing results in memory order.
#pragma once
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/random.h"

namespace fb {

// Draws `per_item` words for each of n items and calls f(words, first_item, items) on pieces of
// them, in several threads where the work is worth it (`grain` items for one thread). The words
// themselves are drawn in order by the caller's thread, so threads never change the numbers.
template <class F>
void for_words(Generator& generator, std::int64_t n, int per_item, std::int64_t grain, F&& f) {
  constexpr std::int64_t small = 1024, large = 1 << 17;
  if (n * per_item <= small) {
    std::uint32_t words[small];
    generator.draw(words, n * per_item);
    f(static_cast<const std::uint32_t*>(words), std::int64_t{0}, n);
    return;
  }
  const std::int64_t chunk = std::min(n, large / per_item);
  Workspace<std::uint32_t> words(static_cast<std::size_t>(chunk * per_item));
  for (std::int64_t begin = 0; begin < n; begin += chunk) {
    const std::int64_t count = std::min(chunk, n - begin);
    generator.draw(words.data(), count * per_item);
    parallel_for(0, count, grain, [&](std::int64_t b, std::int64_t e) {
      f(static_cast<const std::uint32_t*>(words.data()) + b * per_item, begin + b, e - b);
    });
  }
}

// for_words for results that are made in a buffer of `From` and then converted: f(words, values,
// items) makes `per_item_values` values of each item; `write(first_value, values, count)` takes
// them.
template <class From, class F, class Write>
void for_values(Generator& generator, std::int64_t n, int per_item, std::int64_t grain, F&& f,
                Write&& write, int values_per_item = 1) {
  constexpr std::int64_t piece = 512;
  for_words(generator, n, per_item, grain,
            [&](const std::uint32_t* words, std::int64_t begin, std::int64_t count) {
              From values[piece];
              const std::int64_t items = piece / values_per_item;
              for (std::int64_t done = 0; done < count; done += items) {
                const std::int64_t m = std::min(items, count - done);
                f(words + done * per_item, static_cast<From*>(values), m);
                write((begin + done) * values_per_item, static_cast<From*>(values),
                      m * values_per_item);
              }
            });
}

inline double unit_double(const std::uint32_t* words) {  // in [0, 1), 53 bits
  const std::uint64_t draw = static_cast<std::uint64_t>(words[0] & 0x1fffffu) << 32 | words[1];
  return static_cast<double>(draw) * 0x1p-53;
}

template <class To, class From>
To convert_random(From value) {
  if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    const bool fits = value > From(-9.2e18) && value < From(9.2e18);
    return static_cast<To>(fits ? static_cast<std::int64_t>(value)
                                : std::numeric_limits<std::int64_t>::min());
  } else {
    return static_cast<To>(value);
  }
}

// Writes converted values to the elements from `begin` on of a contiguous tensor.
template <class From>
void store(const Tensor& flat, const char* op, std::int64_t begin, const From* values,
           std::int64_t n) {
  dispatch_real(flat.dtype(), op, [&]<class T>() {
    T* out = flat.data<T>() + begin;
    if constexpr (std::is_same_v<T, float> && std::is_same_v<From, std::uint8_t>)
      random_loops().widen(values, out, n);
    else if constexpr (std::is_same_v<T, float> && std::is_same_v<From, double>)
      random_loops().narrow(values, out, n);
    else
      for (std::int64_t i = 0; i < n; ++i) out[i] = convert_random<T>(values[i]);
  });
}

// The axes of a tensor by falling stride.
inline Dims memory_order(const Tensor& t) {
  Dims order(t.ndim());
  for (int d = 0; d < t.ndim(); ++d) order[d] = d;
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return t.stride(static_cast<int>(a)) > t.stride(static_cast<int>(b));
  });
  return order;
}

// Calls fill(tensor) with a contiguous tensor whose values then are those of `out`, its axes taken
// in the order of memory.
template <class F>
void fill_in_memory_order(const Tensor& out, const char* op, F&& fill) {
  require_cpu(out, op);
  check_writable(out, op);
  if (out.numel() == 0) return;
  if (out.is_contiguous()) {
    fill(out);
    return;
  }
  const Tensor ordered = out.permute(memory_order(out));
  if (ordered.is_contiguous()) {
    fill(ordered);
    return;
  }
  const Tensor values = empty(ordered.sizes(), out.dtype());
  fill(values);
  copy_into(ordered, values);
}

}  // namespace fb
