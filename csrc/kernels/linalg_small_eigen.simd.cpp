// Jacobi's method: rotations that each make one element zero, over all elements again and again. It
// takes more arithmetic than the reduction to a tridiagonal matrix, but every step is the same for
// all matrices, and it is more accurate (Golub and Van Loan, "Matrix Computations", section 8.5).
#include "kernels/linalg_lanes.h"

namespace fb::FB_ISA {
namespace {

template <class T>
constexpr T precision = sizeof(T) == 4 ? T(0x1p-23) : T(0x1p-52);

// Cosine and sine of one rotation in each lane, and its tangent.
template <class T>
struct Rotation {
  alignas(64) T cosine[lanes<T>], sine[lanes<T>], tangent[lanes<T>];
};

// The rotation that makes element (p, q) zero.
template <class T>
inline void find_rotation(const T* pp, const T* qq, const T* pq, Rotation<T>& r) {
  for (int l = 0; l < lanes<T>; ++l) {
    const T ratio = (qq[l] - pp[l]) / (2 * pq[l]);
    const T size = ratio < 0 ? -ratio : ratio;
    const T tangent = 1 / (size + static_cast<T>(__builtin_sqrt(ratio * ratio + 1)));
    const T t = pq[l] == 0 ? T(0) : ratio < 0 ? -tangent : tangent;
    const T c = 1 / static_cast<T>(__builtin_sqrt(t * t + 1));
    r.tangent[l] = t;
    r.cosine[l] = c;
    r.sine[l] = t * c;
  }
}

template <class T>
inline void rotate(const Rotation<T>& r, T* __restrict x, T* __restrict y) {
  for (int l = 0; l < lanes<T>; ++l) {
    const T u = x[l], v = y[l];
    x[l] = r.cosine[l] * u - r.sine[l] * v;
    y[l] = r.sine[l] * u + r.cosine[l] * v;
  }
}

// Element (i, j) of a symmetric matrix of which the upper triangle is kept.
template <class T>
inline T* entry(Group<T>& a, int i, int j) {
  return i < j ? a.at(i, j) : a.at(j, i);
}

template <class T>
void sweep(Group<T>& a, Group<T>* vectors) {
  const int n = a.n;
  Rotation<T> r;
  for (int p = 0; p < n; ++p) {
    for (int q = p + 1; q < n; ++q) {
      T* __restrict pp = a.at(p, p), * __restrict qq = a.at(q, q), * __restrict pq = a.at(p, q);
      find_rotation(pp, qq, pq, r);
      for (int l = 0; l < lanes<T>; ++l) {
        pp[l] -= r.tangent[l] * pq[l];
        qq[l] += r.tangent[l] * pq[l];
        pq[l] = 0;
      }
      for (int k = 0; k < n; ++k)
        if (k != p && k != q) rotate(r, entry(a, k, p), entry(a, k, q));
      if (vectors)
        for (int k = 0; k < n; ++k) rotate(r, vectors->at(k, p), vectors->at(k, q));
    }
  }
}

// Whether what is left off the diagonal is below the precision in every lane; `left` says where it
// is not. The matrices are scaled so that their largest element is one.
template <class T>
bool converged(Group<T>& a, Index<T>* left) {
  T outside[lanes<T>] = {};
  for (int j = 0; j < a.n; ++j)
    for (int i = 0; i < j; ++i) {
      const T* element = a.at(i, j);
      for (int l = 0; l < lanes<T>; ++l) outside[l] += element[l] * element[l];
    }
  constexpr T bound = precision<T> * precision<T> / 16;
  Index<T> any = 0;
  for (int l = 0; l < lanes<T>; ++l) {
    left[l] = outside[l] > bound;
    any |= left[l];
  }
  return !any;
}

// Scales each matrix to a largest element of one, and clears those that are not finite (scale NaN).
template <class T>
void scale_to_one(Group<T>& a, T* scale) {
  T largest[lanes<T>] = {}, broken[lanes<T>] = {};
  for (int j = 0; j < a.n; ++j)
    for (int i = 0; i <= j; ++i) {
      const T* element = a.at(i, j);
      for (int l = 0; l < lanes<T>; ++l) {
        const T size = element[l] < 0 ? -element[l] : element[l];
        largest[l] = size > largest[l] ? size : largest[l];
        broken[l] += element[l] * 0;
      }
    }
  for (int l = 0; l < lanes<T>; ++l)
    scale[l] = broken[l] != 0 ? broken[l] : largest[l] == 0 ? T(1) : largest[l];
  for (int j = 0; j < a.n; ++j)
    for (int i = 0; i <= j; ++i) {
      T* element = a.at(i, j);
      for (int l = 0; l < lanes<T>; ++l)
        element[l] = scale[l] == scale[l] ? element[l] / scale[l] : T(0);
    }
}

// The places of one lane's eigenvalues in ascending order.
template <class T>
void sort_lane(Group<T>& a, int lane, int* order) {
  for (int k = 0; k < a.n; ++k) {
    const T value = a.at(k, k)[lane];
    int at = k;
    for (; at > 0 && a.at(order[at - 1], order[at - 1])[lane] > value; --at)
      order[at] = order[at - 1];
    order[at] = k;
  }
}

template <class T>
void eigh(bool lower, bool with_vectors, int n, std::int64_t count, T* all, T* values,
          std::int32_t* codes) {
  constexpr int most_sweeps = 40;  // six to ten are usual
  Group<T> a, vectors;
  a.n = vectors.n = n;
  const int size = n * n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    T scale[lanes<T>];
    Index<T> left[lanes<T>];
    pack(all + done * size, size, here, a.data);
    if (lower)
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < j; ++i)
          for (int l = 0; l < lanes<T>; ++l) a.at(i, j)[l] = a.at(j, i)[l];
    for (int e = 0; with_vectors && e < size; ++e)
      for (int l = 0; l < lanes<T>; ++l) vectors.data[e * lanes<T> + l] = e % (n + 1) == 0;
    scale_to_one(a, scale);
    for (int k = 0; k < most_sweeps && !converged(a, left); ++k)
      sweep(a, with_vectors ? &vectors : nullptr);
    converged(a, left);
    for (int l = 0; l < here; ++l) {
      int order[most_lane_rows] = {};
      sort_lane(a, l, order);
      codes[done + l] = static_cast<std::int32_t>(left[l]);
      const T nothing = scale[l] == scale[l] ? T(0) : scale[l];  // NaN where it is
      for (int k = 0; k < n; ++k) {
        values[(done + l) * n + k] = a.at(order[k], order[k])[l] * scale[l];
        for (int i = 0; with_vectors && i < n; ++i)
          all[(done + l) * size + k * n + i] = vectors.at(i, order[k])[l] + nothing;
      }
    }
  }
}

