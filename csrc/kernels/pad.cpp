#include "kernels/pad.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/copy_lines.h"
#include "kernels/format.h"
#include "kernels/words.h"

namespace fb {
namespace {

// Positions of the widened axis that follow each other, and where their elements come from.
struct Run {
  std::int64_t out, in, length;
  int step;  // from one element of the source to the next: 1, 0 or -1
};

// The source of a position `at` of an axis of `size` that goes on beyond its ends; before the first
// one `at` is negative.
std::int64_t source(Edge edge, std::int64_t at, std::int64_t size) {
  if (at >= 0 && at < size) return at;
  switch (edge) {
    case Edge::Constant:
      break;
    case Edge::Reflect:
      return at < 0 ? -at : 2 * (size - 1) - at;
    case Edge::Replicate:
      return at < 0 ? 0 : size - 1;
    case Edge::Circular:
      return at < 0 ? at + size * ((size - 1 - at) / size) : at % size;
  }
  __builtin_unreachable();
}

void check_widths(Edge edge, std::int64_t size, std::int64_t before, std::int64_t after, int axis) {
  constexpr std::int64_t most = std::int64_t{1} << 40;
  FB_CHECK(std::max(before, after) <= most && std::min(before, after) >= -most, Runtime,
           "pad: the widths are too large: (", before, ", ", after, ")");
  const std::int64_t widest = std::max(before, after), out = size + before + after;
  if (edge == Edge::Constant) {
    FB_CHECK(out >= 0, Runtime, "pad: The input size ", size, ", plus negative padding ", before,
             " and ", after, ", resulted in a negative output size, which is invalid (dimension ",
             axis, ")");
  } else if (edge == Edge::Circular) {
    FB_CHECK(widest <= size, Runtime,
             "pad: Padding value causes wrapping around more than once: padding (", before, ", ",
             after, ") for an axis of ", size);
    FB_CHECK(size + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0) >=
                 (widest > 0 ? 1 : 0),
             Runtime, "pad: Negative padding value is resulting in an empty dimension: (", before,
             ", ", after, ") for an axis of ", size);
  } else {
    FB_CHECK(size > 0, Runtime, "pad: Expected an axis of one element at least to pad, but got ",
             "size 0 (dimension ", axis, ")");
    FB_CHECK(edge == Edge::Replicate || widest < size, Runtime,
             "pad: Argument #4: Padding size should be less than the corresponding input "
             "dimension, but got: padding (",
             before, ", ", after, ") at dimension ", axis, " of size ", size);
    FB_CHECK(out > 0, Runtime, "pad: input (", size, ") is too small. Calculated output: ", out,
             " (dimension ", axis, ")");
  }
}

// The runs of a widened axis. Circular: what is trimmed does not come back at the other end.
std::vector<Run> runs_of(Edge edge, std::int64_t size, std::int64_t before, std::int64_t after) {
  const std::int64_t out = size + before + after;
  std::int64_t trimmed = 0, kept = size;
  if (edge == Edge::Circular) {
    trimmed = std::max<std::int64_t>(-before, 0);
    kept = size - trimmed - std::max<std::int64_t>(-after, 0);
  }
  std::vector<Run> runs;
  for (std::int64_t o = 0; o < out; ++o) {
    const std::int64_t in = source(edge, o - before - trimmed, kept) + trimmed;
    if (!runs.empty()) {
      Run& last = runs.back();
      const std::int64_t step = in - (last.in + (last.length - 1) * last.step);
      if (std::abs(step) <= 1 && (last.length == 1 || step == last.step)) {
        last.step = static_cast<int>(step);
        ++last.length;
        continue;
      }
    }
    runs.push_back({o, in, 1, 1});
  }
  return runs;
}

// The widened axes from the first to the last, in the order of memory: what lies before them, and
// the elements of one position after them.
struct Plan {
  std::vector<int> order;  // of the axes in memory
  Dims in, out;            // sizes in that order
  Dims before, after;      // widths
  int first = 0, last = 0;
  std::vector<std::int64_t> sources;  // of each line
  std::vector<Run> runs;              // of a line, which is the last axis
  std::int64_t outer = 1, lines = 1, inner = 1;
};

Plan plan_of(const Dims& sizes, const Dims& widths, Edge edge, bool channels_last) {
  const int n = sizes.size();
  Plan plan;
  for (int d = 0; d < n; ++d) plan.order.push_back(d);
  if (channels_last) std::rotate(plan.order.begin() + 1, plan.order.begin() + 2, plan.order.end());
  plan.first = n;
  plan.in = plan.out = plan.before = plan.after = Dims(n);
  Dims &before = plan.before, &after = plan.after;
  for (int k = 0; k < n; ++k) {
    const int axis = plan.order[static_cast<std::size_t>(k)], place = 2 * (n - 1 - axis);
    if (place < widths.size()) before[k] = widths[place], after[k] = widths[place + 1];
    if (place < widths.size()) check_widths(edge, sizes[axis], before[k], after[k], axis);
    plan.in[k] = sizes[axis];
    plan.out[k] = sizes[axis] + before[k] + after[k];
    if (before[k] || after[k]) {
      plan.first = std::min(plan.first, k);
      plan.last = k;
    }
  }
  plan.first = std::min(plan.first, plan.last);
  checked_numel(plan.out, "pad");
  for (int k = 0; k < n; ++k) {
    if (k < plan.first) plan.outer *= plan.in[k];
    if (k > plan.last) plan.inner *= plan.in[k];
    if (k >= plan.first && k < plan.last) plan.lines *= plan.out[k];
  }
  return plan;
}

// Where the elements come from, once it is known that there is memory for as many.
void find_sources(Plan& plan, Edge edge) {
  plan.sources = {0};
  for (int k = plan.first; k < plan.last; ++k) {
    std::vector<std::int64_t> lines;
    lines.reserve(plan.sources.size() * static_cast<std::size_t>(plan.out[k]));
    const auto runs = runs_of(edge, plan.in[k], plan.before[k], plan.after[k]);
    for (const std::int64_t start : plan.sources)
      for (const Run& run : runs)
        for (std::int64_t i = 0; i < run.length; ++i)
          lines.push_back(start * plan.in[k] + run.in + i * run.step);
    plan.sources = std::move(lines);
  }
  const int last = plan.last;
  plan.runs = runs_of(edge, plan.in[last], plan.before[last], plan.after[last]);
}

Tensor in_order(const Tensor& t, const Plan& plan) {
  Dims order(t.ndim());
  for (int k = 0; k < t.ndim(); ++k) order[k] = plan.order[static_cast<std::size_t>(k)];
  return t.permute(order);
}

Tensor empty_of(const Dims& by_memory, const Plan& plan, const Tensor& like, bool channels_last) {
  Dims sizes(by_memory.size());
  for (int k = 0; k < sizes.size(); ++k)
    sizes[plan.order[static_cast<std::size_t>(k)]] = by_memory[k];
  return channels_last
             ? empty_strided(sizes, channels_last_strides(sizes), like.dtype(), like.device())
             : empty(sizes, like.dtype(), like.device());
}

template <class Word>
void copy_words(Word* to, const Word* from, std::int64_t count) {
  constexpr std::int64_t longest = 512 / sizeof(Word);
  if (count < longest)
    copy_short_line(to, from, count * static_cast<std::int64_t>(sizeof(Word)));
  else
    std::copy_n(from, count, to);
}

template <class Word>
void pad_line(const Plan& plan, const Word* in, Word* out) {
  const std::int64_t inner = plan.inner;
  for (const Run& run : plan.runs) {
    Word* to = out + run.out * inner;
    const std::int64_t count = run.length * inner;
    if (run.step == 1) {
      copy_words(to, in + run.in * inner, count);
    } else if (inner == 1) {
      const Word* from = in + run.in;
      for (std::int64_t i = 0; i < run.length; ++i) to[i] = from[i * run.step];
    } else {
      for (std::int64_t i = 0; i < run.length; ++i)
        copy_words(to + i * inner, in + (run.in + i * run.step) * inner, inner);
    }
  }
}

// The input amidst the constant. Writing the places of the input twice costs less than walking the
// short lines between its edges.
void surround(const Tensor& out, const Tensor& input, const Dims& widths, const Scalar& value) {
  Tensor to = out, from = input;
  for (int k = 0; 2 * k < widths.size(); ++k) {
    const int axis = input.ndim() - 1 - k;
    const std::int64_t before = widths[2 * k], after = widths[2 * k + 1];
    const std::int64_t low = std::max<std::int64_t>(-before, 0),
                       high = input.size(axis) - std::max<std::int64_t>(-after, 0),
                       start = std::max<std::int64_t>(before, 0);
    if (high <= low) return fill(out, value);
    to = to.slice(axis, start, high - low, 1);
    from = from.slice(axis, low, high - low, 1);
  }
  if (to.numel() != out.numel()) fill(out, value);
  copy_into(to, from);
}

// The transpose of that: what elements of the output were copies of gets their gradients.
template <class T>
void add_line(const Plan& plan, const T* grad, T* out) {
  const std::int64_t inner = plan.inner;
  for (const Run& run : plan.runs) {
    const T* from = grad + run.out * inner;
    T* to = out + run.in * inner;
    if (run.step == 1) {
      for (std::int64_t i = 0; i < run.length * inner; ++i) to[i] += from[i];
    } else {
      for (std::int64_t i = 0; i < run.length; ++i)
        for (std::int64_t j = 0; j < inner; ++j)
          to[i * run.step * inner + j] += from[i * inner + j];
    }
  }
}

std::int64_t grain(std::int64_t elements) {
  return std::max<std::int64_t>(1, (1 << 15) / std::max<std::int64_t>(1, elements));
}

void check_number(const Tensor& t, const Dims& widths) {
  FB_CHECK(widths.size() % 2 == 0, Runtime, "pad: Padding length must be divisible by 2, got ",
           widths.size());
  FB_CHECK(widths.size() <= 2 * t.ndim(), Runtime,
           "pad: Padding length should be at most twice the number of dimensions of the input, "
           "got ",
           widths.size(), " for ", t.ndim());
}

}  // namespace

