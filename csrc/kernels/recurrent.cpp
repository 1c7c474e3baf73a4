#include "kernels/recurrent.h"

#include <algorithm>

#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/gemm.h"
#include "kernels/panels.h"

namespace fb {
namespace {

constexpr const char* op = "recurrent";
constexpr std::int64_t grain_work = 100'000;  // multiplications that pay for another thread
// Packing the weights costs about as much as a product of a few rows: fewer steps do without.
constexpr std::size_t steps_to_pack = 4;
// Packed weights of up to this many bytes stay in a core's cache: each thread may use all of them.
constexpr std::int64_t bytes_of_one_cache = std::int64_t{1} << 19;
constexpr std::int64_t rows_of_a_thread = 4;  // fewer do not pay for reading them

template <class T>
const RecurrentLoopsOf<T>& loops_of() {
  if constexpr (std::is_same_v<T, float>)
    return recurrent_loops().of_float;
  else
    return recurrent_loops().of_double;
}

bool is_elman(RecurrentMode mode) {
  return mode == RecurrentMode::Tanh || mode == RecurrentMode::Relu;
}
// Numbers per unit in a row of what the input contributes, and of what is kept.
std::int64_t gates_of(RecurrentMode mode) {
  return is_elman(mode) ? 1 : mode == RecurrentMode::Gru ? 3 : 4;
}
std::int64_t kept_of(RecurrentMode mode) { return is_elman(mode) ? 1 : 4; }

// The rows of one step, in the order in which steps are taken.
struct Span {
  std::int64_t first, rows;
};

std::vector<Span> spans_of(const RecurrentInputs& in) {
  std::vector<Span> spans;
  if (in.sizes) {
    std::int64_t first = 0;
    for (const std::int64_t rows : *in.sizes) {
      spans.push_back({first, rows});
      first += rows;
    }
  } else {
    for (std::int64_t t = 0; t < in.x.size(0); ++t)
      spans.push_back({t * in.x.size(1), in.x.size(1)});
  }
  if (in.reverse) std::reverse(spans.begin(), spans.end());
  return spans;
}

// Some rows and some units of a step: what one thread computes of it.
struct Part {
  std::int64_t first_row, last_row, first_unit, last_unit;
  std::int64_t rows() const { return last_row - first_row; }
  std::int64_t units() const { return last_unit - first_unit; }
};

// Rows of a step that no step before (or after) it has.
std::int64_t rows_at(const std::vector<Span>& spans, std::size_t k) {
  return k < spans.size() ? spans[k].rows : 0;
}

template <class T>
void copy_rows(const T* from, T* to, std::int64_t first, std::int64_t last, std::int64_t width) {
  if (first < last) std::copy(from + first * width, from + last * width, to + first * width);
}

void check(const RecurrentInputs& in) {
  const Tensor& x = in.x;
  const std::int64_t gates = gates_of(in.mode);
  const bool lstm = in.mode == RecurrentMode::Lstm;
  require_cpu(x, op);
  FB_CHECK(x.ndim() == (in.sizes ? 2 : 3), Shape, op, ": expected ", in.sizes ? 2 : 3,
           " axes of inputs, got ", x.sizes());
  FB_CHECK(in.h.ndim() == 2 && in.weight.ndim() == 2, Shape, op,
           ": expected matrices as state and weight: the state is ", in.h.sizes(),
           ", the weight is ", in.weight.sizes());
  const std::int64_t units = in.h.size(1), rows = in.h.size(0);
  FB_CHECK(x.size(x.ndim() - 1) == gates * units && in.weight.size(0) == gates * units &&
               in.weight.size(1) == units,
           Shape, op, ": sizes must agree: input is ", x.sizes(), ", state is ", in.h.sizes(),
           ", weight is ", in.weight.sizes());
  FB_CHECK(!in.bias || in.bias->sizes() == Dims({gates * units}), Shape, op,
           ": expected a bias of ", gates * units, " numbers");
  FB_CHECK(lstm == (in.c != nullptr), Shape, op, ": an LSTM, and nothing else, has cells");
  FB_CHECK(!in.c || in.c->sizes() == in.h.sizes(), Shape, op,
           ": states must have one size: ", in.h.sizes(), " and ", in.c ? in.c->sizes() : Dims());
  for (const Tensor* t : {&in.x, &in.h, in.c, &in.weight, in.bias}) {
    if (!t) continue;
    require_cpu(*t, op);
    FB_CHECK(t->dtype() == x.dtype(), DType, op, ": expected one dtype, got ",
             dtype_name(x.dtype()), " and ", dtype_name(t->dtype()));
  }
  if (!in.sizes) {
    FB_CHECK(x.size(1) == rows, Shape, op, ": input has ", x.size(1), " rows, the state ", rows);
    return;
  }
  std::int64_t total = 0, before = rows;
  for (const std::int64_t size : *in.sizes) {
    FB_CHECK(size > 0 && size <= before, Shape, op,
             ": the rows of the steps must not grow, and not be more than the state's ", rows);
    before = size;
    total += size;
  }
  FB_CHECK(total == x.size(0), Shape, op, ": the steps have ", total, " rows, the input has ",
           x.size(0));
  FB_CHECK(in.sizes->empty() || in.sizes->front() == rows, Shape, op,
           ": the first step and the state must have as many rows");
}

// What forward and backward pass share.
template <class T>
struct Layer {
  RecurrentMode mode;
  std::int64_t units, gates, kept;
  std::vector<Span> spans;
  const PanelLoopsOf<T>& panels = panel_loops_of<T>();
  const RecurrentLoopsOf<T>& loops = loops_of<T>();