// ---- singular values: the columns of A are rotated until they are orthogonal ----

// sum += x * y
template <class T>
inline void add_product(const T* x, const T* y, T* __restrict sum) {
  for (int l = 0; l < lanes<T>; ++l) sum[l] += x[l] * y[l];
}

// One sweep over all pairs of columns; whether all were orthogonal before it.
template <class T>
bool orthogonalize(Group<T>& a, Group<T>* vectors) {
  const int n = a.n;
  Rotation<T> r;
  Index<T> any = 0;
  for (int p = 0; p < n; ++p) {
    for (int q = p + 1; q < n; ++q) {
      alignas(64) T pp[lanes<T>] = {}, qq[lanes<T>] = {}, pq[lanes<T>] = {};
      for (int k = 0; k < n; ++k) {
        add_product(a.at(k, p), a.at(k, p), pp);
        add_product(a.at(k, q), a.at(k, q), qq);
        add_product(a.at(k, p), a.at(k, q), pq);
      }
      const T bound = (4 + n) * precision<T>;  // sums of n products are no better
      Index<T> turns = 0;
      for (int l = 0; l < lanes<T>; ++l) {
        const T limit = bound * bound * (pp[l] * qq[l]);
        turns |= pq[l] * pq[l] > limit;
      }
      any |= turns;
      if (!turns) continue;
      find_rotation(pp, qq, pq, r);
      for (int k = 0; k < n; ++k) rotate(r, a.at(k, p), a.at(k, q));
      if (vectors)
        for (int k = 0; k < n; ++k) rotate(r, vectors->at(k, p), vectors->at(k, q));
    }
  }
  return !any;
}

