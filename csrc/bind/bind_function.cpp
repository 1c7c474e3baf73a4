// flambeau._C.Function: a public function written in Python, whose wrong arguments are named.
#include "bind/node.h"
#include "bind/op.h"
#include "bind/transform.h"

#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace fb::py {
namespace {

struct PyFunction {
  PyObject_HEAD PyObject* dict;
  PyObject* target;
  vectorcallfunc vectorcall;
  bool intercepted;  // flambeau.func takes the call while wrappers exist (random numbers, *_like)
};

PyTypeObject* function_type;
PyFunction* as_function(PyObject* o) { return reinterpret_cast<PyFunction*>(o); }

// What core/blame.py makes of a failed call: an exception or None. Null: it failed itself.
nb::object explained(PyObject* function, PyObject* names, Py_ssize_t positional, Py_ssize_t rest,
                     PyObject* const* args, Py_ssize_t n, PyObject* kwnames, PyObject* error) {
  const nb::object by_place = nb::steal(PyTuple_GetSlice(names, 0, positional));
  const nb::object given = nb::steal(PyTuple_New(n));
  const nb::object named = nb::steal(PyDict_New());
  if (!by_place || !given || !named) return {};
  for (Py_ssize_t k = 0; k < n; ++k) PyTuple_SET_ITEM(given.ptr(), k, Py_NewRef(args[k]));
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k)
    if (PyDict_SetItem(named.ptr(), PyTuple_GET_ITEM(kwnames, k), args[n + k])) return {};
  return nb::steal(PyObject_CallFunctionObjArgs(engine_ops.explain, function, by_place.ptr(),
                                                rest < 0 ? Py_None : PyTuple_GET_ITEM(names, rest),
                                                given.ptr(), named.ptr(), error, nullptr));
}

bool has_wrapper(PyObject* const* args, std::size_t flags) {
  return top_wrapped(args, static_cast<int>(PyVectorcall_NARGS(flags))) != nullptr;
}

// While wrappers of function transforms exist, flambeau.func calls the functions that it named, and
// those that failed because they gave a wrapper to a kernel.
PyObject* call_composite(PyObject* self, PyObject* const* args, std::size_t flags,
                         PyObject* kwnames) {
  PyErr_Clear();
  const Py_ssize_t n = PyVectorcall_NARGS(flags);
  FB_PY_TRY
  nb::object positional = nb::steal(PyTuple_New(n));
  for (Py_ssize_t k = 0; k < n; ++k) PyTuple_SET_ITEM(positional.ptr(), k, Py_NewRef(args[k]));
  nb::dict named;
  for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k)
    named[nb::handle(PyTuple_GET_ITEM(kwnames, k))] = nb::handle(args[n + k]);
  return PyObject_CallFunctionObjArgs(engine_ops.composite, self, positional.ptr(), named.ptr(),
                                      nullptr);
  FB_PY_CATCH(nullptr)
}

bool is_parameter(const PyCodeObject* code, PyObject* names, PyObject* name) {
  for (int k = 0; k < code->co_argcount + code->co_kwonlyargcount; ++k)
    if (PyUnicode_Compare(PyTuple_GET_ITEM(names, k), name) == 0) return true;
  return false;
}

// The keywords of a call, those in NumPy's spelling in the function's own. Null: none are.
nb::object respelled(PyObject* target, PyObject* kwnames) {
  auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(target));
  if (code->co_flags & CO_VARKEYWORDS) return {};
  const nb::object names = nb::steal(PyCode_GetVarnames(code));
  const Py_ssize_t n = PyTuple_GET_SIZE(kwnames);
  nb::object made = nb::steal(PyTuple_New(n));
  if (!names || !made) throw nb::python_error();
  bool changed = false;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    const char* own = is_parameter(code, names.ptr(), name) ? nullptr : spelling_of_numpy(name);
    PyObject* taken = own ? PyUnicode_InternFromString(own) : Py_NewRef(name);
    if (!taken) throw nb::python_error();
    PyTuple_SET_ITEM(made.ptr(), k, taken);
    changed |= own && is_parameter(code, names.ptr(), taken);
  }
  return changed ? made : nb::object();
}

// A call that failed with a TypeError, in the function's own spelling, where it was in NumPy's;
// else null, with the error that was.
PyObject* call_respelled(PyObject* self, PyObject* const* args, std::size_t flags,
                         PyObject* kwnames) {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  FB_PY_TRY
  const nb::object own = respelled(as_function(self)->target, kwnames);
  if (!own) {
    PyErr_Restore(type, value, trace);
    return nullptr;
  }
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return PyObject_Vectorcall(self, args, flags, own.ptr());
  FB_PY_CATCH(nullptr)
}

// Replaces the error that was by what core/blame.py makes of it.
void explain_error(PyObject* function, PyObject* names, Py_ssize_t positional, Py_ssize_t rest,
                   PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  if (!engine_ops.explain) return;
  if (live_wrapped && top_wrapped(args, static_cast<int>(n))) return;  // a transform will catch it
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  nb::object made = explained(function, names, positional, rest, args, n, kwnames, value);
  if (!made) PyErr_Clear();
  if (!made || made.is_none()) {
    PyErr_Restore(type, value, trace);
    return;
  }
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
}

