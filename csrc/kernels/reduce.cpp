#include "kernels/reduce.h"

#include <algorithm>
#include <cstdlib>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/reduce_ops.h"

namespace fb {
namespace {

constexpr int max_outputs = 2;
// Elements folded by one task, and results handled side by side. They decide how sums are grouped,
// so they must not depend on the machine.
constexpr std::int64_t task_elements = 16384;
constexpr std::int64_t tile_width = 2048;
// Tasks that are enough to keep any reasonable number of threads busy.
constexpr std::int64_t enough_tasks = 32;
// A panel of fewer rows does not pay for merging its states.
constexpr std::int64_t least_rows = 64;
// Narrow panels are folded several rows at a time, up to this width.
constexpr std::int64_t folded_width = 256;
constexpr std::int64_t least_folded_rows = 32;

struct Axis {
  std::int64_t size;
  std::int64_t in;   // bytes
  std::int64_t out;  // elements; 0 for reduced axes
};

// Axes of one kind, fastest first.
struct Axes {
  int count = 0;
  Axis axis[Dims::max_size];

  std::int64_t numel(int from = 0) const {
    std::int64_t n = 1;
    for (int d = from; d < count; ++d) n *= axis[d].size;
    return n;
  }
  // Offsets of the `index`-th place over the axes from `from` on.
  void locate(std::int64_t index, int from, std::int64_t& in, std::int64_t& out) const {
    for (int d = from; d < count; ++d) {
      const std::int64_t at = index % axis[d].size;
      index /= axis[d].size;
      in += at * axis[d].in;
      out += at * axis[d].out;
    }
  }
  void sort_and_join() {
    // Repeated axes (stride 0) go outside: they never help a vector loop.
    auto key = [](const Axis& a) {
      return a.in == 0 ? std::numeric_limits<std::int64_t>::max() : a.in < 0 ? -a.in : a.in;
    };
    std::stable_sort(axis, axis + count,
                     [&](const Axis& a, const Axis& b) { return key(a) < key(b); });
    int last = -1;
    for (int d = 0; d < count; ++d) {
      const bool joins = last >= 0 && axis[d].in == axis[last].size * axis[last].in &&
                         axis[d].out == axis[last].size * axis[last].out;
      if (joins)
        axis[last].size *= axis[d].size;
      else
        axis[++last] = axis[d];
    }
    count = last + 1;
  }
};

struct Plan {
  Axes kept, reduced;
};

Plan make_plan(const Tensor& in, std::uint64_t axes) {
  Plan plan;
  std::int64_t step = 1;
  const auto itemsize = static_cast<std::int64_t>(in.itemsize());
  for (int d = in.ndim() - 1; d >= 0; --d) {
    const bool is_reduced = axes >> d & 1;
    if (in.size(d) == 1) continue;
    Axes& list = is_reduced ? plan.reduced : plan.kept;
    list.axis[list.count++] = {in.size(d), wrapping_product(in.stride(d), itemsize),
                               is_reduced ? 0 : step};
    if (!is_reduced) step = wrapping_product(step, in.size(d));
  }
  // Nothing to reduce: one empty axis in place of sizes whose product may not fit.
  if (in.numel() == 0 && plan.reduced.count) {
    plan.reduced.count = 1;
    plan.reduced.axis[0] = {0, 0, 0};
  }
  plan.kept.sort_and_join();
  plan.reduced.sort_and_join();
  return plan;
}

// States on the stack while they are few.
class States {
 public:
  States(const Reducer& reducer, std::int64_t count)
      : heap_(bytes(reducer, count) > sizeof(inline_) ? bytes(reducer, count) : 0),
        data_(heap_.size() ? heap_.data() : inline_) {}
  char* data() { return data_; }

 private:
  static std::size_t bytes(const Reducer& reducer, std::int64_t count) {
    return reducer.state_size * static_cast<std::size_t>(count);
  }
  alignas(64) char inline_[256];
  Workspace<char> heap_;
  char* data_;
};

// How a reduction of R rows of n elements is cut into tasks.
struct Cut {
  std::int64_t pieces;  // per row
  std::int64_t length;  // of a piece
  std::int64_t units;   // pieces in one task
  std::int64_t tasks;

