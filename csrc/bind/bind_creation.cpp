// Tensors from Python values: nested sequences, numbers, NumPy arrays and whatever has a buffer.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "bind/pytensor.h"
#include "core/parallel.h"
#include "kernels/copy.h"
#include "kernels/creation.h"
#include "kernels/elementwise.h"

namespace fb::py {

using namespace nb::literals;

namespace {

[[noreturn]] void raise(PyObject* type, const std::string& text) {
  PyErr_SetString(type, text.c_str());
  throw nb::python_error();
}

std::string type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }

// ---- NumPy, known only once somebody else has imported it ----

struct NumPyTypes {
  PyTypeObject* array = nullptr;
  PyTypeObject* scalar = nullptr;
};

const NumPyTypes& numpy_types() {
  static NumPyTypes types;
  if (types.array) return types;
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* numpy = modules ? PyDict_GetItemString(modules, "numpy") : nullptr;
  if (!numpy) return types;
  PyObject* array = PyObject_GetAttrString(numpy, "ndarray");
  PyObject* scalar = PyObject_GetAttrString(numpy, "generic");
  PyErr_Clear();  // a half-imported NumPy: ask again next time
  if (array && scalar && PyType_Check(array) && PyType_Check(scalar)) {
    types = {reinterpret_cast<PyTypeObject*>(array), reinterpret_cast<PyTypeObject*>(scalar)};
  } else {
    Py_XDECREF(array);
    Py_XDECREF(scalar);
  }
  return types;
}
bool is_numpy_array(PyObject* o) {
  return numpy_types().array && PyObject_TypeCheck(o, numpy_types().array);
}
bool is_numpy_scalar(PyObject* o) {
  return numpy_types().array && PyObject_TypeCheck(o, numpy_types().scalar);
}

// ---- buffers ----

[[noreturn]] void unsupported_array(PyObject* o) {
  PyErr_Clear();
  std::string name = type_name(o);
  if (nb::hasattr(o, "dtype")) {
    nb::object kind = nb::getattr(nb::getattr(nb::handle(o), "dtype"), "type", nb::none());
    if (PyType_Check(kind.ptr())) name = reinterpret_cast<PyTypeObject*>(kind.ptr())->tp_name;
  }
  raise(PyExc_TypeError, "can't convert np.ndarray of type " + name +
                             ". The only supported types are: float64, float32, float16, "
                             "complex64, complex128, int64, int32, int16, int8, "
                             "uint64, uint32, uint16, uint8, and bool.");
}

std::optional<DType> integer_of(std::size_t size, bool is_signed) {
  switch (size) {
    case 1:
      return is_signed ? DType::Int8 : DType::UInt8;
    case 2:
      return is_signed ? DType::Int16 : DType::UInt16;
    case 4:
      return is_signed ? DType::Int32 : DType::UInt32;
    case 8:
      return is_signed ? DType::Int64 : DType::UInt64;
    default:
      return std::nullopt;
  }
}

// The dtype of a struct-module format such as "d", "<i", "Zf".
std::optional<DType> dtype_of_format(const char* format, std::size_t size) {
  if (!format) return DType::UInt8;
  const std::string text =
      *format == '@' || *format == '=' || *format == '<' || *format == '|' ? format + 1 : format;
  if (text == "?") return DType::Bool;
  if (text == "e") return DType::Float16;
  if (text == "f") return DType::Float32;
  if (text == "d") return DType::Float64;
  if (text == "Zf") return DType::Complex64;
  if (text == "Zd") return DType::Complex128;
  if (text.size() != 1) return std::nullopt;
  if (std::strchr("bhilqn", text[0])) return integer_of(size, true);
  if (std::strchr("BHILQN", text[0])) return integer_of(size, false);
  return std::nullopt;
}

// A buffer that is given back unless a storage takes it over.
class BufferView {
 public:
  BufferView() : view_(std::make_unique<Py_buffer>()) {}
  ~BufferView() {
    if (view_ && filled_) PyBuffer_Release(view_.get());
  }
  bool get(PyObject* o, int flags) {
    return filled_ = PyObject_GetBuffer(o, view_.get(), flags) == 0;
  }
  Py_buffer* operator->() { return view_.get(); }
  Py_buffer* release() { return view_.release(); }

