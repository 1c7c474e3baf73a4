// Products with a right operand that is packed once and multiplied with many times, computed on the
// calling thread: what attention and recurrent networks are made of.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/isa.h"

namespace fb {

// C (m x n, rows c_stride apart) = alpha A B, added to C unless it is to be overwritten. B lies in
// panels of `cols` columns, panel_step apart, whose rows are b_stride apart; the last panel must be
// readable up to the next whole vector.
template <class T>
struct PanelProduct {
  std::int64_t m, n, depth;
  const T* a;
  std::ptrdiff_t a_stride;
  const T* b;
  std::ptrdiff_t b_stride, panel_step;
  T* c;
  std::ptrdiff_t c_stride;
  T alpha;
  bool overwrite;
};

template <class T>
struct PanelLoopsOf {
  int cols, lanes;  // of a panel, of a vector
  // A's rows are a_stride apart; in the second form its columns are.
  void (*multiply)(const PanelProduct<T>&);
  void (*multiply_transposed)(const PanelProduct<T>&);
  // Rows (n x depth) as the columns of panels (depth x cols each), the last filled up with zeros.
  void (*pack_columns)(const T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t depth,
                       T* panels);
  // Rows (depth x n) as the rows of such panels.
  void (*pack_rows)(const T* rows, std::ptrdiff_t stride, std::int64_t n, std::int64_t depth,
                    T* panels);
};
struct PanelLoops {
  PanelLoopsOf<float> of_float;
  PanelLoopsOf<double> of_double;
};
FB_ISA_TABLE(PanelLoops, panel_loops)

template <class T>
const PanelLoopsOf<T>& panel_loops_of() {
  if constexpr (sizeof(T) == sizeof(float))
    return panel_loops().of_float;
  else
    return panel_loops().of_double;
}

}  // namespace fb