  Cut(std::int64_t rows, std::int64_t n, std::int64_t per_task) {
    pieces = std::max<std::int64_t>(1, (n + per_task - 1) / per_task);
    length = pieces == 1 ? n : per_task;
    units = pieces > 1 || n == 0 ? 1 : std::max<std::int64_t>(1, per_task / n);
    tasks = std::max<std::int64_t>(1, (rows * pieces + units - 1) / units);
  }
};

struct Run {
  const Reducer& reducer;
  const char* data;
  Plan plan;
  char* out[max_outputs];
  std::size_t out_itemsize[max_outputs];
  int outputs;
  std::int64_t reduced_count;
  const void* params;

  void finish(const char* state, std::int64_t count, std::int64_t at, std::int64_t step) const {
    char* to[max_outputs];
    for (int k = 0; k < outputs; ++k)
      to[k] = out[k] + at * static_cast<std::int64_t>(out_itemsize[k]);
    reducer.finish(to, step, state, count, reduced_count, params);
  }
  std::int64_t state_bytes(std::int64_t count) const {
    return count * static_cast<std::int64_t>(reducer.state_size);
  }
  // Merges `count` groups of `width` states as a tree, leaving the result in the first.
  void merge_tree(char* states, std::int64_t count, std::int64_t width) const {
    for (std::int64_t step = 1; step < count; step *= 2)
      for (std::int64_t k = 0; k + step < count; k += 2 * step)
        reducer.merge(states + state_bytes(k * width), states + state_bytes((k + step) * width),
                      width);
  }

  void whole_rows() const;
  void by_rows() const;
  void row_task(const Cut& cut, std::int64_t task, const char* x, char* state) const;
  void by_columns() const;
  void column_task(const Cut& cut, std::int64_t task, const char* x, std::int64_t fold,
                   std::int64_t width, char* state) const;
};

// ---- the fastest axis is reduced ----

void Run::row_task(const Cut& cut, std::int64_t task, const char* x, char* state) const {
  const Axes& reduced = plan.reduced;
  const std::int64_t n = reduced.count ? reduced.axis[0].size : 1;
  const std::int64_t stride = reduced.count ? reduced.axis[0].in : 0;
  const std::int64_t total = reduced.numel(1) * cut.pieces;
  reducer.init(state, 1);
  const std::int64_t end = std::min(total, (task + 1) * cut.units);
  for (std::int64_t unit = task * cut.units; unit < end; ++unit) {
    const std::int64_t row = unit / cut.pieces, begin = unit % cut.pieces * cut.length;
    std::int64_t offset = begin * stride, unused = 0;
    reduced.locate(row, 1, offset, unused);
    reducer.row(state, x + offset, stride, std::min(cut.length, n - begin), row * n + begin,
                params);
  }
}

// Short rows, one after the other along the fastest kept axis; the shortest, which fill no
// register, side by side as columns.
void Run::whole_rows() const {
  const Axes& kept = plan.kept;
  const Axis inner = kept.count ? kept.axis[0] : Axis{1, 0, 0};
  const std::int64_t n = plan.reduced.count ? plan.reduced.axis[0].size : 1;
  const std::int64_t stride = plan.reduced.count ? plan.reduced.axis[0].in : 0;
  constexpr std::int64_t few = 8;
  const bool as_columns = n <= reducer.short_row;
  const std::int64_t batch = as_columns ? 32 : 16;
  const std::int64_t batches = (inner.size + batch - 1) / batch;
  const std::int64_t grain =
      std::max<std::int64_t>(1, default_grain / (std::max<std::int64_t>(1, n) * batch));
  parallel_for(0, kept.numel(1) * batches, grain, [&](std::int64_t b, std::int64_t e) {
    States states(reducer, batch);
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t first = item % batches * batch;
      const std::int64_t count = std::min(batch, inner.size - first);
      std::int64_t in = first * inner.in, at = first * inner.out;
      kept.locate(item / batches, 1, in, at);
      reducer.init(states.data(), count);
      if (as_columns && count >= few)
        reducer.rows(states.data(), data + in, stride, n, inner.in, count, 0, params);
      else
        for (std::int64_t k = 0; k < count; ++k)
          reducer.row(states.data() + state_bytes(k), data + in + k * inner.in, stride, n, 0,
                      params);
      finish(states.data(), count, at, inner.out);
    }
  });
}

void Run::by_rows() const {
  const Axes& kept = plan.kept;
  const std::int64_t n = plan.reduced.count ? plan.reduced.axis[0].size : 1;
  if (plan.reduced.count <= 1 && n <= task_elements) return whole_rows();
  const Cut cut(plan.reduced.numel(1), n, task_elements);
  const std::int64_t results = kept.numel();
  const std::int64_t grain =
      std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(1, n * cut.units));
  // Task by task, each for all results: where the kept axes lie within the reduced ones, this is
  // the order of memory.
  States partial(reducer, results * cut.tasks);
  parallel_for(0, results * cut.tasks, grain, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t result = item % results, task = item / results;
      std::int64_t in = 0, at = 0;
      kept.locate(result, 0, in, at);
      row_task(cut, task, data + in, partial.data() + state_bytes(result * cut.tasks + task));
    }
  });
  for (std::int64_t result = 0; result < results; ++result) {
    std::int64_t in = 0, at = 0;
    kept.locate(result, 0, in, at);
    char* states = partial.data() + state_bytes(result * cut.tasks);
    merge_tree(states, cut.tasks, 1);
    finish(states, 1, at, 0);
  }
}

