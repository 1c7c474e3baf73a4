// Calling an op: arguments into one slot per parameter, the kernel, the graph node.
#include <Python.h>
#include <frameobject.h>
#include <structmember.h>

#include <cstring>

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/node.h"
#include "bind/transform.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace fb::py {

PyTypeObject* op_type = nullptr;
EngineOps engine_ops;

namespace {

PyObject* required;  // default of a parameter that has none
PyObject* str_out;

PyOp* as_op(PyObject* o) { return reinterpret_cast<PyOp*>(o); }

// ---- arguments ----

struct Call {
  PyObject* slots[max_params];
  PyObject* out = nullptr;
  nb::object packed;  // keeps a tuple made from positional integers alive
};

[[noreturn]] void wrong_call(const std::string& text) {
  PyErr_SetString(PyExc_TypeError, text.c_str());
  throw nb::python_error();
}

std::string op_name(const PyOp* op) { return PyUnicode_AsUTF8(op->name); }

int parameter_named(const PyOp* op, const char* name) {
  for (int i = 0; i < op->param_count; ++i)
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(op->params, i), name) == 0) return i;
  return -1;
}

int numpy_parameter(const PyOp* op, PyObject* name) {
  if (const char* own = spelling_of_numpy(name)) return parameter_named(op, own);
  return PyUnicode_CompareWithASCIIString(name, "self") == 0 ? 0 : -1;
}

int parameter_index(const PyOp* op, PyObject* name) {
  for (int i = 0; i < op->param_count; ++i)
    if (PyTuple_GET_ITEM(op->params, i) == name) return i;
  for (int i = 0; i < op->param_count; ++i)
    if (PyUnicode_Compare(PyTuple_GET_ITEM(op->params, i), name) == 0) return i;
  if (PyObject* at = op->synonyms ? PyDict_GetItem(op->synonyms, name) : nullptr)
    return static_cast<int>(PyLong_AsLong(at));
  return numpy_parameter(op, name);
}

// torch's varargs: x.view(2, 3) is x.view((2, 3)).
bool starts_packing(const PyOp* op, PyObject* const* args, Py_ssize_t n) {
  return op->pack_from >= 0 && n > op->pack_from &&
         (PyIndex_Check(args[op->pack_from]) || is_tensor(args[op->pack_from])) &&
         !PySequence_Check(args[op->pack_from]);
}

// torch's old order, x.add(2, y) for x.add(y, alpha=2): what is keyword-only now came second.
// False: the arguments are not of that form.
bool fill_factor_first(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n,
                       PyObject* kwnames) {
  const int factor = op->positional_count;
  if (op->param_count != factor + 1 || n != op->param_count || factor < 2) return false;
  const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, factor));
  Scalar s;
  if ((std::strcmp(name, "alpha") && std::strcmp(name, "value")) ||
      (kwnames && PyTuple_GET_SIZE(kwnames)) || is_tensor(args[1]) || !to_scalar(args[1], s) ||
      !is_tensor(args[n - 1]))
    return false;
  const std::string text = "This overload of " + op_name(op) +
                           " is deprecated: pass the number behind the tensors, as " + name + "=";
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw nb::python_error();
  call.slots[0] = args[0];
  for (int i = 1; i < factor; ++i) call.slots[i] = args[i + 1];
  call.slots[factor] = args[1];
  return true;
}

void fill_slots(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n,
                PyObject* kwnames) {
  Py_ssize_t given = n;
  if (starts_packing(op, args, n) || (op->pack_from >= 0 && n > op->pack_from &&
                                      n - op->pack_from > 1 && is_tensor(args[op->pack_from]))) {
    PyObject* tuple = PyTuple_New(n - op->pack_from);
    if (!tuple) throw nb::python_error();
    for (Py_ssize_t i = op->pack_from; i < n; ++i)
      PyTuple_SET_ITEM(tuple, i - op->pack_from, Py_NewRef(args[i]));
    call.packed = nb::steal(tuple);
    given = op->pack_from + 1;
  }
  if (given > op->positional_count) {
    if (fill_factor_first(op, call, args, n, kwnames)) return;
    wrong_call(op_name(op) + "(): takes " + std::to_string(op->positional_count) +
               " positional arguments but " + std::to_string(n) + " were given");
  }
  for (int i = 0; i < op->param_count; ++i)
    call.slots[i] = i < given ? args[i] : PyTuple_GET_ITEM(op->defaults, i);
  if (call.packed) call.slots[op->pack_from] = call.packed.ptr();
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    const int at = parameter_index(op, name);
    if (at < 0) {
      if (op->allow_out && PyUnicode_Compare(name, str_out) == 0) {
        if (args[n + k] != Py_None) call.out = args[n + k];
        continue;
      }
      wrong_call(op_name(op) + "(): got an unexpected keyword argument '" + PyUnicode_AsUTF8(name) +
                 "'");
    }
    if (at < given)
      wrong_call(op_name(op) + "(): got multiple values for argument '" + PyUnicode_AsUTF8(name) +
                 "'");
    call.slots[at] = args[n + k];
  }
  for (int i = 0; i < op->param_count; ++i)
    if (call.slots[i] == required)
      wrong_call(op_name(op) + "(): missing required argument '" +
                 PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, i)) + "' (pos " +
                 std::to_string(i + 1) + ")");
}

bool wants_grad(PyObject* o, int level) {
  if (!is_tensor(o)) return false;
  PyTensor* t = as_tensor(o);
  if (level && level_of(o) != level) return false;  // what is below records by itself
  return t->requires_grad || (t->base && current_grad_fn(t));
}

std::uint32_t tensors_wanting_grad(const PyOp* op, PyObject* const* slots, int level = 0) {
  std::uint32_t needs = 0;
  for (std::uint32_t rest = op->differentiable; rest; rest &= rest - 1) {
    const int i = std::countr_zero(rest);
    if (i == op->list_param) {
      if (!PyList_Check(slots[i]) && !PyTuple_Check(slots[i])) continue;
      PyObject** items = PySequence_Fast_ITEMS(slots[i]);
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(slots[i]);
      for (Py_ssize_t k = 0; k < n; ++k)
        if (wants_grad(items[k], level)) needs |= 1u << i;
    } else if (wants_grad(slots[i], level)) {
      needs |= 1u << i;
    }
  }
  return needs;
}