 private:
  std::unique_ptr<Py_buffer> view_;
  bool filled_ = false;
};

// The Py_buffer behind a storage; released when the last tensor over it is gone.
void release_buffer(Storage& storage) {
  auto* view = static_cast<Py_buffer*>(storage.owner);
  if (Py_IsInitialized()) {
    const PyGILState_STATE state = PyGILState_Ensure();
    PyBuffer_Release(view);
    PyGILState_Release(state);
  }
  delete view;
}

// A tensor over the memory of a NumPy array or scalar.
Tensor share_array(PyObject* o) {
  BufferView view;
  if (!view.get(o, PyBUF_STRIDES | PyBUF_FORMAT)) unsupported_array(o);
  if (view->format && (*view->format == '>' || *view->format == '!'))
    raise(PyExc_ValueError,
          "given numpy array has byte order different from the native byte order. Conversion "
          "between byte orders is currently not supported.");
  const auto dtype = dtype_of_format(view->format, static_cast<std::size_t>(view->itemsize));
  if (!dtype || itemsize(*dtype) != static_cast<std::size_t>(view->itemsize) ||
      (view->ndim && is_numpy_scalar(o)))  // a date lends its bytes
    unsupported_array(o);
  Dims sizes, strides;
  std::int64_t last = 0;
  bool has_elements = true;
  for (int d = 0; d < view->ndim; ++d) {
    const Py_ssize_t step = view->strides ? view->strides[d] : 0;
    has_elements &= view->shape[d] != 0;
    if (step < 0)
      raise(PyExc_ValueError,
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can "
            "probably work around this by making a copy of your array  with array.copy().) ");
    if (step % view->itemsize != 0)
      raise(PyExc_ValueError,
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory.");
    sizes.push_back(view->shape[d]);
    strides.push_back(step / view->itemsize);
    last += (view->shape[d] - 1) * (step / view->itemsize);
  }
  const std::size_t bytes =
      has_elements ? static_cast<std::size_t>((last + 1) * view->itemsize) : 0;
  char* data = static_cast<char*>(view->buf);
  require_aligned(data, *dtype, "from_numpy");
  StoragePtr storage = adopt_storage(data, bytes, Device{}, release_buffer, view.release());
  return Tensor(std::move(storage), *dtype, std::move(sizes), std::move(strides), 0);
}

// The same, or nothing where a tensor cannot share the memory: turned round, of other byte order.
std::optional<Tensor> shared_if_possible(PyObject* o) {
  if (!is_numpy_array(o)) return {};
  try {
    return share_array(o);
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_ValueError)) throw;
    return {};
  }
}

Tensor from_numpy(nb::handle array) {
  if (!is_numpy_array(array.ptr()))
    raise(PyExc_TypeError, "expected np.ndarray (got " + type_name(array.ptr()) + ")");
  return share_array(array.ptr());
}

// `count` elements of any object with a contiguous buffer, from byte `offset` on; -1: all that
// follow.
Tensor from_buffer(nb::handle object, DType dtype, std::int64_t count, std::int64_t offset) {
  BufferView view;
  if (!PyObject_CheckBuffer(object.ptr()))
    raise(PyExc_ValueError, "object does not implement Python buffer protocol.");
  if (!view.get(object.ptr(), PyBUF_SIMPLE)) throw nb::python_error();
  const std::int64_t length = view->len, size = static_cast<std::int64_t>(itemsize(dtype));
  FB_CHECK(length > 0 && count != 0, Value, "both buffer length (", length, ") and count (", count,
           ") must not be 0");
  FB_CHECK(offset >= 0 && offset < length, Value, "offset (", offset,
           " bytes) must be non-negative and no greater than buffer length (", length,
           " bytes) minus 1");
  FB_CHECK(count > 0 || (length - offset) % size == 0, Value, "buffer length (", length - offset,
           " bytes) after offset (", offset, " bytes) must be a multiple of element size (", size,
           ")");
  const std::int64_t taken = count < 0 ? (length - offset) / size : count;
  FB_CHECK(taken <= (length - offset) / size, Value, "requested buffer length (", taken, " * ",
           size, " bytes) after offset (", offset,
           " bytes) must not be greater than actual buffer length (", length, " bytes)");
  char* data = static_cast<char*>(view->buf) + offset;
  require_aligned(data, dtype, "frombuffer");
  StoragePtr storage = adopt_storage(data, static_cast<std::size_t>(taken * size), Device{},
                                     release_buffer, view.release());
  return Tensor(std::move(storage), dtype, {taken}, {1}, 0);
}

