// Storages as Python sees them, and tensors as Python buffers (NumPy arrays are made from these).
#include <nanobind/stl/optional.h>

#include <limits>

#include "bind/pytensor.h"
#include "core/shared_memory.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// ---- a tensor's memory as a buffer ----

struct PyMemory {
  PyObject_HEAD Tensor t;
};

const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return "?";
    case DType::UInt8:
      return "B";
    case DType::Int8:
      return "b";
    case DType::Int16:
      return "h";
    case DType::Int32:
      return "i";
    case DType::Int64:
      return "l";
    case DType::UInt16:
      return "H";
    case DType::UInt32:
      return "I";
    case DType::UInt64:
      return "L";
    case DType::Float16:
      return "e";
    case DType::Float32:
      return "f";
    case DType::Float64:
      return "d";
    case DType::Complex64:
      return "Zf";
    case DType::Complex128:
      return "Zd";
    case DType::BFloat16:
      return nullptr;
  }
  return nullptr;
}

// Shape and strides (in bytes) as the buffer protocol wants them, freed with the buffer.
int memory_getbuffer(PyObject* self, Py_buffer* view, int flags) {
  static char nothing[16];
  const Tensor& t = reinterpret_cast<PyMemory*>(self)->t;
  const bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  if (!strided && !t.is_contiguous()) {
    PyErr_SetString(PyExc_BufferError, "the tensor is not contiguous");
    view->obj = nullptr;
    return -1;
  }
  const int n = t.ndim();
  auto* extents = static_cast<Py_ssize_t*>(
      PyMem_Malloc(sizeof(Py_ssize_t) * static_cast<std::size_t>(2 * n + 1)));
  if (!extents) {
    PyErr_NoMemory();
    view->obj = nullptr;
    return -1;
  }
  const Py_ssize_t item = static_cast<Py_ssize_t>(t.itemsize());
  for (int d = 0; d < n; ++d) {
    extents[d] = t.size(d);
    extents[n + d] = t.stride(d) * item;
  }
  view->buf = t.numel() ? t.bytes() : nothing;
  view->obj = Py_NewRef(self);
  view->len = static_cast<Py_ssize_t>(t.nbytes());
  view->itemsize = item;
  view->readonly = 0;
  view->ndim = n;
  view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format_of(t.dtype())) : nullptr;
  view->shape = flags & PyBUF_ND ? extents : nullptr;
  view->strides = strided ? extents + n : nullptr;
  view->suboffsets = nullptr;
  view->internal = extents;
  return 0;
}

void memory_releasebuffer(PyObject*, Py_buffer* view) { PyMem_Free(view->internal); }

void memory_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<PyMemory*>(self)->t.~Tensor();
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject* memory_type;
PyType_Slot memory_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(memory_dealloc)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(memory_getbuffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(memory_releasebuffer)},
    {Py_tp_doc, const_cast<char*>("The memory of a tensor, as a Python buffer.")},
    {0, nullptr}};
PyType_Spec memory_spec = {"flambeau._C.Memory", sizeof(PyMemory), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, memory_slots};

nb::object memory(const Lazy& source) {
  const Tensor& t = source;
  FB_CHECK(
      t.is_cpu(), Type, "can't convert ", t.is_meta() ? "meta" : "cuda",
      " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  FB_CHECK(!t.is_conj(), Runtime,
           "Can't call numpy() on Tensor that has conjugate bit set. Use "
           "tensor.resolve_conj().numpy() instead.");
  FB_CHECK(!t.is_neg(), Runtime,
           "Can't call numpy() on Tensor that has negative bit set. Use "
           "tensor.resolve_neg().numpy() instead.");
  if (!format_of(t.dtype())) {
    PyErr_SetString(PyExc_TypeError, "Got unsupported ScalarType BFloat16");
    throw nb::python_error();
  }
  PyObject* o = memory_type->tp_alloc(memory_type, 0);
  if (!o) throw nb::python_error();
  new (&reinterpret_cast<PyMemory*>(o)->t) Tensor(t);
  return nb::steal(o);
}

