// Fourier transforms of a group of lines, each in its own lane of the vectors: no shuffling between
// lanes but on the way in and out. Stockham's self-sorting form, so no bit reversal either.
#include "kernels/fft.h"
#include "simd/vec.h"

#define FB_UNROLL _Pragma("GCC unroll 16")

namespace fb::FB_ISA {

// Complex numbers, one per lane.
template <class T>
struct Complexes {
  Vec<T> re, im;

  FB_SIMD static Complexes load(const T* p) {
    return {Vec<T>::load(p), Vec<T>::load(p + Vec<T>::size)};
  }
  FB_SIMD void store(T* p) const {
    re.store(p);
    im.store(p + Vec<T>::size);
  }
  FB_SIMD friend Complexes operator+(Complexes a, Complexes b) {
    return {a.re + b.re, a.im + b.im};
  }
  FB_SIMD friend Complexes operator-(Complexes a, Complexes b) {
    return {a.re - b.re, a.im - b.im};
  }
  FB_SIMD friend Complexes operator*(Complexes a, Complexes b) {
    return {fnma(a.im, b.im, a.re * b.re), fma(a.im, b.re, a.re * b.im)};
  }
  FB_SIMD friend Complexes operator*(Complexes a, Vec<T> b) { return {a.re * b, a.im * b}; }
};
template <class T>
FB_SIMD Complexes<T> times_minus_i(Complexes<T> a) {
  return {a.im, -a.re};
}
// The same number in all lanes.
template <class T>
FB_SIMD Complexes<T> everywhere(const T* p) {
  return {Vec<T>(p[0]), Vec<T>(p[1])};
}

// --- shuffles ----------------------------------------------------------------------------------

// result[i] = index(i) < size ? a[index(i)] : b[index(i) - size]
template <class T, class Index>
FB_SIMD Vec<T> shuffle(Vec<T> a, Vec<T> b, Index&& index) {
  typename Vec<IntOf<T>>::Native mask;
  FB_UNROLL
  for (int i = 0; i < Vec<T>::size; ++i) mask[i] = index(i);
  return __builtin_shuffle(a.v, b.v, mask);
}
// Of two vectors of pairs (re, im).
template <class T>
FB_SIMD Complexes<T> deinterleave(Vec<T> a, Vec<T> b) {
  return {shuffle(a, b, [](int i) { return 2 * i; }),
          shuffle(a, b, [](int i) { return 2 * i + 1; })};
}
template <class T>
FB_SIMD Vec<T> interleave_low(Complexes<T> x) {
  constexpr int n = Vec<T>::size;
  return shuffle(x.re, x.im, [](int i) { return i / 2 + (i % 2) * n; });
}
template <class T>
FB_SIMD Vec<T> interleave_high(Complexes<T> x) {
  constexpr int n = Vec<T>::size;
  return shuffle(x.re, x.im, [](int i) { return n / 2 + i / 2 + (i % 2) * n; });
}
template <class T>
FB_SIMD Vec<T> reversed(Vec<T> a) {
  return shuffle(a, a, [](int i) { return Vec<T>::size - 1 - i; });
}

// Complex numbers in one register.
template <class T>
constexpr int pairs = Vec<T>::size / 2;

// rows[r] has element c of line r as its c-th pair, for r, c < pairs: afterwards the other way
// round. Each round exchanges the off-diagonal blocks of one size (J. O. Eklundh, 1972).
template <class T>
FB_SIMD void transpose_pairs(Vec<T>* rows) {
  constexpr int n = Vec<T>::size;
  const auto round = [&]<int distance>(
                         std::integral_constant<int, distance>) __attribute__((always_inline)) {
    FB_UNROLL
    for (int r = 0; r < pairs<T>; ++r) {
      if (r & distance) continue;
      const Vec<T> a = rows[r], b = rows[r + distance];
      rows[r] = shuffle(a, b, [](int i) { return i / 2 & distance ? n + i - 2 * distance : i; });
      rows[r + distance] =
          shuffle(a, b, [](int i) { return i / 2 & distance ? n + i : i + 2 * distance; });
    }
  };
  if constexpr (pairs<T> > 1) round(std::integral_constant<int, 1>());
  if constexpr (pairs<T> > 2) round(std::integral_constant<int, 2>());
  if constexpr (pairs<T> > 4) round(std::integral_constant<int, 4>());
}

// --- lines in and out --------------------------------------------------------------------------

// `work` has, per element, the real parts of all lanes and then the imaginary ones.

template <class T>
static void gather(const FftLines<T>& from, std::int64_t begin, std::int64_t end, int re, T* work) {
  constexpr int n = Vec<T>::size;
  for (std::int64_t k = begin; k < end; ++k) {
    for (int lane = 0; lane < n; ++lane) {
      const T* x = from.data + 2 * (from.offsets[lane] + k * from.step);
      work[2 * n * k + re + lane] = x[0];
      work[2 * n * k + (n - re) + lane] = x[1];
    }
  }
}
template <class T>
static void load_lines(const FftLines<T>& from, std::int64_t count, bool exchange, T* work) {
  constexpr int n = Vec<T>::size, half = pairs<T>;
  const int re = exchange ? n : 0, im = n - re;
  std::int64_t k = 0;
  if (!from.offsets) {
    for (; k < count; ++k) {
      const T* x = from.data + 2 * k * from.step;
      const auto z = deinterleave(Vec<T>::load(x), Vec<T>::load(x + n));
      z.re.store(work + 2 * n * k + re);
      z.im.store(work + 2 * n * k + im);
    }
    return;
  }
  for (; from.step == 1 && k + half <= count; k += half) {
    Vec<T> low[half], high[half];
    FB_UNROLL
    for (int r = 0; r < half; ++r) {
      low[r] = Vec<T>::load(from.data + 2 * (from.offsets[r] + k));
      high[r] = Vec<T>::load(from.data + 2 * (from.offsets[r + half] + k));
    }
    transpose_pairs(low);
    transpose_pairs(high);
    FB_UNROLL
    for (int r = 0; r < half; ++r) {
      const auto z = deinterleave(low[r], high[r]);
      z.re.store(work + 2 * n * (k + r) + re);
      z.im.store(work + 2 * n * (k + r) + im);
    }
  }
  gather(from, k, count, re, work);
}

// Element k as it goes out, with the real parts in `re`.
template <class T>
FB_SIMD Complexes<T> finished(const T* work, std::int64_t k, const FftOutput<T>& output,
                              bool exchange) {
  constexpr int n = Vec<T>::size;
  Complexes<T> z = Complexes<T>::load(work + 2 * n * k);
  if (output.starts) {
    z = z * (everywhere(output.starts + 2 * k) * Complexes<T>::load(output.lanes + 2 * n * k));
  }
  z = z * Vec<T>(output.scale);
  return exchange ? Complexes<T>{z.im, z.re} : z;
}
template <class T>
static void scatter(const T* work, const FftOutput<T>& output, bool exchange, std::int64_t begin,
                    std::int64_t end, const FftLines<T>& to) {
  constexpr int n = Vec<T>::size;
  T parts[2 * n];
  for (std::int64_t k = begin; k < end; ++k) {
    finished(work, k, output, exchange).store(parts);
    // Lanes that are left over repeat the last line, perhaps with twiddles that are not its own:
    // the line itself is written after them.
    for (int lane = n - 1; lane >= 0; --lane) {
      T* x = to.data + 2 * (to.offsets[lane] + k * to.step);
      x[0] = parts[lane];
      x[1] = parts[n + lane];
    }
  }
}
template <class T>
static void store_lines(const T* work, std::int64_t count, const FftOutput<T>& output,
                        bool exchange, const FftLines<T>& to) {
  constexpr int n = Vec<T>::size, half = pairs<T>;
  std::int64_t k = 0;
  if (!to.offsets) {
    for (; k < count; ++k) {
      const auto z = finished(work, k, output, exchange);
      interleave_low(z).store(to.data + 2 * k * to.step);
      interleave_high(z).store(to.data + 2 * k * to.step + n);
    }
    return;
  }
  for (; to.step == 1 && k + half <= count; k += half) {
    Vec<T> low[half], high[half];
    FB_UNROLL
    for (int r = 0; r < half; ++r) {
      const auto z = finished(work, k + r, output, exchange);
      low[r] = interleave_low(z);
      high[r] = interleave_high(z);
    }
    transpose_pairs(low);
    transpose_pairs(high);
    FB_UNROLL
    for (int r = 0; r < half; ++r) {
      low[r].store(to.data + 2 * (to.offsets[r] + k));
      high[r].store(to.data + 2 * (to.offsets[r + half] + k));
    }
  }
  scatter(work, output, exchange, k, count, to);
}

// --- stages ------------------------------------------------------------------------------------

// Element (i, j, k) of a stage's input, with i < after, j < radix, k < before, and of its output.
template <class T>
struct Stage {
  const FftStage& s;
  const T* in;
  T* out;
  const T* twiddles;

