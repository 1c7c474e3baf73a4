#include "bind/pytensor.h"

#include <new>

#include "bind/node.h"
#include "bind/subscript.h"
#include "bind/transform.h"
#include "kernels/copy.h"

namespace fb::py {

thread_local GradMode grad_mode;
PyTypeObject* tensor_base_type = nullptr;
PyTypeObject* tensor_type = nullptr;
PyTypeObject* size_type = nullptr;

namespace {

PyObject* error_classes = nullptr;   // tuple by ErrorKind
PyObject* device_objects = nullptr;  // callable (type, index) -> flambeau.device
PyObject* cpu_device = nullptr;
PyObject* meta_device = nullptr;

}  // namespace

void notify(const std::string& text, bool once) {
  if (!engine_ops.notify) return;
  nb::str words(text.c_str());
  nb::object done = nb::steal(PyObject_CallFunctionObjArgs(engine_ops.notify, words.ptr(),
                                                           once ? Py_True : Py_False, nullptr));
  if (!done) throw nb::python_error();
}

void warn_of_lost_history(PyTensor* t) {
  if (!grad_mode.enabled || !(t->requires_grad || current_grad_fn(t))) return;
  notify(
      "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
      "Consider using tensor.detach() first.",
      true);
}

PyObject* device_object(Device device) {
  if (device.type == DeviceType::CPU) return Py_NewRef(cpu_device ? cpu_device : Py_None);
  if (device.type == DeviceType::Meta) return Py_NewRef(meta_device);
  return PyObject_CallFunction(device_objects, "si", "cuda", static_cast<int>(device.index));
}

namespace {

// ---- life ----

PyObject* allocate(PyTypeObject* type) {
  PyObject* o = type->tp_alloc(type, 0);  // zeroed
  if (o) new (&as_tensor(o)->t) Tensor();
  return o;
}

// Constructors are Python's (core/tensor.py); an object made without them is an empty tensor.
PyObject* tensor_new(PyTypeObject* type, PyObject*, PyObject*) {
  FB_PY_TRY
  return wrap(empty({0}, default_dtype()), type);
  FB_PY_CATCH(nullptr)
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  PyTensor* t = as_tensor(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(t->grad_fn);
  Py_VISIT(t->grad);
  Py_VISIT(t->hooks);
  Py_VISIT(t->accumulate_hooks);
  Py_VISIT(t->base);
  Py_VISIT(t->wrapped);
  return 0;
}

int tensor_clear(PyObject* self) {
  PyTensor* t = as_tensor(self);
  Py_CLEAR(t->grad_fn);
  Py_CLEAR(t->grad);
  Py_CLEAR(t->hooks);
  Py_CLEAR(t->accumulate_hooks);
  Py_CLEAR(t->base);
  Py_CLEAR(t->wrapped);
  return 0;
}

void tensor_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  tensor_clear(self);
  as_tensor(self)->t.~Tensor();
  type->tp_free(self);
  Py_DECREF(type);
}

// ---- attributes ----

PyObject* get_shape(PyObject* self, void*) {
  FB_PY_TRY return wrap_size(as_tensor(self)->t.sizes());
  FB_PY_CATCH(nullptr)
}
PyObject* get_strides(PyObject* self, void*) {
  const Dims& strides = as_tensor(self)->t.strides();
  PyObject* out = PyTuple_New(strides.size());
  for (int i = 0; out && i < strides.size(); ++i)
    PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(strides[i]));
  return out;
}
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(as_tensor(self)->t.ndim()); }
PyObject* get_numel(PyObject* self, void*) {
  return PyLong_FromLongLong(as_tensor(self)->t.numel());
}
PyObject* get_offset(PyObject* self, void*) {
  return PyLong_FromLongLong(as_tensor(self)->t.offset());
}
PyObject* get_dtype(PyObject* self, void*) {
  return Py_NewRef(dtype_object(as_tensor(self)->t.dtype()));
}
PyObject* get_device(PyObject* self, void*) {
  const Tensor& t = as_tensor(self)->t;
  return device_object(t.defined() ? t.device() : Device());
}
PyObject* get_is_conj(PyObject* self, void*) {
  return PyBool_FromLong(as_tensor(self)->t.is_conj());
}
PyObject* get_is_neg(PyObject* self, void*) { return PyBool_FromLong(as_tensor(self)->t.is_neg()); }
PyObject* get_is_cpu(PyObject* self, void*) { return PyBool_FromLong(as_tensor(self)->t.is_cpu()); }
PyObject* get_version(PyObject* self, void*) {
  const PyTensor* t = as_tensor(self);
  if (t->inference) {
    PyErr_SetString(PyExc_RuntimeError, "Inference tensors do not track version counter.");
    return nullptr;
  }
  return PyLong_FromUnsignedLong(t->t.version());
}
PyObject* get_data_ptr(PyObject* self, void*) {
  const Tensor& t = as_tensor(self)->t;
  return PyLong_FromVoidPtr(t.numel() && !t.is_meta() ? t.bytes() : nullptr);
}

