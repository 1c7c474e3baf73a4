#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/panels.h"

namespace fb {
namespace {

// A block of scores: rows are whole tiles of every instruction set; both blocks together with the
// keys' rows stay in the second-level cache. A chunk is what one forward piece of work takes on.
constexpr std::int64_t row_unit = 12, block_rows = 60, block_keys = 256, chunk_rows = 360;
// With a causal mask, half of the last square of each block of rows is for nothing.
constexpr std::int64_t causal_block_rows = 36;
// Rows of a block are this much longer, so that they fall into different cache sets.
constexpr std::int64_t row_padding = 16;
constexpr std::int64_t scores_stride = block_keys + row_padding;
constexpr std::int64_t grain_work = 50'000;  // multiplications that pay for another thread

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

// The size of equal parts, each at most `most`, that `n` rows are cut into.
std::int64_t part_of(std::int64_t n, std::int64_t most) {
  const std::int64_t parts = std::max<std::int64_t>((n + most - 1) / most, 1);
  return std::max(round_up((n + parts - 1) / parts, row_unit), row_unit);
}

template <class T>
const AttentionLoopsOf<T>& loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return attention_loops().of_float;
  else
    return attention_loops().of_double;
}

// The 16-bit floats are computed in float32.
DType computed(DType dtype) { return dtype == DType::Float64 ? dtype : DType::Float32; }

// Elements of an axis side by side: rows may lie anywhere.
Tensor with_rows(const Tensor& t, DType dtype) {
  const Tensor converted = cast(t, dtype);
  const int last = converted.ndim() - 1;
  return converted.size(last) <= 1 || converted.stride(last) == 1 ? converted
                                                                  : contiguous(converted);
}

// New memory for (B, H, L, width) whose axes B, H, L lie in the order of those of `like`, so that
// heads which are slices of one tensor give results that can be seen as one tensor again.
Tensor rows_like(const Tensor& like, std::int64_t width, DType dtype) {
  int order[3] = {0, 1, 2};
  std::stable_sort(order, order + 3, [&](int a, int b) { return like.stride(a) > like.stride(b); });
  Dims sizes{like.size(0), like.size(1), like.size(2), width}, strides(4, 1);
  std::int64_t step = std::max<std::int64_t>(width, 1);
  for (int at = 2; at >= 0; --at) {
    strides[order[at]] = step;
    step *= std::max<std::int64_t>(sizes[order[at]], 1);
  }
  return empty_strided(sizes, strides, dtype);
}

// Rows of one head: row r is data[r * stride].
template <class T>
struct Rows {
  T* data;
  std::ptrdiff_t stride;

  Rows from(std::int64_t r) const { return {data + r * stride, stride}; }
};

template <class T>
Rows<T> rows_of(const Tensor& t, std::int64_t batch, std::int64_t head) {
  return {t.data<T>() + batch * t.stride(0) + head * t.stride(1), t.stride(2)};
}

// Everything about a call but where the rows are.
template <class T>
struct Problem {
  std::int64_t heads, shared, queries, keys, width, value_width;  // H, K, L, S, E, F
  bool causal;
  T scale;
  Tensor mask;  // (B, H, L, S) by strides, of T or bool; undefined without one
  Tensor kept;  // contiguous; undefined without dropout
  T kept_factor;
  const AttentionLoopsOf<T>& loops = loops_of<T>();
  const PanelLoopsOf<T>& panels = panel_loops_of<T>();

  std::int64_t padded(std::int64_t n) const { return round_up(n, panels.lanes); }
  // Rows of a piece of work, and of a block.
  std::int64_t chunk() const { return part_of(queries, chunk_rows); }
  std::int64_t step() const { return part_of(chunk(), causal ? causal_block_rows : block_rows); }
  // Columns of a block that queries up to `row_end` take part in.
  std::int64_t columns(std::int64_t row_end, std::int64_t first_key, std::int64_t keys_here) const {
    return causal ? std::clamp<std::int64_t>(row_end - first_key, 0, keys_here) : keys_here;
  }