// ---- the fastest axis is kept ----

// `fold` rows side by side make one row of the panel; what does not fill one is added at the end.
void Run::column_task(const Cut& cut, std::int64_t task, const char* x, std::int64_t fold,
                      std::int64_t width, char* state) const {
  const Axes& reduced = plan.reduced;
  const std::int64_t n = reduced.count ? reduced.axis[0].size : 1;
  const std::int64_t row_stride = reduced.count ? reduced.axis[0].in : 0;
  const std::int64_t stride = plan.kept.axis[0].in;
  const std::int64_t total = reduced.numel(1) * cut.pieces;
  reducer.init(state, width * fold);
  const std::int64_t end = std::min(total, (task + 1) * cut.units);
  for (std::int64_t unit = task * cut.units; unit < end; ++unit) {
    const std::int64_t row = unit / cut.pieces, begin = unit % cut.pieces * cut.length;
    const std::int64_t count = std::min(cut.length, n - begin), whole = count / fold;
    std::int64_t offset = begin * row_stride, unused = 0;
    reduced.locate(row, 1, offset, unused);
    reducer.rows(state, x + offset, row_stride * fold, whole, stride, width * fold, row * n + begin,
                 params);
    if (whole * fold < count)
      reducer.rows(state, x + offset + whole * fold * row_stride, row_stride, count - whole * fold,
                   stride, width, row * n + begin + whole * fold, params);
  }
  merge_tree(state, fold, width);
}

