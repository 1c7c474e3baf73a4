// flambeau._C.Op: the Python type of ops.
#include <Python.h>
#include <structmember.h>

#include "bind/op.h"

namespace fb::py {

PyTypeObject* op_type = nullptr;

namespace {

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

}  // namespace

PyOp* allocate_op() {
  PyObject* o = op_type->tp_alloc(op_type, 0);
  if (!o) throw nb::python_error();
  PyOp* op = as_op(o);
  op->vectorcall = op_call;
  return op;
}

void init_op_type(nb::module_& m) {
  op_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&op_spec));
  if (!op_type) throw nb::python_error();
  m.attr("Op") = nb::handle(reinterpret_cast<PyObject*>(op_type));
}

}  // namespace fb::py