// ---- nested sequences ----

bool is_text(PyObject* o) { return PyUnicode_Check(o) || PyBytes_Check(o); }
bool is_number(PyObject* o) { return PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o); }

// Elements are numbers, tensors and NumPy scalars; whatever else has a length and items goes
// deeper.
bool is_nested(PyObject* o) {
  if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) return true;
  return !is_number(o) && !is_tensor(o) && !is_numpy_scalar(o) && PySequence_Check(o);
}

nb::object items_of(PyObject* o) {
  if (is_text(o)) raise(PyExc_TypeError, "new(): invalid data type '" + type_name(o) + "'");
  PyObject* items = PySequence_Fast(o, "not a sequence");
  if (!items) throw nb::python_error();
  return nb::steal(items);
}

// Sizes are those along the first elements; the others must agree (checked while storing).
Dims infer_sizes(nb::object o) {
  Dims sizes;
  while (is_nested(o.ptr())) {
    if (!sizes.empty() && is_text(o.ptr()))
      raise(PyExc_ValueError, "too many dimensions '" + type_name(o.ptr()) + "'");
    if (sizes.size() == Dims::max_size)
      raise(PyExc_ValueError, "too many dimensions '" + type_name(o.ptr()) + "'");
    nb::object items = items_of(o.ptr());
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.ptr());
    sizes.push_back(n);
    if (n == 0) break;
    o = nb::borrow(PySequence_Fast_GET_ITEM(items.ptr(), 0));
  }
  return sizes;
}

DType element_dtype(PyObject* o) {
  if (PyBool_Check(o)) return DType::Bool;
  if (PyLong_CheckExact(o)) return DType::Int64;
  if (PyFloat_CheckExact(o)) return default_dtype();
  if (is_tensor(o)) return as_tensor(o)->t.dtype();
  if (is_numpy_scalar(o)) return share_array(o).dtype();
  if (PyFloat_Check(o)) return default_dtype();
  if (PyLong_Check(o)) return DType::Int64;
  if (PyComplex_Check(o)) return complex_dtype(default_dtype());
  raise(error_class(ErrorKind::Runtime), "Could not infer dtype of " + type_name(o));
}

DType promoted(PyObject* o, bool& first, DType so_far) {
  if (!is_nested(o)) {
    if (!first && PyFloat_CheckExact(o) && so_far == default_dtype()) return so_far;
    const DType own = element_dtype(o);
    const DType out = first || own == so_far ? own : promote(so_far, own);
    first = false;
    return out;
  }
  if (const auto array = shared_if_possible(o)) {
    const DType out = first ? array->dtype() : promote(so_far, array->dtype());
    first = false;
    return out;
  }
  nb::object items = items_of(o);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i)
    so_far = promoted(PySequence_Fast_GET_ITEM(items.ptr(), i), first, so_far);
  return so_far;
}

DType infer_dtype(PyObject* o) {
  bool first = true;
  const DType found = promoted(o, first, default_dtype());
  return first ? default_dtype() : found;
}

[[noreturn]] void overflows(DType dtype) {
  raise(error_class(ErrorKind::Runtime), std::string("value cannot be converted to type ") +
                                             dtype_name(dtype) + " without overflow");
}

