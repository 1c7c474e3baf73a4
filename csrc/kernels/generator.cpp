#include "kernels/generator.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "core/error.h"

namespace fb {
namespace {

// PyTorch's record of a CPU generator, field for field. `left` counts down to the next advance of
// the state: it is 1 when every word of `state` has been handed out.
struct State {
  std::uint64_t seed;
  std::int32_t left;
  std::int32_t seeded;
  std::uint64_t next;
  std::uint64_t state[Generator::block];
  double unused_x;
  double spare_normal;
  double unused_rho;
  std::int32_t has_spare_normal;
  std::int32_t unused[3];
};
static_assert(sizeof(State) == Generator::state_bytes);

Generator*& default_slot() {
  static Generator first;
  static Generator* slot = &first;
  return slot;
}

// A child made by fork must not inherit the lock of a thread that it does not have.
[[maybe_unused]] const int at_fork = pthread_atfork([] { default_generator().mutex().lock(); },
                                                    [] { default_generator().mutex().unlock(); },
                                                    [] { default_generator().mutex().unlock(); });

}  // namespace

Generator& default_generator() { return *default_slot(); }
void set_default_generator(Generator& generator) { default_slot() = &generator; }

Generator::Generator(const Generator& other) {
  const std::scoped_lock lock(const_cast<std::mutex&>(other.mutex_));
  spare_normal = other.spare_normal;
  seed_ = other.seed_;
  next_ = other.next_;
  end_ = other.end_;
  std::memcpy(state_, other.state_, sizeof(state_));
  std::memcpy(words_, other.words_, sizeof(words_));
}

void Generator::manual_seed(std::uint64_t seed) {
  seed_ = seed;
  next_ = end_ = 0;
  spare_normal.reset();
  state_[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t i = 1; i < block; ++i)
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
}

void Generator::refill() {
  generator_loops().advance(state_);
  generator_loops().temper(state_, words_);
  next_ = 0;
  end_ = block;
}

void Generator::draw(std::uint32_t* out, std::int64_t count) {
  const auto take = [&] {
    const std::int64_t n = std::min<std::int64_t>(count, end_ - next_);
    std::memcpy(out, words_ + next_, static_cast<std::size_t>(n) * sizeof(std::uint32_t));
    next_ += static_cast<int>(n);
    out += n;
    count -= n;
  };
  take();
  for (; count >= block; count -= block, out += block) {  // whole blocks skip the copy
    generator_loops().advance(state_);
    generator_loops().temper(state_, out);
    next_ = end_ = block;
  }
  if (count > 0) {
    refill();
    take();
  }
}

void Generator::reseed(std::uint64_t seed) {
  const std::scoped_lock lock(mutex_);
  manual_seed(seed);
}

std::uint64_t Generator::reseed_from_system() {
  std::random_device device;
  const std::uint64_t high = device();
  const std::uint64_t seed = high << 32 | device();
  reseed(seed);
  return seed;
}

std::uint64_t Generator::initial_seed() {
  const std::scoped_lock lock(mutex_);
  return seed_;
}

void Generator::save(std::uint8_t* bytes) {
  const std::scoped_lock lock(mutex_);
  State s{};
  s.seed = seed_;
  s.left = end_ - next_ + 1;
  s.seeded = 1;
  s.next = static_cast<std::uint64_t>(next_);
  std::copy(state_, state_ + block, s.state);
  s.spare_normal = spare_normal.value_or(0.0);
  s.has_spare_normal = spare_normal.has_value();
  std::memcpy(bytes, &s, sizeof(s));
}

void Generator::load(const std::uint8_t* bytes, std::size_t count) {
  FB_CHECK(count == state_bytes, Runtime, "set_state: Expected a CPUGeneratorImplState of size ",
           state_bytes, " but found the input RNG state size to be ", count);
  State s;
  std::memcpy(&s, bytes, sizeof(s));
  const auto left = static_cast<std::uint64_t>(static_cast<std::int64_t>(s.left));
  FB_CHECK(s.seeded == 1 && left >= 1 && left <= block && s.next <= block, Runtime,
           "set_state: Invalid mt19937 state");
  const std::scoped_lock lock(mutex_);
  seed_ = s.seed;
  for (int i = 0; i < block; ++i) state_[i] = static_cast<std::uint32_t>(s.state[i]);
  generator_loops().temper(state_, words_);
  next_ = static_cast<int>(s.next);
  end_ = std::min(next_ + s.left - 1, block);
  spare_normal.reset();
  if (s.has_spare_normal) spare_normal = s.spare_normal;
}

}  // namespace fb
