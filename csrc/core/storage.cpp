#include "core/storage.h"

#include <cstring>

#include "core/allocator.h"
#include "core/error.h"

namespace fb {

Storage::~Storage() {
  if (release)
    release(*this);
  else if (device.type == DeviceType::CPU)
    deallocate(data, capacity);
}

void Storage::resize(std::size_t new_nbytes) {
  FB_CHECK(resizable && !release, Runtime, "Trying to resize storage that is not resizable");
  if (new_nbytes > capacity) {
    char* grown = static_cast<char*>(allocate(new_nbytes));
    if (nbytes) std::memcpy(grown, data, nbytes);
    deallocate(data, capacity);
    data = grown;
    capacity = new_nbytes;
  }
  nbytes = new_nbytes;
}

StoragePtr make_storage(std::size_t nbytes, Device device) {
  StoragePtr storage(new Storage);
  storage->device = device;
  if (device.type == DeviceType::CPU) storage->data = static_cast<char*>(allocate(nbytes));
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