void Run::by_columns() const {
  const Axes& kept = plan.kept;
  const Axis inner = kept.axis[0];
  const std::int64_t n = plan.reduced.count ? plan.reduced.axis[0].size : 1;
  const std::int64_t row_stride = plan.reduced.count ? plan.reduced.axis[0].in : 0;
  const bool packed = !reducer.ordered && row_stride == inner.size * inner.in;
  // Enough rows must be left for the states to be worth their set-up.
  const std::int64_t fold =
      packed ? std::clamp<std::int64_t>(n / least_folded_rows, 1,
                                        std::max<std::int64_t>(1, folded_width / inner.size))
             : 1;
  const std::int64_t tiles = (inner.size + tile_width - 1) / tile_width;
  const std::int64_t width = std::min(inner.size, tile_width);
  const std::int64_t results = kept.numel(1) * tiles;
  const std::int64_t reduced_rows = plan.reduced.numel();
  const std::int64_t wanted = std::max<std::int64_t>(1, enough_tasks / results);
  const std::int64_t per_task =
      std::max({fold * least_rows, task_elements / width, (reduced_rows + wanted - 1) / wanted});
  const Cut cut(plan.reduced.numel(1), n, per_task);
  const std::int64_t states_each = width * fold;
  const std::int64_t grain = std::max<std::int64_t>(
      1, default_grain / std::max<std::int64_t>(1, width * cut.length * cut.units));
  States partial(reducer, cut.tasks > 1 ? results * cut.tasks * states_each : 0);
  parallel_for(0, results * cut.tasks, grain, [&](std::int64_t b, std::int64_t e) {
    States own(reducer, cut.tasks > 1 ? 0 : states_each);
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t result = item / cut.tasks, first = result % tiles * tile_width;
      std::int64_t in = first * inner.in, at = first * inner.out;
      kept.locate(result / tiles, 1, in, at);
      char* state = cut.tasks > 1 ? partial.data() + state_bytes(item * states_each) : own.data();
      const std::int64_t columns = std::min(tile_width, inner.size - first);
      column_task(cut, item % cut.tasks, data + in, fold, columns, state);
      if (cut.tasks == 1) finish(state, columns, at, inner.out);
    }
  });
  if (cut.tasks == 1) return;
  for (std::int64_t result = 0; result < results; ++result) {
    const std::int64_t first = result % tiles * tile_width;
    std::int64_t in = 0, at = first * inner.out;
    kept.locate(result / tiles, 1, in, at);
    char* states = partial.data() + state_bytes(result * cut.tasks * states_each);
    merge_tree(states, cut.tasks, states_each);
    finish(states, std::min(tile_width, inner.size - first), at, inner.out);
  }
}

}  // namespace

std::uint64_t reduced_axes(const OptionalDims& dims, int ndim, const char* op) {
  const std::uint64_t all = ndim >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << ndim) - 1;
  if (!dims || dims->empty()) return all;
  std::uint64_t axes = 0;
  for (auto given : *dims) {
    const int d = normalize_dim(given, ndim, op);
    FB_CHECK(!(axes >> d & 1), Runtime, op, ": dim ", d,
             " appears multiple times in the list of dims");
    axes |= std::uint64_t{1} << d;
  }
  return axes;
}

Dims reduced_shape(const Dims& sizes, std::uint64_t axes, bool keepdim) {
  Dims shape;
  for (int d = 0; d < sizes.size(); ++d) {
    if (!(axes >> d & 1))
      shape.push_back(sizes[d]);
    else if (keepdim)
      shape.push_back(1);
  }
  return shape;
}

void run_reduction(const Reducer& reducer, const Tensor& in, std::uint64_t axes,
                   std::initializer_list<Tensor> out, const void* params) {
  Run run{reducer, in.bytes(), make_plan(in, axes), {}, {}, 0, 1, params};
  for (const Tensor& t : out) {
    if (t.numel() == 0) return;
    run.out[run.outputs] = t.bytes();
    run.out_itemsize[run.outputs++] = t.itemsize();
  }
  run.reduced_count = run.plan.reduced.numel();
  const Axes &kept = run.plan.kept, &reduced = run.plan.reduced;
  const bool columns =
      kept.count && (!reduced.count || std::abs(kept.axis[0].in) < std::abs(reduced.axis[0].in)) &&
      kept.axis[0].in != 0;
  if (columns)
    run.by_columns();
  else
    run.by_rows();
}

// ---- the operations ----

