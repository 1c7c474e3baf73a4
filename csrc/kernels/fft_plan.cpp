#include "kernels/fft_plan.h"

#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>

namespace fb {
namespace {

// Lines longer than this are no longer transformed in groups: these would leave the cache.
constexpr std::int64_t longest_group = 4096;
// Single lines up to this length are not worth two passes.
constexpr std::int64_t longest_single = 63;
// Bytes of tables that are kept for later transforms.
constexpr std::size_t kept_bytes = std::size_t{64} << 20;

// exp(-2 pi i k / n), from an angle of at most pi / 4.
template <class T>
void put_root(std::int64_t k, std::int64_t n, T* to) {
  constexpr double two_pi = 6.28318530717958647692;
  k %= n;
  const bool below = 2 * k > n;  // the lower half of the circle mirrors the upper one
  if (below) k = n - k;
  const bool left = 4 * k > n;
  const std::int64_t twice = left ? n - 2 * k : 2 * k;  // twice the angle from the axis, over n
  double re, im;
  if (4 * twice <= n) {
    const double angle = two_pi / 2 * static_cast<double>(twice) / static_cast<double>(n);
    re = std::cos(angle), im = std::sin(angle);
  } else {
    const double angle = two_pi / 4 * static_cast<double>(n - 2 * twice) / static_cast<double>(n);
    re = std::sin(angle), im = std::cos(angle);
  }
  to[0] = static_cast<T>(left ? -re : re);
  to[1] = static_cast<T>(below ? im : -im);
}

// The radices of n, or none if a prime factor is too large.
std::vector<int> radices(std::int64_t n) {
  std::vector<int> found;
  const auto take = [&](int radix) {
    for (; n % radix == 0; n /= radix) found.push_back(radix);
  };
  // Two steps of four rather than one of eight and one of two.
  for (int twos = std::countr_zero(static_cast<std::uint64_t>(n)); twos >= 3 && twos != 4;
       twos -= 3) {
    found.push_back(8);
    n /= 8;
  }
  take(4);
  take(2);
  for (int radix = 3; radix <= max_fft_radix && n > 1; radix += 2) take(radix);
  if (n > 1) found.clear();
  return found;
}
bool has_radices(std::int64_t n) { return n == 1 || !radices(n).empty(); }

template <class T>
void plan_stages(FftPlan<T>& plan) {
  std::int64_t before = 1;
  for (const int radix : radices(plan.n)) {
    const std::int64_t after = plan.n / (before * radix);
    FftStage stage{radix, before, after, static_cast<std::int64_t>(plan.table.size()), 0};
    for (std::int64_t k = 0; k < after; ++k) {
      for (int j = 1; j < radix; ++j) {
        plan.table.resize(plan.table.size() + 2);
        put_root(j * k * before, plan.n, plan.table.data() + plan.table.size() - 2);
      }
    }
    stage.roots = static_cast<std::int64_t>(plan.table.size());
    for (int j = 0; radix % 2 && j < radix; ++j) {
      // The stage multiplies -i (a - b) by the sine of a positive angle.
      plan.table.resize(plan.table.size() + 2);
      T* root = plan.table.data() + plan.table.size() - 2;
      put_root(j, radix, root);
      root[1] = -root[1];
    }
    plan.stages.push_back(stage);
    before *= radix;
  }
}

// The rows of the matrix that a line is taken for: the divisor of n nearest below its root; 0 where
// it is better left whole.
std::int64_t rows_of_split(std::int64_t n, FftUse use) {
  if (n <= (use == FftUse::Groups ? longest_group : longest_single)) return 0;
  constexpr std::int64_t least = 4;  // fewer would leave too many lanes unused
  for (auto d = static_cast<std::int64_t>(std::sqrt(static_cast<double>(n))); d >= least; --d) {
    if (n % d == 0) return d;
  }
  return 0;
}

template <class T>
void plan_split(FftPlan<T>& plan, std::int64_t rows) {
  const std::int64_t columns = plan.n / rows, width = fft_loops_of<T>().lanes;
  plan.first = fft_plan<T>(rows, FftUse::Groups);
  plan.second = fft_plan<T>(columns, FftUse::Groups);
  const std::int64_t blocks = (columns + width - 1) / width;
  plan.starts.resize(static_cast<std::size_t>(2 * blocks * rows));
  for (std::int64_t b = 0; b < blocks; ++b) {
    for (std::int64_t k = 0; k < rows; ++k)
      put_root(k * b * width, plan.n, plan.starts.data() + 2 * (b * rows + k));
  }
  plan.lanes.resize(static_cast<std::size_t>(2 * width * rows));
  for (std::int64_t k = 0; k < rows; ++k) {
    for (std::int64_t lane = 0; lane < width; ++lane) {
      T root[2];
      put_root(k * lane, plan.n, root);
      plan.lanes[static_cast<std::size_t>(2 * width * k + lane)] = root[0];
      plan.lanes[static_cast<std::size_t>(2 * width * k + width + lane)] = root[1];
    }
  }
}

// The smallest product of 2, 3 and 5 that is at least n.
std::int64_t round_length(std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t five = 1; five < 5 * n; five *= 5) {
    for (std::int64_t three = five; three < 3 * n; three *= 3) {
      std::int64_t length = three;
      while (length < n) length *= 2;
      if (!best || length < best) best = length;
    }
  }
  return best;
}

template <class T>
void plan_chirp(FftPlan<T>& plan) {
  const std::int64_t n = plan.n, length = round_length(2 * n - 1);
  plan.convolution = fft_plan<T>(length, FftUse::Lines);
  plan.chirp.resize(static_cast<std::size_t>(2 * n));
  std::vector<T> wrapped(static_cast<std::size_t>(2 * length));
  std::int64_t square = 0;  // k^2 modulo 2 n
  for (std::int64_t k = 0; k < n; ++k) {
    T* root = plan.chirp.data() + 2 * k;
    put_root(square, 2 * n, root);
    for (const std::int64_t at : {k, (length - k) % length}) {
      wrapped[static_cast<std::size_t>(2 * at)] = root[0];
      wrapped[static_cast<std::size_t>(2 * at + 1)] = -root[1];
    }
    square = (square + 2 * k + 1) % (2 * n);
  }
  plan.filter.resize(static_cast<std::size_t>(2 * length));
  fft_line(*plan.convolution, wrapped.data(), false, plan.filter.data(), false,
           T(1) / static_cast<T>(length));
}

template <class T>
std::shared_ptr<const FftPlan<T>> make_plan(std::int64_t n, FftUse use) {
  auto plan = std::make_shared<FftPlan<T>>();
  plan->n = n;
  if (use == FftUse::RealLines) {
    plan->half_roots.resize(static_cast<std::size_t>(2 * (n / 2 + 1)));
    for (std::int64_t k = 0; k <= n / 2; ++k) put_root(k, 2 * n, plan->half_roots.data() + 2 * k);
  } else if (!has_radices(n)) {
    plan_chirp(*plan);
  } else if (const std::int64_t rows = rows_of_split(n, use)) {
    plan_split(*plan, rows);
  } else {
    plan_stages(*plan);
  }
  return plan;
}

// The plans of one dtype by length and use.
template <class T>
struct Cache {
  std::mutex mutex;
  std::map<std::pair<std::int64_t, FftUse>, std::shared_ptr<const FftPlan<T>>> plans;
  std::size_t bytes = 0;
};
template <class T>
Cache<T>& cache() {
  static auto* const made = new Cache<T>;  // never destroyed: threads may outlive static objects
  return *made;
}
template <class T>
std::size_t size_of(const FftPlan<T>& plan) {
  std::size_t numbers = 0;
  for (const auto* table :
       {&plan.table, &plan.starts, &plan.lanes, &plan.chirp, &plan.filter, &plan.half_roots})
    numbers += table->size();
  return numbers * sizeof(T);
}

}  // namespace

template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(std::int64_t n, FftUse use) {
  Cache<T>& kept = cache<T>();
  if (use != FftUse::RealLines && (n <= longest_single || n > longest_group)) use = FftUse::Lines;
  const std::pair key(n, use);
  {
    const std::lock_guard lock(kept.mutex);
    const auto found = kept.plans.find(key);
    if (found != kept.plans.end()) return found->second;
  }
  auto plan = make_plan<T>(n, use);
  const std::lock_guard lock(kept.mutex);
  const std::size_t bytes = size_of(*plan);
  if (kept.bytes + bytes > kept_bytes) {
    kept.plans.clear();
    kept.bytes = 0;
  }
  if (bytes <= kept_bytes && kept.plans.emplace(key, plan).second) kept.bytes += bytes;
  return plan;
}

template std::shared_ptr<const FftPlan<float>> fft_plan(std::int64_t, FftUse);
template std::shared_ptr<const FftPlan<double>> fft_plan(std::int64_t, FftUse);

}  // namespace fb
