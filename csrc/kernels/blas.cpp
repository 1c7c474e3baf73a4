#include "kernels/blas.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

#include "core/error.h"

namespace fb {
namespace {

struct Library {
  std::mutex mutex;
  std::string path;
  BlasKind kind = BlasKind::OpenBlas;
  void* handle = nullptr;
  BlasTable table{};
  std::atomic<bool> ready{false};
};

Library& library() {
  static Library instance;
  return instance;
}

// scipy-openblas32 renames every symbol so that several BLAS can live in one process.
void* find(const Library& lib, const std::string& name) {
  const std::string symbol = lib.kind == BlasKind::OpenBlas ? "scipy_" + name : name;
  return dlsym(lib.handle, symbol.c_str());
}

template <class Function>
void require(const Library& lib, const char* name, Function& function) {
  function = reinterpret_cast<Function>(find(lib, name));
  FB_CHECK(function, Runtime, "blas: ", lib.path, " has no function ", name);
}

void limit_to_one_thread(const Library& lib) {
  const char* name =
      lib.kind == BlasKind::OpenBlas ? "openblas_set_num_threads" : "MKL_Set_Num_Threads";
  if (auto set_threads = reinterpret_cast<void (*)(int)>(find(lib, name))) set_threads(1);
}

// Opens the named library; the caller holds the mutex.
void open(Library& lib) {
  void* handle = dlopen(lib.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  FB_CHECK(handle, Runtime, "blas: cannot open ", lib.path, ": ", dlerror());
  lib.handle = handle;
  require(lib, "cblas_sgemm", lib.table.sgemm);
  require(lib, "cblas_dgemm", lib.table.dgemm);
  require(lib, "cblas_cgemm", lib.table.cgemm);
  require(lib, "cblas_zgemm", lib.table.zgemm);
  limit_to_one_thread(lib);
  lib.ready.store(true, std::memory_order_release);
}

}  // namespace

void blas_configure(const std::string& path, BlasKind kind) {
  Library& lib = library();
  const std::lock_guard lock(lib.mutex);
  FB_CHECK(!lib.ready.load(), Runtime, "blas_configure: ", lib.path, " is already in use");
  lib.path = path;
  lib.kind = kind;
}

const BlasTable* blas() {
  Library& lib = library();
  if (lib.ready.load(std::memory_order_acquire)) return &lib.table;
  const std::lock_guard lock(lib.mutex);
  if (lib.path.empty()) return nullptr;
  if (!lib.ready.load()) open(lib);
  return &lib.table;
}

void* lapack_function(const char* name) {
  FB_CHECK(blas(), NotImplemented, name,
           ": no LAPACK library is installed (pip install scipy-openblas32)");
  void* function = find(library(), std::string(name) + "_");
  FB_CHECK(function, NotImplemented, name, ": ", library().path, " lacks this routine");
  return function;
}

std::string blas_description() {
  Library& lib = library();
  const std::lock_guard lock(lib.mutex);
  if (lib.path.empty()) return "none";
  return (lib.kind == BlasKind::OpenBlas ? "openblas " : "mkl ") + lib.path;
}

}  // namespace fb
