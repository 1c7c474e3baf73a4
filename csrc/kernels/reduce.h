// Reductions over any set of axes of any strided tensor.
//
// A Reducer folds elements into one state per output. The driver decides how the input is walked:
// along the fastest axis when that is reduced ("row"), or over many outputs side by side when the
// fastest axis is kept ("rows"). Long reductions are cut into pieces that depend on the shape only,
// and the pieces are merged in a fixed order: the result has the same bits for any thread count.
#pragma once
#include <optional>
#include <utility>

#include "core/tensor.h"

namespace fb {

struct Reducer {
  // Folds n elements, `stride` bytes apart, into one state. `first` is the place of the first
  // element in the whole reduction.
  using Row = void (*)(char* state, const char* x, std::int64_t stride, std::int64_t n,
                       std::int64_t first, const void* params);
  // Folds x[i][j] into state[j] for i < rows, j < width; elements of a row are `stride` bytes
  // apart, rows `row_stride`.
  using Rows = void (*)(char* state, const char* x, std::int64_t row_stride, std::int64_t rows,
                        std::int64_t stride, std::int64_t width, std::int64_t first,
                        const void* params);

  std::size_t state_size = 0;
  void (*init)(char* state, std::int64_t count) = nullptr;
  Row row = nullptr;
  Rows rows = nullptr;
  // into[j] = into[j] followed by from[j].
  void (*merge)(char* into, const char* from, std::int64_t count) = nullptr;
  // Writes `count` results, `step` elements apart, to each of the outputs. `reduced` is the number
  // of elements behind each result.
  void (*finish)(char* const* out, std::int64_t step, const char* state, std::int64_t count,
                 std::int64_t reduced, const void* params) = nullptr;
  // The states remember places: `first` must be right for every row.
  bool ordered = false;
  // Rows no longer than this are folded faster side by side, as columns. Only where that gives the
  // same bits.
  std::int64_t short_row = 0;
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
using OptionalDim = std::optional<std::int64_t>;
using TensorPair = std::pair<Tensor, Tensor>;

// No dims, or none in the list, means all axes (of any and all: only no dims does).
// Integers and bool add up and multiply in int64.
Tensor sum(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype = {});
Tensor nansum(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype = {});
Tensor mean(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype = {});
Tensor prod(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype = {});
Tensor any(const Tensor& t, const OptionalDims& dims, bool keepdim);
Tensor all(const Tensor& t, const OptionalDims& dims, bool keepdim);
Tensor count_nonzero(const Tensor& t, const OptionalDims& dims);

// NaN wins over every number. `op` is the name that errors give.
Tensor amax(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op = "amax");
Tensor amin(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op = "amin");
// Along one axis, with the place of the first of equal elements.
TensorPair max_along(const Tensor& t, std::int64_t dim, bool keepdim);
TensorPair min_along(const Tensor& t, std::int64_t dim, bool keepdim);
// Without dim: the place in row-major order.
Tensor argmax(const Tensor& t, OptionalDim dim, bool keepdim);
Tensor argmin(const Tensor& t, OptionalDim dim, bool keepdim);

// The sum of squared deviations over (number of elements - correction); its root with `root`.
Tensor var(const Tensor& t, const OptionalDims& dims, double correction, bool keepdim, bool root);
TensorPair var_mean(const Tensor& t, const OptionalDims& dims, double correction, bool keepdim,
                    bool root);
Tensor logsumexp(const Tensor& t, const OptionalDims& dims, bool keepdim);
// (sum |x|^p)^(1/p); the extremes of |x| for infinite p, the number of non-zero elements for p = 0.
Tensor vector_norm(const Tensor& t, double p, const OptionalDims& dims, bool keepdim,
                   OptionalDType dtype = {});

}  // namespace fb