// ---- kernels ----

// A tensor or a number for the elementwise kernels. False: something else, or a tensor that must be
// resolved first.
bool to_argument(PyObject* o, Argument& out) {
  if (is_tensor(o)) {
    out.tensor = &as_tensor(o)->t;
    return !out.tensor->is_lazy();
  }
  out.tensor = nullptr;
  return to_scalar(o, out.scalar);
}

// The arguments behind the operands are the kernel's parameters; what follows must be left out.
bool take_parameters(const PyOp* op, const Call& call, double* params) {
  const int first = op->native_arity, last = first + op->native_params;
  for (int i = first; i < last; ++i) {
    Scalar s;
    if (is_tensor(call.slots[i]) || !to_scalar(call.slots[i], s) || s.kind == Scalar::Kind::Complex)
      return false;
    params[i - first] = s.re;
  }
  for (int i = last; i < op->param_count; ++i)
    if (call.slots[i] != PyTuple_GET_ITEM(op->defaults, i)) return false;
  return true;
}

// Kernels of long loops let other Python threads run meanwhile.
constexpr std::int64_t release_gil_from = 1 << 16;

std::optional<Tensor> run_ternary(const PyOp* op, const Call& call, const Tensor* out,
                                  const double* params) {
  Argument operands[3] = {Scalar(), Scalar(), Scalar()};
  Tensor held[3];
  std::int64_t work = 0;
  for (int k = 0; k < 3; ++k) {
    if (!to_argument(call.slots[k], operands[k])) return std::nullopt;
    if (!operands[k].tensor) continue;
    if (!operands[k].tensor->is_cpu()) return std::nullopt;
    operands[k].tensor = &(held[k] = *operands[k].tensor);
    work = std::max(work, held[k].numel());
  }
  if (!operands[0].tensor) return std::nullopt;
  std::optional<nb::gil_scoped_release> release;
  if (work >= release_gil_from) release.emplace();
  return ternary(op->native_id, operands[0], operands[1], operands[2], out, params);
}

// The elementwise families are called straight from here on the CPU. Undefined: take the general
// way.
std::optional<Tensor> run_native(const PyOp* op, const Call& call, const Tensor* out) {
  double params[max_parameters] = {};
  if (op->native == Native::None || !take_parameters(op, call, params)) return std::nullopt;
  if (op->native == Native::Unary) {
    if (!is_tensor(call.slots[0])) return std::nullopt;
    const Tensor& a = as_tensor(call.slots[0])->t;
    if (!a.is_cpu() || a.is_lazy()) return std::nullopt;
    if (a.numel() < release_gil_from) return unary(op->native_id, a, out, params);
    const Tensor held = a;
    nb::gil_scoped_release release;
    return unary(op->native_id, held, out, params);
  }
  if (op->native == Native::Ternary) return run_ternary(op, call, out, params);
  Argument a{Scalar()}, b{Scalar()};
  if (!to_argument(call.slots[0], a) || !to_argument(call.slots[1], b)) return std::nullopt;
  if (!a.tensor && !b.tensor) return std::nullopt;
  if ((a.tensor && !a.tensor->is_cpu()) || (b.tensor && !b.tensor->is_cpu())) return std::nullopt;
  const std::int64_t work =
      std::max(a.tensor ? a.tensor->numel() : 0, b.tensor ? b.tensor->numel() : 0);
  if (work < release_gil_from) return binary(op->native_id, a, b, out, params);
  Tensor held_a, held_b;
  if (a.tensor) a.tensor = &(held_a = *a.tensor);
  if (b.tensor) b.tensor = &(held_b = *b.tensor);
  nb::gil_scoped_release release;
  return binary(op->native_id, a, b, out, params);
}

// Nothing for anything but integers that no dtype holds.
void check_width(PyObject* o) {
  Scalar s;
  if (!PyLong_Check(o) || to_scalar(o, s)) return;
  PyErr_SetString(PyExc_OverflowError, "int too big to convert");
  throw nb::python_error();
}

[[noreturn]] void not_a_tensor(const PyOp* op, int param, PyObject* given) {
  check_width(given);
  wrong_call(op_name(op) + "(): argument '" +
             PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, param)) + "' (position " +
             std::to_string(param + 1) + ") must be Tensor, not " + Py_TYPE(given)->tp_name);
}

// A forward that failed on something that is no tensor: say so instead of naming what it lacks.
void explain_failure(const PyOp* op, const Call& call) {
  if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_TypeError))
    return;
  const std::uint32_t tensors = op->differentiable ? op->differentiable : 1u;
  for (int i = 0; i < op->param_count; ++i) {
    if (!((tensors >> i) & 1u)) continue;
    PyObject* o = call.slots[i];
    Scalar number;
    const bool list = i == op->list_param && (PyList_Check(o) || PyTuple_Check(o));
    if (!list && !is_tensor(o) && (o != Py_None || i == 0) && (i == 0 || !to_scalar(o, number))) {
      PyErr_Clear();
      not_a_tensor(op, i, o);
    }
  }
}

