#include "kernels/contract.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/reduce.h"

namespace fb {
namespace {

// Multiplications below which a product inside a loop costs more than the copy that avoids it.
constexpr std::int64_t least_work_per_call = 1 << 16;

// A label with its place in each tensor (-1 where it is absent), or several joined into one loop.
struct Axis {
  std::int64_t size;
  std::ptrdiff_t a, b, c;  // strides; 0 where the tensor does not have the axis
};
using Axes = std::vector<Axis>;

enum Operand { OperandA, OperandB };

struct Problem {
  Tensor a, b;
  Dims a_labels, b_labels, out_labels;
  Dims memory;  // the result's labels from the outermost in memory to the innermost
};

int place(const Dims& labels, std::int64_t label) {
  for (int i = 0; i < labels.size(); ++i)
    if (labels[i] == label) return i;
  return -1;
}
bool has(const Dims& labels, std::int64_t label) { return place(labels, label) >= 0; }

std::int64_t size_of(const Problem& p, std::int64_t label) {
  const int i = place(p.a_labels, label);
  return i >= 0 ? p.a.size(i) : p.b.size(place(p.b_labels, label));
}

void check(const Problem& p) {
  require_cpu(p.a, "einsum");
  require_cpu(p.b, "einsum");
  const auto distinct = [](const Dims& labels) {
    for (int i = 0; i < labels.size(); ++i)
      if (place(labels, labels[i]) != i) return false;
    return true;
  };
  FB_CHECK(p.a_labels.size() == p.a.ndim() && p.b_labels.size() == p.b.ndim(), Value,
           "einsum: an operand needs one label per axis");
  FB_CHECK(distinct(p.a_labels) && distinct(p.b_labels) && distinct(p.out_labels), Value,
           "einsum: the labels of a tensor must differ");
  for (auto label : p.a_labels) {
    FB_CHECK(has(p.b_labels, label) || has(p.out_labels, label), Value,
             "einsum: a label must stand in two of the three tensors");
    FB_CHECK(!has(p.b_labels, label) ||
                 p.b.size(place(p.b_labels, label)) == p.a.size(place(p.a_labels, label)),
             Shape, "einsum: axes with one label must have one size: a is ", p.a.sizes(), ", b is ",
             p.b.sizes());
  }
  for (auto label : p.b_labels)
    FB_CHECK(has(p.a_labels, label) || has(p.out_labels, label), Value,
             "einsum: a label must stand in two of the three tensors");
  for (auto label : p.out_labels)
    FB_CHECK(has(p.a_labels, label) || has(p.b_labels, label), Value,
             "einsum: a label of the result must stand in an operand");
}

Dims result_sizes(const Problem& p, const Dims& labels) {
  Dims sizes;
  for (auto label : labels) sizes.push_back(size_of(p, label));
  return sizes;
}

// A result whose memory has the order of p.memory, its axes in the order of the labels.
Tensor allocate(const Problem& p) {
  const Tensor stored = empty(result_sizes(p, p.memory), p.a.dtype());
  Dims order;
  for (auto label : p.out_labels) order.push_back(place(p.memory, label));
  return stored.permute(order);
}

// ---- nothing to sum: an elementwise product ----

// The operand with these axes, of size one where it has none of that label.
Tensor aligned(const Tensor& t, const Dims& labels, const Dims& wanted) {
  Dims sizes, strides;
  for (auto label : wanted) {
    const int i = place(labels, label);
    sizes.push_back(i < 0 ? 1 : t.size(i));
    strides.push_back(i < 0 ? 0 : t.stride(i));
  }
  return t.restride(sizes, strides, t.offset());
}

Tensor multiply_elements(const Problem& p, const Dims& labels) {
  static const int mul = find_binary("mul");
  return binary(mul, aligned(p.a, p.a_labels, labels), aligned(p.b, p.b_labels, labels));
}

// ---- loops around a matrix product ----

bool continues(const Axis& outer, const Axis& inner) {
  return outer.a == inner.a * inner.size && outer.b == inner.b * inner.size &&
         outer.c == inner.c * inner.size;
}

// Joins neighbours that are one longer axis in every tensor. `axes` goes from outer to inner.
Axes joined(const Axes& axes) {
  Axes out;
  for (const Axis& axis : axes) {
    if (!out.empty() && continues(out.back(), axis)) {
      const std::int64_t size = out.back().size * axis.size;
      out.back() = axis;
      out.back().size = size;
    } else {
      out.push_back(axis);
    }
  }
  return out;
}

struct Nest {
  Axes outer;  // loops around the product
  Axis row{1, 0, 0, 0}, col{1, 0, 0, 1}, sum{1, 0, 0, 0};
  bool sums_joined = true;  // the summed axes are one axis of both operands
  std::int64_t work() const { return row.size * col.size * sum.size; }
};

Axis axis_of(const Problem& p, const Tensor& out, std::int64_t label) {
  const int a = place(p.a_labels, label), b = place(p.b_labels, label),
            c = place(p.out_labels, label);
  return {size_of(p, label), a < 0 ? 0 : p.a.stride(a), b < 0 ? 0 : p.b.stride(b),
          c < 0 ? 0 : out.stride(c)};
}

// The summed labels in the order in which one operand has them in memory.
Dims summed_labels(const Problem& p, Operand by) {
  std::vector<std::pair<std::ptrdiff_t, std::int64_t>> found;
  const Tensor& t = by == OperandA ? p.a : p.b;
  const Dims& labels = by == OperandA ? p.a_labels : p.b_labels;
  for (int i = 0; i < labels.size(); ++i)
    if (has(p.a_labels, labels[i]) && has(p.b_labels, labels[i]) && !has(p.out_labels, labels[i]))
      found.push_back({-t.stride(i), labels[i]});
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  Dims out;
  for (const auto& entry : found) out.push_back(entry.second);
  return out;
}

Axes summed_axes(const Problem& p, const Tensor& out, Operand by) {
  Axes axes;
  for (auto label : summed_labels(p, by))
    if (size_of(p, label) != 1) axes.push_back(axis_of(p, out, label));
  return joined(axes);
}

// Takes the largest axis out of the list.
Axis take_largest(Axes& axes) {
  const auto at = std::max_element(axes.begin(), axes.end(),
                                   [](const Axis& x, const Axis& y) { return x.size < y.size; });
  const Axis found = *at;
  axes.erase(at);
  return found;
}

// Which loops the matrix product takes over: one of rows, one of columns (the one that is
// contiguous in the result), and the summed axis.
Nest arrange(const Problem& p, const Tensor& out) {
  Nest nest;
  Axes rows, cols, batch;
  for (auto label : p.memory) {
    const Axis axis = axis_of(p, out, label);
    if (axis.size == 1) continue;
    Axes& group = !has(p.b_labels, label) ? rows : !has(p.a_labels, label) ? cols : batch;
    group.push_back(axis);
  }
  rows = joined(rows);
  cols = joined(cols);
  if (!rows.empty()) nest.row = take_largest(rows);
  if (!cols.empty()) {
    nest.col = cols.back();
    cols.pop_back();
  }
  nest.outer = joined(batch);
  nest.outer.insert(nest.outer.end(), rows.begin(), rows.end());
  nest.outer.insert(nest.outer.end(), cols.begin(), cols.end());
  Axes sums = summed_axes(p, out, OperandA);
  if (sums.size() > 1) sums = summed_axes(p, out, OperandB);
  nest.sums_joined = sums.size() <= 1;
  if (sums.size() == 1) nest.sum = sums[0];
  return nest;
}

std::int64_t calls_of(const Nest& nest) {
  std::int64_t count = 1, most = 1;
  for (const Axis& axis : nest.outer) {
    count *= axis.size;
    most = std::max(most, axis.size);
  }
  return count / most;  // the product itself repeats along one of them
}

bool readable(std::int64_t rows, std::int64_t cols, std::ptrdiff_t row_stride,
              std::ptrdiff_t col_stride) {
  return rows == 1 || cols == 1 || row_stride == 1 || col_stride == 1;
}

// A copy of the operand with the axes in this order in memory, and in its own order as seen.
Tensor packed(const Tensor& t, const Dims& labels, const Dims& order) {
  Dims forth, back(labels.size());
  for (int i = 0; i < order.size(); ++i) {
    const int at = place(labels, order[i]);
    forth.push_back(at);
    back[at] = i;
  }
  return contiguous(t.permute(forth)).permute(back);
}

// Batch axes, then the operand's own, then the summed ones.
void pack(Problem& p, Operand which, const Dims& sums) {
  Tensor& t = which == OperandA ? p.a : p.b;
  const Dims& labels = which == OperandA ? p.a_labels : p.b_labels;
  const Dims& others = which == OperandA ? p.b_labels : p.a_labels;
  Dims order;
  for (auto label : p.memory)
    if (has(labels, label) && has(others, label)) order.push_back(label);
  for (auto label : p.memory)
    if (has(labels, label) && !has(others, label)) order.push_back(label);
  for (auto label : sums) order.push_back(label);
  t = packed(t, labels, order);
}

// The result's memory as batch, rows, columns: then every group of axes is one axis.
Dims grouped(const Problem& p) {
  Dims order;
  for (int group = 0; group < 3; ++group) {
    for (auto label : p.out_labels) {
      const bool in_a = has(p.a_labels, label), in_b = has(p.b_labels, label);
      if (group == (in_a && in_b ? 0 : in_a ? 1 : 2)) order.push_back(label);
    }
  }
  return order;
}

template <class T>
MatrixView<const T> view_of(const T* data, std::int64_t rows, std::int64_t cols,
                            std::ptrdiff_t row_stride, std::ptrdiff_t col_stride) {
  // An axis of one element may have any stride: one that the product takes.
  if (cols == 1) col_stride = row_stride == 1 ? std::max<std::ptrdiff_t>(rows, 2) : 1;
  if (rows == 1) row_stride = col_stride == 1 ? std::max<std::ptrdiff_t>(cols, 2) : 1;
  return {data, row_stride, col_stride};
}

// Where the tensors stand at one turn of the outer loops.
struct Position {
  std::ptrdiff_t a = 0, b = 0, c = 0;
};
Position position(const Axes& loops, std::int64_t turn) {
  Position at;
  for (auto axis = loops.rbegin(); axis != loops.rend(); ++axis) {
    const std::int64_t i = turn % axis->size;
    turn /= axis->size;
    at.a += i * axis->a;
    at.b += i * axis->b;
    at.c += i * axis->c;
  }
  return at;
}

// One number per turn of the loops: no rows, no columns.
template <class T>
void run_dots(const Nest& nest, const T* a, const T* b, T* c) {
  std::int64_t turns = 1;
  for (const Axis& axis : nest.outer) turns *= axis.size;
  const std::int64_t grain = std::max<std::int64_t>(least_work_per_call / nest.sum.size, 1);
  parallel_for(0, turns, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t turn = begin; turn < end; ++turn) {
      const Position at = position(nest.outer, turn);
      c[at.c] = dot<T>(nest.sum.size, a + at.a, nest.sum.a, b + at.b, nest.sum.b);
    }
  });
}

