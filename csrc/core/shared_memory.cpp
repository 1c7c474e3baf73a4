#include "core/shared_memory.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/allocator.h"
#include "core/error.h"

namespace fb {
namespace {

struct Mapping {
  int descriptor;
  std::size_t bytes;
};

void unmap(Storage& storage) {
  auto* mapping = static_cast<Mapping*>(storage.owner);
  munmap(storage.data, mapping->bytes);
  close(mapping->descriptor);
  delete mapping;
}

std::size_t mapped_size(std::size_t nbytes) { return nbytes ? nbytes : 1; }

char* map(int descriptor, std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  FB_CHECK(at != MAP_FAILED, Runtime, "shared memory: cannot map ", bytes,
           " bytes: ", std::strerror(errno));
  return static_cast<char*>(at);
}

// Closes a descriptor unless it is released.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

}  // namespace

void share(Storage& storage) {
  if (storage.shared) return;
  FB_CHECK(!storage.release, Runtime,
           "share_memory_: the memory belongs to another library; clone the tensor first");
  const std::size_t bytes = mapped_size(storage.nbytes);
  Descriptor descriptor(memfd_create("flambeau", MFD_CLOEXEC));
  FB_CHECK(descriptor.get() >= 0, Runtime,
           "share_memory_: cannot create shared memory: ", std::strerror(errno));
  FB_CHECK(ftruncate(descriptor.get(), static_cast<off_t>(bytes)) == 0, Runtime,
           "share_memory_: cannot reserve ", bytes,
           " bytes of shared memory: ", std::strerror(errno));
  auto mapping = std::make_unique<Mapping>(Mapping{descriptor.get(), bytes});
  char* data = map(descriptor.get(), bytes);
  if (storage.nbytes) std::memcpy(data, storage.data, storage.nbytes);
  deallocate(storage.data, storage.capacity);
  descriptor.release();
  storage.data = data;
  storage.capacity = storage.nbytes;
  storage.release = unmap;
  storage.owner = mapping.release();
  storage.resizable = false;
  storage.shared = true;
}

int shared_descriptor(const Storage& storage) {
  FB_CHECK(storage.shared && storage.release == unmap, Runtime,
           "the storage is not in shared memory: call share_memory_() first");
  return static_cast<const Mapping*>(storage.owner)->descriptor;
}

StoragePtr map_shared(int descriptor, std::size_t nbytes) {
  Descriptor own(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  FB_CHECK(own.get() >= 0, Runtime, "shared memory: bad file descriptor: ", std::strerror(errno));
  const off_t length = lseek(own.get(), 0, SEEK_END);
  FB_CHECK(length >= 0 && static_cast<std::size_t>(length) >= nbytes, Runtime,
           "shared memory: it holds ", length, " bytes, expected ", nbytes);
  const std::size_t bytes = mapped_size(nbytes);
  auto mapping = std::make_unique<Mapping>(Mapping{own.get(), bytes});
  char* data = map(own.get(), bytes);
  StoragePtr storage = adopt_storage(data, nbytes, Device{}, unmap, mapping.release());
  own.release();
  storage->shared = true;
  return storage;
}

}  // namespace fb