PyObject* call_forward(const PyOp* op, const Call& call) {
  PyObject* result = PyObject_Vectorcall(op->forward, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
  if (!result) explain_failure(op, call);
  return result;
}

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

// A forward may end in a view of what it made: once nobody else can name the base it is no view.
void forget_lost_bases(PyObject* result) {
  for_each_output(result, [](PyObject* o, int) {
    PyTensor* t = as_tensor(o);
    if (!t->base || Py_REFCNT(t->base) != 1) return;
    Py_CLEAR(t->base);
    t->creation = Creation::Default;
  });
}

nb::object run_kernel(PyOp* op, const Call& call) {
  PyObject* result;
  if (engine_ops.recall) [[unlikely]] {
    result = PyObject_CallOneArg(engine_ops.recall, reinterpret_cast<PyObject*>(op));
    if (!result) throw nb::python_error();
    nb::object kept = nb::steal(result);
    if (!kept.is_none()) return kept;
  }
  if (auto native = run_native(op, call, nullptr)) {
    result = wrap(std::move(*native));
  } else if (op->rule_count) {
    NoGrad guard;
    result = call_forward(op, call);
    if (result && !op->view) forget_lost_bases(result);
  } else {
    result = call_forward(op, call);
  }
  if (!result) throw nb::python_error();
  return nb::steal(result);
}

// ---- recording ----

void mark_view(PyObject* result, PyTensor* source, bool multi_output) {
  PyTensor* r = as_tensor(result);
  if (source->inference || r->base || !(r->t.storage() == source->t.storage())) return;
  r->base = Py_NewRef(source->base ? source->base : reinterpret_cast<PyObject*>(source));
  r->view_version = r->t.version();
  r->creation = grad_mode.inference  ? Creation::Inference
                : !grad_mode.enabled ? Creation::NoGrad
                : multi_output       ? Creation::MultiOutput
                                     : source->creation;
}

// A rule-bearing op may hand back one of its inputs; recording needs an object of its own.
nb::object fresh_output(nb::object result, const PyOp* op, const Call& call) {
  if (!is_tensor(result.ptr())) return result;
  for (int i = 0; i < op->param_count; ++i)
    if (call.slots[i] == result.ptr()) return alias(result.ptr());
  return result;
}

void attach(PyNode* node, const PyOp* op, PyObject* result) {
  for_each_output(result, [&](PyObject* o, int k) {
    if (!((op->differentiable_outputs >> (k < 31 ? k : 31)) & 1u)) return;
    PyTensor* t = as_tensor(o);
    if (!is_differentiable(t->t.dtype())) return;
    t->grad_fn = Py_NewRef(reinterpret_cast<PyObject*>(node));
    t->output_nr = static_cast<std::uint32_t>(k);
    t->requires_grad = true;
  });
}

nb::object finish(const PyOp* op, nb::object result) {
  if (!op->result_type) return result;
  PyObject* named = PyObject_CallOneArg(op->result_type, result.ptr());
  if (!named) throw nb::python_error();
  return nb::steal(named);
}

std::int64_t observed_from() { return engine_ops.observer ? now_ns() : 0; }

void observe(PyOp* op, const Call& call, PyObject* result, std::int64_t started, bool inplace) {
  nb::object arguments = nb::steal(PyTuple_New(op->param_count));
  for (int i = 0; i < op->param_count; ++i)
    PyTuple_SET_ITEM(arguments.ptr(), i, Py_NewRef(call.slots[i]));
  PyObject* done = PyObject_CallFunctionObjArgs(
      engine_ops.observer, reinterpret_cast<PyObject*>(op), arguments.ptr(), result,
      nb::int_(started).ptr(), inplace ? Py_True : Py_False, nullptr);
  if (!done) throw nb::python_error();
  Py_DECREF(done);
}

nb::object call_transformed(PyOp* op, const Call& call, PyWrapped* top);

nb::object call_op(PyOp* op, const Call& call) {
  if (live_wrapped) [[unlikely]]
    if (PyWrapped* top = top_wrapped(call.slots, op->param_count))
      return call_transformed(op, call, top);
  const std::int64_t started = observed_from();
  const std::uint32_t needs =
      grad_mode.enabled && op->differentiable ? tensors_wanting_grad(op, call.slots) : 0;
  nb::object result = run_kernel(op, call);
  const bool nothing_made = op->view && result.ptr() == call.slots[0];
  if (needs && !nothing_made) {
    result = fresh_output(std::move(result), op, call);
    PyNode* node = make_node(op, call.slots, needs, result.ptr(), nullptr);
    nb::object owner = nb::steal(reinterpret_cast<PyObject*>(node));
    attach(node, op, result.ptr());
  }
  if (op->view && is_tensor(call.slots[0]))
    for_each_output(result.ptr(), [&](PyObject* o, int) {
      if (o != call.slots[0]) mark_view(o, as_tensor(call.slots[0]), op->multi_output);
    });
  if (engine_ops.observer) observe(op, call, result.ptr(), started, false);
  return finish(op, std::move(result));
}

// ---- under function transforms ----

std::uint32_t needs_at(const PyOp* op, const Call& call, int level) {
  if (!grad_mode.enabled || !op->differentiable) return 0;
  return tensors_wanting_grad(op, call.slots, level);
}

// vmap and jvp: their Python side computes the result with what is inside the wrappers. `target` is
// the tensor to write into, or None.
nb::object call_interpreter(PyOp* op, const Call& call, PyWrapped* top, PyObject* target) {
  Unwrapped inside = unwrap(call.slots, op->param_count, top->level);
  PyObject* arguments[] = {reinterpret_cast<PyObject*>(op), inside.values.ptr(), inside.marks.ptr(),
                           target};
  nb::object transform = nb::borrow(top->transform);
  PyObject* result = PyObject_Vectorcall(transform.ptr(), arguments, 4, nullptr);
  if (!result) throw nb::python_error();
  return nb::steal(result);
}

// The call one level below; `held` keeps its arguments alive.
Call call_below(const PyOp* op, const Call& call, int level, Unwrapped& held) {
  held = unwrap(call.slots, op->param_count, level);
  Call below;
  for (int i = 0; i < op->param_count; ++i) below.slots[i] = PyTuple_GET_ITEM(held.values.ptr(), i);
  return below;
}

// What is left of a graph's wrappers when its transform has ended stands for what is inside.
bool has_ended(const PyWrapped* top) {
  nb::object ended = nb::steal(PyObject_GetAttrString(top->transform, "ended"));
  return ended.ptr() == Py_True;
}

// The graph of a grad transform: the level below computes, this one records.
nb::object call_tracked(PyOp* op, const Call& call, PyWrapped* top) {
  nb::object alive = nb::borrow(reinterpret_cast<PyObject*>(top));
  const std::uint32_t needs = needs_at(op, call, top->level);
  Unwrapped held;
  nb::object value = call_op(op, call_below(op, call, top->level, held));
  if (!needs || has_ended(top)) return value;
  nb::object result = wrap_like(value, top);
  RecordingLevel at(top->level);
  PyNode* node = make_node(op, call.slots, needs, result.ptr(), nullptr);
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  attach(node, op, result.ptr());
  if (op->view && level_of(call.slots[0]) == top->level)
    for_each_output(result.ptr(), [&](PyObject* o, int) {
      mark_view(o, as_tensor(call.slots[0]), op->multi_output);
    });
  return result;
}

// A composite op without rules of its own: its parts are what a graph or a tangent needs. Null: it
// called a kernel after all.
nb::object call_body(const PyOp* op, const Call& call) {
  PyObject* result = PyObject_Vectorcall(op->forward, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
  if (result) return finish(op, nb::steal(result));
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw nb::python_error();
  PyErr_Clear();
  return {};
}

nb::object call_transformed(PyOp* op, const Call& call, PyWrapped* top) {
  if (op->composite && !op->rule_count && top->mark != Py_True)
    if (nb::object result = call_body(op, call)) return result;
  return top->tracked ? call_tracked(op, call, top) : call_interpreter(op, call, top, Py_None);
}

// ---- in-place ----

void raise_runtime(const std::string& text) {
  PyErr_SetString(error_class(ErrorKind::Runtime), text.c_str());
  throw nb::python_error();
}

void check_inplace(PyTensor* self, bool records) {
  if (self->inference && !grad_mode.inference) {
    if (records || grad_mode.enabled)
      raise_runtime(
          "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a "
          "clone to get a normal tensor before doing inplace update.");
    return;
  }
  if (!grad_mode.enabled) return;
  PyTensor* base = self->base ? as_tensor(self->base) : nullptr;
  const bool self_grad = self->requires_grad;
  if (self_grad && !self->grad_fn && !base)
    raise_runtime("a leaf Variable that requires grad is being used in an in-place operation.");
  if (!base || !(records || self_grad || base->requires_grad)) return;
  // A view that requires gradients itself is a leaf, though its base is a constant.
  if ((base->requires_grad || self_grad) && !base->grad_fn)
    raise_runtime(
        "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  refuse_view(self, "is being modified inplace");
}

// The view `self` now has a new value, computed by `node`: its base is the old base with that value
// scattered into the view's places.
void rebase(PyTensor* self) {
  PyTensor* base = as_tensor(self->base);
  if (seen_otherwise(self->t, base->t)) {
    nb::object written = nb::steal(
        PyObject_CallFunctionObjArgs(engine_ops.written_through, self->base, self, nullptr));
    if (!written) throw nb::python_error();
    PyTensor* w = as_tensor(written.ptr());
    return set_grad_fn(base, w->grad_fn, w->output_nr);
  }
  PyOp* scatter = as_op(engine_ops.as_strided_scatter);
  nb::object size = nb::steal(wrap_size(self->t.sizes()));
  nb::object stride = nb::steal(wrap_size(self->t.strides()));
  nb::object offset = nb::int_(self->t.offset());
  PyObject* slots[] = {reinterpret_cast<PyObject*>(base), reinterpret_cast<PyObject*>(self),
                       size.ptr(), stride.ptr(), offset.ptr()};
  const std::uint32_t needs = 2u | (base->requires_grad ? 1u : 0u);
  PyNode* node = make_node(scatter, slots, needs, reinterpret_cast<PyObject*>(base), nullptr);
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(node));
  set_grad_fn(base, owner.ptr(), 0);
}

// The operands of an elementwise operation are not partly where its result goes.
void check_operands(const PyOp* op, const Call& call, int first, const Tensor& target) {
  for (int i = first; i < op->native_arity; ++i) {
    if (!is_tensor(call.slots[i])) continue;
    const Tensor& operand = as_tensor(call.slots[i])->t;
    if (operand.storage() == target.storage()) [[unlikely]]
      check_overlap(target, operand, PyUnicode_AsUTF8(op->name));
  }
}

// Runs the in-place kernel: `call.slots[0]` holds what it had, and gets what the op makes of it.
void run_inplace(const PyOp* op, const Call& call, const Tensor& target) {
  check_operands(op, call, 1, target);
  if (run_native(op, call, &target)) return;
  if (op->writer) {
    NoGrad guard;
    PyObject* done = PyObject_Vectorcall(op->writer, call.slots,
                                         static_cast<std::size_t>(op->param_count), nullptr);
    if (!done) throw nb::python_error();
    Py_DECREF(done);
    return;
  }
  nb::object result;
  {
    NoGrad guard;
    PyObject* computed = call_forward(op, call);
    if (!computed) throw nb::python_error();
    result = nb::steal(computed);
  }
  if (!is_tensor(result.ptr()))
    raise_runtime(op_name(op) + "_: this operation has no in-place form");
  const Tensor& value = as_tensor(result.ptr())->t;
  FB_CHECK(value.sizes() == target.sizes(), Shape, op_name(op), "_: output with shape ",
           target.sizes(), " doesn't match the broadcast shape ", value.sizes());
  FB_CHECK(can_cast(value.dtype(), target.dtype()), DType, op_name(op), "_: result type ",
           dtype_name(value.dtype()), " can't be cast to the desired output type ",
           dtype_name(target.dtype()));
  copy_into(target, value);
}

// Kernels do not know conj and neg views: they change a resolved copy, which is then written back.
[[gnu::cold]] void run_inplace_resolved(const PyOp* op, const Call& call, const Tensor& target) {
  nb::object copy = nb::steal(wrap(resolved(target)));
  if (!copy) throw nb::python_error();
  Call on_copy;
  std::copy(call.slots, call.slots + op->param_count, on_copy.slots);
  on_copy.slots[0] = copy.ptr();
  run_inplace(op, on_copy, as_tensor(copy.ptr())->t);
  copy_into(target, as_tensor(copy.ptr())->t);
}

void announce_write(PyObject* target) {
  PyObject* done = PyObject_CallOneArg(engine_ops.on_write, target);
  if (!done) throw nb::python_error();
  Py_DECREF(done);
}

nb::object call_inplace(PyOp* op, Call& call) {
  if (!is_tensor(call.slots[0]))
    wrong_call(op_name(op) + "_(): argument 'input' (position 1) must be Tensor, not " +
               Py_TYPE(call.slots[0])->tp_name);
  PyTensor* self = as_tensor(call.slots[0]);
  PyWrapped* top = live_wrapped ? top_wrapped(call.slots, op->param_count) : nullptr;
  nb::object alive = nb::borrow(reinterpret_cast<PyObject*>(top));
  if (top && !top->tracked) {
    call_interpreter(op, call, top, call.slots[0]);
    return nb::borrow(call.slots[0]);
  }
  const int level = top ? top->level : 0;
  if (top) lift(call.slots[0], top);
  const std::uint32_t needs = needs_at(op, call, level);
  RecordingLevel at(level);
  check_inplace(self, needs != 0);
  const std::int64_t started = observed_from();
  if (engine_ops.on_write) announce_write(call.slots[0]);
  const Tensor target = self->t;
  // Rules may need the value that is about to be overwritten; make_node clones it then. A rule's
  // own result is what self holds afterwards.
  nb::object node_owner;
  PyNode* node = nullptr;
  if (needs) {
    node = make_node(op, call.slots, needs, nullptr, self);
    node_owner = nb::steal(reinterpret_cast<PyObject*>(node));
  }
  if (top) {
    RecordingLevel none(0);
    Unwrapped held;
    Call below = call_below(op, call, level, held);
    call_inplace(op, below);
  } else {
    if (target.is_lazy())
      run_inplace_resolved(op, call, target);
    else
      run_inplace(op, call, target);
    target.bump_version();
    note_writer(target);
  }
  if (node) {
    self->view_version = target.version();  // it is given the right node here
    move_retained(self, node);
    set_grad_fn(self, node_owner.ptr(), 0);
    for (Saved& saved : node->saved)
      if (saved.is_output && saved.value) saved.version = target.version();
    pack_saved(node);
    if (self->base) {
      rebase(self);
      self->view_version = target.version() - 1;  // whoever asks gets its part of the base
    }
  }
  if (engine_ops.observer) observe(op, call, call.slots[0], started, true);
  return nb::borrow(call.slots[0]);
}

// ---- out= ----

nb::object call_out(PyOp* op, const Call& call) {
  if (live_wrapped && (top_wrapped(call.slots, op->param_count) || top_wrapped(&call.out, 1)))
    raise_runtime(op_name(op) + "(): out= is not supported inside of function transforms");
  auto store = [&](PyObject* out, PyObject* value) {
    if (!is_tensor(out))
      wrong_call(op_name(op) + "(): argument 'out' must be Tensor, not " + Py_TYPE(out)->tp_name);
    PyTensor* o = as_tensor(out);
    const Tensor& v = as_tensor(value)->t;
    FB_CHECK(can_cast(v.dtype(), o->t.dtype()), DType, op_name(op), ": result type ",
             dtype_name(v.dtype()), " can't be cast to the desired output type ",
             dtype_name(o->t.dtype()));
    if (!(o->t.sizes() == v.sizes())) {
      if (o->t.numel() != 0) {
        std::ostringstream text;
        text << "An output with one or more elements was resized since it had shape "
             << o->t.sizes() << ", which does not match the required output shape " << v.sizes()
             << ". This behavior is deprecated.";
        if (PyErr_WarnEx(PyExc_UserWarning, text.str().c_str(), 1) < 0) throw nb::python_error();
      }
      Tensor resized = o->t;
      const std::size_t needed =
          static_cast<std::size_t>(v.numel() + o->t.offset()) * o->t.itemsize();
      if (resized.storage()->nbytes < needed) resized.storage()->resize(needed);
      o->t = resized.restride(v.sizes(), contiguous_strides(v.sizes()), resized.offset());
    }
    copy_into(o->t, v);
    o->t.bump_version();
    note_writer(o->t);
  };
  auto refuse_grad = [&](PyObject* o) {
    if (grad_mode.enabled && is_tensor(o) && (as_tensor(o)->requires_grad))
      raise_runtime(op_name(op) +
                    "(): functions with out=... arguments don't support automatic differentiation, "
                    "but one of the arguments requires grad.");
  };
  for (int i = 0; i < op->param_count; ++i) refuse_grad(call.slots[i]);
  refuse_grad(call.out);
  if (is_tensor(call.out)) {
    check_operands(op, call, 0, as_tensor(call.out)->t);
    nb::object value;
    {
      NoGrad guard;
      value = run_kernel(op, call);
    }
    if (!is_tensor(value.ptr()))
      wrong_call(op_name(op) + "(): argument 'out' must be a tuple of Tensors");
    store(call.out, value.ptr());
    return nb::borrow(call.out);
  }
  nb::object value;
  {
    NoGrad guard;
    value = run_kernel(op, call);
  }
  if (!PyTuple_Check(call.out) && !PyList_Check(call.out))
    wrong_call(op_name(op) + "(): argument 'out' must be Tensor, not " +
               Py_TYPE(call.out)->tp_name);
  nb::object outs = nb::steal(PySequence_Tuple(call.out));
  if (!PySequence_Check(value.ptr()) || is_tensor(value.ptr()) ||
      PySequence_Size(value.ptr()) != PyTuple_GET_SIZE(outs.ptr()))
    wrong_call(op_name(op) + "(): argument 'out' must have one Tensor per output");
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(outs.ptr()); ++k) {
    nb::object element = nb::steal(PySequence_GetItem(value.ptr(), k));
    store(PyTuple_GET_ITEM(outs.ptr(), k), element.ptr());
  }
  return finish(op, outs);
}

// ---- the callable ----

bool foreign_operand(const Call& call) {
  PyObject* other = call.slots[1];
  Scalar s;
  return !is_tensor(other) && !to_scalar(other, s);
}

// What an operator gives for a tensor and something that is none: mostly the other has to know.
PyObject* beside_foreign(const PyOp* variant, const PyOp* op, const Call& call) {
  check_width(call.slots[1]);
  if (!engine_ops.foreign || variant->inplace) return Py_NewRef(Py_NotImplemented);
  nb::object name =
      nb::steal(variant->reflected ? PyUnicode_FromFormat("r%U", op->name) : Py_NewRef(op->name));
  if (!name) return nullptr;
  return PyObject_CallFunctionObjArgs(engine_ops.foreign, name.ptr(), call.slots[0], call.slots[1],
                                      nullptr);
}

// The call of a variant that takes one argument per parameter.
void take_slots(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n) {
  if (n != op->param_count) wrong_call(op_name(op) + "(): expected one argument per parameter");
  for (int i = 0; i < op->param_count; ++i) call.slots[i] = args[i];
}

bool any_meta(PyObject* o) {
  if (is_tensor(o)) return as_tensor(o)->t.is_meta();
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
    if (any_meta(PySequence_Fast_GET_ITEM(o, k))) return true;
  return false;
}

// Beside a tensor on the device meta, one on the CPU may have no axes, or be indices.
void check_beside_meta(const PyOp* op, PyObject* o) {
  if (is_tensor(o)) {
    const Tensor& t = as_tensor(o)->t;
    const bool indices = !op->native_arity && is_integral(t.dtype(), true);
    FB_CHECK(t.is_meta() || t.ndim() == 0 || indices, Device, op_name(op),
             "(): Tensor on device cpu is not on the expected device meta!");
  } else if (PyTuple_Check(o) || PyList_Check(o)) {
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
      check_beside_meta(op, PySequence_Fast_GET_ITEM(o, k));
  }
}

// Forwards on tensors without values: what they create on the way has none either.
bool computes_shapes_only(const PyOp* op, const Call& call) {
  if (!meta_storages_exist.load(std::memory_order_relaxed)) return false;
  for (int i = 0; i < op->param_count; ++i) {
    if (!any_meta(call.slots[i])) continue;
    for (int k = 0; k < op->param_count && !op->mixes_devices; ++k)
      check_beside_meta(op, call.slots[k]);
    return true;
  }
  return false;
}

PyObject* checked_call(PyObject* self, PyObject* const* args, std::size_t flags,
                       PyObject* kwnames) {
  PyOp* variant = as_op(self);
  PyOp* op = variant->target ? variant->target : variant;
  FB_PY_TRY
  Call call;
  const Py_ssize_t n = PyVectorcall_NARGS(flags);
  if (variant->by_position)
    take_slots(op, call, args, n);
  else
    fill_slots(op, call, args, n, kwnames);
  if (variant->operator_form && op->param_count > 1 && foreign_operand(call))
    return beside_foreign(variant, op, call);
  if (variant->reflected) std::swap(call.slots[0], call.slots[1]);
  std::optional<ShapeOnly> shapes;
  if (computes_shapes_only(op, call)) shapes.emplace();
  if (variant->inplace) return call_inplace(op, call).release().ptr();
  if (call.out) return call_out(op, call).release().ptr();
  return call_op(op, call).release().ptr();
  FB_PY_CATCH(nullptr)
}

PyObject* op_call(PyObject* self, PyObject* const* args, std::size_t flags, PyObject* kwnames) {
  PyObject* result = checked_call(self, args, flags, kwnames);
  if (!result && PyErr_ExceptionMatches(PyExc_AttributeError)) [[unlikely]] {
    PyOp* op = as_op(self)->target ? as_op(self)->target : as_op(self);
    name_wrong_argument(op->name, op->params, op->positional_count, -1, args,
                        PyVectorcall_NARGS(flags), kwnames);
  }
  return result;
}

PyObject* op_descr_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

int op_traverse(PyObject* self, visitproc visit, void* arg) {
  PyOp* op = as_op(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(op->dict);
  Py_VISIT(op->forward);
  Py_VISIT(op->writer);
  Py_VISIT(op->result_type);
  Py_VISIT(op->synonyms);
  Py_VISIT(reinterpret_cast<PyObject*>(op->target));
  for (int k = 0; k < op->rule_count; ++k) {
    Py_VISIT(op->rules[k].function);
    Py_VISIT(op->rules[k].fast);
  }
  return 0;
}

int op_clear(PyObject* self) {
  PyOp* op = as_op(self);
  Py_CLEAR(op->dict);
  Py_CLEAR(op->forward);
  Py_CLEAR(op->writer);
  Py_CLEAR(op->result_type);
  Py_CLEAR(op->synonyms);
  Py_CLEAR(op->target);
  for (int k = 0; k < op->rule_count; ++k) {
    Py_CLEAR(op->rules[k].function);
    Py_CLEAR(op->rules[k].fast);
  }
  op->rule_count = 0;
  return 0;
}

void op_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  op_clear(self);
  PyOp* op = as_op(self);
  Py_CLEAR(op->name);
  Py_CLEAR(op->node_name.text);
  for (int k = 0; k < op->overload_count; ++k) {
    Py_CLEAR(op->overloads[k].name.text);
    for (NameTest& test : op->overloads[k].tests) Py_CLEAR(test.text);
  }
  delete[] op->overloads;
  Py_CLEAR(op->params);
  Py_CLEAR(op->defaults);
  delete[] op->rules;
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* op_repr(PyObject* self) { return PyUnicode_FromFormat("<op %U>", as_op(self)->name); }
PyObject* op_get_name(PyObject* self, void*) { return Py_NewRef(as_op(self)->name); }
PyObject* op_get_forward(PyObject* self, void*) { return Py_NewRef(as_op(self)->forward); }
PyObject* op_get_target(PyObject* self, void*) {
  PyOp* target = as_op(self)->target;
  return Py_NewRef(target ? reinterpret_cast<PyObject*>(target) : Py_None);
}

PyGetSetDef op_getset[] = {
    {"name", op_get_name, nullptr, nullptr, nullptr},
    {"forward", op_get_forward, nullptr, "The function below the recorder.", nullptr},
    {"target", op_get_target, nullptr, "The op this is a variant of, or None.", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {}};
PyMemberDef op_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyOp, dict), READONLY, nullptr},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOp, vectorcall), READONLY, nullptr},
    {}};
