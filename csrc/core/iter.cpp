#include "core/iter.h"

#include <algorithm>

#include "core/parallel.h"

namespace fb {
namespace {

struct Walk {
  int ndim = 0;
  int count = 0;
  std::int64_t shape[Dims::max_size];                  // innermost axis first
  std::int64_t strides[Dims::max_size][max_operands];  // bytes
  char* data[max_operands];
};

void load(Walk& walk, const Dims& shape, const Operand* operands, int count) {
  walk.count = count;
  walk.ndim = shape.size();
  for (int d = 0; d < walk.ndim; ++d) walk.shape[d] = shape[walk.ndim - 1 - d];
  for (int k = 0; k < count; ++k) {
    const Operand& o = operands[k];
    walk.data[k] = o.data;
    const int own = o.sizes ? o.sizes->size() : 0;
    for (int d = 0; d < walk.ndim; ++d) {
      const int axis = own - 1 - d;
      const bool fixed = axis < 0 || (*o.sizes)[axis] != walk.shape[d];
      walk.strides[d][k] = fixed ? 0 : (*o.strides)[axis] * o.itemsize;
    }
  }
}

enum class Order : std::uint8_t { Right, Wrong, Any };

// Is axis a rightly inside axis b? The first operand whose strides tell decides.
Order order_of(const Walk& walk, int a, int b) {
  for (int k = 0; k < walk.count; ++k) {
    const std::int64_t sa = walk.strides[a][k], sb = walk.strides[b][k];
    if (sa == 0 || sb == 0) continue;
    if (sa != sb) return sa < sb ? Order::Right : Order::Wrong;
    if (walk.shape[a] > walk.shape[b]) return Order::Wrong;
  }
  return Order::Any;
}

void swap_axes(Walk& walk, int a, int b) {
  std::swap(walk.shape[a], walk.shape[b]);
  for (int k = 0; k < walk.count; ++k) std::swap(walk.strides[a][k], walk.strides[b][k]);
}

// Sorts the axes from the inside out, as torch does: one may pass those whose order is open.
// `swapped` learns of each exchange.
template <class F>
void sort_axes(Walk& walk, F swapped) {
  for (int i = 1; i < walk.ndim; ++i)
    for (int here = i, before = i - 1; before >= 0; --before) {
      const Order order = order_of(walk, before, here);
      if (order == Order::Right) break;
      if (order == Order::Any) continue;
      swap_axes(walk, before, here);
      swapped(before, here);
      here = before;
    }
}

// Joins neighbouring axes that every operand steps through evenly, and drops axes of size one.
void collapse(Walk& walk) {
  int last = -1;
  for (int d = 0; d < walk.ndim; ++d) {
    if (walk.shape[d] == 1) continue;
    bool joins = last >= 0;
    for (int k = 0; joins && k < walk.count; ++k)
      joins = walk.strides[d][k] == walk.shape[last] * walk.strides[last][k];
    if (joins) {
      walk.shape[last] *= walk.shape[d];
    } else {
      ++last;
      walk.shape[last] = walk.shape[d];
      for (int k = 0; k < walk.count; ++k) walk.strides[last][k] = walk.strides[d][k];
    }
  }
  walk.ndim = last + 1;
  if (walk.ndim == 0) {
    walk.ndim = 1;
    walk.shape[0] = 1;
    for (int k = 0; k < walk.count; ++k) walk.strides[0][k] = 0;
  }
}

void run_row(Loop loop, const Walk& walk, std::int64_t begin, std::int64_t end,
             const void* params) {
  char* data[max_operands];
  for (int k = 0; k < walk.count; ++k) data[k] = walk.data[k] + begin * walk.strides[0][k];
  loop(data, walk.strides[0], end - begin, params);
}

void run_rows(Loop loop, const Walk& walk, std::int64_t begin, std::int64_t end,
              const void* params) {
  std::int64_t index[Dims::max_size];
  char* data[max_operands];
  for (int k = 0; k < walk.count; ++k) data[k] = walk.data[k];
  std::int64_t rest = begin;
  for (int d = 1; d < walk.ndim; ++d) {
    index[d] = rest % walk.shape[d];
    rest /= walk.shape[d];
    for (int k = 0; k < walk.count; ++k) data[k] += index[d] * walk.strides[d][k];
  }
  for (std::int64_t row = begin; row < end; ++row) {
    loop(data, walk.strides[0], walk.shape[0], params);
    for (int d = 1; d < walk.ndim; ++d) {
      for (int k = 0; k < walk.count; ++k) data[k] += walk.strides[d][k];
      if (++index[d] < walk.shape[d]) break;
      for (int k = 0; k < walk.count; ++k) data[k] -= walk.shape[d] * walk.strides[d][k];
      index[d] = 0;
    }
  }
}

// What is worth several threads is cut finer than that, so that each gets an equal part.
std::int64_t cut(std::int64_t n, std::int64_t grain) {
  return n > grain ? std::max<std::int64_t>(1, grain / 8) : grain;
}

void run_walk(Loop loop, const Walk& walk, const void* params, std::int64_t grain) {
  if (walk.ndim == 1) {
    parallel_for(0, walk.shape[0], cut(walk.shape[0], grain),
                 [&](std::int64_t b, std::int64_t e) { run_row(loop, walk, b, e, params); });
    return;
  }
  std::int64_t rows = 1;
  for (int d = 1; d < walk.ndim; ++d) rows *= walk.shape[d];
  const std::int64_t least_rows = std::max<std::int64_t>(1, grain / walk.shape[0]);
  parallel_for(0, rows, cut(rows, least_rows),
               [&](std::int64_t b, std::int64_t e) { run_rows(loop, walk, b, e, params); });
}

bool all_contiguous(const Dims& shape, const Operand* operands, int count) {
  for (int k = 0; k < count; ++k)
    if (operands[k].sizes && !(operands[k].contiguous && *operands[k].sizes == shape)) return false;
  return true;
}

}  // namespace

void run_loop(Loop loop, const Dims& shape, const Operand* operands, int count, const void* params,
              std::int64_t grain) {
  FB_CHECK(count <= max_operands, Runtime, "run_loop: too many operands");
  const std::int64_t n = numel(shape);
  if (n == 0) return;
  Walk walk;
  if (all_contiguous(shape, operands, count)) {
    walk.ndim = 1;
    walk.count = count;
    walk.shape[0] = n;
    for (int k = 0; k < count; ++k) {
      walk.data[k] = operands[k].data;
      walk.strides[0][k] = operands[k].sizes ? operands[k].itemsize : 0;
    }
  } else {
    load(walk, shape, operands, count);
    sort_axes(walk, [](int, int) {});
    collapse(walk);
  }
  run_walk(loop, walk, params, grain);
}

Tensor empty_result(const Dims& shape, DType dtype, const Operand* operands, int count) {
  if (all_contiguous(shape, operands, count)) return empty(shape, dtype);
  Walk walk;
  load(walk, shape, operands, count);
  // Order the axes as the iteration would and lay the result out densely in that order.
  int axis_of[Dims::max_size];
  for (int d = 0; d < walk.ndim; ++d) axis_of[d] = walk.ndim - 1 - d;
  sort_axes(walk, [&](int a, int b) { std::swap(axis_of[a], axis_of[b]); });
  Dims strides;
  strides.resize(walk.ndim);
  std::int64_t step = 1;
  for (int d = 0; d < walk.ndim; ++d) {
    strides[axis_of[d]] = step;
    step *= std::max<std::int64_t>(walk.shape[d], 1);
  }
  return empty_strided(shape, strides, dtype);
}

void check_writable(const Tensor& out, const char* op) {
  FB_CHECK(!out.has_internal_overlap(), Runtime, op,
           ": unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. "
           "Please clone() the tensor before performing the operation.");
}

namespace {

// The first byte, and the one behind the last, of a tensor that is not empty.
std::pair<char*, char*> memory_of(const Tensor& t) {
  char* last = t.bytes();
  for (int d = 0; d < t.ndim(); ++d)
    last += (t.size(d) - 1) * t.stride(d) * static_cast<std::int64_t>(t.itemsize());
  return {t.bytes(), last + t.itemsize()};
}

bool share_storage(const Tensor& a, const Tensor& b) {
  return a.storage() == b.storage() && a.numel() != 0 && b.numel() != 0;
}

bool meet(const std::pair<char*, char*>& a, const std::pair<char*, char*>& b) {
  return a.first < b.second && b.first < a.second;
}

}  // namespace

void check_overlap(const Tensor& out, const Tensor& in, const char* op) {
  if (!share_storage(out, in) || out.is_meta()) return;
  if (!out.is_non_overlapping_and_dense() || !in.is_non_overlapping_and_dense()) return;
  const auto written = memory_of(out), read = memory_of(in);
  if (written == read && out.strides() == in.strides()) return;
  FB_CHECK(!meet(written, read), Runtime, op,
           ": unsupported operation: some elements of the input tensor and the written-to tensor "
           "refer to a single memory location. Please clone() the tensor before performing the "
           "operation.");
}

bool needs_copy_before_write(const Tensor& out, const Tensor& in) {
  if (!share_storage(out, in)) return false;
  if (out.offset() == in.offset() && out.itemsize() == in.itemsize() && out.sizes() == in.sizes() &&
      out.strides() == in.strides())
    return false;
  return meet(memory_of(out), memory_of(in));
}

}  // namespace fb
