// x[...] with tensors as indices.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/allocator.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/index_elements.h"
#include "kernels/words.h"

namespace fb {
namespace {

std::int64_t checked(std::int64_t index, std::int64_t size, int dim, const char* op) {
  FB_CHECK(index >= -size && index < size, Index, op, ": index ", index,
           " is out of bounds for dimension ", dim, " with size ", size);
  return index < 0 ? index + size : index;
}

// The plan of self[indices]: the axes picked by index come first, then the rest as one block.
struct Plan {
  Tensor source;  // indexed axes first, the block of the others contiguous or strided
  int indexed = 0;
  Dims index_shape;                 // the broadcast shape of the indices
  int result_at = 0;                // where its axes stand in the result
  std::vector<Tensor> indices;      // broadcast, contiguous, int64
  std::vector<Dims> index_strides;  // of the broadcast indices as they were given
  Dims axes;                        // where the indexed axes stand in self
  Dims rest_shape;
};

// self[mask] with an element of the mask for each of self.
bool is_whole_mask(const Tensor& self, const Indices& indices) {
  return indices.size() == 1 && indices[0] && is_mask(*indices[0]) && !shape_only() &&
         self.ndim() > 0 && indices[0]->sizes() == self.sizes();
}

// Masks become one index per axis they cover.
Indices expand_masks(const Tensor& self, const Indices& indices) {
  Indices out;
  for (const auto& index : indices) {
    if (!index || !is_mask(*index)) {
      if (index)
        FB_CHECK(is_integral(index->dtype(), false), Index,
                 "tensors used as indices must be long, int, byte or bool tensors, got ",
                 dtype_name(index->dtype()));
      out.push_back(index);
      continue;
    }
    const Tensor mask = index->dtype() == DType::Bool ? *index : cast(*index, DType::Bool);
    const int first = static_cast<int>(out.size());
    FB_CHECK(first + mask.ndim() <= self.ndim(), Index, "too many indices for tensor of dimension ",
             self.ndim());
    for (int d = 0; d < mask.ndim(); ++d)
      FB_CHECK(mask.size(d) == self.size(first + d), Index, "The shape of the mask ", mask.sizes(),
               " at index ", d, " does not match the shape of the indexed tensor ", self.sizes(),
               " at index ", first + d);
    const Tensor coordinates = nonzero(mask);
    for (int d = 0; d < mask.ndim(); ++d) out.push_back(contiguous(coordinates.select(1, d)));
  }
  FB_CHECK(static_cast<int>(out.size()) <= self.ndim(), Index,
           "too many indices for tensor of dimension ", self.ndim());
  return out;
}

Plan make_plan(const Tensor& self, const Indices& given) {
  const Indices indices = expand_masks(self, given);
  Plan plan;
  bool first_index = true, gap = false, ended = false;
  Dims order;
  for (int d = 0; d < static_cast<int>(indices.size()); ++d) {
    if (!indices[static_cast<std::size_t>(d)]) {
      ended = !first_index;
      continue;
    }
    if (first_index) plan.result_at = d;
    if (ended) gap = true;
    first_index = false;
    order.push_back(d);
    plan.axes.push_back(d);
    const Tensor& t = *indices[static_cast<std::size_t>(d)];
    if (plan.indexed++ == 0) {
      plan.index_shape = t.sizes();
    } else {
      try {
        plan.index_shape = broadcast_shapes(plan.index_shape, t.sizes(), "index");
      } catch (const Error&) {
        fail(ErrorKind::Index,
             "shape mismatch: indexing tensors could not be broadcast together with shapes ",
             plan.index_shape, ", ", t.sizes());
      }
    }
  }
  if (gap) plan.result_at = 0;  // indices apart from each other: their axes go first
  for (int d = 0; d < self.ndim(); ++d)
    if (d >= static_cast<int>(indices.size()) || !indices[static_cast<std::size_t>(d)]) {
      order.push_back(d);
      plan.rest_shape.push_back(self.size(d));
    }
  plan.source = self.permute(order);
  for (const auto& t : indices) {
    if (!t) continue;
    const bool known = t->dtype() == DType::Int64 || t->dtype() == DType::Int32;
    const Tensor wide = as_int64(known ? *t : cast(*t, DType::Int64), "index");
    plan.indices.push_back(contiguous(wide.expand(plan.index_shape, "index")));
    plan.index_strides.push_back(t->expand(plan.index_shape, "index").strides());
  }
  return plan;
}

// Element offsets into the source for every index position, checked.
void find_offsets(const Plan& plan, Workspace<std::int64_t>& offsets) {
  const std::int64_t n = numel(plan.index_shape);
  parallel_for(0, n, default_grain, [&](std::int64_t b, std::int64_t e) {
    std::fill(offsets.data() + b, offsets.data() + e, 0);
    for (int k = 0; k < plan.indexed; ++k) {
      const std::int64_t* index = plan.indices[static_cast<std::size_t>(k)].data<std::int64_t>();
      const std::int64_t size = plan.source.size(k), stride = plan.source.stride(k);
      for (std::int64_t p = b; p < e; ++p)
        offsets[static_cast<std::size_t>(p)] +=
            checked(index[p], size, static_cast<int>(plan.axes[k]), "index") * stride;
    }
  });
}

// index_shape followed by the rest, as the kernels work; `result_at` says where users see the index
// axes.
Dims working_shape(const Plan& plan) {
  Dims shape = plan.index_shape;
  for (auto s : plan.rest_shape) shape.push_back(s);
  return shape;
}
Dims to_working_order(const Plan& plan) {  // result axis of each working axis
  Dims order;
  const int k = plan.index_shape.size(), r = plan.rest_shape.size();
  for (int d = 0; d < k; ++d) order.push_back(plan.result_at + d);
  for (int d = 0; d < r; ++d) order.push_back(d < plan.result_at ? d : d + k);
  return order;
}
// The block of not-indexed axes seen as one run, copied first if it has gaps.
struct Block {
  std::int64_t numel;
  bool contiguous;
  Dims sizes, strides;
};
Block rest_block(const Plan& plan) {
  Block block{1, true, {}, {}};
  for (int d = plan.indexed; d < plan.source.ndim(); ++d) {
    block.sizes.push_back(plan.source.size(d));
    block.strides.push_back(plan.source.stride(d));
    block.numel *= plan.source.size(d);
  }
  std::int64_t expected = 1;
  for (int d = block.sizes.size() - 1; d >= 0; --d) {
    if (block.sizes[d] != 1 && block.strides[d] != expected) block.contiguous = false;
    expected *= block.sizes[d];
  }
  return block;
}

// The result, its axes in memory as torch orders them: those of the block as in the source, those
// of the indices as in these.
Tensor new_result(const Plan& plan, const Dims& shape, DType dtype) {
  const int k = plan.index_shape.size();
  Dims spread, own;  // strides of the source and sizes of an index, as axes of the result
  for (int d = 0; d < shape.size(); ++d) {
    const bool of_index = d >= plan.result_at && d < plan.result_at + k;
    const int rest = d < plan.result_at ? d : d - k;
    spread.push_back(of_index ? 0 : plan.source.stride(plan.indexed + rest));
    own.push_back(of_index ? shape[d] : 1);
  }
  Operand operands[max_operands];
  Dims strides[max_operands];
  const int count = std::min(plan.indexed + 1, max_operands);
  for (int i = 0; i < count; ++i) {
    strides[i] = spread;
    if (i) {  // the axes of one before and after its own have strides of a view
      const Dims& given = plan.index_strides[static_cast<std::size_t>(i - 1)];
      const std::int64_t before = k ? given[0] * plan.index_shape[0] : 1,
                         after = k ? given.back() : 1;
      for (int d = 0; d < shape.size(); ++d) {
        const int at = d - plan.result_at;
        strides[i][d] = at < 0 ? before : at < k ? given[at] : after;
      }
    }
    operands[i].sizes = i ? &own : &shape;
    operands[i].strides = &strides[i];
    operands[i].itemsize = 1;
  }
  return empty_result(shape, dtype, operands, count);
}

// Offset of element r of the block.
std::int64_t block_offset(const Block& block, std::int64_t r) {
  if (block.contiguous) return r;
  std::int64_t offset = 0;
  for (int d = block.sizes.size() - 1; d >= 0; --d) {
    offset += r % block.sizes[d] * block.strides[d];
    r /= block.sizes[d];
  }
  return offset;
}
void find_block_offsets(const Block& block, Workspace<std::int64_t>& offsets) {
  for (std::int64_t r = 0; r < block.numel; ++r)
    offsets[static_cast<std::size_t>(r)] = block_offset(block, r);
}

template <class Word>
void gather_blocks(Word* out, const Word* in, const std::int64_t* offsets, std::int64_t n,
                   const Block& block) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, default_grain / std::max<std::int64_t>(block.numel, 1));
  if (block.numel == 1) {
    parallel_for(0, n, grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = b; p < e; ++p) out[p] = in[offsets[p]];
    });
  } else if (block.contiguous) {
    parallel_for(0, n, grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = b; p < e; ++p)
        std::memcpy(static_cast<void*>(out + p * block.numel),
                    static_cast<const void*>(in + offsets[p]),
                    static_cast<std::size_t>(block.numel) * sizeof(Word));
    });
  } else {
    Workspace<std::int64_t> inner(static_cast<std::size_t>(block.numel));
    find_block_offsets(block, inner);
    parallel_for(0, n, grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = b; p < e; ++p)
        for (std::int64_t r = 0; r < block.numel; ++r)
          out[p * block.numel + r] = in[offsets[p] + inner[static_cast<std::size_t>(r)]];
    });
  }
}