template <class T>
void run_products(const Nest& nest, const T* a, const T* b, T* c) {
  Axes loops = nest.outer;
  const Axis batch = loops.empty() ? Axis{1, 0, 0, 0} : take_largest(loops);
  std::int64_t turns = 1;
  for (const Axis& axis : loops) turns *= axis.size;
  const Axis row = nest.row, col = nest.col, sum = nest.sum;
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t turn = begin; turn < end; ++turn) {
      const Position at = position(loops, turn);
      gemm<T>({.batch = batch.size,
               .m = row.size,
               .n = col.size,
               .k = sum.size,
               .alpha = T(1),
               .a = view_of(a + at.a, row.size, sum.size, row.a, sum.a),
               .a_step = batch.a,
               .b = view_of(b + at.b, sum.size, col.size, sum.b, col.b),
               .b_step = batch.b,
               .beta = T(0),
               .c = c + at.c,
               .c_stride = row.size == 1 ? std::max<std::ptrdiff_t>(col.size, 1) : row.c,
               .c_step = batch.c});
    }
  };
  if (turns < 2 * num_threads())
    run(0, turns);  // the product uses the threads itself
  else
    parallel_for(0, turns, 1, run);
}

// Many sums of products that are far apart in memory: all products first, in the order in which
// they lie. In the 16-bit floats that would round each of them.
bool multiplies_first(const Problem& p, const Nest& nest) {
  return nest.row.size == 1 && nest.col.size == 1 && !nest.outer.empty() && nest.sum.a != 1 &&
         nest.sum.b != 1 && itemsize(p.a.dtype()) >= 4;
}

