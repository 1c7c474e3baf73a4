// Memory formats: images and volumes whose channels lie next to each other (channels-last).
#pragma once
#include "core/tensor.h"

namespace fb {

// Whether the strides of a tensor of four or five axes order them as (N, spatial axes, C), gaps
// allowed. Where sizes of one leave it open, strides that row-major tensors have are row-major.
bool is_channels_last(const Dims& sizes, const Dims& strides);
inline bool is_channels_last(const Tensor& t) { return is_channels_last(t.sizes(), t.strides()); }
// The strides of a dense channels-last tensor of four or five axes.
Dims channels_last_strides(const Dims& sizes);
// The tensor with its elements in channels-last order: itself if they are, or if it has another
// number of axes. `wanted` false: the tensor as it is.
Tensor in_channels_last(const Tensor& t, bool wanted = true);

}  // namespace fb
