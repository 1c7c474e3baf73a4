// Tensors as function transforms see them: vmap, jvp and grad put a wrapper around a tensor, and an
// op that is given one hands the call to the transform of the highest level among its arguments
// (flambeau/func). A wrapper is an ordinary Tensor object whose `wrapped` field is set: its sizes
// and dtype are those that the transformed function sees.
#pragma once
#include "bind/pytensor.h"

namespace fb::py {

struct PyWrapped {
  PyObject_HEAD PyObject* value;  // the tensor one level below; batched: the batch axis comes first
  PyObject* mark;                 // batched: True; dual: the tangent; tracked by a graph: None
  PyObject* transform;            // called with (op, values, marks, target)
  int level;
  bool tracked;
};

// How many wrappers exist: while there are none, calls of ops do not look for them.
extern int live_wrapped;

inline PyWrapped* wrapped_of(PyObject* o) {
  return is_tensor(o) ? reinterpret_cast<PyWrapped*>(as_tensor(o)->wrapped) : nullptr;
}
inline int level_of(PyObject* o) {
  const PyWrapped* w = wrapped_of(o);
  return w ? w->level : 0;
}

// The wrapper of the highest level among arguments, also inside lists and tuples. Null without.
PyWrapped* top_wrapped(PyObject* const* slots, int count);

// The arguments one level below: tuples of values and of marks, None for what is not wrapped there.
struct Unwrapped {
  nb::object values;
  nb::object marks;
};
Unwrapped unwrap(PyObject* const* slots, int count, int level);

// A new wrapper like `like` around a result of the level below; sequences elementwise.
nb::object wrap_like(nb::handle value, const PyWrapped* like);

// The same tensor, or wrapper, as another object outside the graph.
nb::object alias(PyObject* o);

// Makes `target`, a tensor that is written in place, a tracked tensor of that level, together with
// the tensor it is a view of.
void lift(PyObject* target, const PyWrapped* like);

void init_transform(nb::module_& m);

}  // namespace fb::py
