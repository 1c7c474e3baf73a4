// What graph nodes are called: programs print and compare `grad_fn.name()` and the node's type, and
// torch names both after the overload of the operation that recorded the node.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string>
#include <string_view>

#include "bind/node.h"

namespace fb::py {

namespace {

bool is_given(const PyOp* op, const NameTest& test, PyObject* value) {
  return value != Py_None && value != PyTuple_GET_ITEM(op->defaults, test.param);
}

bool reads_as(PyObject* value, PyObject* text) {
  nb::object shown = nb::steal(PyObject_Str(value));
  if (!shown) throw nb::python_error();
  return PyUnicode_Compare(shown.ptr(), text) == 0;
}

bool shares_memory(PyObject* value, PyObject* result) {
  return !result || !is_tensor(result) || !is_tensor(value) ||
         as_tensor(result)->t.storage() == as_tensor(value)->t.storage();
}

bool holds(const PyOp* op, const NameTest& test, PyObject* value, PyObject* result) {
  switch (test.kind) {
    case NameTest::Kind::Given:
      return is_given(op, test, value);
    case NameTest::Kind::Missing:
      return !is_given(op, test, value);
    case NameTest::Kind::Number:
      return value != Py_None && !is_tensor(value);
    case NameTest::Kind::Tensor:
      return is_tensor(value);
    case NameTest::Kind::Vector:
      return is_tensor(value) && as_tensor(value)->t.ndim() == 1;
    case NameTest::Kind::Matrix:
      return is_tensor(value) && as_tensor(value)->t.ndim() == 2;
    case NameTest::Kind::Image:
      return is_tensor(value) && as_tensor(value)->t.ndim() == 4;
    case NameTest::Kind::Wanted:
      return is_tensor(value) && as_tensor(value)->requires_grad;
    case NameTest::Kind::Gapped:
      return is_tensor(value) && !as_tensor(value)->t.is_contiguous();
    case NameTest::Kind::Copied:
      return !shares_memory(value, result);
    case NameTest::Kind::Equals:
      return reads_as(value, test.text);
  }
  return false;
}

PyTypeObject* make_node_type(PyObject* name) {
  std::string_view full = PyUnicode_AsUTF8(name);
  const std::size_t colons = full.rfind("::");
  if (colons != full.npos) full.remove_prefix(colons + 2);
  // Made as Python's `class` makes types: a PyType_Spec would need a module, which reprs then show.
  PyObject* made = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s#(O){s(),ss}",
                                         full.data(), static_cast<Py_ssize_t>(full.size()),
                                         reinterpret_cast<PyObject*>(node_type), "__slots__",
                                         "__module__", "builtins");
  if (!made) throw nb::python_error();
  auto* type = reinterpret_cast<PyTypeObject*>(made);
  type->tp_dealloc = node_dealloc;
  type->tp_traverse = node_type->tp_traverse;
  type->tp_clear = node_type->tp_clear;
  return type;
}

NameTest::Kind kind_named(std::string_view word) {
  static constexpr std::string_view words[] = {"given",  "missing", "number", "tensor",
                                               "vector", "matrix",  "image",  "wanted",
                                               "gapped", "copied",  "="};
  for (int k = 0; k < 11; ++k)
    if (words[k] == word) return static_cast<NameTest::Kind>(k);
  throw nb::value_error(("unknown condition " + std::string(word)).c_str());
}

}  // namespace

PyTypeObject* node_type_named(PyObject* name) {
  static PyObject* known = PyDict_New();  // {name: type}, for the whole process
  if (PyObject* found = PyDict_GetItemWithError(known, name))
    return reinterpret_cast<PyTypeObject*>(found);
  PyTypeObject* made = make_node_type(name);
  const int failed = PyDict_SetItem(known, name, reinterpret_cast<PyObject*>(made));
  Py_DECREF(made);
  if (failed) throw nb::python_error();
  return made;
}

void rename_node(PyNode* node, PyObject* name) {
  PyTypeObject* type = node_type_named(name);  // of the same layout as every node's
  Py_SETREF(node->name, Py_NewRef(name));
  PyTypeObject* before = Py_TYPE(reinterpret_cast<PyObject*>(node));
  Py_SET_TYPE(reinterpret_cast<PyObject*>(node),
              reinterpret_cast<PyTypeObject*>(Py_NewRef(reinterpret_cast<PyObject*>(type))));
  Py_DECREF(before);
}

NodeName& choose_name(PyOp* op, PyObject* const* slots, PyObject* result) {
  for (int k = 0; k < op->overload_count; ++k) {
    Overload& overload = op->overloads[k];
    bool chosen = true;
    for (int t = 0; chosen && t < overload.test_count; ++t)
      chosen = holds(op, overload.tests[t], slots[overload.tests[t].param], result);
    if (chosen) return overload.name;
  }
  return op->node_name;
}

void add_overload(PyOp* op, PyObject* name, nb::list tests) {
  if (op->overload_count == max_overloads || nb::len(tests) > 2)
    throw nb::value_error("an op has too many overloads, or one too many conditions");
  Overload overload;  // the op's own once all of it is understood
  for (nb::handle item : tests) {
    nb::tuple parts = nb::cast<nb::tuple>(item);
    NameTest& test = overload.tests[overload.test_count++];
    test.param = nb::cast<int>(parts[0]);
    test.kind = kind_named(PyUnicode_AsUTF8(nb::object(parts[1]).ptr()));
    test.text = nb::object(parts[2]).release().ptr();
  }
  overload.name.text = Py_NewRef(name);
  op->overloads[op->overload_count++] = overload;
}

}  // namespace fb::py