// Offsets of n runs of elements in what is read and in what is written.
struct Runs {
  std::int64_t n;
  const std::int64_t *in, *out;
};

// Runs of `length` elements, for each pair of an outer and an inner one.
template <class Word>
void gather_runs(Word* out, const Word* in, const Runs& outer, const Runs& inner,
                 std::int64_t length) {
  const std::int64_t grain = std::max<std::int64_t>(1, default_grain / length);
  parallel_for(0, outer.n * inner.n, grain, [&](std::int64_t b, std::int64_t e) {
    while (b < e) {
      const std::int64_t a = b / inner.n, first = b % inner.n;
      const std::int64_t last = std::min(inner.n, first + e - b);
      const Word* from = in + outer.in[a];
      Word* to = out + outer.out[a];
      if (length == 1)
        for (std::int64_t k = first; k < last; ++k) to[inner.out[k]] = from[inner.in[k]];
      else
        for (std::int64_t k = first; k < last; ++k)
          std::memcpy(static_cast<void*>(to + inner.out[k]),
                      static_cast<const void*>(from + inner.in[k]),
                      static_cast<std::size_t>(length) * sizeof(Word));
      b += last - first;
    }
  });
}

// Gathers into `out`, which has the axes of the indices first and any strides.
void gather_into(const Tensor& out, const Plan& plan, Workspace<std::int64_t>& offsets,
                 const Block& block) {
  const int k = plan.index_shape.size();
  Block positions{numel(plan.index_shape), false, {}, {}};
  std::int64_t step = std::numeric_limits<std::int64_t>::max();  // the smallest of the positions
  for (int d = 0; d < k; ++d) {
    positions.sizes.push_back(out.size(d));
    positions.strides.push_back(out.stride(d));
    if (out.size(d) > 1) step = std::min(step, out.stride(d));
  }
  // What lies together in the source and in the result is copied together.
  Dims order;
  for (int d = 0; d < block.sizes.size(); ++d) order.push_back(d);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return out.stride(k + static_cast<int>(a)) > out.stride(k + static_cast<int>(b));
  });
  std::int64_t length = 1;
  const auto joins = [&](int d) {
    return block.sizes[d] == 1 || (block.strides[d] == length && out.stride(k + d) == length);
  };
  while (!order.empty() && joins(static_cast<int>(order.back()))) {
    length *= block.sizes[static_cast<int>(order.back())];
    order.resize(order.size() - 1);
  }
  Block in_source{1, false, {}, {}}, in_result{1, false, {}, {}};
  for (const std::int64_t axis : order) {
    const int d = static_cast<int>(axis);
    in_source.sizes.push_back(block.sizes[d]);
    in_source.strides.push_back(block.strides[d]);
    in_result.strides.push_back(out.stride(k + d));
    in_source.numel *= block.sizes[d];
  }
  in_result.sizes = in_source.sizes;
  in_result.numel = in_source.numel;
  Workspace<std::int64_t> targets(static_cast<std::size_t>(positions.numel)),
      rest_in(static_cast<std::size_t>(in_source.numel)),
      rest_out(static_cast<std::size_t>(in_result.numel));
  find_block_offsets(positions, targets);
  find_block_offsets(in_source, rest_in);
  find_block_offsets(in_result, rest_out);
  const Runs places{positions.numel, offsets.data(), targets.data()};
  const Runs rest{in_source.numel, rest_in.data(), rest_out.data()};
  const bool places_inside = !order.empty() && step < in_result.strides.back();
  dispatch_size(out.itemsize(), [&]<class Word>() {
    gather_runs(out.data<Word>(), plan.source.data<Word>(), places_inside ? rest : places,
                places_inside ? places : rest, length);
  });
}

}  // namespace

