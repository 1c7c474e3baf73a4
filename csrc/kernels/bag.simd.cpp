#include "kernels/bag.h"
#include "simd/loops.h"

namespace fb::FB_ISA {
namespace {

template <class T>
void sum_rows(const T* table, const std::int64_t* index, const T* factors, std::int64_t n,
              std::int64_t width, std::int64_t padding, T scale, T* out) {
  for_registers<T>(width, [&](std::int64_t d, int count) FB_INLINED {
    Vec<T> sum(T(0));
    for (std::int64_t k = 0; k < n; ++k) {
      if (index[k] == padding) continue;
      const Vec<T> row = load_lanes(table + index[k] * width + d, count);
      sum += factors ? row * Vec<T>(factors[k]) : row;
    }
    store_lanes(out + d, sum * Vec<T>(scale), count);
  });
}

template <class T>
void add_scaled(const T* from, T factor, T* to, std::int64_t n) {
  const Vec<T> f(factor);
  for_registers<T>(n, [&](std::int64_t d, int count) FB_INLINED {
    store_lanes(to + d, load_lanes(to + d, count) + load_lanes(from + d, count) * f, count);
  });
}

}  // namespace

constinit const BagLoops bag_loops_table = {{sum_rows<float>, add_scaled<float>},
                                            {sum_rows<double>, add_scaled<double>}};

}  // namespace fb::FB_ISA