  AttentionBlock<T> block(T* scores, std::int64_t batch, std::int64_t head, std::int64_t row,
                          std::int64_t rows, std::int64_t key, std::int64_t cols) const {
    AttentionBlock<T> b{};
    b.scores = scores;
    b.stride = scores_stride;
    b.rows = rows;
    b.cols = cols;
    b.seen = causal ? row - key + 1 : cols;
    if (mask.defined()) {
      const std::ptrdiff_t at = batch * mask.stride(0) + head * mask.stride(1) +
                                row * mask.stride(2) + key * mask.stride(3);
      if (mask.dtype() == DType::Bool)
        b.allowed = mask.data<const std::uint8_t>() + at;
      else
        b.added = mask.data<const T>() + at;
      b.mask_row = mask.stride(2);
      b.mask_col = mask.stride(3);
    }
    if (kept.defined()) {
      b.kept_row = keys;
      b.kept =
          kept.data<const std::uint8_t>() + ((batch * heads + head) * queries + row) * keys + key;
      b.kept_factor = kept_factor;
    }
    return b;
  }
};

// Rows whose length is a whole number of vectors: where they lie, or copied.
template <class T>
Rows<const T> padded_rows(const Problem<T>& p, Rows<const T> rows, std::int64_t n,
                          std::int64_t width, T* buffer) {
  const std::int64_t padded = p.padded(width);
  if (rows.stride == padded && width == padded) return rows;
  for (std::int64_t r = 0; r < n; ++r) {
    const T* from = rows.data + r * rows.stride;
    T* to = buffer + r * padded;
    std::copy(from, from + width, to);
    std::fill(to + width, to + padded, T(0));
  }
  return {buffer, padded};
}

template <class T>
std::int64_t panels_size(const Problem<T>& p, std::int64_t depth) {
  return round_up(block_keys, p.panels.cols) * depth;
}

// rows (m x depth) times the packed columns of a block of keys.
template <class T>
void times_panels(const Problem<T>& p, Rows<const T> rows, std::int64_t m, std::int64_t depth,
                  const T* panels, std::int64_t cols, T alpha, T* to) {
  p.panels.multiply({m, p.padded(cols), depth, rows.data, rows.stride, panels, p.panels.cols,
                     depth * p.panels.cols, to, scores_stride, alpha, true});
}

// to (m x width) += weights (m x depth) times rows (depth x width).
template <class T>
void times_rows(const Problem<T>& p, const T* weights, std::int64_t m, std::int64_t depth,
                Rows<const T> rows, std::int64_t width, Rows<T> to, bool overwrite) {
  p.panels.multiply({m, width, depth, weights, scores_stride, rows.data, rows.stride, p.panels.cols,
                     to.data, to.stride, T(1), overwrite});
}
// The same with the weights (depth x m) transposed.
template <class T>
void transposed_times_rows(const Problem<T>& p, const T* weights, std::int64_t m,
                           std::int64_t depth, Rows<const T> rows, std::int64_t width, Rows<T> to) {
  p.panels.multiply_transposed({m, width, depth, weights, scores_stride, rows.data, rows.stride,
                                p.panels.cols, to.data, to.stride, T(1), false});
}

template <class T>
void clear_rows(Rows<T> rows, std::int64_t n, std::int64_t width) {
  for (std::int64_t r = 0; r < n; ++r) std::fill_n(rows.data + r * rows.stride, width, T(0));
}

// ---- forward ----

template <class T>
struct ForwardScratch {
  Workspace<T> queries, keys, values, panels, scores, rows;

  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  explicit ForwardScratch(const Problem<T>& p)
      : queries(size(chunk_rows * p.padded(p.width))),
        keys(size(block_keys * p.padded(p.width))),
        values(size(block_keys * p.padded(p.value_width))),
        panels(size(panels_size(p, p.width))),
        scores(size(block_rows * scores_stride)),
        rows(size(2 * chunk_rows + block_rows)) {}
};

// The queries [first, last) of one head.
template <class T>
void forward_chunk(const Problem<T>& p, std::int64_t batch, std::int64_t head, std::int64_t first,
                   std::int64_t last, Rows<const T> query, Rows<const T> key, Rows<const T> value,
                   Rows<T> out, T* log_sums, ForwardScratch<T>& s) {
  T *maxima = s.rows.data(), *sums = maxima + chunk_rows, *factors = sums + chunk_rows;
  std::fill_n(maxima, last - first, -std::numeric_limits<T>::infinity());
  std::fill_n(sums, last - first, T(0));
  const Rows<const T> q =
      padded_rows(p, query.from(first), last - first, p.width, s.queries.data());
  const std::int64_t all = p.columns(last, 0, p.keys), step = p.step();
  if (all == 0) clear_rows(out.from(first), last - first, p.value_width);
  for (std::int64_t k0 = 0; k0 < all; k0 += block_keys) {
    const std::int64_t here = std::min(block_keys, all - k0);
    const Rows<const T> k = padded_rows(p, key.from(k0), here, p.width, s.keys.data());
    const Rows<const T> v = padded_rows(p, value.from(k0), here, p.value_width, s.values.data());
    p.panels.pack_columns(k.data, k.stride, here, p.width, s.panels.data());
    for (std::int64_t i = first; i < last; i += step) {
      const std::int64_t rows = std::min(step, last - i), at = i - first;
      const std::int64_t cols = p.columns(i + rows, k0, here);
      if (cols == 0) continue;
      times_panels(p, q.from(at), rows, p.width, s.panels.data(), cols, p.scale, s.scores.data());
      p.loops.weigh(p.block(s.scores.data(), batch, head, i, rows, k0, cols), maxima + at,
                    sums + at, factors);
      const Rows<T> to = out.from(i);
      if (k0 != 0) p.loops.scale_rows(to.data, to.stride, rows, p.value_width, factors);
      times_rows(p, s.scores.data(), rows, cols, v, p.value_width, to, k0 == 0);
    }
  }
  const Rows<T> to = out.from(first);
  p.loops.normalize(to.data, to.stride, last - first, p.value_width, maxima, sums,
                    log_sums + first);
}

// ---- backward ----

template <class T>
struct BackwardScratch {
  Workspace<T> queries, grads, keys, values, key_panels, value_panels, weights, products, shares;

  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  explicit BackwardScratch(const Problem<T>& p)
      : queries(size(block_rows * p.padded(p.width))),
        grads(size(block_rows * p.padded(p.value_width))),
        keys(size(block_keys * p.padded(p.width))),
        values(size(block_keys * p.padded(p.value_width))),
        key_panels(size(panels_size(p, p.width))),
        value_panels(size(panels_size(p, p.value_width))),
        weights(size(block_rows * scores_stride)),
        products(size(block_rows * scores_stride)),
        shares(size(p.heads / std::max<std::int64_t>(p.shared, 1) * p.queries)) {}
};

// A block of keys that is ready to be multiplied with, and where its gradients go.
template <class T>
struct KeyBlock {
  std::int64_t first, count;
  Rows<const T> rows;
  Rows<T> of_keys, of_values;
};

// One head's queries, and their gradients.
template <class T>
struct QueryHead {
  Rows<const T> query, grad;
  const T *log_sums, *shares;
  Rows<T> of_query;
};

// What the queries of one head make of the gradients of a block of keys and of their own.
template <class T>
void backward_block(const Problem<T>& p, std::int64_t batch, std::int64_t head,
                    const QueryHead<T>& h, const KeyBlock<T>& keys, BackwardScratch<T>& s) {
  const std::int64_t step = p.step(), begin = p.causal ? keys.first / step * step : 0;
  for (std::int64_t i = begin; i < p.queries; i += step) {
    const std::int64_t rows = std::min(step, p.queries - i);
    const std::int64_t cols = p.columns(i + rows, keys.first, keys.count);
    const Rows<const T> q = padded_rows(p, h.query.from(i), rows, p.width, s.queries.data());
    const Rows<const T> g = padded_rows(p, h.grad.from(i), rows, p.value_width, s.grads.data());
    T *weights = s.weights.data(), *products = s.products.data();
    times_panels(p, q, rows, p.width, s.key_panels.data(), cols, p.scale, weights);
    times_panels(p, g, rows, p.value_width, s.value_panels.data(), cols, T(1), products);
    p.loops.weigh_backward(p.block(weights, batch, head, i, rows, keys.first, cols), products,
                           h.log_sums + i, h.shares + i, p.scale);
    transposed_times_rows(p, weights, cols, rows, g, p.value_width, keys.of_values);
    transposed_times_rows(p, products, cols, rows, q, p.width, keys.of_keys);
    times_rows(p, products, rows, cols, keys.rows, p.width, h.of_query.from(i), keys.first == 0);
  }
}

struct Gradients {
  Tensor query, key, value;
};

// One head of keys with all heads of queries that share it.
template <class T>
void backward_head(const Problem<T>& p, std::int64_t batch, std::int64_t shared, const Tensor& grad,
                   const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& out,
                   const Tensor& log_sums, const Gradients& to, BackwardScratch<T>& s) {
  const std::int64_t group = p.heads / p.shared;
  const auto head_of = [&](std::int64_t member) {
    const std::int64_t head = shared * group + member;
    return QueryHead<T>{rows_of<const T>(query, batch, head), rows_of<const T>(grad, batch, head),
                        log_sums.data<const T>() + (batch * p.heads + head) * p.queries,
                        s.shares.data() + member * p.queries, rows_of<T>(to.query, batch, head)};
  };
  for (std::int64_t member = 0; member < group; ++member) {
    const QueryHead<T> h = head_of(member);
    const Rows<const T> o = rows_of<const T>(out, batch, shared * group + member);
    p.loops.row_products(h.grad.data, h.grad.stride, o.data, o.stride, p.queries, p.value_width,
                         s.shares.data() + member * p.queries);
    if (p.keys == 0) clear_rows(h.of_query, p.queries, p.width);
  }
  const Rows<const T> k = rows_of<const T>(key, batch, shared),
                      v = rows_of<const T>(value, batch, shared);
  for (std::int64_t k0 = 0; k0 < p.keys; k0 += block_keys) {
    const std::int64_t count = std::min(block_keys, p.keys - k0);
    const KeyBlock<T> keys{k0, count, padded_rows(p, k.from(k0), count, p.width, s.keys.data()),
                           rows_of<T>(to.key, batch, shared).from(k0),
                           rows_of<T>(to.value, batch, shared).from(k0)};
    const Rows<const T> values = padded_rows(p, v.from(k0), count, p.value_width, s.values.data());
    p.panels.pack_columns(keys.rows.data, keys.rows.stride, count, p.width, s.key_panels.data());
    p.panels.pack_columns(values.data, values.stride, count, p.value_width, s.value_panels.data());
    clear_rows(keys.of_keys, count, p.width);
    clear_rows(keys.of_values, count, p.value_width);
    for (std::int64_t member = 0; member < group; ++member)
      backward_block(p, batch, shared * group + member, head_of(member), keys, s);
  }
}

// ---- checks ----

void check_operands(const Tensor& query, const Tensor& key, const Tensor& value, const char* op) {
  for (const Tensor* t : {&query, &key, &value}) {
    require_cpu(*t, op);
    FB_CHECK(t->ndim() == 4, Shape, op, ": expected four axes, got ", t->sizes());
    FB_CHECK(is_floating(t->dtype()), DType, op, ": expected floating-point tensors, got ",
             dtype_name(t->dtype()));
    FB_CHECK(t->dtype() == query.dtype(), DType, op, ": expected one dtype, got ",
             dtype_name(query.dtype()), " and ", dtype_name(t->dtype()));
  }
  const bool fit = query.size(0) == key.size(0) && query.size(0) == value.size(0) &&
                   key.size(1) == value.size(1) && key.size(2) == value.size(2) &&
                   query.size(3) == key.size(3);
  const bool divides = key.size(1) == 0 ? query.size(1) == 0 : query.size(1) % key.size(1) == 0;
  FB_CHECK(fit && divides, Shape, op, ": sizes must agree: query is ", query.sizes(), ", key is ",
           key.sizes(), ", value is ", value.sizes());
}

// The mask by strides over all scores; its columns lie side by side, or are one.
Tensor prepared_mask(const Tensor& mask, const Dims& scores, DType dtype, const char* op) {
  require_cpu(mask, op);
  FB_CHECK(mask.dtype() == DType::Bool || is_floating(mask.dtype()), DType, op,
           ": expected a mask of bool or floating-point numbers, got ", dtype_name(mask.dtype()));
  Tensor m = mask.dtype() == DType::Bool ? mask : cast(mask, dtype);
  const int last = m.ndim() - 1;
  if (last >= 0 && m.size(last) > 1 && m.stride(last) != 1) m = contiguous(m);
  m = m.expand(scores, op);
  // A column that is all there is has no stride of its own to keep to.
  if (scores[3] <= 1)
    m = m.restride(scores, {m.stride(0), m.stride(1), m.stride(2), 0}, m.offset());
  return m;
}

template <class T>
Problem<T> make_problem(const Tensor& query, const Tensor& key, const Tensor& value,
                        const AttentionOptions& options, const char* op) {
  const Dims scores{query.size(0), query.size(1), query.size(2), key.size(2)};
  Problem<T> p{query.size(1),
               key.size(1),
               query.size(2),
               key.size(2),
               query.size(3),
               value.size(3),
               options.causal,
               static_cast<T>(options.scale),
               {},
               {},
               static_cast<T>(options.kept_factor)};
  if (options.mask) p.mask = prepared_mask(*options.mask, scores, dtype_of<T>::value, op);
  if (options.kept) {
    require_cpu(*options.kept, op);
    FB_CHECK(options.kept->dtype() == DType::Bool && options.kept->sizes() == scores, Shape, op,
             ": what dropout keeps must be bool and ", scores, ", got ", options.kept->sizes());
    p.kept = contiguous(*options.kept);
  }
  return p;
}

std::int64_t grain_for(std::int64_t work) {
  return std::max<std::int64_t>(grain_work / std::max<std::int64_t>(work, 1), 1);
}

}  // namespace