// Lengths of the columns of one lane, and their places in descending order.
template <class T>
void sort_columns(Group<T>& a, int lane, T* lengths, int* order) {
  for (int k = 0; k < a.n; ++k) {
    T sum = 0;
    for (int i = 0; i < a.n; ++i) sum += a.at(i, k)[lane] * a.at(i, k)[lane];
    lengths[k] = static_cast<T>(__builtin_sqrt(sum));
    int at = k;
    for (; at > 0 && lengths[order[at - 1]] < lengths[k]; --at) order[at] = order[at - 1];
    order[at] = k;
  }
}

template <class T>
void scale_columns(Group<T>& a, T* scale) {
  T largest[lanes<T>] = {};
  for (int e = 0; e < a.n * a.n; ++e)
    for (int l = 0; l < lanes<T>; ++l) {
      const T value = a.data[e * lanes<T> + l], size = value < 0 ? -value : value;
      largest[l] = size > largest[l] ? size : largest[l];
    }
  for (int l = 0; l < lanes<T>; ++l) scale[l] = largest[l] == 0 ? T(1) : largest[l];
  for (int e = 0; e < a.n * a.n; ++e)
    for (int l = 0; l < lanes<T>; ++l) a.data[e * lanes<T> + l] /= scale[l];
}

template <class T>
void svd(int n, std::int64_t count, const T* all, T* u, T* values, T* vh, std::int32_t* codes) {
  constexpr int most_sweeps = 30;
  Group<T> a, vectors;
  a.n = vectors.n = n;
  const int size = n * n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    T scale[lanes<T>];
    pack(all + done * size, size, here, a.data);
    scale_columns(a, scale);
    for (int e = 0; u && e < size; ++e)
      for (int l = 0; l < lanes<T>; ++l) vectors.data[e * lanes<T> + l] = e % (n + 1) == 0;
    bool orthogonal = false;
    for (int k = 0; k < most_sweeps && !orthogonal; ++k)
      orthogonal = orthogonalize(a, u ? &vectors : nullptr);
    for (int l = 0; l < here; ++l) {
      const std::int64_t at = done + l;
      T lengths[most_lane_rows];
      int order[most_lane_rows] = {};
      sort_columns(a, l, lengths, order);
      // A column that is nearly zero has no direction to speak of.
      const bool independent = lengths[order[n - 1]] > n * precision<T> * lengths[order[0]];
      codes[at] = orthogonal && (independent || !u) ? 0 : 1;
      for (int k = 0; k < n; ++k) {
        const int from = order[k];
        values[at * n + k] = lengths[from] * scale[l];
        for (int i = 0; u && i < n; ++i) {
          u[at * size + k * n + i] = a.at(i, from)[l] / lengths[from];
          vh[at * size + i * n + k] = vectors.at(i, from)[l];
        }
      }
    }
  }
}

}  // namespace

void svd_f32(int n, std::int64_t count, const float* a, float* u, float* values, float* vh,
             std::int32_t* codes) {
  svd(n, count, a, u, values, vh, codes);
}

void svd_f64(int n, std::int64_t count, const double* a, double* u, double* values, double* vh,
             std::int32_t* codes) {
  svd(n, count, a, u, values, vh, codes);
}

void eigh_f32(bool lower, bool vectors, int n, std::int64_t count, float* a, float* values,
              std::int32_t* codes) {
  eigh(lower, vectors, n, count, a, values, codes);
}

void eigh_f64(bool lower, bool vectors, int n, std::int64_t count, double* a, double* values,
              std::int32_t* codes) {
  eigh(lower, vectors, n, count, a, values, codes);
}

}  // namespace fb::FB_ISA