PyObject* get_requires_grad(PyObject* self, void*) {
  PyTensor* t = as_tensor(self);
  FB_PY_TRY
  return PyBool_FromLong(t->requires_grad || current_grad_fn(t) != nullptr);
  FB_PY_CATCH(nullptr)
}
int set_requires_grad(PyObject* self, PyObject* value, void*) {
  PyTensor* t = as_tensor(self);
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "requires_grad cannot be deleted");
    return -1;
  }
  if (!PyBool_Check(value)) {
    PyErr_SetString(error_class(ErrorKind::Runtime), "requires_grad must be a bool");
    return -1;
  }
  const bool wanted = value == Py_True;
  FB_PY_TRY
  if (current_grad_fn(t)) {
    if (wanted) return 0;
    PyErr_SetString(error_class(ErrorKind::Runtime),
                    "you can only change requires_grad flags of leaf variables. If you want to use "
                    "a computed variable in a subgraph that "
                    "doesn't require differentiation use var_no_grad = var.detach().");
    return -1;
  }
  if (wanted && !is_differentiable(t->t.dtype())) {
    PyErr_SetString(error_class(ErrorKind::Runtime),
                    "only Tensors of floating point and complex dtype can require gradients");
    return -1;
  }
  if (wanted && t->inference && !grad_mode.inference) {
    PyErr_SetString(
        error_class(ErrorKind::Runtime),
        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
    return -1;
  }
  t->requires_grad = wanted;
  return 0;
  FB_PY_CATCH(-1)
}

PyObject* get_is_leaf(PyObject* self, void*) {
  FB_PY_TRY return PyBool_FromLong(current_grad_fn(as_tensor(self)) == nullptr);
  FB_PY_CATCH(nullptr)
}
PyObject* get_grad_fn(PyObject* self, void*) {
  FB_PY_TRY
  PyObject* fn = current_grad_fn(as_tensor(self));
  return Py_NewRef(fn ? fn : Py_None);
  FB_PY_CATCH(nullptr)
}
PyObject* get_output_nr(PyObject* self, void*) {
  return PyLong_FromUnsignedLong(as_tensor(self)->output_nr);
}
PyObject* get_inference(PyObject* self, void*) {
  return PyBool_FromLong(as_tensor(self)->inference);
}
PyObject* get_is_view(PyObject* self, void*) {
  return PyBool_FromLong(as_tensor(self)->base != nullptr);
}

template <PyObject* PyTensor::* field>
PyObject* get_object(PyObject* self, void*) {
  PyObject* o = as_tensor(self)->*field;
  return Py_NewRef(o ? o : Py_None);
}
template <PyObject* PyTensor::* field>
int set_object(PyObject* self, PyObject* value, void*) {
  PyObject* before = as_tensor(self)->*field;
  as_tensor(self)->*field = value && value != Py_None ? Py_NewRef(value) : nullptr;
  Py_XDECREF(before);
  return 0;
}

