// flambeau.dtype: one object per element type.
#include "bind/pytensor.h"

namespace fb::py {
namespace {

struct PyDType {
  PyObject_HEAD DType dtype;
};

PyObject* objects[num_dtypes];
PyTypeObject* dtype_type;

DType value(PyObject* self) { return reinterpret_cast<PyDType*>(self)->dtype; }

PyObject* dtype_repr(PyObject* self) {
  return PyUnicode_FromFormat("torch.%s", dtype_name(value(self)));
}
PyObject* get_name(PyObject* self, void*) { return PyUnicode_FromString(dtype_name(value(self))); }
PyObject* get_itemsize(PyObject* self, void*) { return PyLong_FromSize_t(itemsize(value(self))); }
PyObject* get_is_floating(PyObject* self, void*) {
  return PyBool_FromLong(is_floating(value(self)));
}
PyObject* get_is_complex(PyObject* self, void*) { return PyBool_FromLong(is_complex(value(self))); }
PyObject* get_is_signed(PyObject* self, void*) { return PyBool_FromLong(is_signed(value(self))); }
PyObject* get_number(PyObject* self, void*) {
  return PyLong_FromLong(static_cast<int>(value(self)));
}
PyObject* to_real(PyObject* self, PyObject*) {
  return Py_NewRef(objects[static_cast<int>(real_dtype(value(self)))]);
}
PyObject* to_complex(PyObject* self, PyObject*) {
  const DType d = value(self);
  if (!is_differentiable(d)) {
    PyErr_Format(PyExc_RuntimeError, "Unknown Complex ScalarType for %s", dtype_name(d));
    return nullptr;
  }
  return Py_NewRef(objects[static_cast<int>(is_complex(d) ? d : complex_dtype(d))]);
}
// Pickled by name, so that copies are the same object again.
PyObject* dtype_reduce(PyObject* self, PyObject*) {
  PyObject* module = PyImport_ImportModule("flambeau.core.dtype");
  if (!module) return nullptr;
  PyObject* lookup = PyObject_GetAttrString(module, "_dtype_by_name");
  Py_DECREF(module);
  return lookup ? Py_BuildValue("N(s)", lookup, dtype_name(value(self))) : nullptr;
}
PyObject* dtype_copy(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyGetSetDef getset[] = {{"name", get_name, nullptr, nullptr, nullptr},
                        {"itemsize", get_itemsize, nullptr, "bytes of one element", nullptr},
                        {"is_floating_point", get_is_floating, nullptr, nullptr, nullptr},
                        {"is_complex", get_is_complex, nullptr, nullptr, nullptr},
                        {"is_signed", get_is_signed, nullptr, nullptr, nullptr},
                        {"_number", get_number, nullptr, nullptr, nullptr},
                        {}};
PyMethodDef methods[] = {{"to_real", to_real, METH_NOARGS, nullptr},
                         {"to_complex", to_complex, METH_NOARGS, nullptr},
                         {"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
                         {"__copy__", dtype_copy, METH_NOARGS, nullptr},
                         {"__deepcopy__", dtype_copy, METH_O, nullptr},
                         {}};
constexpr const char* dtype_doc = R"(The type of a tensor's elements.

Example:
    >>> flambeau.tensor([1.5]).dtype, isinstance(flambeau.int64, flambeau.dtype)
    (torch.float32, True)
)";
PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(dtype_repr)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_tp_doc, const_cast<char*>(dtype_doc)},
                       {0, nullptr}};
PyType_Spec spec = {"flambeau._C.dtype", sizeof(PyDType), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

PyObject* dtype_object(DType dtype) { return objects[static_cast<int>(dtype)]; }

bool to_dtype(PyObject* o, DType& out) {
  if (Py_TYPE(o) != dtype_type) return false;
  out = value(o);
  return true;
}

void init_dtype(nb::module_& m) {
  dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!dtype_type) throw nb::python_error();
  m.attr("dtype") = nb::handle(reinterpret_cast<PyObject*>(dtype_type));
  for (int k = 0; k < num_dtypes; ++k) {
    auto* o = PyObject_New(PyDType, dtype_type);
    if (!o) throw nb::python_error();
    o->dtype = static_cast<DType>(k);
    objects[k] = reinterpret_cast<PyObject*>(o);
    m.attr(dtype_name(o->dtype)) = nb::handle(objects[k]);
  }
}

}  // namespace fb::py