PyType_Slot op_slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                          {Py_tp_descr_get, reinterpret_cast<void*>(op_descr_get)},
                          {Py_tp_traverse, reinterpret_cast<void*>(op_traverse)},
                          {Py_tp_clear, reinterpret_cast<void*>(op_clear)},
                          {Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
                          {Py_tp_repr, reinterpret_cast<void*>(op_repr)},
                          {Py_tp_getset, op_getset},
                          {Py_tp_members, op_members},
                          {0, nullptr}};
PyType_Spec op_spec = {"flambeau._C.Op", sizeof(PyOp), 0,
                       Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                           Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                       op_slots};

PyOp* allocate_op() {
  PyObject* o = op_type->tp_alloc(op_type, 0);
  if (!o) throw nb::python_error();
  PyOp* op = as_op(o);
  op->vectorcall = op_call;
  return op;
}

// ---- registration (called by core/registry.py) ----

// The kernel of `arity` operands that computes what the op does.
void bind_native(PyOp* op, const char* name, int arity) {
  struct Family {
    int (*find)(const char*);
    int (*parameters)(int);
  };
  static constexpr Family families[] = {{find_unary, unary_parameters},
                                        {find_binary, binary_parameters},
                                        {find_ternary, ternary_parameters}};
  const Family& family = families[arity - 1];
  op->native = static_cast<Native>(arity);
  op->native_id = family.find(name);
  if (op->native_id < 0)
    throw nb::value_error((std::string("no elementwise kernel is called ") + name).c_str());
  op->native_params = family.parameters(op->native_id);
  if (arity + op->native_params > op->param_count)
    throw nb::value_error((std::string("too few parameters for the kernel ") + name).c_str());
}

