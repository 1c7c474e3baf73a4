// The random number generator of the CPU: mt19937, advanced 624 numbers at a time. Its stream and
// its 5056-byte state are PyTorch's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/isa.h"

namespace fb {

class Generator {
 public:
  static constexpr std::uint64_t default_seed = 67280421310721;
  static constexpr std::size_t state_bytes = 5056;
  static constexpr int block = 624;  // words that one advance of the state makes

  explicit Generator(std::uint64_t seed = default_seed) { manual_seed(seed); }
  Generator(const Generator& other);
  Generator& operator=(const Generator&) = delete;

  // Every kernel holds this lock while it draws, so that a call's numbers are consecutive.
  std::mutex& mutex() { return mutex_; }

  // These lock for themselves.
  void reseed(std::uint64_t seed);
  std::uint64_t reseed_from_system();  // returns the seed it took
  std::uint64_t initial_seed();
  void save(std::uint8_t* bytes);  // state_bytes of them
  void load(const std::uint8_t* bytes, std::size_t count);

  // The rest expects the lock to be held.
  std::uint32_t draw() {
    if (next_ == end_) refill();
    return words_[next_++];
  }
  std::uint64_t draw64() {  // the first word is the high half
    const std::uint64_t high = draw();
    return high << 32 | draw();
  }
  double draw_double() {  // in [0, 1), 53 bits
    return static_cast<double>(draw64() & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
  }
  void draw(std::uint32_t* out, std::int64_t count);

  // The second value of the last pair of normal numbers made one at a time, until it is used.
  std::optional<double> spare_normal;

 private:
  void manual_seed(std::uint64_t seed);
  void refill();

  std::mutex mutex_;
  std::uint64_t seed_ = 0;
  int next_ = 0;  // words_[next_, end_) are still to be handed out
  int end_ = 0;
  alignas(64) std::uint32_t state_[block];
  alignas(64) std::uint32_t words_[block];  // the state after tempering
};

// What kernels use when the caller names no generator. Until one is set, it has one of its own.
Generator& default_generator();
void set_default_generator(Generator& generator);  // which must outlive the process's use of it

struct GeneratorLoops {
  void (*advance)(std::uint32_t* state);                           // the next block, in place
  void (*temper)(const std::uint32_t* state, std::uint32_t* out);  // a block
};
FB_ISA_TABLE(GeneratorLoops, generator_loops)

}  // namespace fb