  explicit Layer(const RecurrentInputs& in)
      : mode(in.mode),
        units(in.h.size(1)),
        gates(gates_of(in.mode)),
        kept(kept_of(in.mode)),
        spans(spans_of(in)) {}

  int index() const { return static_cast<int>(mode); }
  bool packs() const { return spans.size() >= steps_to_pack; }
  std::int64_t blocks() const { return (units + panels.cols - 1) / panels.cols; }
  // Calls f(part), each thread with units of its own.
  template <class F>
  void share_units(std::int64_t rows, F&& f) const {
    const std::int64_t work = rows * gates * units * panels.cols;
    const std::int64_t grain =
        std::max<std::int64_t>(grain_work / std::max<std::int64_t>(work, 1), 1);
    parallel_for(0, blocks(), grain, [&](std::int64_t b, std::int64_t e) {
      f(Part{0, rows, b * panels.cols, std::min(e * panels.cols, units)});
    });
  }
  // Whether each thread takes all steps of some rows by itself: then none waits for another.
  bool shares_rows(std::int64_t rows) const {
    const auto bytes = static_cast<std::int64_t>(sizeof(T)) * gates * units * units;
    return packs() && bytes <= bytes_of_one_cache && rows >= rows_of_a_thread * num_threads();
  }
  // Calls f(step, part) for all steps in their order, or backwards, each thread with rows of its
  // own.
  template <class F>
  void share_rows(std::int64_t rows, bool backwards, F&& f) const {
    const std::int64_t threads = num_threads(), grain = (rows + threads - 1) / threads;
    parallel_for(0, rows, std::max<std::int64_t>(grain, 1), [&](std::int64_t b, std::int64_t e) {
      for (std::size_t i = 0; i < spans.size(); ++i) {
        const std::size_t k = backwards ? spans.size() - 1 - i : i;
        f(k, Part{b, e, 0, units});
      }
    });
  }
};

std::size_t size_of(std::int64_t n) { return static_cast<std::size_t>(n); }

// C = A B + beta C of contiguous rows, by all threads.
template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, MatrixView<const T> b,
              T* c, std::ptrdiff_t c_stride, T beta) {
  gemm<T>({.batch = 1,
           .m = m,
           .n = n,
           .k = k,
           .alpha = T(1),
           .a = {a, k, 1},
           .a_step = 0,
           .b = b,
           .b_step = 0,
           .beta = beta,
           .c = c,
           .c_stride = c_stride,
           .c_step = 0});
}

// ---- forward ----

// The transposed weights, each gate's units in panels of their own.
template <class T>
void pack_forward(const Layer<T>& layer, const T* weight, T* to) {
  const std::int64_t width = layer.panels.cols, depth = layer.units;
  parallel_for(0, layer.gates * layer.blocks(), 4, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t item = b; item < e; ++item) {
      const std::int64_t gate = item / layer.blocks(), unit = item % layer.blocks() * width;
      layer.panels.pack_columns(weight + (gate * layer.units + unit) * depth, depth,
                                std::min(width, layer.units - unit), depth,
                                to + item * width * depth);
    }
  });
}

