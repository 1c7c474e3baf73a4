// Arguments that are not one object per parameter, in order: keywords, varargs, old forms; and what
// is said of wrong ones.
#include <Python.h>

#include <cstring>

#include "bind/op.h"

namespace fb::py {

PyObject* required;

namespace {

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

// Raises for integers that no dtype holds.
void check_width(PyObject* o) {
  Scalar s;
  if (!PyLong_Check(o) || to_scalar(o, s)) return;
  PyErr_SetString(PyExc_OverflowError, "int too big to convert");
  throw nb::python_error();
}

void warn_of_older_order(const PyOp* op, const std::string& keywords) {
  const std::string text = "This overload of " + op_name(op) +
                           " is deprecated: pass the number behind the tensors, as " + keywords;
  notify(text, true);
}

// torch.addmm(2, x, 3, y, z) for torch.addmm(x, y, z, beta=2, alpha=3), where the 3 may be left
// out; as methods x.addmm(2, 3, y, z) and x.addmm(2, y, z). False: the arguments are not of that
// form.
bool fill_factors_first(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n) {
  const int count = op->positional_count;  // of the tensors
  if (op->param_count != count + 2 || count < 2 || n > op->param_count) return false;
  if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(op->params, count), "beta")) return false;
  if (!is_tensor(args[0]) && !is_tensor(args[1])) return false;
  int tensors = 0, numbers = 0;
  for (Py_ssize_t i = 0; i < n; ++i) {
    Scalar s;
    if (is_tensor(args[i]) && tensors < count)
      call.slots[tensors++] = args[i];
    else if (numbers < 2 && i < 2 + numbers && to_scalar(args[i], s))
      call.slots[count + numbers++] = args[i];
    else
      return false;
  }
  if (tensors < count) return false;
  if (numbers < 2) call.slots[count + 1] = PyTuple_GET_ITEM(op->defaults, count + 1);
  warn_of_older_order(op, "beta= and alpha=");
  return true;
}

[[noreturn]] void not_a_tensor(const PyOp* op, int param, PyObject* given) {
  check_width(given);
  raise_type(op_name(op) + "(): argument '" +
             PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, param)) + "' (position " +
             std::to_string(param + 1) + ") must be Tensor, not " + Py_TYPE(given)->tp_name);
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

// torch's old order, x.add(2, y) for x.add(y, alpha=2): what is keyword-only now came second.
// False: the arguments are not of that form.
bool fill_factor_first(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n,
                       PyObject* kwnames) {
  if (kwnames && PyTuple_GET_SIZE(kwnames)) return false;
  if (fill_factors_first(op, call, args, n)) return true;
  const int factor = op->positional_count;
  if (op->param_count != factor + 1 || n != op->param_count || factor < 2) return false;
  const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, factor));
  Scalar s;
  if ((std::strcmp(name, "alpha") && std::strcmp(name, "value")) || is_tensor(args[1]) ||
      !to_scalar(args[1], s) || !is_tensor(args[n - 1]))
    return false;
  warn_of_older_order(op, std::string(name) + "=");
  call.slots[0] = args[0];
  for (int i = 1; i < factor; ++i) call.slots[i] = args[i + 1];
  call.slots[factor] = args[1];
  return true;
}

Py_ssize_t pack_integers(const PyOp* op, Call& call, PyObject* const* args, Py_ssize_t n) {
  PyObject* tuple = PyTuple_New(n - op->pack_from);
  if (!tuple) throw nb::python_error();
  for (Py_ssize_t i = op->pack_from; i < n; ++i)
    PyTuple_SET_ITEM(tuple, i - op->pack_from, Py_NewRef(args[i]));
  call.packed = nb::steal(tuple);
  return op->pack_from + 1;
}

void fill_keywords(const PyOp* op, Call& call, Py_ssize_t given, PyObject* const* values,
                   PyObject* kwnames) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    const int at = parameter_index(op, name);
    if (at < 0) {
      if (op->allow_out && PyUnicode_CompareWithASCIIString(name, "out") == 0) {
        if (values[k] != Py_None) call.out = values[k];
        continue;
      }
      raise_type(op_name(op) + "(): got an unexpected keyword argument '" + PyUnicode_AsUTF8(name) +
                 "'");
    }
    if (at < given)
      raise_type(op_name(op) + "(): got multiple values for argument '" + PyUnicode_AsUTF8(name) +
                 "'");
    call.slots[at] = values[k];
  }
}

void too_many_arguments(const PyOp* op, PyObject* const* args, Py_ssize_t n) {
  if (op->pack_from >= 0 && !PySequence_Check(args[op->pack_from]))
    raise_type(op_name(op) + "(): argument '" +
               PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, op->pack_from)) +
               "' must be tuple of ints, but found element of type " +
               Py_TYPE(args[op->pack_from])->tp_name + " at pos 0");
  raise_type(op_name(op) + "(): takes " + std::to_string(op->positional_count) +
             " positional arguments but " + std::to_string(n) + " were given");
}

void missing_argument(const PyOp* op, int param) {
  raise_type(op_name(op) + "(): missing required argument '" +
             PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, param)) + "' (pos " +
             std::to_string(param + 1) + ")");
}

PyObject* beside_foreign(const PyOp* variant, const PyOp* op, const Call& call) {
  check_width(call.slots[1]);
  if (!engine_ops.foreign || variant->inplace) return Py_NewRef(Py_NotImplemented);
  nb::object name =
      nb::steal(variant->reflected ? PyUnicode_FromFormat("r%U", op->name) : Py_NewRef(op->name));
  if (!name) return nullptr;
  return PyObject_CallFunctionObjArgs(engine_ops.foreign, name.ptr(), call.slots[0], call.slots[1],
                                      nullptr);
}

// A tensor's rows are not taken for a list of tensors: forgetting the brackets is a mistake.
void check_list(const PyOp* op, const Call& call) {
  if (is_tensor(call.slots[op->list_param]))
    raise_type(op_name(op) + "(): argument '" +
               PyUnicode_AsUTF8(PyTuple_GET_ITEM(op->params, op->list_param)) + "' (position " +
               std::to_string(op->list_param + 1) + ") must be tuple of Tensors, not Tensor");
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

}  // namespace fb::py