// The same for a function written in Python, whose code has the names.
void explain_failure(PyObject* function, PyObject* target, PyObject* const* args, Py_ssize_t n,
                     PyObject* kwnames) {
  PyCodeObject* code = reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(target));
  PyObject* names = PyCode_GetVarnames(code);
  if (!names) return;
  const Py_ssize_t rest =
      code->co_flags & CO_VARARGS ? code->co_argcount + code->co_kwonlyargcount : -1;
  explain_error(function, names, code->co_argcount, rest, args, n, kwnames);
  Py_DECREF(names);
}

bool is_of_wrong_argument() {
  return PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_AttributeError) ||
         PyErr_ExceptionMatches(PyExc_OverflowError);
}

// What a function says of sizes that are missing is of no use: false, with a plainer error set.
bool blame_uninitialized(PyObject* target, PyObject* const* args, std::size_t flags) {
  FB_PY_TRY
  nb::object name = nb::borrow(reinterpret_cast<PyFunctionObject*>(target)->func_name);
  nb::python_error failure;
  refuse_uninitialized(PyUnicode_AsUTF8(name.ptr()), args, PyVectorcall_NARGS(flags));
  failure.restore();
  return true;
  FB_PY_CATCH(false)
}

PyObject* function_call(PyObject* self, PyObject* const* args, std::size_t flags,
                        PyObject* kwnames) {
  PyObject* target = as_function(self)->target;
  if (live_wrapped && as_function(self)->intercepted) [[unlikely]]
    return call_composite(self, args, flags, kwnames);
  PyObject* result = PyObject_Vectorcall(target, args, flags, kwnames);
  if (result) return result;
  if (uninitialized_type && !blame_uninitialized(target, args, flags)) [[unlikely]]
    return nullptr;
  if (kwnames && PyErr_ExceptionMatches(PyExc_TypeError)) {
    result = call_respelled(self, args, flags, kwnames);
    if (result || !PyErr_ExceptionMatches(PyExc_TypeError)) return result;
  }
  if (live_wrapped && PyErr_ExceptionMatches(PyExc_TypeError) && has_wrapper(args, flags))
    return call_composite(self, args, flags, kwnames);
  if (is_of_wrong_argument())
    explain_failure(reinterpret_cast<PyFunctionObject*>(target)->func_name, target, args,
                    PyVectorcall_NARGS(flags), kwnames);
  return nullptr;
}

// A constructor: explained whatever went wrong, by the class and what it was given.
PyObject* constructor_call(PyObject* self, PyObject* const* args, std::size_t flags,
                           PyObject* kwnames) {
  PyObject* target = as_function(self)->target;
  PyObject* result = PyObject_Vectorcall(target, args, flags, kwnames);
  if (result || !PyErr_ExceptionMatches(PyExc_Exception)) return result;
  explain_failure(self, target, args, PyVectorcall_NARGS(flags), kwnames);
  return nullptr;
}

PyObject* function_descr_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

int function_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_function(self)->dict);
  Py_VISIT(as_function(self)->target);
  return 0;
}

int function_clear(PyObject* self) {
  Py_CLEAR(as_function(self)->dict);
  Py_CLEAR(as_function(self)->target);
  return 0;
}

void function_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  function_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* function_repr(PyObject* self) { return PyObject_Repr(as_function(self)->target); }

// Pickled and copied as its name, like any function.
PyObject* function_reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttrString(self, "__qualname__");
}

PyMethodDef function_methods[] = {{"__reduce__", function_reduce, METH_NOARGS, nullptr}, {}};
PyGetSetDef function_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
PyMemberDef function_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyFunction, dict), READONLY, nullptr},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyFunction, vectorcall), READONLY, nullptr},
    {}};
PyType_Slot function_slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_descr_get, reinterpret_cast<void*>(function_descr_get)},
                                {Py_tp_traverse, reinterpret_cast<void*>(function_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(function_clear)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(function_dealloc)},
                                {Py_tp_repr, reinterpret_cast<void*>(function_repr)},
                                {Py_tp_methods, function_methods},
                                {Py_tp_getset, function_getset},
                                {Py_tp_members, function_members},
                                {0, nullptr}};
PyType_Spec function_spec = {"flambeau._C.Function", sizeof(PyFunction), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                 Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             function_slots};

nb::object make(nb::object target, vectorcallfunc call) {
  if (!PyFunction_Check(target.ptr()))
    throw nb::type_error("make_function: expected a function written in Python");
  PyObject* made = function_type->tp_alloc(function_type, 0);
  if (!made) throw nb::python_error();
  as_function(made)->vectorcall = call;
  as_function(made)->target = target.release().ptr();
  return nb::steal(made);
}

}  // namespace

void explain_failed_call(PyObject* function, PyObject* names, Py_ssize_t positional,
                         Py_ssize_t rest, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  if (is_of_wrong_argument()) explain_error(function, names, positional, rest, args, n, kwnames);
}

void bind_function(nb::module_& m) {
  function_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&function_spec));
  if (!function_type) throw nb::python_error();
  m.attr("Function") = nb::handle(reinterpret_cast<PyObject*>(function_type));
  m.def(
      "make_function", [](nb::object target) { return make(std::move(target), function_call); },
      nb::arg("target"));
  m.def(
      "make_constructor",
      [](nb::object target) { return make(std::move(target), constructor_call); },
      nb::arg("target"));
  m.def("mark_intercepted",
        [](nb::handle function) { as_function(function.ptr())->intercepted = true; });
}

}  // namespace fb::py