int set_grad(PyObject* self, PyObject* value, void* closure) {
  PyTensor* t = as_tensor(self);
  if (value && value != Py_None) {
    if (!is_tensor(value)) {
      PyErr_Format(PyExc_TypeError,
                   "assigned grad expected to be a Tensor or None but got grad of type %s",
                   Py_TYPE(value)->tp_name);
      return -1;
    }
    PyTensor* g = as_tensor(value);
    if (g == t) {
      PyErr_SetString(error_class(ErrorKind::Runtime), "can't assign Variable as its own grad");
      return -1;
    }
    FB_PY_TRY
    FB_CHECK(g->t.dtype() == t->t.dtype(), Runtime,
             "assigned grad has data of a different type: the tensor is ", dtype_name(t->t.dtype()),
             ", the grad is ", dtype_name(g->t.dtype()));
    FB_CHECK(g->t.device() == t->t.device(), Runtime,
             "assigned grad has data located on a different device");
    FB_CHECK(g->t.sizes() == t->t.sizes(), Runtime,
             "assigned grad has data of a different size: the tensor is ", t->t.sizes(),
             ", the grad is ", g->t.sizes());
    FB_PY_CATCH(-1)
  }
  return set_object<&PyTensor::grad>(self, value, closure);
}

PyObject* get_grad(PyObject* self, void*) {
  const PyTensor* t = as_tensor(self);
  if (t->grad) return Py_NewRef(t->grad);
  FB_PY_TRY
  if (!current_grad_fn(as_tensor(self))) Py_RETURN_NONE;
  FB_PY_CATCH(nullptr)
  PyObject* retains = PyObject_GetAttrString(self, "retains_grad");
  if (!retains) return nullptr;
  const bool will_come = retains == Py_True;
  Py_DECREF(retains);
  if (!will_come &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed: "
                   "backward() does not fill it. Call retain_grad() on the tensor first if you "
                   "want its gradient, or read that of a leaf.",
                   1) < 0)
    return nullptr;
  Py_RETURN_NONE;
}

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "The sizes, a flambeau.Size.", nullptr},
    {"_strides", get_strides, nullptr, nullptr, nullptr},
    {"ndim", get_ndim, nullptr, "The number of axes.", nullptr},
    {"_numel", get_numel, nullptr, nullptr, nullptr},
    {"_offset", get_offset, nullptr, nullptr, nullptr},
    {"_data_ptr", get_data_ptr, nullptr, nullptr, nullptr},
    {"dtype", get_dtype, nullptr, "The element type.", nullptr},
    {"device", get_device, nullptr, "Where the storage is.", nullptr},
    {"is_cpu", get_is_cpu, nullptr, nullptr, nullptr},
    {"_is_conj", get_is_conj, nullptr, nullptr, nullptr},
    {"_is_neg", get_is_neg, nullptr, nullptr, nullptr},
    {"_version", get_version, nullptr, "How often the storage was written in place.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad,
     "Whether gradients flow to this tensor.", nullptr},
    {"is_leaf", get_is_leaf, nullptr, "True when no recorded operation made this tensor.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The graph node that made this tensor, or None.", nullptr},
    {"grad", get_grad, set_grad, "The accumulated gradient, or None.", nullptr},
    {"output_nr", get_output_nr, nullptr, nullptr, nullptr},
    {"_base", get_object<&PyTensor::base>, nullptr, "The tensor this is a view of, or None.",
     nullptr},
    {"_hooks", get_object<&PyTensor::hooks>, set_object<&PyTensor::hooks>, nullptr, nullptr},
    {"_accumulate_hooks", get_object<&PyTensor::accumulate_hooks>,
     set_object<&PyTensor::accumulate_hooks>, nullptr, nullptr},
    {"_is_inference", get_inference, nullptr, nullptr, nullptr},
    {"_is_differentiable_view", get_is_view, nullptr, nullptr, nullptr},
    {}};

