// Which inputs an output of a resized axis is made of, and with which weights.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/resample.h"

namespace fb {

enum class ResizeMode { Nearest, NearestExact, Linear, Cubic, LinearAA, CubicAA, LanczosAA };
ResizeMode resize_mode(const std::string& name, const char* op);  // Error(Value) for another name

// The matrix of an axis by rows: output i is made of entries [begin[i], begin[i + 1]).
template <class T>
struct SparseAxis {
  std::int64_t in = 0, out = 0;
  std::vector<std::int64_t> begin{0};
  std::vector<std::int32_t> index;
  std::vector<T> weight;

  void add(std::int64_t at, T value) {
    index.push_back(static_cast<std::int32_t>(at));
    weight.push_back(value);
  }
  void end_row() { begin.push_back(static_cast<std::int64_t>(index.size())); }
  bool is_identity() const;
  SparseAxis transposed() const;
  // The same for elements of n values that are counted one by one.
  SparseAxis repeated(std::int64_t n) const;
};

// scale: how much larger the output is, 0 for the ratio of the sizes; axes: how many are resized.
// Positions are computed in T, as PyTorch does, so that ties fall the same way.
template <class T>
SparseAxis<T> resize_taps(ResizeMode mode, std::int64_t in, std::int64_t out, bool align_corners,
                          double scale, int axes);

// The matrix as the loops want it (kernels/resample.h).
template <class T>
class PackedAxis {
 public:
  explicit PackedAxis(const SparseAxis<T>& axis);
  const ResizeAxis<T>& view() const { return view_; }
  bool padded() const { return padded_; }  // counts differ from the width

 private:
  std::vector<std::int32_t> index_, count_;
  std::vector<T> weight_;
  ResizeAxis<T> view_;
  bool padded_ = false;
};

extern template struct SparseAxis<float>;
extern template struct SparseAxis<double>;
extern template class PackedAxis<float>;
extern template class PackedAxis<double>;

}  // namespace fb