Tensor sum_of_elements(const Problem& p) {
  Dims labels = p.out_labels, dims;
  for (auto label : summed_labels(p, OperandA)) {
    dims.push_back(labels.size());
    labels.push_back(label);
  }
  return sum(multiply_elements(p, labels), dims, false, p.a.dtype());
}

void run(const Problem& p, const Tensor& out, const Nest& nest) {
  dispatch_all(out.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      const T *a = p.a.data<const T>(), *b = p.b.data<const T>();
      if (nest.row.size == 1 && nest.col.size == 1)
        run_dots<T>(nest, a, b, out.data<T>());
      else
        run_products<T>(nest, a, b, out.data<T>());
    }
  });
}

// The label of the innermost axis in memory that has more than one element, or -1.
std::int64_t innermost(const Problem& p) {
  for (int i = p.memory.size() - 1; i >= 0; --i)
    if (size_of(p, p.memory[i]) != 1) return p.memory[i];
  return -1;
}

// The result's innermost axis must be a column: moves batch axes to the front, or exchanges the
// operands.
void orient(Problem& p) {
  std::int64_t label = innermost(p);
  if (has(p.a_labels, label) && has(p.b_labels, label)) {
    p.memory = grouped(p);
    label = innermost(p);
  }
  if (has(p.a_labels, label) && !has(p.b_labels, label)) {
    std::swap(p.a, p.b);
    std::swap(p.a_labels, p.b_labels);
  }
}