Tensor pad(const Tensor& input, const Dims& widths, Edge edge, const Scalar& value) {
  check_number(input, widths);
  const bool channels_last = edge != Edge::Circular && is_channels_last(input);
  Plan plan = plan_of(input.sizes(), widths, edge, channels_last);
  const Tensor out = empty_of(plan.out, plan, input, channels_last);
  if (!out.numel() || shape_only()) return out;
  if (!input.ndim()) {
    copy_into(out, input);
    return out;
  }
  if (edge == Edge::Constant) {
    surround(out, input, widths, value);
    return out;
  }
  const Tensor x = contiguous(in_order(input, plan));
  find_sources(plan, edge);
  const std::int64_t in_line = plan.in[plan.last] * plan.inner,
                     out_line = plan.out[plan.last] * plan.inner, slice = x.numel() / plan.outer;
  dispatch_size(x.itemsize(), [&]<class Word>() {
    parallel_for(0, plan.outer * plan.lines, grain(out_line), [&](std::int64_t b, std::int64_t e) {
      const Word* in = x.data<Word>() + b / plan.lines * slice;
      std::int64_t line = b % plan.lines;
      for (std::int64_t at = b; at < e; ++at) {
        const std::int64_t from = plan.sources[static_cast<std::size_t>(line)];
        pad_line(plan, in + from * in_line, out.data<Word>() + at * out_line);
        if (++line == plan.lines) {
          line = 0;
          in += slice;
        }
      }
    });
  });
  return out;
}