Tensor index(const Tensor& self, const Indices& indices) {
  require_cpu(self, "index");
  if (is_whole_mask(self, indices)) return masked_select(self, *indices[0]);
  const Plan plan = make_plan(self, indices);
  if (plan.indexed == 0) return clone(self);
  const Dims order = to_working_order(plan), working = working_shape(plan);
  Dims shape;
  shape.resize(order.size());
  for (int d = 0; d < order.size(); ++d) shape[static_cast<int>(order[d])] = working[d];
  const Tensor result = new_result(plan, shape, self.dtype());
  const std::int64_t n = numel(plan.index_shape);
  if (n == 0) return result;
  for (int k = 0; k < plan.indexed; ++k)
    FB_CHECK(plan.source.size(k) > 0, Index, "index is out of bounds for dimension with size 0");
  Workspace<std::int64_t> offsets(static_cast<std::size_t>(n));
  find_offsets(plan, offsets);
  const Block block = rest_block(plan);
  if (block.numel == 0) return result;
  const Tensor out = result.permute(order);
  if (!out.is_contiguous()) {
    gather_into(out, plan, offsets, block);
    return result;
  }
  dispatch_size(self.itemsize(), [&]<class Word>() {
    gather_blocks(out.data<Word>(), plan.source.data<Word>(), offsets.data(), n, block);
  });
  return result;
}

