// The sizes of one convolution, as all its algorithms see them.
#pragma once
#include <cstdint>

namespace fb {

constexpr int conv_axes =
    3;  // depth, height, width; the first ones are trivial in fewer dimensions

struct Axis {
  std::int64_t in, out, kernel, stride, pad, dilation;
};

struct ConvShape {
  std::int64_t batch, in_channels, out_channels, groups;
  Axis axes[conv_axes];

  std::int64_t group_in() const { return in_channels / groups; }
  std::int64_t group_out() const { return out_channels / groups; }
  std::int64_t in_pixels() const { return axes[0].in * axes[1].in * axes[2].in; }
  std::int64_t out_pixels() const { return axes[0].out * axes[1].out * axes[2].out; }
  std::int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  bool has_inputs() const { return batch > 0 && in_channels > 0 && in_pixels() > 0; }
  bool has_outputs() const { return batch > 0 && out_channels > 0 && out_pixels() > 0; }
};

// A batch of images of which a group of channels is read or written. Either the pixels of a plane
// are next to each other (pixel_stride 1), or the channels of a pixel (channel_stride 1).
template <class T>
struct Images {
  T* data;
  std::int64_t channels;  // in one group
  std::int64_t size[conv_axes];
  std::int64_t image_stride, channel_stride, pixel_stride;

  T* group(std::int64_t image, std::int64_t group) const {
    return data + image * image_stride + group * channels * channel_stride;
  }
  std::int64_t pixels() const { return size[0] * size[1] * size[2]; }
  bool in_planes() const { return pixel_stride == 1; }
};

}  // namespace fb
