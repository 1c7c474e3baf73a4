// Reductions over any set of axes of any strided tensor.
//
// A Reducer folds elements into one state per output. The driver decides how the input is walked:
// along the fastest axis when that is reduced ("row"), or over many outputs side by side when the
// fastest axis is kept ("rows"). Long reductions are cut into pieces that depend on the shape only,
// and the pieces are merged in a fixed order: the result has the same bits for any thread count.
#pragma once
#include <optional>

#include "core/tensor.h"

namespace fb {

struct Reducer {
  std::size_t state_size = 0;
  void (*init)(char* state, std::int64_t count) = nullptr;
  // Folds n elements, `stride` bytes apart, into one state. `first` is the place of the first
  // element in the whole reduction.
  void (*row)(char* state, const char* x, std::int64_t stride, std::int64_t n, std::int64_t first,
              const void* params) = nullptr;
  // Folds x[i][j] into state[j] for i < rows, j < width; elements of a row are `stride` bytes
  // apart.
  void (*rows)(char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
               std::int64_t stride, std::int64_t width, std::int64_t first,
               const void* params) = nullptr;
  // into[j] = into[j] followed by from[j].
  void (*merge)(char* into, const char* from, std::int64_t count) = nullptr;
  // Writes `count` results, `step` elements apart, to each of the outputs. `reduced` is the number
  // of elements behind each result.
  void (*finish)(char* const* out, std::int64_t step, const char* state, std::int64_t count,
                 std::int64_t reduced, const void* params) = nullptr;
};

// The axes to reduce as bits; no dims at all means every axis. Error(Index) for axes that do not
// exist, Error(Runtime) for one named twice.
std::uint64_t reduced_axes(const std::optional<Dims>& dims, int ndim, const char* op);
// Sizes of the result.
Dims reduced_shape(const Dims& sizes, std::uint64_t axes, bool keepdim);

// Runs the reduction; `out[k]` are contiguous tensors of as many elements as there are results.
void run_reduction(const Reducer& reducer, const Tensor& in, std::uint64_t axes,
                   std::initializer_list<Tensor> out, const void* params = nullptr);

using OptionalDims = std::optional<Dims>;
using OptionalDType = std::optional<DType>;

// Integers and bool add up in int64.
Tensor sum(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype = {});

}  // namespace fb