namespace {

// Sums and products: what the elements are converted to first, and the result's dtype.
struct WideTypes {
  DType in, out;
};
WideTypes wide_types(DType own, OptionalDType wanted) {
  const DType out = wanted ? *wanted : is_integral(own, true) ? DType::Int64 : own;
  return {out == DType::Int64 && is_integral(own, true) ? own : out, out};
}

template <template <class> class Op>
Tensor wide_reduction(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype,
                      const ReduceParams& params, const char* op) {
  require_cpu(t, op);
  const WideTypes types = wide_types(t.dtype(), dtype);
  const std::uint64_t axes = reduced_axes(dims, t.ndim(), op);
  const Tensor in = cast(t, types.in);
  // A bool of its own (dtype=bool): the integers' result is cast.
  const DType stored =
      types.out == DType::Int64 || !is_integral(types.out, true) ? types.out : DType::Int64;
  Tensor out = empty(reduced_shape(in.sizes(), axes, keepdim), stored);
  const Reducer reducer = dispatch_all(in.dtype(), []<class T>() { return make_reducer<Op<T>>(); });
  run_reduction(reducer, in, axes, {out}, &params);
  return cast(out, types.out);
}

void require_real(const Tensor& t, const char* op) {
  require_cpu(t, op);
  FB_CHECK(!is_complex(t.dtype()), DType, op, "(): does not support complex input");
}

// Extremes have no value for no elements.
void require_elements(const Tensor& t, std::uint64_t axes, bool all, const char* op) {
  FB_CHECK(!(all && t.numel() == 0), Runtime, op,
           "(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
           "reduction dim with the 'dim' argument.");
  for (int d = 0; d < t.ndim(); ++d)
    FB_CHECK(!(axes >> d & 1) || t.size(d) != 0, Index, op, "(): Expected reduction dim ", d,
             " to have non-zero size.");
}

template <bool largest>
Tensor extreme(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op) {
  require_real(t, op);
  const std::uint64_t axes = reduced_axes(dims, t.ndim(), op);
  require_elements(t, axes, !dims || dims->empty(), op);
  Tensor out = empty(reduced_shape(t.sizes(), axes, keepdim), t.dtype());
  const Reducer reducer =
      dispatch_real(t.dtype(), op, []<class T>() { return make_reducer<ExtremeOp<T, largest>>(); });
  const ReduceParams params;
  run_reduction(reducer, t, axes, {out}, &params);
  return out;
}

template <bool largest>
TensorPair extreme_along(const Tensor& t, std::int64_t dim, bool keepdim, const char* op) {
  require_real(t, op);
  const std::uint64_t axes = reduced_axes(Dims{dim}, t.ndim(), op);
  require_elements(t, axes, false, op);
  const Dims shape = reduced_shape(t.sizes(), axes, keepdim);
  Tensor values = empty(shape, t.dtype()), indices = empty(shape, DType::Int64);
  const Reducer reducer = dispatch_real(
      t.dtype(), op, []<class T>() { return make_reducer<BestOp<T, largest, true>>(); });
  const ReduceParams params;
  run_reduction(reducer, t, axes, {values, indices}, &params);
  return {values, indices};
}

template <bool largest>
Tensor place_of_extreme(const Tensor& t, OptionalDim dim, bool keepdim, const char* op) {
  require_real(t, op);
  FB_CHECK(t.dtype() != DType::Bool, DType, op, "(): does not support bool input");
  FB_CHECK(dim || t.numel() != 0, Index, op,
           "(): Expected reduction dim to be specified for input.numel() == 0.");
  const std::uint64_t axes =
      reduced_axes(dim ? OptionalDims(Dims{*dim}) : std::nullopt, t.ndim(), op);
  require_elements(t, axes, false, op);
  Tensor out = empty(reduced_shape(t.sizes(), axes, keepdim), DType::Int64);
  const Reducer reducer = dispatch_real(
      t.dtype(), op, []<class T>() { return make_reducer<BestOp<T, largest, false>>(); });
  const ReduceParams params;
  // The place over all elements counts in row-major order.
  run_reduction(reducer, dim ? t : contiguous(t), axes, {out}, &params);
  return out;
}

template <bool wanted>
Tensor find(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op) {
  require_cpu(t, op);
  const std::uint64_t axes = dims && dims->empty() ? 0 : reduced_axes(dims, t.ndim(), op);
  const DType result = t.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool;
  Tensor out = empty(reduced_shape(t.sizes(), axes, keepdim), result);
  const Reducer reducer =
      dispatch_all(t.dtype(), []<class T>() { return make_reducer<FindOp<T, wanted>>(); });
  const ReduceParams params;
  run_reduction(reducer, t, axes, {out}, &params);
  return out;
}

template <class F>
Reducer dispatch_inexact(DType dtype, const char* what, F&& f) {
  if (dtype == DType::Complex64) return f.template operator()<complex64>();
  if (dtype == DType::Complex128) return f.template operator()<complex128>();
  FB_CHECK(is_floating(dtype), DType, what);
  return dispatch_floating(dtype, what, f);
}

constexpr const char* var_needs_float =
    "std and var only support floating point and complex dtypes";

Reducer norm_reducer(DType dtype, double p) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  return dispatch_inexact(dtype, "linalg.vector_norm", [p]<class T>() {
    if (p == 2) return make_reducer<NormOp<T, Fold::square_sum>>();
    if (p == 1) return make_reducer<NormOp<T, Fold::abs_sum>>();
    if (p == 0) return make_reducer<NonzeroNormOp<T>>();
    if (p == inf) return make_reducer<NormOp<T, Fold::abs_max>>();
    if (p == -inf) return make_reducer<NormOp<T, Fold::abs_min>>();
    return make_reducer<NormOp<T, Fold::count>>();
  });
}

}  // namespace

