// Discrete Fourier transforms of float32 and float64 numbers, over any axes.
#pragma once
#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// One step of a transform of length n = before * radix * after: `after` counts what is still to be
// split, `before` what has been. Offsets into the plan's table: the twiddles exp(-2 pi i j k before
// / n) for k < after and 0 < j < radix (j fastest), and for an odd radix its cosines and sines.
struct FftStage {
  int radix;
  std::int64_t before, after;
  std::int64_t twiddles, roots;
};
constexpr int max_fft_radix = 31;
constexpr int max_fft_stages = 64;

template <class T>
struct FftStages {
  std::int64_t n;
  int count;
  const FftStage* stages;
  const T* table;
};

// A line per lane: element k of line l is the complex number at data[2 * (offsets[l] + k * step)].
// Without `offsets` the lines are neighbours.
template <class T>
struct FftLines {
  T* data;
  const std::int64_t* offsets;
  std::int64_t step;
};

// What happens to element k of lane l on its way out: times `scale`, and with a table times
// starts[k] * lanes[k][l].
template <class T>
struct FftOutput {
  T scale;
  const T* starts;  // complex, or null
  const T* lanes;   // k-th: the real parts of all lanes, then the imaginary ones
};

// An inverse transform is the forward one of numbers with real and imaginary parts exchanged; the
// flags say where that happens. `work` has 4 * lanes * n elements.
template <class T>
struct FftLoopsOf {
  int lanes;
  void (*lines)(const FftStages<T>& plan, const FftLines<T>& from, bool exchange_in,
                const FftLines<T>& to, bool exchange_out, const FftOutput<T>& output, T* work);
  // A transform of the 2 h numbers of a line from that of their pairs, in place (h + 1 complex
  // numbers), and back; `roots` has exp(-2 pi i k / (2 h)) for k <= h / 2.
  void (*split_pairs)(T* line, std::int64_t h, const T* roots);
  void (*join_pairs)(const T* line, T* pairs, std::int64_t h, const T* roots);
};
struct FftLoops {
  FftLoopsOf<float> of_float;
  FftLoopsOf<double> of_double;
};
FB_ISA_TABLE(FftLoops, fft_loops)

// How a result is scaled: not at all, by 1 / sqrt(n) or by 1 / n for n transformed elements.
enum class FftNorm : std::uint8_t { None, ByRoot, ByCount };

// Complex to complex over `axes` (distinct, none empty); forward is exp(-2 pi i ...).
Tensor fft_c2c(const Tensor& input, const Dims& axes, FftNorm norm, bool forward);
// Real to complex, forward; the last of `axes` has n / 2 + 1 elements, or n if not `onesided`.
Tensor fft_r2c(const Tensor& input, const Dims& axes, FftNorm norm, bool onesided);
// The inverse of the above: `input` has size / 2 + 1 elements along the last of `axes`.
Tensor fft_c2r(const Tensor& input, const Dims& axes, FftNorm norm, std::int64_t size);

}  // namespace fb