std::pair<Tensor, Tensor> attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options) {
  const char* op = "scaled_dot_product_attention";
  check_operands(query, key, value, op);
  const DType type = computed(query.dtype());
  const Tensor q = with_rows(query, type), k = with_rows(key, type), v = with_rows(value, type);
  const Tensor out = rows_like(query, value.size(3), type);
  const Tensor log_sums = empty({q.size(0), q.size(1), q.size(2)}, type);
  dispatch_float(type, op, [&]<class T>() {
    const Problem<T> p = make_problem<T>(q, k, v, options, op);
    const std::int64_t chunk = p.chunk(), chunks = (p.queries + chunk - 1) / chunk;
    const std::int64_t work = std::min(chunk, p.queries) * p.keys * (p.width + p.value_width);
    parallel_for(
        0, q.size(0) * p.heads * chunks, grain_for(work),
        [&](std::int64_t begin, std::int64_t end) {
          ForwardScratch<T> scratch(p);
          for (std::int64_t unit = begin; unit < end; ++unit) {
            const std::int64_t batch = unit / chunks / p.heads, head = unit / chunks % p.heads;
            const std::int64_t shared = head / (p.heads / p.shared);
            const std::int64_t first = unit % chunks * chunk;
            forward_chunk(p, batch, head, first, std::min(first + chunk, p.queries),
                          rows_of<const T>(q, batch, head), rows_of<const T>(k, batch, shared),
                          rows_of<const T>(v, batch, shared), rows_of<T>(out, batch, head),
                          log_sums.data<T>() + (batch * p.heads + head) * p.queries, scratch);
          }
        });
  });
  return {cast(out, query.dtype()), log_sums};
}