// ---- storages: Python's UntypedStorage holds a tensor over all bytes ----

Tensor bytes_of(const StoragePtr& storage) {
  const auto n = static_cast<std::int64_t>(storage->nbytes);
  return Tensor(storage, DType::UInt8, {n}, {1}, 0);
}

// The bytes up to the last element of a view; 0 for one that makes no sense, which as_strided says.
std::size_t bytes_needed(const Dims& sizes, const Dims& strides, std::int64_t offset,
                         std::int64_t item) {
  if (sizes.size() != strides.size() || offset < 0) return 0;
  std::int64_t last = offset;
  for (int d = 0; d < sizes.size(); ++d) {
    std::int64_t reach = 0;
    if (sizes[d] <= 0 || strides[d] < 0 ||
        __builtin_mul_overflow(sizes[d] - 1, strides[d], &reach) ||
        __builtin_add_overflow(last, reach, &last))
      return 0;
  }
  const bool fits = last < std::numeric_limits<std::int64_t>::max() / item - 1;
  return fits ? static_cast<std::size_t>((last + 1) * item) : 0;
}

// The storage's elements of `dtype` as a view with these sizes; the storage grows if it may.
Tensor view_of_storage(const Tensor& holder, DType dtype, std::int64_t offset,
                       std::optional<Dims> sizes, std::optional<Dims> strides, bool grow) {
  const auto item = static_cast<std::int64_t>(itemsize(dtype));
  std::int64_t available = static_cast<std::int64_t>(holder.storage()->nbytes) / item;
  const Dims wanted = sizes ? *sizes : Dims{available - offset};
  const Dims steps = strides ? *strides : contiguous_strides(wanted);
  const std::size_t needed = grow ? bytes_needed(wanted, steps, offset, item) : 0;
  if (needed > holder.storage()->nbytes) {
    holder.storage()->resize(needed);
    available = static_cast<std::int64_t>(needed) / item;
  }
  const Tensor base(holder.storage(), dtype, {available}, {1}, 0);
  return base.as_strided(wanted, steps, offset);
}

// torch's resize_: other sizes over the same storage, which grows when it is too small.
void resize(nb::handle target, const Dims& sizes) {
  Tensor& t = checked_tensor(target)->t;
  const std::int64_t n = checked_numel(sizes, "resize_");
  const std::size_t needed = static_cast<std::size_t>(n + t.offset()) * t.itemsize();
  if (n && t.storage()->nbytes < needed) t.storage()->resize(needed);
  t = t.restride(sizes, contiguous_strides(sizes), t.offset());
}

}  // namespace

void bind_storage(nb::module_& m) {
  memory_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&memory_spec));
  if (!memory_type) throw nb::python_error();
  m.def("memory", memory);
  m.def("storage_bytes", [](const Lazy& t) { return bytes_of(t->storage()); });
  m.def("storage_view", view_of_storage, "holder"_a, "dtype"_a, "offset"_a, "sizes"_a.none(),
        "strides"_a.none(), "grow"_a = false);
  m.def("storage_resize", [](const Lazy& t, std::int64_t nbytes) {
    FB_CHECK(nbytes >= 0, Runtime, "resize_: the number of bytes must not be negative, got ",
             nbytes);
    t->storage()->resize(static_cast<std::size_t>(nbytes));
  });
  m.def("storage_address",
        [](const Lazy& t) { return reinterpret_cast<std::uintptr_t>(t->storage().get()); });
  m.def("resize", resize);
  m.def("share", [](const Lazy& t) {
    FB_CHECK(t->is_cpu(), Runtime, "_share_fd_: only available on CPU");
    share(*t->storage());
  });
  m.def("shared_descriptor", [](const Lazy& t) { return shared_descriptor(*t->storage()); });
  m.def("map_shared", [](int descriptor, std::int64_t nbytes) {
    FB_CHECK(nbytes >= 0, Value, "map_shared: the number of bytes must not be negative, got ",
             nbytes);
    return bytes_of(map_shared(descriptor, static_cast<std::size_t>(nbytes)));
  });
}

}  // namespace fb::py