Tensor sum(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
  return wide_reduction<SumOp>(t, dims, keepdim, dtype, {}, "sum");
}

Tensor nansum(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
  FB_CHECK(!is_complex(t.dtype()), DType, "nansum does not support complex inputs");
  return wide_reduction<NansumOp>(t, dims, keepdim, dtype, {}, "nansum");
}

Tensor mean(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
  const DType result = dtype.value_or(t.dtype());
  FB_CHECK(is_differentiable(result), DType, "mean(): could not infer output dtype. ",
           dtype ? "Optional dtype" : "Input dtype",
           " must be either a floating point or complex dtype. Got: ", dtype_name(result));
  return wide_reduction<SumOp>(t, dims, keepdim, result, {.mean = true}, "mean");
}

Tensor prod(const Tensor& t, const OptionalDims& dims, bool keepdim, OptionalDType dtype) {
  return wide_reduction<ProdOp>(t, dims, keepdim, dtype, {}, "prod");
}

Tensor any(const Tensor& t, const OptionalDims& dims, bool keepdim) {
  return find<true>(t, dims, keepdim, "any");
}

Tensor all(const Tensor& t, const OptionalDims& dims, bool keepdim) {
  return find<false>(t, dims, keepdim, "all");
}

Tensor count_nonzero(const Tensor& t, const OptionalDims& dims) {
  require_cpu(t, "count_nonzero");
  const std::uint64_t axes = reduced_axes(dims, t.ndim(), "count_nonzero");
  Tensor out = empty(reduced_shape(t.sizes(), axes, false), DType::Int64);
  const Reducer reducer =
      dispatch_all(t.dtype(), []<class T>() { return make_reducer<CountOp<T>>(); });
  const ReduceParams params;
  run_reduction(reducer, t, axes, {out}, &params);
  return out;
}

Tensor amax(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op) {
  return extreme<true>(t, dims, keepdim, op);
}
Tensor amin(const Tensor& t, const OptionalDims& dims, bool keepdim, const char* op) {
  return extreme<false>(t, dims, keepdim, op);
}
TensorPair max_along(const Tensor& t, std::int64_t dim, bool keepdim) {
  return extreme_along<true>(t, dim, keepdim, "max");
}
TensorPair min_along(const Tensor& t, std::int64_t dim, bool keepdim) {
  return extreme_along<false>(t, dim, keepdim, "min");
}
Tensor argmax(const Tensor& t, OptionalDim dim, bool keepdim) {
  return place_of_extreme<true>(t, dim, keepdim, "argmax");
}
Tensor argmin(const Tensor& t, OptionalDim dim, bool keepdim) {
  return place_of_extreme<false>(t, dim, keepdim, "argmin");
}

