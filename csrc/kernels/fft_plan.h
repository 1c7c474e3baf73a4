// What is computed once per length of a Fourier transform and kept: factors, roots of one.
#pragma once
#include <memory>
#include <vector>

#include "kernels/fft.h"

namespace fb {

// How lines of one length are transformed:
// - by stages, a line per lane, if all prime factors are small;
// - in two passes, of lengths `first->n` and `second->n`, over the line written as a matrix, if it
//   is long (the four-step method, D. H. Bailey, 1990): then the vectors run along the line;
// - as a convolution with a chirp if there is a large prime factor (L. Bluestein, 1970).
template <class T>
struct FftPlan {
  std::int64_t n = 0;

  std::vector<FftStage> stages;
  std::vector<T> table;

  std::shared_ptr<const FftPlan> first, second;
  // Twiddles exp(-2 pi i k j / n) of column j: starts[block][k] at the block's first column, times
  // lanes[k] for the columns after it.
  std::vector<T> starts, lanes;

  std::shared_ptr<const FftPlan> convolution;
  std::vector<T> chirp, filter;  // exp(-pi i k^2 / n), and the transform of its conjugate

  std::vector<T> half_roots;  // exp(-pi i k / n) for k <= n / 2, for real lines of 2 n elements

  bool by_stages() const { return !first && !convolution; }
  FftStages<T> view() const {
    return {n, static_cast<int>(stages.size()), stages.data(), table.data()};
  }
};

// What a plan is for: lines in groups, single lines, or only `half_roots`.
enum class FftUse : std::uint8_t { Groups, Lines, RealLines };
template <class T>
std::shared_ptr<const FftPlan<T>> fft_plan(std::int64_t n, FftUse use);

// Forward, without scaling, of one line of plan.n neighbouring complex numbers (fft.cpp).
template <class T>
void fft_line(const FftPlan<T>& plan, const T* from, bool exchange_in, T* to, bool exchange_out,
              T scale);

template <class T>
const FftLoopsOf<T>& fft_loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return fft_loops().of_float;
  else
    return fft_loops().of_double;
}

}  // namespace fb
