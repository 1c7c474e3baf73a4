// Loops over lanes have a constant length and no branches: the compiler turns each into a few
// vector instructions.
#include "kernels/linalg_small.h"

#include "kernels/linalg_lanes.h"

namespace fb::FB_ISA {
namespace {

// y -= x * m
template <class T>
inline void subtract_product(const T* x, const T* m, T* __restrict y) {
  for (int l = 0; l < lanes<T>; ++l) y[l] -= x[l] * m[l];
}

template <class T>
void find_pivot(Group<T>& a, int k, Index<T>* __restrict found) {
  T best[lanes<T>];
  const T* first = a.at(k, k);
  for (int l = 0; l < lanes<T>; ++l) {
    best[l] = first[l] < 0 ? -first[l] : first[l];
    found[l] = k;
  }
  for (int i = k + 1; i < a.n; ++i) {
    const T* row = a.at(i, k);
    for (int l = 0; l < lanes<T>; ++l) {
      const T size = row[l] < 0 ? -row[l] : row[l];
      found[l] = size > best[l] ? i : found[l];
      best[l] = size > best[l] ? size : best[l];
    }
  }
}

// Row k of each matrix changes places with its row found[l].
template <class T>
void exchange(Group<T>& a, int k, const Index<T>* __restrict found) {
  for (int i = k + 1; i < a.n; ++i) {
    Index<T> wanted = 0;
    for (int l = 0; l < lanes<T>; ++l) wanted |= found[l] == i;
    if (!wanted) continue;
    for (int j = 0; j < a.n; ++j) {
      T* __restrict upper = a.at(k, j), * __restrict lower = a.at(i, j);
      for (int l = 0; l < lanes<T>; ++l) {
        const T u = upper[l], v = lower[l];
        upper[l] = found[l] == i ? v : u;
        lower[l] = found[l] == i ? u : v;
      }
    }
  }
}

template <class T>
void factor(Group<T>& a, Pivots<T>& pivots, Index<T>* codes) {
  const int n = a.n;
  for (int k = 0; k < n; ++k) {
    Index<T>* found = pivots.at(k);
    find_pivot(a, k, found);
    exchange(a, k, found);
    T scale[lanes<T>];
    const T* pivot = a.at(k, k);
    for (int l = 0; l < lanes<T>; ++l) {
      codes[l] = pivot[l] == 0 && codes[l] == 0 ? k + 1 : codes[l];
      scale[l] = pivot[l] == 0 ? T(1) : T(1) / pivot[l];
    }
    for (int i = k + 1; i < n; ++i) {
      T* __restrict row = a.at(i, k);
      for (int l = 0; l < lanes<T>; ++l) row[l] *= scale[l];
    }
    for (int j = k + 1; j < n; ++j)
      for (int i = k + 1; i < n; ++i) subtract_product(a.at(i, k), a.at(k, j), a.at(i, j));
  }
}

// Rows of the right-hand sides change places; each matrix has exchanges of its own.
template <class T>
void exchange_rows(Pivots<T>& pivots, int n, int columns, bool backwards, T* b) {
  for (int step = 0; step < n; ++step) {
    const int k = backwards ? n - 1 - step : step;
    for (int l = 0; l < lanes<T>; ++l) {
      const int other = static_cast<int>(pivots.at(k)[l]);
      if (other == k) continue;
      for (int j = 0; j < columns; ++j) {
        T* column = b + j * n * lanes<T> + l;
        const T kept = column[k * lanes<T>];
        column[k * lanes<T>] = column[other * lanes<T>];
        column[other * lanes<T>] = kept;
      }
    }
  }
}

template <class T>
inline void divide(const T* d, T* __restrict x) {
  for (int l = 0; l < lanes<T>; ++l) x[l] /= d[l];
}

// Solves with one triangle of each matrix, or with its transpose, for a few columns: their chains
// of operations do not wait for each other.
template <int columns, class T>
void substitute_few(Group<T>& a, bool upper, bool transposed, bool unit, T* x) {
  const int n = a.n;
  const bool forward = upper == transposed;
  const int step = transposed ? n * lanes<T> : lanes<T>;
  for (int done = 0; done < n; ++done) {
    const int k = forward ? done : n - 1 - done;
    const T* line = transposed ? a.at(k, 0) : a.at(0, k);
    const auto at = [&](int i, int j) { return x + (i + j * n) * lanes<T>; };
    if (!unit)
      for (int j = 0; j < columns; ++j) divide(a.at(k, k), at(k, j));
    const int first = forward ? k + 1 : 0, last = forward ? n : k;
    for (int i = first; i < last; ++i)
      for (int j = 0; j < columns; ++j) subtract_product(line + i * step, at(k, j), at(i, j));
  }
}
template <class T>
void substitute(Group<T>& a, bool upper, bool transposed, bool unit, int columns, T* x) {
  constexpr int together = 4;
  const int size = a.n * lanes<T>;
  int j = 0;
  for (; j + together <= columns; j += together)
    substitute_few<together>(a, upper, transposed, unit, x + j * size);
  for (; j < columns; ++j) substitute_few<1>(a, upper, transposed, unit, x + j * size);
}

// Calls work(x, count) for some columns of the right-hand sides of a group at a time, element i of
// column j of all of them at x + (i + j * n) * lanes: at most as many as a matrix has.
template <class T, class Work>
inline void for_columns(int n, int columns, int here, T* b, Work&& work) {
  Group<T> packed;
  const std::int64_t step = static_cast<std::int64_t>(n) * columns;
  for (int first = 0; first < columns; first += n) {
    const int count = columns - first < n ? columns - first : n;
    T* side = b + static_cast<std::int64_t>(first) * n;
    pack(side, step, count * n, here, packed.data);
    work(packed.data, count);
    unpack(packed.data, count * n, here, side, step);
  }
}

template <class T>
void cholesky(int n, std::int64_t count, T* all, std::int32_t* codes) {
  Group<T> a;
  a.n = n;
  const int size = n * n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    Index<T> failed[lanes<T>] = {};
    T inverse[most_lane_rows][lanes<T>];  // of the diagonal
    pack(all + done * size, size, here, a.data);
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < j; ++i) {
        T* entry = a.at(i, j);
        for (int k = 0; k < i; ++k) subtract_product(a.at(k, i), a.at(k, j), entry);
        for (int l = 0; l < lanes<T>; ++l) entry[l] *= inverse[i][l];
      }
      T* entry = a.at(j, j);
      for (int k = 0; k < j; ++k) subtract_product(a.at(k, j), a.at(k, j), entry);
      for (int l = 0; l < lanes<T>; ++l)
        failed[l] = !(entry[l] > 0) && failed[l] == 0 ? j + 1 : failed[l];
      for (int l = 0; l < lanes<T>; ++l) {
        entry[l] = static_cast<T>(__builtin_sqrt(entry[l]));
        inverse[j][l] = T(1) / entry[l];
      }
      for (int i = j + 1; i < n; ++i)
        for (int l = 0; l < lanes<T>; ++l) a.at(i, j)[l] = 0;
    }
    unpack(a.data, size, here, all + done * size);
    for (int l = 0; l < here; ++l) codes[done + l] = static_cast<std::int32_t>(failed[l]);
  }
}