Tensor var(const Tensor& t, const OptionalDims& dims, double correction, bool keepdim, bool root) {
  const char* op = root ? "std" : "var";
  require_cpu(t, op);
  const Reducer reducer = dispatch_inexact(
      t.dtype(), var_needs_float, []<class T>() { return make_reducer<VarOp<T, false>>(); });
  const std::uint64_t axes = reduced_axes(dims, t.ndim(), op);
  Tensor out = empty(reduced_shape(t.sizes(), axes, keepdim), real_dtype(t.dtype()));
  const ReduceParams params{.root = root, .correction = correction};
  run_reduction(reducer, t, axes, {out}, &params);
  return out;
}

TensorPair var_mean(const Tensor& t, const OptionalDims& dims, double correction, bool keepdim,
                    bool root) {
  const char* op = root ? "std_mean" : "var_mean";
  require_cpu(t, op);
  const Reducer reducer = dispatch_inexact(
      t.dtype(), var_needs_float, []<class T>() { return make_reducer<VarOp<T, true>>(); });
  const std::uint64_t axes = reduced_axes(dims, t.ndim(), op);
  const Dims shape = reduced_shape(t.sizes(), axes, keepdim);
  Tensor variance = empty(shape, real_dtype(t.dtype())), average = empty(shape, t.dtype());
  const ReduceParams params{.root = root, .correction = correction};
  run_reduction(reducer, t, axes, {variance, average}, &params);
  return {variance, average};
}

Tensor logsumexp(const Tensor& t, const OptionalDims& dims, bool keepdim) {
  require_real(t, "logsumexp");
  const Tensor in = is_floating(t.dtype()) ? t : cast(t, default_dtype());
  const std::uint64_t axes = reduced_axes(dims, in.ndim(), "logsumexp");
  Tensor out = empty(reduced_shape(in.sizes(), axes, keepdim), in.dtype());
  const Reducer reducer = dispatch_floating(
      in.dtype(), "logsumexp", []<class T>() { return make_reducer<LogSumExpOp<T>>(); });
  const ReduceParams params;
  run_reduction(reducer, in, axes, {out}, &params);
  return out;
}

Tensor vector_norm(const Tensor& t, double p, const OptionalDims& dims, bool keepdim,
                   OptionalDType dtype) {
  constexpr const char* op = "linalg.vector_norm";
  require_cpu(t, op);
  FB_CHECK(is_differentiable(t.dtype()), DType, op,
           ": Expected a floating point or complex tensor as input. Got ", dtype_name(t.dtype()));
  const Tensor in = dtype ? cast(t, *dtype) : t;
  FB_CHECK(is_differentiable(in.dtype()), DType, op,
           ": dtype should be floating point or complex. Got ", dtype_name(in.dtype()));
  const std::uint64_t axes = reduced_axes(dims, in.ndim(), op);
  if (p < 0 || std::isinf(p)) {
    FB_CHECK(!(in.numel() == 0 && (!dims || dims->empty())), Runtime, op, " cannot compute the ", p,
             " norm on an empty tensor because the operation does not have an identity");
    for (int d = 0; d < in.ndim(); ++d)
      FB_CHECK(!(axes >> d & 1) || in.size(d) != 0, Runtime, op, " cannot compute the ", p,
               " norm on the dimension ", d,
               "because this dimension is empty and the operation does not have an identity");
  }
  Tensor out = empty(reduced_shape(in.sizes(), axes, keepdim), real_dtype(in.dtype()));
  const ReduceParams params{.p = p};
  run_reduction(norm_reducer(in.dtype(), p), in, axes, {out}, &params);
  return out;
}

}  // namespace fb