template <class T>
class Forward {
 public:
  Forward(const Layer<T>& layer, const RecurrentInputs& in, const RecurrentResults& to)
      : layer_(layer),
        in_(in),
        out_(to.out.data<T>()),
        h_before_(to.h_before.data<T>()),
        last_(to.h.data<T>()),
        c_before_(in.c ? to.c_before.data<T>() : nullptr),
        c_(in.c ? to.c.data<T>() : nullptr),
        kept_(is_elman(layer.mode) ? out_ : to.kept.data<T>()),
        packed_(layer.packs() ? size_of(layer.gates * layer.blocks() * panel()) : 0) {
    if (layer.packs()) pack_forward(layer, in.weight.data<const T>(), packed_.data());
  }
  void run() {
    if (layer_.shares_rows(in_.h.size(0))) {
      layer_.share_rows(in_.h.size(0), false, [&](std::size_t k, Part part) {
        part.last_row = std::min(part.last_row, layer_.spans[k].rows);
        if (part.rows() <= 0) return;
        enter(k, part);
        compute(k, part);
        leave(k, part);
      });
      return;
    }
    for (std::size_t k = 0; k < layer_.spans.size(); ++k) {
      const auto [first, rows] = layer_.spans[k];
      const std::int64_t n = layer_.units;
      const Part all{0, rows, 0, n};
      enter(k, all);
      if (!layer_.packs())
        multiply<T>(rows, layer_.gates * n, n, h_before_ + first * n,
                    {in_.weight.data<const T>(), 1, n}, kept_ + first * layer_.kept * n,
                    layer_.kept * n, T(0));
      layer_.share_units(rows, [&](const Part& part) { compute(k, part); });
      leave(k, all);
    }
  }

 private:
  std::int64_t panel() const { return layer_.panels.cols * layer_.units; }
  // Rows that begin with this step begin with the state that was given.
  void enter(std::size_t k, const Part& part) {
    const std::int64_t n = layer_.units, joined = k ? layer_.spans[k - 1].rows : 0;
    copy_rows(in_.h.data<const T>(), h_before_ + layer_.spans[k].first * n,
              std::max(joined, part.first_row), part.last_row, n);
  }
  void compute(std::size_t k, const Part& part) {
    const std::int64_t n = layer_.units, at = layer_.spans[k].first + part.first_row;
    RecurrentStep<T> s{};
    s.rows = part.rows();
    s.units = n;
    s.first = part.first_unit;
    s.last = part.last_unit;
    s.x = in_.x.data<const T>() + at * layer_.gates * n;
    s.bias = in_.bias ? in_.bias->data<const T>() : nullptr;
    s.kept = kept_ + at * layer_.kept * n;
    s.h_before = h_before_ + at * n;
    s.h = out_ + at * n;
    if (c_) {
      s.c_before = c_before_ + at * n;
      s.c = c_ + part.first_row * n;
    }
    for (std::int64_t gate = 0; layer_.packs() && gate < layer_.gates; ++gate)
      layer_.panels.multiply(
          {s.rows, part.units(), n, s.h_before, n,
           packed_.data() +
               (gate * layer_.blocks() + part.first_unit / layer_.panels.cols) * panel(),
           layer_.panels.cols, panel(), s.kept + gate * n + part.first_unit, layer_.kept * n, T(1),
           true});
    layer_.loops.forward[layer_.index()](s);
  }
  // Rows go on to the next step, or end here.
  void leave(std::size_t k, const Part& part) {
    const std::int64_t n = layer_.units, going_on = rows_at(layer_.spans, k + 1);
    const T* h = out_ + layer_.spans[k].first * n;
    if (going_on)
      copy_rows(h, h_before_ + layer_.spans[k + 1].first * n, part.first_row,
                std::min(going_on, part.last_row), n);
    copy_rows(h, last_, std::max(going_on, part.first_row), part.last_row, n);
  }

  const Layer<T>& layer_;
  const RecurrentInputs& in_;
  T *out_, *h_before_, *last_, *c_before_, *c_, *kept_;
  Workspace<T> packed_;
};

// ---- backward ----

template <class T>
void pack_backward(const Layer<T>& layer, const T* weight, T* to) {
  const std::int64_t width = layer.panels.cols, depth = layer.gates * layer.units;
  parallel_for(0, layer.blocks(), 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t block = b; block < e; ++block)
      layer.panels.pack_rows(weight + block * width, layer.units,
                             std::min(width, layer.units - block * width), depth,
                             to + block * width * depth);
  });
}

