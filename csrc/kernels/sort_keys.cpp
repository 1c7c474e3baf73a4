#include "kernels/sort_keys.h"

namespace fb {
namespace {

// Entries that are worth another thread.
constexpr std::int64_t chunk_entries = 65536;
// From here on larger digits, and so fewer passes, are faster.
constexpr std::int64_t many_entries = 4096;

// The n entries cut into as many chunks as threads work on them.
struct Chunks {
  std::int64_t n, count, length;

  explicit Chunks(std::int64_t entries)
      : n(entries),
        count(in_parallel() ? 1 : std::clamp<std::int64_t>(n / chunk_entries, 1, num_threads())),
        length((n + count - 1) / count) {}
  // Calls f(chunk, begin, end).
  template <class F>
  void each(F&& f) const {
    parallel_for(0, count, 1, [&](std::int64_t b, std::int64_t e) {
      for (std::int64_t c = b; c < e; ++c)
        f(c, std::min(n, c * length), std::min(n, (c + 1) * length));
    });
  }
};

// Sorts by digits from the lowest. Every chunk counts its digits; from these follows where each
// chunk puts its entries, so that the result does not depend on the chunks.
template <int digit_bits, class Entry>
class RadixSort {
 public:
  explicit RadixSort(std::int64_t n)
      : chunks_(n), starts_(static_cast<std::size_t>(chunks_.count) * digits) {}

  Entry* run(Entry* entries, Entry* other, int bits) {
    for (int shift = 0; shift < bits; shift += digit_bits) {
      count(entries, shift);
      if (all_alike(entries[0], shift)) continue;
      start();
      move(entries, other, shift);
      std::swap(entries, other);
    }
    return entries;
  }

 private:
  static constexpr std::size_t digits = std::size_t{1} << digit_bits;
  static std::size_t digit(const Entry& entry, int shift) {
    return static_cast<std::size_t>(entry.key() >> shift & (digits - 1));
  }
  std::uint32_t* starts_of(std::int64_t chunk) {
    return starts_.data() + static_cast<std::size_t>(chunk) * digits;
  }
  void count(const Entry* entries, int shift) {
    chunks_.each([&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
      std::uint32_t* counts = starts_of(chunk);
      std::fill_n(counts, digits, 0u);
      for (std::int64_t k = begin; k < end; ++k) ++counts[digit(entries[k], shift)];
    });
  }
  bool all_alike(const Entry& first, int shift) {
    std::int64_t alike = 0;
    for (std::int64_t c = 0; c < chunks_.count; ++c) alike += starts_of(c)[digit(first, shift)];
    return alike == chunks_.n;
  }
  void start() {
    std::uint32_t sum = 0;
    for (std::size_t d = 0; d < digits; ++d)
      for (std::int64_t c = 0; c < chunks_.count; ++c) sum += std::exchange(starts_of(c)[d], sum);
  }
  void move(const Entry* entries, Entry* other, int shift) {
    chunks_.each([&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
      std::uint32_t* next = starts_of(chunk);
      for (std::int64_t k = begin; k < end; ++k)
        other[next[digit(entries[k], shift)]++] = entries[k];
    });
  }

  Chunks chunks_;
  Workspace<std::uint32_t> starts_;
};

}  // namespace

template <class Entry>
Entry* sort_entries(Entry* entries, Entry* other, std::int64_t n, int bits) {
  if (n <= few_entries) {
    std::sort(entries, entries + n);
    return entries;
  }
  return n < many_entries ? RadixSort<8, Entry>(n).run(entries, other, bits)
                          : RadixSort<11, Entry>(n).run(entries, other, bits);
}

template NarrowEntry* sort_entries(NarrowEntry*, NarrowEntry*, std::int64_t, int);
template WideEntry* sort_entries(WideEntry*, WideEntry*, std::int64_t, int);

}  // namespace fb
