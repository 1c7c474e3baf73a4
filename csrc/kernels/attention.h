// softmax(query key^T scale + mask) value, block by block, so that no matrix of all scores is made:
// M. N. Rabe and C. Staats, "Self-attention Does Not Need O(n^2) Memory" (2021); T. Dao and others,
// "FlashAttention" (2022). The forward pass keeps the logarithm of each row's sum of exponentials,
// from which the backward pass makes the weights of a block again.
#pragma once
#include <tuple>
#include <utility>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

// The scores of some queries (rows) and keys (columns), and what is done to them.
template <class T>
struct AttentionBlock {
  T* scores;  // becomes the weights
  std::ptrdiff_t stride;
  std::int64_t rows, cols;
  std::int64_t seen;  // columns that the first row takes part in; each row has one more
  // What the mask adds to the scores, or whether a score counts; null without one.
  const T* added;
  const std::uint8_t* allowed;
  std::ptrdiff_t mask_row, mask_col;  // mask_col is 0 or 1
  // Which weights dropout kept, and what these are multiplied by; null without dropout.
  const std::uint8_t* kept;
  std::ptrdiff_t kept_row;
  T kept_factor;
};

template <class T>
struct AttentionLoopsOf {
  // The weights of a block relative to the largest score so far; updates each row's maximum and
  // sum, and says by what the row's earlier results are to be multiplied.
  void (*weigh)(const AttentionBlock<T>&, T* maxima, T* sums, T* factors);
  void (*scale_rows)(T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t width,
                     const T* factors);
  // Divides rows by their sums; log_sums = log(sums) + maxima (infinite if nothing took part).
  void (*normalize)(T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t width,
                    const T* maxima, const T* sums, T* log_sums);
  // The weights of a block again, and from their gradients those of the products of queries and
  // keys, in place.
  void (*weigh_backward)(const AttentionBlock<T>&, T* grads, const T* log_sums, const T* shares,
                         T scale);
  // Sums of a[i] * b[i] along rows.
  void (*row_products)(const T* a, std::ptrdiff_t a_stride, const T* b, std::ptrdiff_t b_stride,
                       std::int64_t n, std::int64_t width, T* sums);
};
struct AttentionLoops {
  AttentionLoopsOf<float> of_float;
  AttentionLoopsOf<double> of_double;
};
FB_ISA_TABLE(AttentionLoops, attention_loops)

struct AttentionOptions {
  bool causal;         // query i takes part in keys up to i
  double scale;        // of the scores
  const Tensor* mask;  // broadcasts with (B, H, L, S): bool, or numbers to add; may be null
  const Tensor* kept;  // (B, H, L, S) bool, what dropout keeps; may be null
  double kept_factor;
};

// query (B, H, L, E), key (B, K, S, E), value (B, K, S, F), where K divides H: (B, H, L, F), and
// (B, H, L) logarithms of sums.
std::pair<Tensor, Tensor> attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options);
// The gradients of query, key and value.
std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& grad, const Tensor& query,
                                                      const Tensor& key, const Tensor& value,
                                                      const Tensor& out, const Tensor& log_sums,
                                                      const AttentionOptions& options);

}  // namespace fb