PyObject* is_contiguous(PyObject* self, PyObject*) {
  return PyBool_FromLong(as_tensor(self)->t.is_contiguous());
}

Py_ssize_t tensor_length(PyObject* self) {
  const Tensor& t = as_tensor(self)->t;
  if (t.ndim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return t.size(0);
}

// ---- numbers ----

// Scalars hold an int64: the upper half of uint64 comes back as negative numbers.
PyObject* number(const Scalar& s, DType dtype) {
  if (dtype == DType::UInt64 && s.i < 0)
    return PyLong_FromUnsignedLongLong(static_cast<unsigned long long>(s.i));
  return nb::detail::make_caster<Scalar>::from_cpp(s, nb::rv_policy::automatic, nullptr).ptr();
}

// Also where kernels may read the zeros behind meta tensors: Python would branch on them.
Scalar only_element(PyObject* self) {
  const Tensor& t = as_tensor(self)->t;
  FB_CHECK(!t.is_meta() || t.numel() != 1, Runtime,
           "Tensor.item() cannot be called on meta tensors");
  return item(t);
}

PyObject* tensor_item(PyObject* self, PyObject*) {
  FB_PY_TRY
  return number(only_element(self), as_tensor(self)->t.dtype());
  FB_PY_CATCH(nullptr)
}

int tensor_bool(PyObject* self) {
  const Tensor& t = as_tensor(self)->t;
  if (t.numel() != 1) {
    PyErr_SetString(error_class(ErrorKind::Runtime),
                    t.numel() ? "Boolean value of Tensor with more than one value is ambiguous"
                              : "Boolean value of Tensor with no values is ambiguous");
    return -1;
  }
  FB_PY_TRY
  return only_element(self).to<bool>();
  FB_PY_CATCH(-1)
}

PyObject* tensor_index(PyObject* self) {
  const Tensor& t = as_tensor(self)->t;
  if (t.numel() != 1 || !is_integral(t.dtype(), true)) {
    PyErr_SetString(PyExc_TypeError,
                    "only integer tensors of a single element can be converted to an index");
    return nullptr;
  }
  FB_PY_TRY
  return PyLong_FromLongLong(only_element(self).i);
  FB_PY_CATCH(nullptr)
}

template <PyObject* (*convert)(PyObject*)>
PyObject* tensor_number(PyObject* self) {
  if (as_tensor(self)->t.numel() != 1) {
    PyErr_SetString(PyExc_ValueError,
                    "only one element tensors can be converted to Python scalars");
    return nullptr;
  }
  FB_PY_TRY
  if (convert == PyNumber_Float) warn_of_lost_history(as_tensor(self));
  FB_PY_CATCH(nullptr)
  PyObject* value = tensor_item(self, nullptr);
  if (value && PyComplex_Check(value)) {
    const double imaginary = PyComplex_ImagAsDouble(value);
    Py_SETREF(value, PyFloat_FromDouble(PyComplex_RealAsDouble(value)));
    if (imaginary != 0) {
      Py_DECREF(value);
      PyErr_SetString(error_class(ErrorKind::Runtime),
                      "value cannot be converted to a real number: it has an imaginary part");
      return nullptr;
    }
  }
  if (!value) return nullptr;
  PyObject* out = convert(value);
  Py_DECREF(value);
  return out;
}

PyObject* nested_list(const Tensor& t, int axis, std::int64_t offset) {
  if (axis == t.ndim()) {
    const Scalar s = load_scalar(
        t.dtype(), t.storage()->data + offset * static_cast<std::int64_t>(t.itemsize()));
    return number(s, t.dtype());
  }
  PyObject* list = PyList_New(t.size(axis));
  for (std::int64_t i = 0; list && i < t.size(axis); ++i) {
    PyObject* element = nested_list(t, axis + 1, offset + i * t.stride(axis));
    if (!element) {
      Py_DECREF(list);
      return nullptr;
    }
    PyList_SET_ITEM(list, i, element);
  }
  return list;
}

PyObject* tensor_tolist(PyObject* self, PyObject*) {
  FB_PY_TRY
  FB_CHECK(!as_tensor(self)->t.is_meta(), NotImplemented,
           "Cannot copy out of meta tensor; no data!");
  const Tensor t = resolved(as_tensor(self)->t);
  require_cpu(t, "tolist");
  return nested_list(t, 0, t.offset());
  FB_PY_CATCH(nullptr)
}

// size() and stride(): all, or that of one axis. Here because programs call x.size(0) everywhere.
template <PyObject* (*all)(PyObject*, void*)>
PyObject* along_axes(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (n + keywords > 1 ||
      (keywords && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "dim") != 0)) {
    PyErr_SetString(PyExc_TypeError, "size() and stride() take one argument, dim");
    return nullptr;
  }
  PyObject* everything = all(self, nullptr);
  if (!everything || n + keywords == 0 || args[0] == Py_None) return everything;
  if (!PyIndex_Check(args[0])) {
    Py_DECREF(everything);
    PyErr_Format(PyExc_TypeError, "%s(): argument 'dim' (position 1) must be int, not %s",
                 all == get_shape ? "size" : "stride", Py_TYPE(args[0])->tp_name);
    return nullptr;
  }
  const Py_ssize_t dim = PyNumber_AsSsize_t(args[0], PyExc_IndexError);
  PyObject* one = nullptr;
  if (!(dim == -1 && PyErr_Occurred())) {
    FB_PY_TRY
    const int ndim = as_tensor(self)->t.ndim();
    FB_CHECK(ndim > 0, Index, "Dimension specified as ", dim, " but tensor has no dimensions");
    one = Py_NewRef(PyTuple_GET_ITEM(everything, normalize_dim(dim, ndim, "size")));
    FB_PY_CATCH((Py_DECREF(everything), nullptr))
  }
  Py_DECREF(everything);
  return one;
}