void index_put(const Tensor& self, const Indices& indices, const Tensor& values, bool accumulate) {
  require_cpu(self, "index_put_");
  check_writable(self, "index_put_");
  FB_CHECK(self.dtype() == values.dtype(), DType,
           "Index put requires the source and destination dtypes match, got ",
           dtype_name(self.dtype()), " for the destination and ", dtype_name(values.dtype()),
           " for the source.");
  if (shape_only()) return;  // how many places a mask names is not known
  const Plan plan = make_plan(self, indices);
  const Dims order = to_working_order(plan);
  Dims result_shape;
  result_shape.resize(order.size());
  const Dims shape = working_shape(plan);
  for (int d = 0; d < order.size(); ++d) result_shape[static_cast<int>(order[d])] = shape[d];
  Tensor source;
  try {
    Tensor trimmed = values;  // leading axes of one are as good as none
    while (trimmed.ndim() > result_shape.size() && trimmed.size(0) == 1)
      trimmed = trimmed.select(0, 0);
    source = apart(contiguous(trimmed.expand(result_shape, "index_put_").permute(order)), self);
  } catch (const Error&) {
    fail(ErrorKind::Shape, "shape mismatch: value tensor of shape ", values.sizes(),
         " cannot be broadcast to indexing result of shape ", result_shape);
  }
  const std::int64_t n = numel(plan.index_shape);
  const Block block = rest_block(plan);
  if (n == 0 || block.numel == 0) return;
  for (int k = 0; k < plan.indexed; ++k)
    FB_CHECK(plan.source.size(k) > 0, Index, "index is out of bounds for dimension with size 0");
  Workspace<std::int64_t> offsets(static_cast<std::size_t>(n));
  find_offsets(plan, offsets);
  Workspace<std::int64_t> inner(static_cast<std::size_t>(block.numel));
  find_block_offsets(block, inner);
  // Equal indices write the same place: positions are taken in order, threads share the block.
  const std::int64_t grain = std::max<std::int64_t>(1, default_grain / n);
  if (!accumulate) {
    dispatch_size(self.itemsize(), [&]<class Word>() {
      Word* to = plan.source.data<Word>();
      const Word* from = source.data<Word>();
      parallel_for(0, block.numel, grain, [&](std::int64_t b, std::int64_t e) {
        for (std::int64_t p = 0; p < n; ++p) {
          Word* row = to + offsets[static_cast<std::size_t>(p)];
          const Word* values = from + p * block.numel;
          if (block.contiguous)
            std::copy(values + b, values + e, row + b);
          else
            for (std::int64_t r = b; r < e; ++r)
              row[inner[static_cast<std::size_t>(r)]] = values[r];
        }
      });
    });
    return;
  }
  dispatch_all(self.dtype(), [&]<class T>() {
    T* to = plan.source.data<T>();
    const T* from = source.data<T>();
    parallel_for(0, block.numel, grain, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t p = 0; p < n; ++p) {
        T* row = to + offsets[static_cast<std::size_t>(p)];
        const T* values = from + p * block.numel;
        if (block.contiguous && e - b > 1) {
          add_row(row + b, values + b, e - b);
          continue;
        }
        for (std::int64_t r = b; r < e; ++r) {
          T& place = row[inner[static_cast<std::size_t>(r)]];
          place = accumulated<T>(place, values[r]);
        }
      }
    });
  });
}

}  // namespace fb
