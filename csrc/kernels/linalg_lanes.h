// Groups of small matrices with one matrix to a lane, for the loops of linalg_small.h.
#pragma once
#include "kernels/linalg_small.h"
#include "simd/vec.h"

namespace fb::FB_ISA {

// The decompositions of linalg_small_eigen.simd.cpp.
void eigh_f32(bool lower, bool vectors, int n, std::int64_t count, float* a, float* values,
              std::int32_t* codes);
void eigh_f64(bool lower, bool vectors, int n, std::int64_t count, double* a, double* values,
              std::int32_t* codes);
void svd_f32(int n, std::int64_t count, const float* a, float* u, float* values, float* vh,
             std::int32_t* codes);
void svd_f64(int n, std::int64_t count, const double* a, double* u, double* values, double* vh,
             std::int32_t* codes);

namespace {

template <class T>
constexpr int lanes = 64 / static_cast<int>(sizeof(T));

// Integers as wide as the numbers, so that they share masks.
template <class T>
using Index = IntOf<T>;

// The matrices of one group: element (i, j) of all of them at [(i + j * n) * lanes].
template <class T>
struct Group {
  alignas(64) T data[most_lane_rows * most_lane_rows * lanes<T>];
  int n;
  T* at(int i, int j) { return data + (i + j * n) * lanes<T>; }
};

template <class T>
struct Pivots {
  alignas(64) Index<T> data[most_lane_rows * lanes<T>];
  Index<T>* at(int k) { return data + k * lanes<T>; }
};

// Both go through the matrices, which are `step` elements apart, in blocks of one cache line each.
// Lanes without a matrix repeat the last one.
template <class T>
inline void pack(const T* from, std::int64_t step, int size, int count, T* to) {
  for (int block = 0; block < size; block += lanes<T>) {
    const int last = block + lanes<T> < size ? block + lanes<T> : size;
    for (int l = 0; l < lanes<T>; ++l) {
      const T* matrix = from + (l < count ? l : count - 1) * step;
      for (int e = block; e < last; ++e) to[e * lanes<T> + l] = matrix[e];
    }
  }
}

template <class T>
inline void unpack(const T* from, int size, int count, T* to, std::int64_t step) {
  for (int block = 0; block < size; block += lanes<T>) {
    const int last = block + lanes<T> < size ? block + lanes<T> : size;
    for (int l = 0; l < count; ++l)
      for (int e = block; e < last; ++e) to[l * step + e] = from[e * lanes<T> + l];
  }
}

// The same of matrices that lie one after the other.
template <class T>
inline void pack(const T* from, int size, int count, T* to) {
  pack(from, size, size, count, to);
}
template <class T>
inline void unpack(const T* from, int size, int count, T* to) {
  unpack(from, size, count, to, size);
}

template <class T>
int group_size(std::int64_t done, std::int64_t count) {
  return count - done < lanes<T> ? static_cast<int>(count - done) : lanes<T>;
}

}  // namespace

}  // namespace fb::FB_ISA