constexpr const char* size_doc = R"(The sizes, or the size of one axis.

Args:
    dim: the axis; None for the sizes of all.

Raises:
    IndexError: if there is no such axis.

Example:
    >>> flambeau.zeros(2, 3).size(), flambeau.zeros(2, 3).size(-1)
    (torch.Size([2, 3]), 3)
)";

constexpr const char* stride_doc = R"(The strides in elements, or the stride of one axis.

Args:
    dim: the axis; None for the strides of all.

Raises:
    IndexError: if there is no such axis.

Example:
    >>> flambeau.zeros(2, 3).stride(), flambeau.zeros(2, 3).t().stride()
    ((3, 1), (1, 3))
)";

constexpr const char* item_doc = R"(The only element as a Python number.

Raises:
    RuntimeError: if there are more elements, or none.

Example:
    >>> flambeau.tensor([[1.5]]).item()
    1.5
)";

constexpr const char* tolist_doc = R"(The elements as nested lists of Python numbers.

Returns:
    A list of lists, as deep as there are axes; a number if there is none.

Example:
    >>> flambeau.tensor([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
)";

PyMethodDef methods[] = {
    {"_is_contiguous", is_contiguous, METH_NOARGS, nullptr},
    {"size", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(along_axes<get_shape>)),
     METH_FASTCALL | METH_KEYWORDS, size_doc},
    {"stride", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(along_axes<get_strides>)),
     METH_FASTCALL | METH_KEYWORDS, stride_doc},
    {"item", tensor_item, METH_NOARGS, item_doc},
    {"tolist", tensor_tolist, METH_NOARGS, tolist_doc},
    {}};

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(tensor_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
                       {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(tensor_clear)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_mp_subscript, reinterpret_cast<void*>(tensor_subscript)},
                       {Py_mp_ass_subscript, reinterpret_cast<void*>(tensor_ass_subscript)},
                       {Py_mp_length, reinterpret_cast<void*>(tensor_length)},
                       {Py_nb_bool, reinterpret_cast<void*>(tensor_bool)},
                       {Py_nb_index, reinterpret_cast<void*>(tensor_index)},
                       {Py_nb_int, reinterpret_cast<void*>(tensor_number<PyNumber_Long>)},
                       {Py_nb_float, reinterpret_cast<void*>(tensor_number<PyNumber_Float>)},
                       {0, nullptr}};