// What the recurrent product of a step says of the state before it.
template <class T>
class ProductGradient {
 public:
  ProductGradient(const Layer<T>& layer, const T* weight, const RecurrentGradients& to)
      : layer_(layer),
        weight_(weight),
        from_(to.product.data<const T>()),
        to_(to.h.data<T>()),
        packed_(layer.packs() ? size_of(layer.blocks() * panel()) : 0) {
    if (layer.packs()) pack_backward(layer, weight, packed_.data());
  }
  // All of it by all threads, or a part by this one: the first for a few steps, the second for
  // many; the other does nothing.
  void of_all(const Span& span) const {
    if (!layer_.packs())
      multiply<T>(span.rows, layer_.units, depth(), from_ + span.first * depth(),
                  {weight_, layer_.units, 1}, to_, layer_.units, T(adds() ? 1 : 0));
  }
  void of_part(const Span& span, const Part& part) {
    const std::int64_t rows = std::min(part.last_row, span.rows) - part.first_row;
    if (!layer_.packs() || rows <= 0) return;
    layer_.panels.multiply(
        {rows, part.units(), depth(), from_ + (span.first + part.first_row) * depth(), depth(),
         packed_.data() + part.first_unit / layer_.panels.cols * panel(), layer_.panels.cols,
         panel(), to_ + part.first_row * layer_.units + part.first_unit, layer_.units, T(1),
         !adds()});
  }

 private:
  std::int64_t depth() const { return layer_.gates * layer_.units; }
  std::int64_t panel() const { return layer_.panels.cols * depth(); }
  // A GRU's state has a part that bypasses the product.
  bool adds() const { return layer_.mode == RecurrentMode::Gru; }

  const Layer<T>& layer_;
  const T *weight_, *from_;
  T* to_;
  Workspace<T> packed_;
};

template <class T>
class Backward {
 public:
  Backward(const Layer<T>& layer, const RecurrentInputs& in, const RecurrentResults& from,
           const Tensor* of_out, const RecurrentGradients& to)
      : layer_(layer),
        in_(in),
        from_(from),
        of_out_(of_out ? of_out->data<const T>() : nullptr),
        to_(to),
        product_(layer, in.weight.data<const T>(), to) {}
  void run() {
    if (layer_.spans.empty()) return;
    const Span& first = layer_.spans[0];
    if (layer_.shares_rows(in_.h.size(0))) {
      layer_.share_rows(in_.h.size(0), true, [&](std::size_t k, const Part& part) {
        compute(k, part);
        if (k == 0) product_.of_part(first, part);
      });
      return;
    }
    for (std::size_t k = layer_.spans.size(); k-- > 0;) {
      if (k + 1 < layer_.spans.size()) product_.of_all(layer_.spans[k + 1]);
      layer_.share_units(most_rows(k), [&](const Part& part) { compute(k, part); });
    }
    product_.of_all(first);
    layer_.share_units(first.rows, [&](const Part& part) { product_.of_part(first, part); });
  }

 private:
  // Of a step and the one after it.
  std::int64_t most_rows(std::size_t k) const {
    return std::max(layer_.spans[k].rows, rows_at(layer_.spans, k + 1));
  }
  void compute(std::size_t k, const Part& part) {
    if (k + 1 < layer_.spans.size()) product_.of_part(layer_.spans[k + 1], part);
    const std::int64_t n = layer_.units, at = layer_.spans[k].first + part.first_row;
    RecurrentBackwardStep<T> s{};
    s.rows = std::min(part.last_row, layer_.spans[k].rows) - part.first_row;
    if (s.rows <= 0) return;
    s.units = n;
    s.first = part.first_unit;
    s.last = part.last_unit;
    s.kept = is_elman(layer_.mode) ? nullptr : from_.kept.data<const T>() + at * layer_.kept * n;
    s.h_before = from_.h_before.data<const T>() + at * n;
    s.h = from_.out.data<const T>() + at * n;
    s.of_out = of_out_ ? of_out_ + at * n : nullptr;
    s.of_h = to_.h.data<T>() + part.first_row * n;
    s.of_x = to_.x.data<T>() + at * layer_.gates * n;
    s.of_product = to_.product.data<T>() + at * layer_.gates * n;
    if (in_.c) {
      s.c_before = from_.c_before.data<const T>() + at * n;
      s.of_c = to_.c.data<T>() + part.first_row * n;
    }
    layer_.loops.backward[layer_.index()](s);
  }