// Copies an operand that the product could not read well; true if it did.
bool prepare(Problem& p, const Tensor& out, const Nest& nest) {
  const bool as_a = summed_axes(p, out, OperandA).size() <= 1;
  const Dims sums = summed_labels(p, as_a || !nest.sums_joined ? OperandA : OperandB);
  if (calls_of(nest) > 1 && nest.work() < least_work_per_call) {
    p.memory = grouped(p);
    pack(p, OperandA, sums);
    pack(p, OperandB, sums);
    return true;
  }
  if (!nest.sums_joined) {
    Axes own;  // the summed axes as they lie in a alone
    for (auto label : sums)
      if (size_of(p, label) != 1)
        own.push_back({size_of(p, label), axis_of(p, out, label).a, 0, 0});
    if (joined(own).size() > 1) pack(p, OperandA, sums);
    pack(p, OperandB, sums);
    return true;
  }
  if (nest.row.size == 1 && nest.col.size == 1) return false;
  const bool a_fits = readable(nest.row.size, nest.sum.size, nest.row.a, nest.sum.a);
  const bool b_fits = nest.col.size == 1
                          ? nest.sum.b == 1
                          : readable(nest.sum.size, nest.col.size, nest.sum.b, nest.col.b);
  if (!a_fits) pack(p, OperandA, sums);
  if (!b_fits) pack(p, OperandB, sums);
  return !a_fits || !b_fits;
}

}  // namespace

Tensor contract(const Tensor& a, const Dims& a_labels, const Tensor& b, const Dims& b_labels,
                const Dims& out_labels) {
  Problem p{a, b, a_labels, b_labels, out_labels, out_labels};
  check(p);
  bool sums = false, sums_elements = false;
  for (auto label : a_labels) {
    if (has(out_labels, label)) continue;
    sums = true;
    sums_elements |= size_of(p, label) != 1;
  }
  if (!sums) return multiply_elements(p, p.out_labels);
  FB_CHECK(a.dtype() == b.dtype(), DType, "einsum: expected operands of the same dtype: a is ",
           dtype_name(a.dtype()), ", b is ", dtype_name(b.dtype()));
  FB_CHECK(a.dtype() != DType::Bool, NotImplemented, "einsum: sums are not implemented for bool");
  if (!sums_elements) return multiply_elements(p, p.out_labels);
  checked_numel(result_sizes(p, out_labels), "einsum");
  orient(p);
  Tensor out = allocate(p);
  if (out.numel() == 0) return out;
  if (a.numel() == 0 || b.numel() == 0) {  // sums of nothing
    fill(out, 0);
    return out;
  }
  Nest nest = arrange(p, out);
  if (multiplies_first(p, nest)) return sum_of_elements(p);
  for (int pass = 0; pass < 2 && prepare(p, out, nest); ++pass) {
    out = allocate(p);
    nest = arrange(p, out);
  }
  run(p, out, nest);
  return out;
}

}  // namespace fb