PyType_Spec spec = {"flambeau._C.TensorBase", sizeof(PyTensor), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

PyObject* wrap(Tensor t, PyTypeObject* type) {
  PyObject* o = allocate(type ? type : tensor_type ? tensor_type : tensor_base_type);
  if (!o) return nullptr;
  as_tensor(o)->t = std::move(t);
  as_tensor(o)->inference = grad_mode.inference;
  return o;
}

PyObject* wrap_size(const Dims& dims) {
  PyTypeObject* type = size_type ? size_type : &PyTuple_Type;
  PyObject* out = type->tp_alloc(type, dims.size());
  if (!out) return nullptr;
  for (int i = 0; i < dims.size(); ++i) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(dims[i]));
  return out;
}

PyObject* error_class(ErrorKind kind) {
  return error_classes ? PyTuple_GET_ITEM(error_classes, static_cast<int>(kind))
                       : PyExc_RuntimeError;
}

void raise_type(const std::string& text) {
  PyErr_SetString(PyExc_TypeError, text.c_str());
  throw nb::python_error();
}

void raise_current() noexcept {
  try {
    throw;
  } catch (const Error& e) {
    PyErr_SetString(error_class(e.kind()), e.what());
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

bool to_scalar(PyObject* o, Scalar& out) {
  if (PyBool_Check(o)) {
    out = Scalar(o == Py_True);
  } else if (PyFloat_Check(o)) {
    out = Scalar(PyFloat_AS_DOUBLE(o));
  } else if (PyLong_Check(o)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      // uint64 values beyond int64 keep their bits; anything larger has no integer dtype.
      const unsigned long long wide = overflow > 0 ? PyLong_AsUnsignedLongLong(o) : 0;
      if (overflow < 0 || PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      out = Scalar(static_cast<std::int64_t>(wide));
      out.re = static_cast<double>(wide);
    } else {
      out = Scalar(static_cast<std::int64_t>(value));
    }
  } else if (PyComplex_Check(o)) {
    out = Scalar(std::complex<double>(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
  } else if (is_tensor(o) && !as_tensor(o)->wrapped && as_tensor(o)->t.defined() &&
             as_tensor(o)->t.numel() == 1) {
    const Tensor& t = as_tensor(o)->t;
    if (t.is_meta() && !shape_only()) return false;
    out = t.is_meta() ? load_scalar(t.dtype(), t.bytes()) : item(t);
  } else if (PyIndex_Check(o) && !is_tensor(o)) {  // NumPy integers
    const Py_ssize_t value = PyNumber_AsSsize_t(o, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    out = Scalar(static_cast<std::int64_t>(value));
  } else if (Py_TYPE(o)->tp_as_number && Py_TYPE(o)->tp_as_number->nb_float && !is_tensor(o) &&
             !PySequence_Check(o)) {  // NumPy floats
    const double value = PyFloat_AsDouble(o);
    if (value == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    out = Scalar(value);
  } else {
    return false;
  }
  return true;
}

Dims to_dims(nb::handle o) {
  Dims out;
  auto one = [&](PyObject* element) {
    const Py_ssize_t value = PyNumber_AsSsize_t(element, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    out.push_back(value);
  };
  if (PyLong_Check(o.ptr()) || (PyIndex_Check(o.ptr()) && !PySequence_Check(o.ptr()))) {
    one(o.ptr());
    return out;
  }
  PyObject* fast = PySequence_Fast(o.ptr(), "expected a sequence of integers");
  if (!fast) throw nb::python_error();
  nb::object owner = nb::steal(fast);
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
  for (Py_ssize_t i = 0; i < n; ++i) one(PySequence_Fast_GET_ITEM(fast, i));
  return out;
}

void init_tensor(nb::module_& m) {
  tensor_base_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!tensor_base_type) throw nb::python_error();
  m.attr("TensorBase") = nb::handle(reinterpret_cast<PyObject*>(tensor_base_type));

  m.def("register_types",
        [](nb::object tensor, nb::object size, nb::object device, nb::object cpu, nb::object meta) {
          tensor_type = reinterpret_cast<PyTypeObject*>(tensor.release().ptr());
          size_type = reinterpret_cast<PyTypeObject*>(size.release().ptr());
          device_objects = device.release().ptr();
          cpu_device = cpu.release().ptr();
          meta_device = meta.release().ptr();
        });
  m.def("register_errors", [](nb::tuple classes) { error_classes = classes.release().ptr(); });
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error& e) {
      PyErr_SetString(error_class(e.kind()), e.what());
    }
  });

  m.def(
      "is_grad_enabled", [] { return grad_mode.enabled; },
      R"(Whether operations of this thread are recorded.

Example:
    >>> with flambeau.no_grad():
    ...     flambeau.is_grad_enabled()
    False
)");
  m.def("set_grad_enabled", [](bool enabled) { grad_mode.enabled = enabled; });
  m.def(
      "is_inference_mode_enabled", [] { return grad_mode.inference; },
      R"(Whether this thread is in inference mode.

Example:
    >>> with flambeau.inference_mode():
    ...     flambeau.is_inference_mode_enabled()
    True
)");
  m.def("set_inference_mode", [](bool enabled) { grad_mode.inference = enabled; });
  m.def("get_default_dtype", [] { return default_dtype(); });
  m.def("set_default_dtype", [](DType dtype) { set_default_dtype(dtype); });

  // The same storage as another Python object, outside the graph.
  m.def("detach", [](nb::handle source) {
    PyTensor* from = checked_tensor(source);
    nb::object out = alias(source.ptr());
    as_tensor(out.ptr())->inference = from->inference;
    return out;
  });
  // x.data: detached, and with a version of its own.
  m.def("data_of", [](nb::handle source) {
    PyTensor* from = checked_tensor(source);
    PyObject* out = wrap(from->t.with_own_version());
    if (out) as_tensor(out)->inference = from->inference;
    return nb::steal(out);
  });
  m.def("as_class", [](nb::handle source, nb::handle cls, bool requires_grad) {
    const int derived =
        PyObject_IsSubclass(cls.ptr(), reinterpret_cast<PyObject*>(tensor_base_type));
    if (derived < 0) throw nb::python_error();
    FB_CHECK(derived, Type, "cls must be a subclass of Tensor");
    PyObject* out = wrap(checked_tensor(source)->t, reinterpret_cast<PyTypeObject*>(cls.ptr()));
    if (out) {
      as_tensor(out)->inference = checked_tensor(source)->inference;
      as_tensor(out)->requires_grad = requires_grad;
    }
    return nb::steal(out);
  });
  // x.data = y: the object keeps its identity and its autograd fields.
  m.def("set_data",
        [](nb::handle target, const Lazy& value) { checked_tensor(target)->t = value; });
  m.def("bump_version", [](const Lazy& t) {
    t->bump_version();
    note_writer(*t.tensor);
  });
  m.def("make_leaf", [](nb::handle target) {
    PyTensor* t = checked_tensor(target);
    Py_CLEAR(t->grad_fn);
    Py_CLEAR(t->base);
    t->output_nr = 0;
    t->requires_grad = false;
  });
  m.def("share_storage", [](const Lazy& a, const Lazy& b) { return a->storage() == b->storage(); });
  m.def("storage_info", [](const Lazy& t) {
    const Storage& s = *t->storage();
    const char* data = t->is_meta() ? nullptr : s.data;
    return nb::make_tuple(reinterpret_cast<std::uintptr_t>(data), s.nbytes, s.resizable, s.shared);
  });
}

}  // namespace fb::py
