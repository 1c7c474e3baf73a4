// Rows of a table that are looked up by index and put together in bags.
#pragma once
#include <tuple>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

template <class T>
struct BagLoopsOf {
  // out = scale times the sum of the n rows of `index`, each times its factor unless they are null
  void (*sum_rows)(const T* table, const std::int64_t* index, const T* factors, std::int64_t n,
                   std::int64_t width, std::int64_t padding, T scale, T* out);
  // to += factor * from
  void (*add_scaled)(const T* from, T factor, T* to, std::int64_t n);
};
struct BagLoops {
  BagLoopsOf<float> of_float;
  BagLoopsOf<double> of_double;
};
FB_ISA_TABLE(BagLoops, bag_loops)

enum class BagMode : std::uint8_t { sum, mean, max };
BagMode bag_mode_of(const char* name);  // Error(Value) for an unknown name

// weight (rows, width) of a floating dtype; index (n) and offsets (bags) int32 or int64: bag b is
// of the indices from offsets[b] up to offsets[b + 1], the last one up to n or, if the last offset
// is included, up to that. Indices equal to `padding` do not count. `factors` (n), or null, are
// those of the rows in a sum. Returns
//   the bags (bags, width), zero for one of no rows;
//   the bag of each index that is in one, and how many rows each bag has, int64;
//   which index gave each maximum (bags, width) int64, -1 for none; empty in the other modes.
std::tuple<Tensor, Tensor, Tensor, Tensor> embedding_bag(const Tensor& weight, const Tensor& index,
                                                         const Tensor& offsets,
                                                         const Tensor* factors, BagMode mode,
                                                         bool last_included, std::int64_t padding);

// The gradient (rows, width) of the table from that of sums of rows: index k adds `shares[k]`, or
// 1, times the gradient of its bag.
Tensor embedding_bag_backward(const Tensor& grad, const Tensor& index, const Tensor& of_index,
                              const Tensor* shares, std::int64_t rows);

}  // namespace fb
