// What the files op*.cpp share: a call of an op on its way from the arguments to the result.
#pragma once
#include <string>
#include <utility>

#include "bind/node.h"
#include "bind/transform.h"
#include "kernels/elementwise.h"

namespace fb::py {

// One object per parameter, borrowed from the caller.
struct Call {
  PyObject* slots[max_params];
  PyObject* out = nullptr;
  nb::object packed;  // keeps a tuple made from positional integers alive
};

inline PyOp* as_op(PyObject* o) { return reinterpret_cast<PyOp*>(o); }
inline std::string op_name(const PyOp* op) { return PyUnicode_AsUTF8(op->name); }

// Calls f(tensor, output number) for the result, or for each tensor in it.
template <class F>
void for_each_output(PyObject* result, F&& f) {
  if (is_tensor(result)) {
    f(result, 0);
  } else if (PyTuple_Check(result) || PyList_Check(result)) {
    PyObject** items = PySequence_Fast_ITEMS(result);
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(result);
    for (Py_ssize_t k = 0; k < n; ++k)
      if (is_tensor(items[k])) f(items[k], static_cast<int>(k));
  }
}

// ---- op_arguments.cpp ----

extern PyObject* required;  // default of a parameter that has none

// Fills the slots from an old form of the call, x.add(2, y) for x.add(y, alpha=2): what is
// keyword-only now came second. False: the arguments are not of that form.
bool fill_factor_first(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n,
                       PyObject* kwnames);
// Puts positional integers into one tuple, torch's varargs: x.view(2, 3) is x.view((2, 3)). Returns
// how many parameters are given by position then.
Py_ssize_t pack_integers(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n);
// The keywords of a call whose first `given` parameters stand before them.
void fill_keywords(const PyOp* op, Call& call, Py_ssize_t given, PyObject* const* values,
                   PyObject* kwnames);
[[noreturn]] void too_many_arguments(const PyOp* op, PyObject* const* args, Py_ssize_t n);
// What an operator gives for a tensor and something that is none: mostly the other has to know.
PyObject* beside_foreign(const PyOp* variant, const PyOp* op, const Call& call);
// Raises where one tensor stands in the place of a list of them.
void check_list(const PyOp* op, const Call& call);
[[noreturn]] void missing_argument(const PyOp* op, int param);
// A forward that failed on something that is no tensor: raises an error that says so instead of
// naming what it lacks.
void explain_failure(const PyOp* op, const Call& call);

// ---- op.cpp ----

// The call of an op or a variant of it from Python.
PyObject* op_call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames);
// The call with its slots filled: computes and records.
nb::object call_op(PyOp* op, const Call& call);

// The type of tensors that have no sizes yet, once there are such; calls given one are refused, by
// itself or in a list.
extern PyTypeObject* uninitialized_type;
void refuse_uninitialized(const char* name, PyObject* const* args, Py_ssize_t n,
                          bool in_lists = true);
// Computes without recording.
nb::object run_kernel(PyOp* op, const Call& call);
// The result of the op's Python or bound function. Null with an exception set on failure.
PyObject* call_forward(const PyOp* op, const Call& call);
// The elementwise families are called straight on the CPU. Nothing: take the general way.
std::optional<Tensor> run_native(const PyOp* op, const Call& call, const Tensor* out);
// A tensor or a number for the elementwise kernels. False: something else, or a tensor that must be
// resolved first.
bool to_argument(PyObject* o, Argument& out);
// Bits over the parameters: those that are given tensors of this level that want gradients.
std::uint32_t tensors_wanting_grad(const PyOp* op, PyObject* const* slots, int level);
// The same, of a call that records.
inline std::uint32_t needs_at(const PyOp* op, const Call& call, int level) {
  return grad_mode.enabled && op->differentiable ? tensors_wanting_grad(op, call.slots, level) : 0;
}
// Makes the node of a call whose parameters `needs` want gradients, and gives it to the result.
void record(PyOp* op, const Call& call, std::uint32_t needs, PyObject* result);
// What comes out of a view of the first argument is known as that from now on.
void mark_views(const PyOp* op, const Call& call, PyObject* result);
// Names the outputs, where the op returns a named tuple.
nb::object finish(const PyOp* op, nb::object result);
// When a call started that an observer may be told of.
inline std::int64_t observed_from() { return engine_ops.observer ? now_ns() : 0; }
void observe(PyOp* op, const Call& call, PyObject* result, std::int64_t started, bool inplace);

// ---- op_inplace.cpp ----

nb::object call_inplace(PyOp* op, Call& call);
// Raises where a tensor must not be written in place; `records`: under a node.
void check_inplace(PyTensor* self, bool records);
// The operands of an elementwise operation, from `first` on, are not partly where its result goes.
void check_operands(const PyOp* op, const Call& call, int first, const Tensor& target);

// ---- op_out.cpp ----

nb::object call_out(PyOp* op, const Call& call);

// ---- op_transform.cpp ----

// The call of an op under the function transform of `top`.
nb::object call_transformed(PyOp* op, const Call& call, PyWrapped* top);
// vmap and jvp: their Python side computes the result with what is inside the wrappers. `target` is
// the tensor to write into, or None.
nb::object call_interpreter(PyOp* op, const Call& call, PyWrapped* top, PyObject* target);
// The call one level below; `held` keeps its arguments alive.
Call call_below(const PyOp* op, const Call& call, int level, Unwrapped& held);

// ---- op_type.cpp ----

// Makes the type of ops. A new one has no forward yet.
void init_op_type(nb::module_& m);
PyOp* allocate_op();

}  // namespace fb::py
