// Storages whose bytes other processes can map: anonymous shared memory with a file descriptor.
#pragma once
#include "core/storage.h"

namespace fb {

// Moves the bytes of a storage into shared memory (in place; views stay valid). Nothing to do if
// they are there already. Error(Runtime) if the storage belongs to somebody else or the system
// refuses.
void share(Storage& storage);
// The descriptor of a shared storage; it stays the storage's. Error(Runtime) if it is not shared.
int shared_descriptor(const Storage& storage);
// Maps the memory behind a descriptor, which is duplicated.
StoragePtr map_shared(int descriptor, std::size_t nbytes);

}  // namespace fb