  FB_SIMD Complexes<T> get(std::int64_t i, int j, std::int64_t k) const {
    return Complexes<T>::load(in + 2 * Vec<T>::size * (i + s.after * (j + s.radix * k)));
  }
  FB_SIMD void put(std::int64_t i, int j, std::int64_t k, Complexes<T> value) const {
    if (j > 0 && s.after > 1)
      value = value * everywhere(twiddles + 2 * ((s.radix - 1) * i + j - 1));
    value.store(out + 2 * Vec<T>::size * (i + s.after * (k + s.before * j)));
  }
};

template <class T>
static void stage2(const Stage<T>& s) {
  for (std::int64_t k = 0; k < s.s.before; ++k) {
    for (std::int64_t i = 0; i < s.s.after; ++i) {
      const auto a = s.get(i, 0, k), b = s.get(i, 1, k);
      s.put(i, 0, k, a + b);
      s.put(i, 1, k, a - b);
    }
  }
}
template <class T>
struct Four {
  Complexes<T> y[4];
};
template <class T>
FB_SIMD Four<T> butterfly4(Complexes<T> x0, Complexes<T> x1, Complexes<T> x2, Complexes<T> x3) {
  const auto a = x0 + x2, b = x0 - x2, c = x1 + x3, d = times_minus_i(x1 - x3);
  return {{a + c, b + d, a - c, b - d}};
}
template <class T>
static void stage4(const Stage<T>& s) {
  for (std::int64_t k = 0; k < s.s.before; ++k) {
    for (std::int64_t i = 0; i < s.s.after; ++i) {
      const auto f = butterfly4(s.get(i, 0, k), s.get(i, 1, k), s.get(i, 2, k), s.get(i, 3, k));
      FB_UNROLL
      for (int j = 0; j < 4; ++j) s.put(i, j, k, f.y[j]);
    }
  }
}
// Two transforms of four elements, the even and the odd ones, joined by eighth roots of one.
template <class T>
static void stage8(const Stage<T>& s) {
  const Vec<T> root(T(0.70710678118654752440));
  for (std::int64_t k = 0; k < s.s.before; ++k) {
    for (std::int64_t i = 0; i < s.s.after; ++i) {
      const auto even = butterfly4(s.get(i, 0, k), s.get(i, 2, k), s.get(i, 4, k), s.get(i, 6, k));
      auto odd = butterfly4(s.get(i, 1, k), s.get(i, 3, k), s.get(i, 5, k), s.get(i, 7, k));
      const auto b = odd.y[1], d = odd.y[3];
      odd.y[1] = Complexes<T>{b.re + b.im, b.im - b.re} * root;
      odd.y[2] = times_minus_i(odd.y[2]);
      odd.y[3] = Complexes<T>{d.im - d.re, -(d.re + d.im)} * root;
      FB_UNROLL
      for (int j = 0; j < 4; ++j) {
        s.put(i, j, k, even.y[j] + odd.y[j]);
        s.put(i, j + 4, k, even.y[j] - odd.y[j]);
      }
    }
  }
}
// Any odd radix, straight from the definition; elements m and radix - m share their cosines and
// sines. `fixed` is the radix if it is known when compiling.
template <class T, int fixed>
static void stage_odd(const Stage<T>& s, const T* roots) {
  const int radix = fixed ? fixed : s.s.radix, half = radix / 2;
  constexpr int most = fixed ? fixed / 2 + 1 : max_fft_radix / 2 + 1;
  for (std::int64_t k = 0; k < s.s.before; ++k) {
    for (std::int64_t i = 0; i < s.s.after; ++i) {
      const auto first = s.get(i, 0, k);
      Complexes<T> sums[most], differences[most];
      auto total = first;
      for (int m = 1; m <= half; ++m) {
        const auto a = s.get(i, m, k), b = s.get(i, radix - m, k);
        sums[m] = a + b;
        differences[m] = times_minus_i(a - b);
        total = total + sums[m];
      }
      s.put(i, 0, k, total);
      for (int j = 1; j <= half; ++j) {
        auto along = first;
        Complexes<T> across{Vec<T>(T(0)), Vec<T>(T(0))};
        for (int m = 1, at = j; m <= half; ++m) {
          const auto root = everywhere(roots + 2 * at);
          along = {fma(sums[m].re, root.re, along.re), fma(sums[m].im, root.re, along.im)};
          across = {fma(differences[m].re, root.im, across.re),
                    fma(differences[m].im, root.im, across.im)};
          at += j;
          if (at >= radix) at -= radix;
        }
        s.put(i, j, k, along + across);
        s.put(i, radix - j, k, along - across);
      }
    }
  }
}

template <class T>
static void lines(const FftStages<T>& plan, const FftLines<T>& from, bool exchange_in,
                  const FftLines<T>& to, bool exchange_out, const FftOutput<T>& output, T* work) {
  T *in = work, *out = work + 2 * Vec<T>::size * plan.n;
  load_lines(from, plan.n, exchange_in, in);
  for (int c = 0; c < plan.count; ++c) {
    const FftStage& stage = plan.stages[c];
    const Stage<T> s{stage, in, out, plan.table + stage.twiddles};
    switch (stage.radix) {
      case 2:
        stage2(s);
        break;
      case 3:
        stage_odd<T, 3>(s, plan.table + stage.roots);
        break;
      case 4:
        stage4(s);
        break;
      case 5:
        stage_odd<T, 5>(s, plan.table + stage.roots);
        break;
      case 8:
        stage8(s);
        break;
      default:
        stage_odd<T, 0>(s, plan.table + stage.roots);
    }
    T* const last = in;
    in = out;
    out = last;
  }
  store_lines(in, plan.n, output, exchange_out, to);
}

// --- real numbers ------------------------------------------------------------------------------

// z, of pairs (x[2j], x[2j + 1]), has the transforms of both: even = (z[k] + conj z[h - k]) / 2 and
// odd = -i (z[k] - conj z[h - k]) / 2. Elements k and h - k of the result follow together.
template <class T>
struct PairOf {
  Complexes<T> low, high;  // k, h - k
};
template <class T>
FB_SIMD PairOf<T> split(Complexes<T> z, Complexes<T> mirror, Complexes<T> root) {
  const Vec<T> half(T(0.5));
  const Complexes<T> even = Complexes<T>{z.re + mirror.re, z.im - mirror.im} * half;
  const Complexes<T> odd = Complexes<T>{z.im + mirror.im, mirror.re - z.re} * half;
  const Complexes<T> turned = odd * root;
  const Complexes<T> low = even + turned, high = even - turned;
  return {low, {high.re, -high.im}};
}
template <class T>
FB_SIMD PairOf<T> join(Complexes<T> x, Complexes<T> mirror, Complexes<T> root) {
  const Complexes<T> even{x.re + mirror.re, x.im - mirror.im};
  const Complexes<T> turned{x.re - mirror.re, x.im + mirror.im};
  const Complexes<T> odd = turned * Complexes<T>{root.re, -root.im};
  // even + i odd, and the conjugate of even - i odd
  return {{even.re - odd.im, even.im + odd.re}, {even.re + odd.im, odd.re - even.im}};
}
// f of as many elements from `low` on as a vector has, and of as many up to the mirrored ones.
template <class T, class F>
FB_SIMD void map_mirrored(const T* low_in, const T* high_in, const T* roots, T* low_out,
                          T* high_out, F&& f) {
  constexpr int n = Vec<T>::size;
  const auto load = [](const T* p) __attribute__((always_inline)) {
    return deinterleave(Vec<T>::load(p), Vec<T>::load(p + n));
  };
  const auto low = load(low_in), high = load(high_in);
  const auto pair = f(low, Complexes<T>{reversed(high.re), reversed(high.im)}, load(roots));
  interleave_low(pair.low).store(low_out);
  interleave_high(pair.low).store(low_out + n);
  const Complexes<T> back{reversed(pair.high.re), reversed(pair.high.im)};
  interleave_low(back).store(high_out);
  interleave_high(back).store(high_out + n);
}
// f for k = 1 ... h / 2 and h - k; what does not fill a vector goes through buffers.
template <class T, class F>
FB_SIMD void for_mirrored(const T* in, T* out, std::int64_t h, const T* roots, F&& f) {
  constexpr int n = Vec<T>::size;
  std::int64_t k = 1;
  for (; 2 * (k + n) <= h; k += n) {
    const std::int64_t above = h - k - n + 1;
    map_mirrored(in + 2 * k, in + 2 * above, roots + 2 * k, out + 2 * k, out + 2 * above, f);
  }
  while (2 * k <= h) {
    const std::int64_t rest = h / 2 - k + 1, count = rest < n ? rest : n, above = h - k - count + 1;
    const auto bytes = static_cast<std::size_t>(2 * count) * sizeof(T);
    T low[2 * n] = {}, high[2 * n] = {}, root[2 * n] = {};
    T* const mirrored = high + 2 * (n - count);
    std::memcpy(low, in + 2 * k, bytes);
    std::memcpy(mirrored, in + 2 * above, bytes);
    std::memcpy(root, roots + 2 * k, bytes);
    map_mirrored(low, high, root, low, high, f);
    std::memcpy(out + 2 * k, low, bytes);
    std::memcpy(out + 2 * above, mirrored, bytes);
    k += count;
  }
}
template <class T>
static void split_pairs(T* line, std::int64_t h, const T* roots) {
  const T re = line[0], im = line[1];
  for_mirrored<T>(line, line, h, roots, [](auto... x) { return split<T>(x...); });
  line[0] = re + im;
  line[2 * h] = re - im;
  line[1] = line[2 * h + 1] = 0;
}
template <class T>
static void join_pairs(const T* line, T* out, std::int64_t h, const T* roots) {
  const T first = line[0], last = line[2 * h];
  for_mirrored<T>(line, out, h, roots, [](auto... x) { return join<T>(x...); });
  out[0] = first + last;
  out[1] = first - last;
}

const FftLoops fft_loops_table = {
    {Vec<float>::size, lines<float>, split_pairs<float>, join_pairs<float>},
    {Vec<double>::size, lines<double>, split_pairs<double>, join_pairs<double>},
};

}  // namespace fb::FB_ISA