nb::object make_op(nb::str name, nb::str backward_name, nb::object forward, nb::tuple params,
                   nb::tuple defaults, int positional_count, int list_param, int pack_from,
                   bool view, bool multi_output, bool grad_list, bool allow_out,
                   std::uint32_t differentiable_outputs, nb::object result_type, std::string native,
                   int native_arity, bool composite, bool mixes_devices) {
  if (nb::len(params) > max_params) throw nb::value_error("an op has too many parameters");
  PyOp* op = allocate_op();
  nb::object owner = nb::steal(reinterpret_cast<PyObject*>(op));
  op->name = name.release().ptr();
  op->node_name.text = backward_name.release().ptr();
  op->forward = forward.release().ptr();
  op->param_count = static_cast<int>(nb::len(params));
  op->params = params.release().ptr();
  op->defaults = defaults.release().ptr();
  op->positional_count = positional_count;
  op->list_param = list_param;
  op->pack_from = pack_from;
  op->view = view;
  op->multi_output = multi_output;
  op->grad_list = grad_list;
  op->allow_out = allow_out;
  op->differentiable_outputs = differentiable_outputs;
  op->result_type = result_type.is_none() ? nullptr : result_type.release().ptr();
  op->native_arity = native_arity;
  op->composite = composite && native.empty();
  op->mixes_devices = mixes_devices;
  if (!native.empty()) bind_native(op, native.c_str(), native_arity);
  return owner;
}

