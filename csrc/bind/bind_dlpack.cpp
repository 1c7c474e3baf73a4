// Exchange with other array libraries through DLPack capsules (the ABI of dlpack.h, versions 0 and
// 1).
#include <cstring>
#include <memory>

#include "bind/pytensor.h"

namespace fb::py {

namespace {

struct DLDevice {
  std::int32_t type;
  std::int32_t id;
};
struct DLDataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor dl_tensor;
};
constexpr std::int32_t device_cpu = 1;
constexpr std::uint64_t flag_read_only = 1;
enum Code : std::uint8_t { Int = 0, UInt = 1, Float = 2, BFloat = 4, Complex = 5, Bool = 6 };

DLDataType to_dl(DType dtype) {
  const auto bits = static_cast<std::uint8_t>(itemsize(dtype) * 8);
  if (dtype == DType::Bool) return {Bool, 8, 1};
  if (dtype == DType::BFloat16) return {BFloat, bits, 1};
  if (is_complex(dtype)) return {Complex, bits, 1};
  if (is_floating(dtype)) return {Float, bits, 1};
  return {is_signed(dtype) ? Int : UInt, bits, 1};
}

DType from_dl(DLDataType type) {
  FB_CHECK(type.lanes == 1, Runtime, "from_dlpack: unsupported vector type of ", type.lanes,
           " lanes");
  for (int k = 0; k < num_dtypes; ++k) {
    const DLDataType own = to_dl(static_cast<DType>(k));
    if (own.code == type.code && own.bits == type.bits) return static_cast<DType>(k);
  }
  fail(ErrorKind::Runtime, "from_dlpack: unsupported type: code ", int{type.code}, ", ",
       int{type.bits}, " bits");
}

// ---- out ----

// What an exported capsule keeps alive; sizes and strides are pointed into.
template <class Managed>
struct Export {
  Managed managed{};
  Tensor t;

  explicit Export(const Tensor& source) : t(source) {
    DLTensor& dl = managed.dl_tensor;
    dl.data = t.numel() ? t.bytes() : nullptr;
    dl.device = {device_cpu, 0};
    dl.ndim = t.ndim();
    dl.dtype = to_dl(t.dtype());
    dl.shape = const_cast<std::int64_t*>(t.sizes().data());
    dl.strides = const_cast<std::int64_t*>(t.strides().data());
    dl.byte_offset = 0;
    managed.manager_ctx = this;
    managed.deleter = [](Managed* m) { delete static_cast<Export*>(m->manager_ctx); };
  }
};

// A capsule that nobody took is freed with its contents; a taken one has been renamed.
template <class Managed>
void drop_capsule(PyObject* capsule, const char* name) {
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed && managed->deleter) managed->deleter(managed);
}

nb::object to_capsule(const Tensor& t, bool versioned) {
  require_cpu(t, "__dlpack__");
  PyObject* capsule;
  if (versioned) {
    auto* out = new Export<DLManagedTensorVersioned>(t);
    out->managed.major = 1;
    capsule = PyCapsule_New(&out->managed, "dltensor_versioned", [](PyObject* o) {
      drop_capsule<DLManagedTensorVersioned>(o, "dltensor_versioned");
    });
    if (!capsule) delete out;
  } else {
    auto* out = new Export<DLManagedTensor>(t);
    capsule = PyCapsule_New(&out->managed, "dltensor",
                            [](PyObject* o) { drop_capsule<DLManagedTensor>(o, "dltensor"); });
    if (!capsule) delete out;
  }
  if (!capsule) throw nb::python_error();
  return nb::steal(capsule);
}

// ---- in ----

// The producer may be a Python library: its deleter runs with the GIL held.
template <class Managed>
void release_managed(Storage& storage) {
  auto* managed = static_cast<Managed*>(storage.owner);
  if (!managed->deleter || !Py_IsInitialized()) return;
  const PyGILState_STATE state = PyGILState_Ensure();
  managed->deleter(managed);
  PyGILState_Release(state);
}

std::int64_t last_place(const Dims& sizes, const Dims& strides) {
  std::int64_t last = 0;
  for (int d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 0) return -1;
    last += (sizes[d] - 1) * strides[d];
  }
  return last;
}

template <class Managed>
Tensor adopt(PyObject* capsule, const char* name, const char* used_name) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (!managed) throw nb::python_error();
  const DLTensor& dl = managed->dl_tensor;
  FB_CHECK(dl.device.type == device_cpu, Device,
           "from_dlpack: only memory of the CPU can be imported, got device type ", dl.device.type);
  const DType dtype = from_dl(dl.dtype);
  const Dims sizes(dl.shape, dl.ndim);
  const Dims strides = dl.strides ? Dims(dl.strides, dl.ndim) : contiguous_strides(sizes);
  for (auto s : strides)
    FB_CHECK(s >= 0, Value, "from_dlpack: negative strides are not supported: strides are ",
             strides);
  checked_numel(sizes, "from_dlpack");
  const auto bytes = static_cast<std::size_t>(last_place(sizes, strides) + 1) * itemsize(dtype);
  char* data = static_cast<char*>(dl.data) + dl.byte_offset;
  require_aligned(data, dtype, "from_dlpack");
  StoragePtr storage = adopt_storage(data, bytes, Device{}, release_managed<Managed>, managed);
  PyCapsule_SetName(capsule, used_name);
  PyCapsule_SetDestructor(capsule, nullptr);
  return Tensor(std::move(storage), dtype, sizes, strides, 0);
}

Tensor from_capsule(nb::handle capsule) {
  PyObject* o = capsule.ptr();
  if (PyCapsule_IsValid(o, "dltensor_versioned")) {
    auto* managed =
        static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(o, "dltensor_versioned"));
    FB_CHECK(managed->major == 1, Runtime, "from_dlpack: DLPack version ", managed->major,
             " is not supported");
    return adopt<DLManagedTensorVersioned>(o, "dltensor_versioned", "used_dltensor_versioned");
  }
  FB_CHECK(PyCapsule_IsValid(o, "dltensor"), Runtime,
           "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed "
           "only once, so you might have already constructed a "
           "tensor from it once.");
  return adopt<DLManagedTensor>(o, "dltensor", "used_dltensor");
}

bool capsule_is_read_only(nb::handle capsule) {
  if (!PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) return false;
  auto* managed = static_cast<DLManagedTensorVersioned*>(
      PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
  return managed->flags & flag_read_only;
}

}  // namespace

void bind_dlpack(nb::module_& m) {
  m.def("to_dlpack", to_capsule);
  m.def("from_dlpack", from_capsule);
  m.def("dlpack_read_only", capsule_is_read_only);
}

}  // namespace fb::py