template <class T>
void lu(int n, std::int64_t count, T* all, std::int32_t* all_pivots, std::int32_t* codes) {
  Group<T> a;
  a.n = n;
  Pivots<T> pivots;
  const int size = n * n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    Index<T> failed[lanes<T>] = {};
    pack(all + done * size, size, here, a.data);
    factor(a, pivots, failed);
    unpack(a.data, size, here, all + done * size);
    for (int l = 0; l < here; ++l) {
      codes[done + l] = static_cast<std::int32_t>(failed[l]);
      for (int k = 0; k < n; ++k)
        all_pivots[(done + l) * n + k] = static_cast<std::int32_t>(pivots.at(k)[l]) + 1;
    }
  }
}

template <class T>
void solve(char trans, int n, int columns, std::int64_t count, const T* all_lu,
           const std::int32_t* all_pivots, T* b) {
  Group<T> a;
  a.n = n;
  Pivots<T> pivots;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    pack(all_lu + done * n * n, n * n, here, a.data);
    for (int k = 0; k < n; ++k)
      for (int l = 0; l < lanes<T>; ++l)
        pivots.at(k)[l] = all_pivots[(done + (l < here ? l : here - 1)) * n + k] - 1;
    for_columns(n, columns, here, b + done * columns * n, [&](T* x, int count) {
      const bool transposed = trans != 'N';
      if (!transposed) exchange_rows(pivots, n, count, false, x);
      substitute(a, transposed, transposed, !transposed, count, x);
      substitute(a, !transposed, transposed, transposed, count, x);
      if (transposed) exchange_rows(pivots, n, count, true, x);
    });
  }
}

template <class T>
void solve_triangle(bool upper, char trans, bool unit, int n, int columns, std::int64_t count,
                    const T* all, T* b) {
  Group<T> a;
  a.n = n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    pack(all + done * n * n, n * n, here, a.data);
    for_columns(n, columns, here, b + done * columns * n,
                [&](T* x, int count) { substitute(a, upper, trans != 'N', unit, count, x); });
  }
}

template <class T>
void invert(int n, std::int64_t count, T* all, std::int32_t* codes) {
  Group<T> a, inverse;
  a.n = inverse.n = n;
  Pivots<T> pivots;
  const int size = n * n;
  for (std::int64_t done = 0; done < count; done += lanes<T>) {
    const int here = group_size<T>(done, count);
    Index<T> failed[lanes<T>] = {};
    pack(all + done * size, size, here, a.data);
    factor(a, pivots, failed);
    for (int e = 0; e < size; ++e)
      for (int l = 0; l < lanes<T>; ++l) inverse.data[e * lanes<T> + l] = e % (n + 1) == 0;
    exchange_rows(pivots, n, n, false, inverse.data);
    substitute(a, false, false, true, n, inverse.data);
    substitute(a, true, false, false, n, inverse.data);
    unpack(inverse.data, size, here, all + done * size);
    for (int l = 0; l < here; ++l) codes[done + l] = static_cast<std::int32_t>(failed[l]);
  }
}

}  // namespace

const SmallLoops small_loops_table = {
    {lanes<float>, cholesky<float>, lu<float>, solve<float>, solve_triangle<float>, invert<float>,
     eigh_f32, svd_f32},
    {lanes<double>, cholesky<double>, lu<double>, solve<double>, solve_triangle<double>,
     invert<double>, eigh_f64, svd_f64},
};

}  // namespace fb::FB_ISA
