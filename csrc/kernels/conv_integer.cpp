#include "kernels/conv_integer.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/copy.h"

namespace fb {
namespace {

using Word = std::uint64_t;  // overflow wraps around

// The outputs [first, last) of an axis that read inside the image through tap t.
struct OutputRange {
  std::int64_t first, last;
  OutputRange(const Axis& a, std::int64_t t) {
    const std::int64_t offset = t * a.dilation - a.pad;  // output o reads o * stride + offset
    first = offset < 0 ? (-offset + a.stride - 1) / a.stride : 0;
    last = offset < a.in ? (a.in - offset + a.stride - 1) / a.stride : 0;
    last = std::max(first, std::min(last, a.out));
  }
};

// Calls f(weight, input, output) with the places of the three factors of every product of one
// image and group.
template <class F>
void for_each_product(const ConvShape& s, std::int64_t image, std::int64_t group, F&& f) {
  const Axis &d = s.axes[0], &h = s.axes[1], &w = s.axes[2];
  for (std::int64_t i = 0; i < s.group_out() * s.group_in() * s.taps(); ++i) {
    const std::int64_t tap = i % s.taps(), c = i / s.taps() % s.group_in(),
                       o = i / s.taps() / s.group_in() + group * s.group_out();
    const std::int64_t td = tap / (h.kernel * w.kernel), th = tap / w.kernel % h.kernel,
                       tw = tap % w.kernel;
    const std::int64_t weight = (o * s.group_in() + c) * s.taps() + tap;
    const std::int64_t in0 = (image * s.in_channels + group * s.group_in() + c) * s.in_pixels(),
                       out0 = (image * s.out_channels + o) * s.out_pixels();
    const OutputRange slabs(d, td), rows(h, th), cols(w, tw);
    for (std::int64_t z = slabs.first; z < slabs.last; ++z) {
      for (std::int64_t y = rows.first; y < rows.last; ++y) {
        const std::int64_t in_z = z * d.stride + td * d.dilation - d.pad,
                           in_y = y * h.stride + th * h.dilation - h.pad;
        const std::int64_t in = in0 + (in_z * h.in + in_y) * w.in + tw * w.dilation - w.pad,
                           out = out0 + (z * h.out + y) * w.out;
        for (std::int64_t x = cols.first; x < cols.last; ++x) f(weight, in + x * w.stride, out + x);
      }
    }
  }
}

// Every plane filled with the bias of its channel, or zero.
void fill_planes(const Tensor& out, const Tensor& bias) {
  const std::int64_t channels = out.size(1),
                     pixels = out.numel() / std::max<std::int64_t>(out.size(0) * channels, 1);
  for (std::int64_t i = 0; i < out.size(0) * channels; ++i)
    std::fill_n(out.data<Word>() + i * pixels, pixels,
                bias.defined() ? bias.data<const Word>()[i % channels] : 0);
}

}  // namespace

Tensor integer_convolution(const ConvShape& s, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Dims& sizes) {
  const Tensor source = contiguous(x), w = contiguous(weight),
               shift = bias.defined() ? contiguous(bias) : bias, out = empty(sizes, x.dtype());
  if (out.numel() == 0 || shape_only()) return out;
  fill_planes(out, shift);
  const Word *from = source.data<const Word>(), *factors = w.data<const Word>();
  Word* to = out.data<Word>();
  parallel_for(0, s.batch * s.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      for_each_product(s, i / s.groups, i % s.groups,
                       [&](std::int64_t weight_at, std::int64_t in, std::int64_t at) {
                         to[at] += factors[weight_at] * from[in];
                       });
  });
  return out;
}

Tensor integer_convolution_transposed(const ConvShape& s, const Tensor& y, const Tensor& weight,
                                      const Tensor& bias, const Dims& sizes) {
  const Tensor source = contiguous(y), w = contiguous(weight),
               shift = bias.defined() ? contiguous(bias) : bias, out = empty(sizes, y.dtype());
  if (out.numel() == 0 || shape_only()) return out;
  fill_planes(out, shift);
  const Word *from = source.data<const Word>(), *factors = w.data<const Word>();
  Word* to = out.data<Word>();
  parallel_for(0, s.batch * s.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      for_each_product(s, i / s.groups, i % s.groups,
                       [&](std::int64_t weight_at, std::int64_t at, std::int64_t place) {
                         to[at] += factors[weight_at] * from[place];
                       });
  });
  return out;
}

Tensor integer_convolution_weight_grad(const ConvShape& s, const Tensor& grad, const Tensor& x,
                                       const Dims& sizes) {
  const Tensor g = contiguous(grad), source = contiguous(x), out = empty(sizes, x.dtype());
  if (out.numel() == 0 || shape_only()) return out;
  std::fill_n(out.data<Word>(), out.numel(), Word{0});
  const Word *grads = g.data<const Word>(), *from = source.data<const Word>();
  Word* to = out.data<Word>();
  parallel_for(0, s.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group)
      for (std::int64_t image = 0; image < s.batch; ++image)
        for_each_product(s, image, group,
                         [&](std::int64_t at, std::int64_t in, std::int64_t place) {
                           to[at] += grads[place] * from[in];
                         });
  });
  return out;
}

}  // namespace fb
