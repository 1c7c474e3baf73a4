// How a call runs: the range is cut into pieces; every participant (the caller and some workers)
// owns a contiguous group of them, so that repeated calls over the same data keep each core on its
// part, and takes over pieces of other groups when its own is done. A worker that has not woken in
// time therefore delays nobody: the caller does its pieces.
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>
#include <thread>

#include "core/cgroup.h"
#include "core/error.h"
#include "core/subnormal.h"

namespace fb {
namespace {

constexpr int max_threads = 512;
// More pieces than threads, so that a core slowed down by other programs is relieved.
constexpr std::int64_t pieces_per_thread = 4;
// A worker looks for the next call this long before it sleeps.
constexpr auto spin_time = std::chrono::microseconds(100);

thread_local bool inside_parallel = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits until done() or until the time is over; returns done().
template <class Done>
bool spin_until(Done&& done, std::chrono::microseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

int available_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) count = CPU_COUNT(&mask);
#endif
  const double quota = cgroup_cpus();
  // Rounded down: a thread that the quota stops makes all others wait.
  if (quota > 0) count = std::min(count, std::max(1, static_cast<int>(quota)));
  return std::max(count, 1);
}

int default_threads() {
  for (const char* name : {"FLAMBEAU_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    const int wanted = text ? std::atoi(text) : 0;
    if (wanted > 0) return std::min(wanted, max_threads);
  }
  return std::min(available_processors(), max_threads);
}

struct Job {
  std::int64_t begin, end, grain;
  std::int64_t blocks, pieces;  // blocks of `grain` elements, the last one shorter
  detail::Body body;
  void* context;
  int participants;
  bool flush;  // the caller takes subnormal numbers for zero
};

// What belongs to one participant, on cache lines of its own.
struct alignas(128) Seat {
  std::atomic<std::uint32_t> signal{0};  // raised to call the worker
  std::atomic<std::int64_t> next{0};     // next piece of this group
  std::int64_t last = 0;                 // one past its last piece
  std::atomic<pid_t> thread{0};          // the worker's, once it runs
  int avoided = -1;                      // processor the worker is kept off
};

class Pool {
 public:
  // False when the pool is working for another thread.
  bool run(std::int64_t begin, std::int64_t end, std::int64_t grain, int threads, detail::Body body,
           void* context) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    start_workers(threads - 1);
    open(begin, end, grain, std::min(threads, workers_ + 1), body, context);
    inside_parallel = true;
    work(0);
    inside_parallel = false;
    const std::exception_ptr error = close();
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  void open(std::int64_t begin, std::int64_t end, std::int64_t grain, int threads,
            detail::Body body, void* context) {
    const std::int64_t blocks = (end - begin - 1) / grain + 1;
    const std::int64_t pieces = std::min(blocks, threads * pieces_per_thread);
    const int participants = static_cast<int>(std::min<std::int64_t>(threads, pieces));
    job_ = {begin, end, grain, blocks, pieces, body, context, participants, flushes_subnormals()};
    for (int i = 0; i < participants; ++i) {
      seats_[i].next.store(pieces * i / participants, std::memory_order_relaxed);
      seats_[i].last = pieces * (i + 1) / participants;
    }
    failed_.store(false, std::memory_order_relaxed);
    leave_processor_to_caller(participants);
    open_.store(true);
    for (int i = 1; i < participants; ++i) {
      seats_[i].signal.fetch_add(1, std::memory_order_release);
      seats_[i].signal.notify_one();
    }
  }

  // Waits for the workers inside the job; those that come later find it closed.
  std::exception_ptr close() {
    open_.store(false);
    const auto all_left = [this] { return inside_.load() == 0; };
    if (!spin_until(all_left, spin_time)) {
      for (int n; (n = inside_.load()) != 0;) inside_.wait(n);
    }
    std::exception_ptr error;
    if (failed_.load(std::memory_order_relaxed)) std::swap(error, error_);
    return error;
  }

  void work(int seat) {
    for (int i = 0; i < job_.participants; ++i) {
      Seat& group = seats_[(seat + i) % job_.participants];
      while (group.next.load(std::memory_order_relaxed) < group.last) {
        const std::int64_t piece = group.next.fetch_add(1, std::memory_order_relaxed);
        if (piece >= group.last) break;
        run_piece(piece);
      }
    }
  }

  void run_piece(std::int64_t piece) {
    if (failed_.load(std::memory_order_relaxed)) return;
    const std::int64_t first = boundary(piece), last = boundary(piece + 1);
    try {
      job_.body(job_.context, first, last);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }

  // Start of a piece: a whole number of blocks from the beginning.
  std::int64_t boundary(std::int64_t piece) const {
    if (piece == job_.pieces) return job_.end;
    const std::int64_t quotient = job_.blocks / job_.pieces, rest = job_.blocks % job_.pieces;
    return job_.begin + (piece * quotient + std::min(piece, rest)) * job_.grain;
  }

  // The scheduler likes to wake a thread on its waker's processor, where a worker would wait for
  // milliseconds while another processor idles: workers are kept off the one that their caller is
  // on now, where the caller has a choice of its own.
  void leave_processor_to_caller(int participants) {
#if defined(__linux__)
    const int cpu = sched_getcpu();
    for (int i = 1; i < participants; ++i) {
      Seat& seat = seats_[i];
      const pid_t thread = seat.thread.load(std::memory_order_relaxed);
      if (seat.avoided == cpu || thread == 0) continue;
      cpu_set_t mask;
      if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(mask), &mask) != 0) return;
      CPU_CLR(static_cast<unsigned>(cpu), &mask);
      if (CPU_COUNT(&mask) > 0) sched_setaffinity(thread, sizeof(mask), &mask);
      seat.avoided = cpu;
    }
#endif
  }

  void start_workers(int wanted) {
    if (workers_ >= wanted) return;
    sigset_t all, before;  // signals are for the program's own threads
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      while (workers_ < wanted) {
        std::thread([this, seat = workers_ + 1] { serve(seat); }).detach();
        ++workers_;
      }
    } catch (const std::system_error&) {
      // The system gives no more threads: the ones there are share the work.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void serve(int seat) {
    inside_parallel = true;
#if defined(__linux__)
    seats_[seat].thread.store(static_cast<pid_t>(syscall(SYS_gettid)), std::memory_order_relaxed);
#endif
    std::atomic<std::uint32_t>& signal = seats_[seat].signal;
    for (std::uint32_t seen = 0;;) {
      const auto called = [&] { return signal.load(std::memory_order_acquire) != seen; };
      if (!spin_until(called, spin_time)) signal.wait(seen, std::memory_order_acquire);
      seen = signal.load(std::memory_order_acquire);
      // Either close() sees this thread inside, or this thread sees the job closed.
      inside_.fetch_add(1);
      if (open_.load()) {
        flush_subnormals(job_.flush);
        work(seat);
      }
      if (inside_.fetch_sub(1) == 1) inside_.notify_all();
    }
  }

  std::atomic<bool> busy_{false};  // held by the thread whose job this is
  std::atomic<bool> open_{false};
  std::atomic<bool> failed_{false};
  std::atomic<int> inside_{0};  // workers that may touch the job
  int workers_ = 0;
  Job job_{};
  std::exception_ptr error_;
  Seat seats_[max_threads];
};

// Never destroyed: workers may be asleep in it while the process ends.
alignas(Pool) unsigned char pool_memory[sizeof(Pool)];
Pool& pool = *reinterpret_cast<Pool*>(pool_memory);

std::atomic<int> chosen_threads{0};  // 0: not known yet

// fork() copies only the calling thread. The child starts with a new pool, whatever state the old
// one was copied in; the parent is not touched.
void restart_in_child() {
  new (pool_memory) Pool;
  inside_parallel = false;
}

[[maybe_unused]] const bool started = [] {
  new (pool_memory) Pool;
  pthread_atfork(nullptr, nullptr, restart_in_child);
  return true;
}();

}  // namespace

int num_threads() {
  int n = chosen_threads.load(std::memory_order_relaxed);
  if (__builtin_expect(n == 0, 0)) {
    n = default_threads();
    chosen_threads.store(n, std::memory_order_relaxed);
  }
  return n;
}

void set_num_threads(int n) {
  FB_CHECK(n > 0, Value, "set_num_threads: expected a positive number of threads, got ", n);
  chosen_threads.store(std::min(n, max_threads), std::memory_order_relaxed);
}

bool in_parallel() { return inside_parallel; }

namespace detail {

void run_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain, Body body,
                  void* context) {
  const int threads = num_threads();
  if (inside_parallel || threads == 1 ||
      !pool.run(begin, end, std::max<std::int64_t>(grain, 1), threads, body, context)) {
    body(context, begin, end);
  }
}

}  // namespace detail
}  // namespace fb