nb::object make_variant(nb::handle of, bool inplace, bool reflected, bool operator_form) {
  PyOp* target = as_op(of.ptr());
  PyOp* op = allocate_op();
  op->target = reinterpret_cast<PyOp*>(Py_NewRef(of.ptr()));
  op->name = inplace ? PyUnicode_FromFormat("%U_", target->name) : Py_NewRef(target->name);
  op->params = Py_NewRef(target->params);
  op->defaults = Py_NewRef(target->defaults);
  op->forward = Py_NewRef(target->forward);
  op->inplace = inplace;
  op->reflected = reflected;
  op->operator_form = operator_form;
  return nb::steal(reinterpret_cast<PyObject*>(op));
}

// The op (or its in-place form) called with one positional argument per parameter.
nb::object make_positional(nb::handle of, bool inplace) {
  nb::object made = make_variant(of, inplace, false, false);
  as_op(made.ptr())->by_position = true;
  return made;
}

void read_sources(PyOp* op, nb::list sources, SmallArray<Source, 6>& into) {
  into.allocate(static_cast<int>(nb::len(sources)));
  for (int k = 0; k < into.size(); ++k) {
    nb::tuple s = nb::cast<nb::tuple>(sources[static_cast<std::size_t>(k)]);
    into[k] = {static_cast<SourceKind>(nb::cast<int>(s[0])), nb::cast<int>(s[1]),
               nb::cast<int>(s[2])};
    op->saved_slots = std::max(op->saved_slots, into[k].slot + 1);
  }
}

