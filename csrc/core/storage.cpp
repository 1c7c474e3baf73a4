#include "core/storage.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "core/allocator.h"
#include "core/error.h"

namespace fb {

constinit thread_local int shape_only_depth = 0;
std::atomic<bool> meta_storages_exist{false};

namespace {

// Addresses without memory: they read as zeros.
char* map_nothing(std::size_t nbytes) {
  void* start = mmap(nullptr, std::max<std::size_t>(nbytes, 1), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FB_CHECK(start != MAP_FAILED, Memory, "meta: this machine has no addresses for a tensor of ",
           nbytes, " bytes");
  return static_cast<char*>(start);
}

char* take(std::size_t nbytes, Device device) {
  if (device.type == DeviceType::Meta) return map_nothing(nbytes);
  return device.type == DeviceType::CPU ? static_cast<char*>(allocate(nbytes)) : nullptr;
}

void give_back(char* data, std::size_t capacity, Device device) {
  if (device.type == DeviceType::Meta) munmap(data, std::max<std::size_t>(capacity, 1));
  if (device.type == DeviceType::CPU) deallocate(data, capacity);
}

}  // namespace

Storage::~Storage() {
  if (release)
    release(*this);
  else
    give_back(data, capacity, device);
}

void Storage::resize(std::size_t new_nbytes) {
  FB_CHECK(resizable && !release, Runtime, "Trying to resize storage that is not resizable");
  if (new_nbytes > capacity) {
    char* grown = take(new_nbytes, device);
    if (nbytes && device.type == DeviceType::CPU) std::memcpy(grown, data, nbytes);
    give_back(data, capacity, device);
    data = grown;
    capacity = new_nbytes;
  }
  nbytes = new_nbytes;
}

StoragePtr make_storage(std::size_t nbytes, Device device) {
  if (shape_only()) {
    device = {DeviceType::Meta, -1};
    meta_storages_exist.store(true, std::memory_order_relaxed);
  }
  StoragePtr storage(new Storage);
  storage->device = device;
  storage->data = take(nbytes, device);
  storage->nbytes = storage->capacity = nbytes;
  return storage;
}

StoragePtr adopt_storage(char* data, std::size_t nbytes, Device device, Storage::Release release,
                         void* owner) {
  StoragePtr storage(new Storage);
  storage->data = data;
  storage->nbytes = storage->capacity = nbytes;
  storage->device = device;
  storage->resizable = false;
  storage->release = release;
  storage->owner = owner;
  return storage;
}

}  // namespace fb
