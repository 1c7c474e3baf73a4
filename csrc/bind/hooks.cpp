#include "bind/hooks.h"

#include <Python.h>

#include <string>

namespace fb::py {

namespace {

std::string hook_name(PyObject* hook) {
  nb::object name = nb::steal(PyObject_GetAttrString(hook, "__name__"));
  if (name && PyUnicode_Check(name.ptr())) return PyUnicode_AsUTF8(name.ptr());
  PyErr_Clear();
  return Py_TYPE(hook)->tp_name;
}

// What a hook gave must fit the gradient it replaces.
void check_replacement(PyObject* hook, PyObject* given, PyObject* replaced) {
  if (!is_tensor(replaced))
    raise_type(std::string("expected Variable, but hook returned '") + Py_TYPE(replaced)->tp_name +
               "'");
  const Tensor& before = as_tensor(given)->t;
  const Tensor& after = as_tensor(replaced)->t;
  FB_CHECK(before.dtype() == after.dtype(), Runtime, "hook '", hook_name(hook),
           "' has changed the type of value (was ", dtype_name(before.dtype()), " got ",
           dtype_name(after.dtype()), ")");
  FB_CHECK(before.sizes() == after.sizes(), Runtime, "hook '", hook_name(hook),
           "' has changed the size of value: from ", before.sizes(), " to ", after.sizes());
}

void replace_from(std::vector<nb::object>& values, PyObject* hook, PyObject* result) {
  if (result == Py_None) return;
  if (!PyTuple_Check(result))
    raise_type(std::string("expected tuple, but hook returned '") + Py_TYPE(result)->tp_name + "'");
  FB_CHECK(static_cast<std::size_t>(PyTuple_GET_SIZE(result)) == values.size(), Runtime, "hook '",
           hook_name(hook), "' has returned an incorrect number of values (got ",
           PyTuple_GET_SIZE(result), ", but expected ", values.size(), ")");
  for (std::size_t k = 0; k < values.size(); ++k) {
    PyObject* g = PyTuple_GET_ITEM(result, static_cast<Py_ssize_t>(k));
    if (g == Py_None) {
      values[k] = nb::object();
      continue;
    }
    FB_CHECK(values[k], Runtime, "can't replace a None gradient with a non-None value");
    check_replacement(hook, values[k].ptr(), g);
    values[k] = nb::borrow(g);
  }
}

// Calls f with each hook of {id: hook}; hooks may come and go meanwhile.
template <class F>
void for_each_hook(PyObject* hooks, F&& f) {
  nb::object list = nb::steal(PyDict_Values(hooks));
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.ptr()); ++k) f(PyList_GET_ITEM(list.ptr(), k));
}

}  // namespace

nb::object gradient_tuple(const std::vector<nb::object>& values) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(values.size())));
  for (std::size_t k = 0; k < values.size(); ++k)
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(k),
                     Py_NewRef(values[k] ? values[k].ptr() : Py_None));
  return tuple;
}

nb::object run_hooks(PyObject* hooks, nb::object g) {
  for_each_hook(hooks, [&](PyObject* hook) {
    nb::object replaced = call(hook, {g.ptr()});
    if (replaced.is_none()) return;
    check_replacement(hook, g.ptr(), replaced.ptr());
    g = std::move(replaced);
  });
  return g;
}

void run_accumulate_hooks(PyObject* leaf) {
  for_each_hook(as_tensor(leaf)->accumulate_hooks, [&](PyObject* hook) { call(hook, {leaf}); });
}

void run_prehooks(PyNode* node, std::vector<nb::object>& incoming) {
  for_each_hook(node->prehooks, [&](PyObject* hook) {
    nb::object result = call(hook, {gradient_tuple(incoming).ptr()});
    replace_from(incoming, hook, result.ptr());
  });
}

void run_posthooks(PyNode* node, std::vector<nb::object>& outgoing,
                   const std::vector<nb::object>& incoming) {
  for_each_hook(node->posthooks, [&](PyObject* hook) {
    nb::object result =
        call(hook, {gradient_tuple(outgoing).ptr(), gradient_tuple(incoming).ptr()});
    replace_from(outgoing, hook, result.ptr());
  });
}

void run_tensor_hooks(PyNode* node, std::vector<nb::object>& incoming) {
  for (std::size_t k = 0; k < incoming.size(); ++k) {
    if (!incoming[k]) continue;
    nb::object key = nb::int_(k);
    if (node->tensor_hooks)
      if (PyObject* hooks = PyDict_GetItem(node->tensor_hooks, key.ptr()))
        incoming[k] = run_hooks(hooks, std::move(incoming[k]));
    if (node->retained)
      if (PyObject* reference = PyDict_GetItem(node->retained, key.ptr())) {
        PyObject* tensor = PyWeakref_GetObject(reference);  // borrowed
        if (tensor && tensor != Py_None && is_tensor(tensor)) {
          PyTensor* t = as_tensor(tensor);
          PyObject* before = t->grad;
          if (before) {
            t->grad = call(engine_ops.add, {before, incoming[k].ptr()}).release().ptr();
            Py_DECREF(before);
          } else {
            t->grad = call(engine_ops.clone, {incoming[k].ptr()}).release().ptr();
          }
        }
      }
  }
}

}  // namespace fb::py