// Tensors and NumPy scalars as the Python numbers they hold.
nb::object as_number(PyObject* o) {
  if (is_tensor(o)) {
    if (as_tensor(o)->t.numel() != 1)
      raise(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
    warn_of_lost_history(as_tensor(o));
    return nb::cast(item(kernel_tensor(o)));
  }
  if (is_numpy_scalar(o)) return nb::cast(item(share_array(o)));
  return nb::borrow(o);
}

void store_number(PyObject* o, DType dtype, bool& out) {
  const int truth = is_number(o) ? PyObject_IsTrue(o) : -1;
  if (truth < 0)
    raise(PyExc_TypeError,
          "'" + type_name(o) + "' object cannot be interpreted as " + dtype_name(dtype));
  out = truth;
}

template <class T>
void store_float(PyObject* o, T& out) {
  const double value = PyFloat_AsDouble(o);
  if (value == -1 && PyErr_Occurred()) throw nb::python_error();
  if constexpr (std::is_same_v<T, double>)
    out = value;
  else
    out = T(static_cast<float>(value));
}
void store_number(PyObject* o, DType, Half& out) { store_float(o, out); }
void store_number(PyObject* o, DType, BFloat16& out) { store_float(o, out); }
void store_number(PyObject* o, DType, float& out) { store_float(o, out); }
void store_number(PyObject* o, DType, double& out) { store_float(o, out); }

template <class T>
void store_number(PyObject* o, DType, std::complex<T>& out) {
  const Py_complex value = PyComplex_AsCComplex(o);
  if (value.real == -1 && PyErr_Occurred()) throw nb::python_error();
  out = {static_cast<T>(value.real), static_cast<T>(value.imag)};
}

// Negative numbers wrap into unsigned types, down to minus the largest value, as torch lets them.
template <class T>
  requires std::is_integral_v<T>
void store_number(PyObject* o, DType dtype, T& out) {
  constexpr double high = static_cast<double>(std::numeric_limits<T>::max());
  constexpr double low =
      std::is_unsigned_v<T> ? -high : static_cast<double>(std::numeric_limits<T>::min());
  if (PyFloat_Check(o)) {
    const double value = PyFloat_AS_DOUBLE(o);
    const bool fits = sizeof(T) == 8 ? value >= low && value < high : value >= low && value <= high;
    if (!fits) overflows(dtype);
    out = value < 0 ? static_cast<T>(static_cast<std::int64_t>(value)) : static_cast<T>(value);
    return;
  }
  if (PyComplex_Check(o)) raise(PyExc_TypeError, "must be real number, not complex");
  if (std::is_same_v<T, std::uint64_t> && PyLong_Check(o)) {
    const unsigned long long value = PyLong_AsUnsignedLongLong(o);
    if (value == static_cast<unsigned long long>(-1) && PyErr_Occurred()) throw nb::python_error();
    out = static_cast<T>(value);
    return;
  }
  nb::object index = nb::steal(PyNumber_Index(o));
  if (!index) throw nb::python_error();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow) raise(PyExc_ValueError, "Overflow when unpacking long long");
  if constexpr (sizeof(T) < 8)
    if (static_cast<double>(value) < low || static_cast<double>(value) > high) overflows(dtype);
  out = static_cast<T>(value);
}

template <class T>
void store_element(PyObject* o, DType dtype, T& out) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (PyFloat_CheckExact(o)) {
      out = static_cast<T>(PyFloat_AS_DOUBLE(o));
      return;
    }
  }
  if (is_number(o) && !is_numpy_scalar(o))
    store_number(o, dtype, out);
  else
    store_number(as_number(o).ptr(), dtype, out);
}

// Whether the elements of an array become those of a dtype without a look at each.
bool converts_as_a_whole(DType from, DType to) {
  return promote(from, to) == to || (is_floating(from) && is_floating(to));
}

// Copies a NumPy array that is all the rest of the nesting; false where it takes single elements.
template <class T>
bool store_array(PyObject* o, const Dims& sizes, int axis, DType dtype, T*& out) {
  const auto array = shared_if_possible(o);
  if (!array || array->ndim() != sizes.size() - axis || !converts_as_a_whole(array->dtype(), dtype))
    return false;
  for (int d = 0; d < array->ndim(); ++d)
    if (array->sizes()[d] != sizes[axis + d]) return false;
  const Tensor whole = contiguous(cast(*array, dtype));
  std::copy_n(whole.data<T>(), whole.numel(), out);
  out += whole.numel();
  return true;
}

template <class T>
void store_nested(PyObject* o, const Dims& sizes, int axis, DType dtype, T*& out) {
  if (axis == sizes.size()) {
    store_element(o, dtype, *out++);
    return;
  }
  if (store_array(o, sizes, axis, dtype, out)) return;
  if (!is_nested(o)) raise(PyExc_TypeError, "not a sequence");
  nb::object items = items_of(o);
  const Py_ssize_t n = sizes[axis];
  auto check_length = [&] {
    const Py_ssize_t length = PySequence_Fast_GET_SIZE(items.ptr());
    FB_CHECK(length == n, Value, "expected sequence of length ", n, " at dim ", axis, " (got ",
             length, ")");
  };
  check_length();
  if (axis + 1 == sizes.size()) {
    for (Py_ssize_t i = 0; i < n; ++i) {
      nb::object element = nb::borrow(PySequence_Fast_GET_ITEM(items.ptr(), i));
      store_element(element.ptr(), dtype, *out++);
      check_length();  // converting an element may run code that changes the list
    }
    return;
  }
  for (Py_ssize_t i = 0; i < n; ++i) {
    nb::object element = nb::borrow(PySequence_Fast_GET_ITEM(items.ptr(), i));
    store_nested(element.ptr(), sizes, axis + 1, dtype, out);
    check_length();
  }
}

