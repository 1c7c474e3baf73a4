#include "kernels/generator.h"

namespace fb::FB_ISA {
namespace {

constexpr int n = Generator::block;
constexpr int m = 397;

inline __attribute__((always_inline)) std::uint32_t twist(std::uint32_t here, std::uint32_t next,
                                                          std::uint32_t far) {
  const std::uint32_t y = (here & 0x80000000u) | (next & 0x7fffffffu);
  return far ^ (y >> 1) ^ ((0u - (y & 1u)) & 0x9908b0dfu);
}

// Each loop reads only words that lie 227 or more behind the write, so it runs in vectors.
void advance(std::uint32_t* state) {
  for (int i = 0; i < n - m; ++i) state[i] = twist(state[i], state[i + 1], state[i + m]);
  for (int i = n - m; i < n - 1; ++i) state[i] = twist(state[i], state[i + 1], state[i - (n - m)]);
  state[n - 1] = twist(state[n - 1], state[0], state[m - 1]);
}

void temper(const std::uint32_t* __restrict state, std::uint32_t* __restrict out) {
  for (int i = 0; i < n; ++i) {
    std::uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    y ^= y >> 18;
    out[i] = y;
  }
}

}  // namespace

const GeneratorLoops generator_loops_table = {advance, temper};

}  // namespace fb::FB_ISA
