// Resizing of uint8 images in whole numbers, as Pillow does it: weights are multiples of a power of
// two, and the image between the two axes is rounded to bytes.
#pragma once
#include <vector>

#include "kernels/resample_taps.h"

namespace fb {

// Nearest modes for all shapes, the others for (N, C, H, W).
Tensor resize_bytes(const Tensor& x, const Dims& size, ResizeMode mode, bool align_corners,
                    const std::vector<double>& scales);

}  // namespace fb
