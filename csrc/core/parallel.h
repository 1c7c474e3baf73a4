// The thread pool: fixed worker threads, started at first use, restarted after fork.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/shape_only.h"

namespace fb {

// Number of threads that parallel_for may use, the caller included (at least 1). The default comes
// from the affinity mask and the cgroup quota, and FLAMBEAU_NUM_THREADS / OMP_NUM_THREADS if set.
int num_threads();
void set_num_threads(int n);

// True inside a parallel_for body: nested calls run serially on the calling thread.
bool in_parallel();

namespace detail {
using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);
void run_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain, Body body,
                  void* context);
}  // namespace detail

// Calls f(b, e) over disjoint pieces that cover [begin, end); each piece has at least `grain`
// elements (but the last). Runs on the calling thread alone when the range is not larger than
// grain. The first exception of any piece is rethrown here, after every piece has stopped. In
// shape-only mode (core/shape_only.h) f is not called.
//
// Every piece starts a whole number of grains after `begin`; how many grains it has depends on the
// number of threads. A kernel whose bits must not depend on that (a reduction) therefore works in
// blocks of exactly `grain` elements counted from `begin`, one partial result for each, and
// combines these in order.
template <class F>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, F&& f) {
  if (end <= begin || shape_only()) return;
  if (end - begin <= grain || in_parallel() || num_threads() == 1) {
    f(begin, end);
    return;
  }
  using Fn = std::remove_reference_t<F>;
  detail::run_parallel(
      begin, end, grain,
      [](void* context, std::int64_t b, std::int64_t e) { (*static_cast<Fn*>(context))(b, e); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace fb