  const Layer<T>& layer_;
  const RecurrentInputs& in_;
  const RecurrentResults& from_;
  const T* of_out_;
  const RecurrentGradients& to_;
  ProductGradient<T> product_;
};

// Backward reads what forward left.
void check_results(const RecurrentInputs& in, const RecurrentResults& results) {
  const std::int64_t units = in.h.size(1),
                     rows = units ? in.x.numel() / (gates_of(in.mode) * units) : 0;
  const auto matches = [&](const Tensor& t, std::int64_t width) {
    return t.dtype() == in.x.dtype() && t.is_contiguous() && t.numel() == rows * width;
  };
  const bool lstm = in.mode == RecurrentMode::Lstm;
  FB_CHECK(matches(results.out, units) && matches(results.h_before, units) &&
               matches(results.c_before, lstm ? units : 0) &&
               matches(results.kept, is_elman(in.mode) ? 0 : kept_of(in.mode) * units),
           Shape, op, ": what the forward pass kept does not belong to an input of ", in.x.sizes());
}

RecurrentInputs with_contiguous(const RecurrentInputs& in, Tensor (&held)[2]) {
  RecurrentInputs made = in;
  made.x = contiguous(in.x);
  made.h = contiguous(in.h);
  made.weight = contiguous(in.weight);
  if (in.c) {
    held[0] = contiguous(*in.c);
    made.c = &held[0];
  }
  if (in.bias) {
    held[1] = contiguous(*in.bias);
    made.bias = &held[1];
  }
  return made;
}

// A gradient as memory to be written over: zeros where there is none.
Tensor state_gradient(const Tensor* given, const Tensor& like) {
  const Tensor made = empty(like.sizes(), like.dtype());
  if (given)
    copy_into(made, *given);
  else
    fill(made, 0);
  return made;
}

}  // namespace

RecurrentResults recurrent(const RecurrentInputs& inputs) {
  check(inputs);
  Tensor held[2];
  const RecurrentInputs in = with_contiguous(inputs, held);
  const DType type = in.x.dtype();
  const std::int64_t units = in.h.size(1);
  Dims sizes = in.x.sizes();
  sizes[sizes.size() - 1] = units;
  const std::int64_t rows = in.sizes ? sizes[0] : sizes[0] * sizes[1];
  const bool lstm = in.mode == RecurrentMode::Lstm;
  RecurrentResults to{
      empty(sizes, type),
      clone(in.h),
      lstm ? clone(*in.c) : empty({0}, type),
      empty({is_elman(in.mode) ? 0 : rows, kept_of(in.mode) * units}, type),
      empty({lstm ? rows : 0, units}, type),
      empty({rows, units}, type),
  };
  if (shape_only()) return to;
  dispatch_float(type, op, [&]<class T>() {
    const Layer<T> layer(in);
    Forward<T>(layer, in, to).run();
  });
  return to;
}

RecurrentGradients recurrent_backward(const RecurrentInputs& inputs,
                                      const RecurrentResults& results, const Tensor* of_out,
                                      const Tensor* of_h, const Tensor* of_c) {
  check(inputs);
  Tensor held[2];
  const RecurrentInputs in = with_contiguous(inputs, held);
  const DType type = in.x.dtype();
  const bool lstm = in.mode == RecurrentMode::Lstm;
  FB_CHECK(!of_out || of_out->sizes() == results.out.sizes(), Shape, op, ": the gradient must be ",
           results.out.sizes(), ", got ", of_out ? of_out->sizes() : Dims());
  check_results(in, results);
  const Tensor x = empty(in.x.sizes(), type);
  const RecurrentGradients to{
      x,
      state_gradient(of_h, in.h),
      lstm ? state_gradient(of_c, in.h) : empty({0}, type),
      in.mode == RecurrentMode::Gru ? empty(in.x.sizes(), type) : x,
  };
  if (shape_only()) return to;
  const Tensor incoming = of_out ? contiguous(*of_out) : Tensor();
  dispatch_float(type, op, [&]<class T>() {
    const Layer<T> layer(in);
    Backward<T>(layer, in, results, of_out ? &incoming : nullptr, to).run();
  });
  return to;
}

}  // namespace fb
