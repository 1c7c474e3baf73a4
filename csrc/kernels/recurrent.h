// One layer of a recurrent network in one direction, over whole sequences: the recurrent weights
// are packed once, and each step is one product whose columns (units) the threads share, with the
// gates behind it.
#pragma once
#include <optional>
#include <vector>

#include "core/isa.h"
#include "core/tensor.h"

namespace fb {

enum class RecurrentMode { Tanh, Relu, Lstm, Gru };
constexpr int num_recurrent_modes = 4;

// What the gates of some units are made of at one step, for all rows (sequences). A row of `x` and
// of the gradients has `gates` numbers per unit: all units' first gates, then the second, ...; a
// row of `kept` has `kept_gates`, a row of anything else one.
template <class T>
struct RecurrentStep {
  std::int64_t rows, units, first, last;  // of all `units`, those in [first, last)
  const T* x;                             // what the input contributes
  const T* bias;                          // of the recurrent product; may be null
  T* kept;  // forward: first the recurrent product; then what the backward pass needs
  const T* h_before;
  T* c_before;  // LSTM; forward: written
  T* h;
  T* c;  // LSTM: the state, updated
};
template <class T>
struct RecurrentBackwardStep {
  std::int64_t rows, units, first, last;
  const T *kept, *h_before, *c_before, *h;
  const T* of_out;       // gradient of this step's result; may be null
  T* of_h;               // gradient of the state after the step; becomes its part before the step
                         // that does not go through the product (GRU)
  T* of_c;               // LSTM: gradient of the state after the step; becomes that before
  T *of_x, *of_product;  // the same memory but for GRU
};

template <class T>
struct RecurrentLoopsOf {
  void (*forward[num_recurrent_modes])(const RecurrentStep<T>&);
  void (*backward[num_recurrent_modes])(const RecurrentBackwardStep<T>&);
};
struct RecurrentLoops {
  RecurrentLoopsOf<float> of_float;
  RecurrentLoopsOf<double> of_double;
};
FB_ISA_TABLE(RecurrentLoops, recurrent_loops)

// `x` is (T, N, gates * H), or packed rows (R, gates * H) with the rows of each step in `sizes`,
// the longest sequence first; h and c are (N, H), weight (gates * H, H), bias (gates * H) or null.
struct RecurrentInputs {
  RecurrentMode mode;
  Tensor x, h;
  const Tensor* c;
  Tensor weight;
  const Tensor* bias;
  std::optional<std::vector<std::int64_t>> sizes;
  bool reverse;  // from the last step to the first
};
// The results (T, N, H) or (R, H), and the last states (N, H); then what the gradient needs.
struct RecurrentResults {
  Tensor out, h, c;  // c is empty but for LSTM
  Tensor kept, c_before, h_before;
};
RecurrentResults recurrent(const RecurrentInputs& inputs);

struct RecurrentGradients {
  Tensor x, h, c;
  Tensor product;  // of the recurrent product with its bias, like x
};
// The gradients of the results may be null.
RecurrentGradients recurrent_backward(const RecurrentInputs& inputs,
                                      const RecurrentResults& results, const Tensor* of_out,
                                      const Tensor* of_h, const Tensor* of_c);

}  // namespace fb