Tensor pad_backward(const Tensor& grad, const Dims& widths, Edge edge, const Dims& sizes) {
  FB_CHECK(sizes.size() == grad.ndim(), Shape, "pad_backward: the gradient is ", grad.sizes(),
           ", the input ", sizes);
  check_number(grad, widths);
  const bool channels_last = is_channels_last(grad);
  Plan plan = plan_of(sizes, widths, edge, channels_last);
  const Tensor ordered = in_order(grad, plan);
  FB_CHECK(ordered.sizes() == plan.out, Shape, "pad_backward: the gradient is ", grad.sizes(),
           ", the input ", sizes, ", the widths ", widths);
  if (edge == Edge::Constant) {  // what was put on comes off, what was cut off gets zeros
    Dims back = widths;
    for (std::int64_t& width : back) width = -width;
    return pad(grad, back, edge, Scalar(0));
  }
  if (grad.dtype() == DType::Float16 || grad.dtype() == DType::BFloat16)
    return cast(pad_backward(cast(grad, DType::Float32), widths, edge, sizes), grad.dtype());
  const Tensor g = contiguous(ordered), out = empty_of(plan.in, plan, g, channels_last);
  if (!out.numel() || shape_only()) return out;
  if (!sizes.size()) {
    copy_into(out, grad);
    return out;
  }
  find_sources(plan, edge);
  const std::int64_t parts = is_complex(g.dtype()) ? 2 : 1;  // of a number, each added up alone
  plan.inner *= parts;
  const std::int64_t in_line = plan.in[plan.last] * plan.inner,
                     out_line = plan.out[plan.last] * plan.inner;
  const std::int64_t slice = out.numel() * parts / plan.outer;
  dispatch_float(real_dtype(g.dtype()), "pad_backward", [&]<class T>() {
    parallel_for(0, plan.outer, grain(slice), [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t s = b; s < e; ++s) {
        T* to = out.data<T>() + s * slice;
        std::fill(to, to + slice, T(0));
        for (std::int64_t line = 0; line < plan.lines && out_line; ++line) {
          const std::int64_t from = plan.sources[static_cast<std::size_t>(line)];
          add_line(plan, g.data<T>() + (s * plan.lines + line) * out_line, to + from * in_line);
        }
      }
    });
  });
  return out;
}

}  // namespace fb
