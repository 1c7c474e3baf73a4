#include "core/storage.h"

#include <algorithm>
#include <cstring>

#include "core/allocator.h"
#include "core/error.h"

namespace fb {

Storage::~Storage() {
  if (release)
    release(*this);
  else if (device.type == DeviceType::CPU)
    deallocate(data, nbytes);
}

void Storage::resize(std::size_t new_nbytes) {
  FB_CHECK(resizable && !release, Runtime, "Trying to resize storage that is not resizable");
  char* grown = static_cast<char*>(allocate(new_nbytes));
  if (const std::size_t kept = std::min(nbytes, new_nbytes)) std::memcpy(grown, data, kept);
  deallocate(data, nbytes);
  data = grown;
  nbytes = new_nbytes;
}

StoragePtr make_storage(std::size_t nbytes, Device device) {
  StoragePtr storage(new Storage);
  storage->device = device;
  if (device.type == DeviceType::CPU) storage->data = static_cast<char*>(allocate(nbytes));
  storage->nbytes = nbytes;
  return storage;
}

StoragePtr adopt_storage(char* data, std::size_t nbytes, Device device, Storage::Release release, void* owner) {
  StoragePtr storage(new Storage);
  storage->data = data;
  storage->nbytes = nbytes;
  storage->device = device;
  storage->resizable = false;
  storage->release = release;
  storage->owner = owner;
  return storage;
}

}  // namespace fb
