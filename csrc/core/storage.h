// Reference-counted bytes on a device, shared by every view of a tensor.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/shape_only.h"

namespace fb {

enum class DeviceType : std::uint8_t { CPU, CUDA, Meta };

struct Device {
  DeviceType type = DeviceType::CPU;
  std::int8_t index = -1;
  bool operator==(const Device&) const = default;
};

struct Storage {
  using Release = void (*)(Storage& storage);

  std::atomic<std::int64_t> references{0};
  char* data = nullptr;
  std::size_t nbytes = 0;
  std::size_t capacity =
      0;  // what is allocated: a storage that shrinks keeps its memory, so views stay valid
  std::uint32_t version = 0;  // counts in-place writes; autograd compares it
  bool awaited = false;       // a graph has saved it: `writer` is kept
  int writer_at = 0;
  void* writer = nullptr;  // code that wrote it last, for autograd's message
  Device device;
  bool resizable = true;
  bool shared = false;        // lives in memory that other processes map
  Release release = nullptr;  // frees data (and owner); null for memory of our own allocator
  void* owner = nullptr;      // what `release` needs: a NumPy array, a capsule, a mapped file

  void resize(std::size_t new_nbytes);  // keeps the first bytes; Error(Runtime) if not resizable
  ~Storage();
};

class StoragePtr {
 public:
  StoragePtr() = default;
  explicit StoragePtr(Storage* storage) : storage_(storage) { retain(); }
  StoragePtr(const StoragePtr& other) : storage_(other.storage_) { retain(); }
  StoragePtr(StoragePtr&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StoragePtr& operator=(StoragePtr other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StoragePtr() {
    if (storage_ && storage_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete storage_;
  }
  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  Storage& operator*() const { return *storage_; }
  explicit operator bool() const { return storage_ != nullptr; }
  bool operator==(const StoragePtr& other) const { return storage_ == other.storage_; }
  bool unique() const { return storage_->references.load(std::memory_order_acquire) == 1; }

 private:
  void retain() {
    if (storage_) storage_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Storage* storage_ = nullptr;
};

// On the device `meta` in shape-only mode, whatever `device` says.
StoragePtr make_storage(std::size_t nbytes, Device device = {});
// True from the first storage on the device `meta` on: programs without any pay one test for it.
extern std::atomic<bool> meta_storages_exist;
// Takes over foreign memory; `release` is called once, when the last view is gone.
StoragePtr adopt_storage(char* data, std::size_t nbytes, Device device, Storage::Release release,
                         void* owner);

}  // namespace fb