// targets: parameter numbers; sources: (kind, index, saved slot) per parameter of the rule.
void add_rule(nb::handle handle, nb::list targets, nb::object function, nb::list sources) {
  PyOp* op = as_op(handle.ptr());
  auto* grown = new Rule[static_cast<std::size_t>(op->rule_count) + 1];
  for (int k = 0; k < op->rule_count; ++k) grown[k] = std::move(op->rules[k]);
  delete[] op->rules;
  op->rules = grown;
  Rule& rule = op->rules[op->rule_count++];
  for (nb::handle t : targets) rule.targets |= 1u << nb::cast<int>(t);
  rule.target_count = static_cast<int>(nb::len(targets));
  rule.function = function.release().ptr();
  read_sources(op, sources, rule.sources);
  op->differentiable |= rule.targets;
}

void add_fast_rule(nb::handle handle, nb::list targets, nb::object function, nb::list sources) {
  PyOp* op = as_op(handle.ptr());
  std::uint32_t mask = 0;
  for (nb::handle t : targets) mask |= 1u << nb::cast<int>(t);
  for (int k = 0; k < op->rule_count; ++k) {
    Rule& rule = op->rules[k];
    if (rule.targets != mask) continue;
    rule.fast = function.release().ptr();
    read_sources(op, sources, rule.fast_sources);
    return;
  }
  throw nb::value_error("fast_vjp: register the differentiable rule of the same inputs first");
}

}  // namespace