Tensor tensor_from(nb::handle data, std::optional<DType> wanted) {
  PyObject* o = data.ptr();
  if (is_numpy_array(o) || is_numpy_scalar(o)) {
    const Tensor shared = share_array(o);
    return wanted && *wanted != shared.dtype() ? cast(shared, *wanted) : clone(shared);
  }
  if (is_text(o)) raise(PyExc_TypeError, "new(): invalid data type '" + type_name(o) + "'");
  const Dims sizes = infer_sizes(nb::borrow(o));
  const DType dtype = wanted ? *wanted : infer_dtype(o);
  const Tensor out = empty(sizes, dtype);
  if (numel(sizes) == 0) return out;
  dispatch_all(dtype, [&]<class T>() {
    T* next = out.data<T>();
    store_nested(o, sizes, 0, dtype, next);
  });
  return out;
}

// ---- sizes ----

[[noreturn]] void refuse_size(const std::string& op, Py_ssize_t place, const std::string& why) {
  raise(PyExc_TypeError, op + "(): argument 'size' failed to unpack the object at pos " +
                             std::to_string(place + 1) + " with error \"" + why + "\"");
}

// zeros(2, 3) and zeros((2, 3)): `arguments` is the tuple of positional arguments.
Dims sizes_argument(const std::string& op, nb::handle arguments) {
  PyObject* o = arguments.ptr();
  const bool wrapped =
      PyTuple_Check(o) && PyTuple_GET_SIZE(o) == 1 && !PyLong_CheckExact(PyTuple_GET_ITEM(o, 0));
  if (wrapped) o = PyTuple_GET_ITEM(o, 0);
  if (PyBool_Check(o) || is_text(o) ||
      !(PyTuple_Check(o) || PyList_Check(o) || PyIndex_Check(o) || PySequence_Check(o)))
    raise(PyExc_TypeError,
          op + "(): argument 'size' (position 1) must be tuple of ints, not " + type_name(o));
  if (!PyTuple_Check(o) && !PyList_Check(o) && PyIndex_Check(o)) return to_dims(o);
  nb::object items = items_of(o);
  Dims out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    PyObject* element = PySequence_Fast_GET_ITEM(items.ptr(), i);
    // As in PyTorch, a flag is refused as the first size only.
    if ((i == 0 && PyBool_Check(element)) || !PyIndex_Check(element))
      refuse_size(op, i, "type must be tuple of ints,but got " + type_name(element));
    const Py_ssize_t value = PyNumber_AsSsize_t(element, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) {
      const bool large = PyErr_ExceptionMatches(PyExc_OverflowError);
      PyErr_Clear();
      refuse_size(op, i,
                  large ? "Overflow when unpacking long long"
                        : "type must be tuple of ints,but got " + type_name(element));
    }
    out.push_back(value);
  }
  return out;
}

Dims creation_sizes(const std::string& op, nb::handle arguments) {
  const Dims sizes = sizes_argument(op, arguments);
  checked_numel(sizes, op.c_str());
  return sizes;
}

}  // namespace

void bind_creation(nb::module_& m) {
  m.def("tensor_from", tensor_from, "data"_a.none(), "dtype"_a.none());
  m.def("from_numpy", from_numpy);
  m.def("from_buffer", from_buffer);
  m.def(
      "is_numpy", [](nb::handle o) { return is_numpy_array(o.ptr()) || is_numpy_scalar(o.ptr()); },
      "object"_a.none());
  m.def("sizes_argument", sizes_argument, "op"_a, "arguments"_a.none());
  m.def("new_empty", [](const std::string& op, nb::handle sizes, DType dtype) {
    return empty(creation_sizes(op, sizes), dtype);
  });
  m.def("new_filled", [](const std::string& op, nb::handle sizes, const Scalar& value,
                         DType dtype) { return full(creation_sizes(op, sizes), value, dtype); });
  m.def("linspace", linspace);
  m.def("logspace", logspace);
  m.def("eye", eye);
  m.def("triangle", triangle);
  m.def("triangle_indices", triangle_indices);
  m.def("make_complex", make_complex);
}

}  // namespace fb::py