std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& grad, const Tensor& query,
                                                      const Tensor& key, const Tensor& value,
                                                      const Tensor& out, const Tensor& log_sums,
                                                      const AttentionOptions& options) {
  const char* op = "scaled_dot_product_attention_backward";
  check_operands(query, key, value, op);
  const DType type = computed(query.dtype());
  const Dims results{query.size(0), query.size(1), query.size(2), value.size(3)};
  for (const Tensor* t : {&grad, &out}) {
    require_cpu(*t, op);
    FB_CHECK(t->sizes() == results, Shape, op, ": sizes must agree: expected ", results, ", got ",
             t->sizes());
  }
  FB_CHECK(log_sums.dtype() == type && log_sums.is_contiguous() &&
               log_sums.sizes() == Dims({results[0], results[1], results[2]}),
           Shape, op, ": the sums of the forward pass are ", log_sums.sizes());
  const Tensor g = with_rows(grad, type), q = with_rows(query, type), k = with_rows(key, type),
               v = with_rows(value, type), o = with_rows(out, type);
  const Gradients to{rows_like(query, query.size(3), type), rows_like(key, key.size(3), type),
                     rows_like(value, value.size(3), type)};
  dispatch_float(type, op, [&]<class T>() {
    const Problem<T> p = make_problem<T>(q, k, v, options, op);
    const std::int64_t work = p.queries * p.keys * (p.width + p.value_width);
    parallel_for(0, q.size(0) * p.shared, grain_for(work),
                 [&](std::int64_t begin, std::int64_t end) {
                   BackwardScratch<T> scratch(p);
                   for (std::int64_t unit = begin; unit < end; ++unit)
                     backward_head(p, unit / p.shared, unit % p.shared, g, q, k, v, o, log_sums, to,
                                   scratch);
                 });
  });
  const DType wanted = query.dtype();
  return {cast(to.query, wanted), cast(to.key, wanted), cast(to.value, wanted)};
}

}  // namespace fb