const char* spelling_of_numpy(PyObject* name) {
  struct Spelling {
    const char *numpy, *own;
  };
  static constexpr Spelling spellings[] = {{"axis", "dim"}, {"keepdims", "keepdim"},
                                           {"x", "input"},  {"a", "input"},
                                           {"x1", "input"}, {"x2", "other"}};
  for (const Spelling& s : spellings)
    if (PyUnicode_CompareWithASCIIString(name, s.numpy) == 0) return s.own;
  return nullptr;
}

void init_op(nb::module_& m) {
  op_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&op_spec));
  if (!op_type) throw nb::python_error();
  m.attr("Op") = nb::handle(reinterpret_cast<PyObject*>(op_type));
  required = PyObject_CallNoArgs(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
  m.attr("REQUIRED") = nb::handle(required);
  str_out = PyUnicode_InternFromString("out");
  m.def("make_op", make_op, nb::arg("name"), nb::arg("backward_name"), nb::arg("forward"),
        nb::arg("params"), nb::arg("defaults"), nb::arg("positional_count"), nb::arg("list_param"),
        nb::arg("pack_from"), nb::arg("view"), nb::arg("multi_output"), nb::arg("grad_list"),
        nb::arg("allow_out"), nb::arg("differentiable_outputs"), nb::arg("result_type").none(),
        nb::arg("native"), nb::arg("native_arity"), nb::arg("composite"), nb::arg("mixes_devices"));
  m.def("make_variant", make_variant);
  m.def("make_positional", make_positional);
  m.def("set_writer", [](nb::handle op, nb::object function) {
    as_op(op.ptr())->writer = function.release().ptr();
  });
  m.def("set_synonyms",
        [](nb::handle op, nb::dict names) { as_op(op.ptr())->synonyms = names.release().ptr(); });
  // x.t_() and the like: the object shows from now on what its view `made` shows.
  m.def("become", [](nb::handle target, nb::handle made) {
    PyTensor* t = checked_tensor(target);
    PyTensor* view = checked_tensor(made);
    check_inplace(t, view->grad_fn != nullptr);
    t->t = view->t;
    if (view->grad_fn) set_grad_fn(t, view->grad_fn, view->output_nr);
    t->t.bump_version();
    t->view_version = t->t.version();
  });
  m.def("rename_node", [](nb::handle node, nb::str name) {
    if (!is_node(node.ptr())) throw nb::type_error("rename_node: expected a node");
    rename_node(as_node(node.ptr()), name.ptr());
  });
  // The name of nodes for arguments that pass the tests: (parameter, condition, text) each.
  m.def("add_overload", [](nb::handle op, nb::str name, nb::list tests) {
    PyOp* target = as_op(op.ptr());
    if (!target->overloads) target->overloads = new Overload[max_overloads];
    add_overload(target, name.ptr(), std::move(tests));
  });
  m.def("add_rule", add_rule);
  m.def("add_fast_rule", add_fast_rule);
  m.def(
      "set_engine_op",
      [](std::string name, nb::object op) {
        struct Entry {
          const char* name;
          PyObject* EngineOps::* field;
        };
        static constexpr Entry entries[] = {{"add", &EngineOps::add},
                                            {"sum_to_size", &EngineOps::sum_to_size},
                                            {"cast_grad", &EngineOps::cast_grad},
                                            {"clone", &EngineOps::clone},
                                            {"as_strided", &EngineOps::as_strided},
                                            {"as_strided_scatter", &EngineOps::as_strided_scatter},
                                            {"seen_again", &EngineOps::seen_again},
                                            {"written_through", &EngineOps::written_through},
                                            {"getitem", &EngineOps::getitem},
                                            {"setitem", &EngineOps::setitem},
                                            {"on_record", &EngineOps::on_record},
                                            {"on_gradient", &EngineOps::on_gradient},
                                            {"observer", &EngineOps::observer},
                                            {"pack_saved", &EngineOps::pack_saved},
                                            {"recall", &EngineOps::recall},
                                            {"on_write", &EngineOps::on_write},
                                            {"foreign", &EngineOps::foreign},
                                            {"composite", &EngineOps::composite}};
        for (const Entry& e : entries)
          if (name == e.name) {
            PyObject* before = engine_ops.*e.field;
            engine_ops.*e.field = op.is_none() ? nullptr : op.release().ptr();
            Py_XDECREF(before);
            return;
          }
        throw nb::value_error(("unknown engine op " + name).c_str());
      },
      nb::arg("name"), nb::arg("op").none());
  m.def("result_type", [](nb::list operands) {
    std::vector<Argument> arguments;
    for (nb::handle o : operands) {
      Argument a{Scalar()};
      if (!to_argument(o.ptr(), a) && !a.tensor)
        wrong_call(std::string("result_type(): expected tensors and numbers, got ") +
                   Py_TYPE(o.ptr())->tp_name);
      arguments.push_back(a);
    }
    if (arguments.empty()) throw nb::value_error("result_type(): needs at least one operand");
    return result_type(arguments.data(), static_cast<int>(arguments.size()));
  });
}

}  // namespace fb::py
