// Elements as unsigned keys whose order is that of sorting (NaN behind everything, -0 equal to 0),
// together with their places; radix sort and selection of such entries. All of it is stable.
#pragma once
#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "core/allocator.h"
#include "core/dtype.h"
#include "core/iter.h"
#include "core/parallel.h"

namespace fb {
namespace {

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
template <class T>
constexpr int key_bits = sizeof(T) * 8;

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return is_nan(static_cast<float>(x));
  else if constexpr (std::is_floating_point_v<T>)
    return x != x;
  else
    return false;
}

// bool is read as a byte: any non-zero byte is true.
template <class T>
T element_at(const T* p, std::int64_t k) {
  if constexpr (std::is_same_v<T, bool>)
    return reinterpret_cast<const std::uint8_t*>(p)[k] != 0;
  else
    return p[k];
}

template <class T>
KeyOf<T> order_key(T x) {
  using Key = KeyOf<T>;
  constexpr Key sign = Key{1} << (key_bits<T> - 1), all = sign | (sign - 1);
  if constexpr (std::is_integral_v<T>) {
    if constexpr (std::is_signed_v<T>)
      return (static_cast<Key>(x) & all) ^ sign;
    else
      return static_cast<Key>(x);
  } else {
    Key bits, infinity;
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      bits = x.bits;
      infinity = std::is_same_v<T, Half> ? 0x7c00u : 0x7f80u;
    } else {
      bits = std::bit_cast<Key>(x);
      infinity = std::bit_cast<Key>(std::numeric_limits<T>::infinity());
    }
    // Selections, not branches: what is random must not be predicted.
    const Key magnitude = bits & (sign - 1);
    const Key number = bits & sign ? ~bits & all : bits | sign;
    const Key key = magnitude == 0 ? sign : number;
    return magnitude > infinity ? all : key;
  }
}

}  // namespace

// Key and place in one number: the order of entries is that of a stable sort.
struct NarrowEntry {
  std::uint64_t both;
  NarrowEntry() = default;
  NarrowEntry(std::uint32_t key, std::int64_t place)
      : both(std::uint64_t{key} << 32 | static_cast<std::uint32_t>(place)) {}
  std::uint32_t key() const { return static_cast<std::uint32_t>(both >> 32); }
  std::int64_t place() const { return static_cast<std::uint32_t>(both); }
  bool operator<(NarrowEntry other) const { return both < other.both; }
};
struct WideEntry {
  std::uint64_t key_, place_;
  WideEntry() = default;
  WideEntry(std::uint64_t key, std::int64_t place)
      : key_(key), place_(static_cast<std::uint64_t>(place)) {}
  std::uint64_t key() const { return key_; }
  std::int64_t place() const { return static_cast<std::int64_t>(place_); }
  bool operator<(const WideEntry& other) const {
    return key_ != other.key_ ? key_ < other.key_ : place_ < other.place_;
  }
};
namespace {

template <class T>
using EntryOf = std::conditional_t<sizeof(T) == 8, WideEntry, NarrowEntry>;

// What turns the order of keys around, if wanted.
template <class T>
constexpr KeyOf<T> key_flip(bool descending) {
  constexpr KeyOf<T> sign = KeyOf<T>{1} << (key_bits<T> - 1);
  return descending ? sign | (sign - 1) : 0;
}

// The key of NaN, for floating types.
template <class T>
constexpr KeyOf<T> nan_key() {
  return key_flip<T>(true);
}

// The entries of a line; when descending, keys are turned around and places still ascend.
template <class T>
void load_entries(EntryOf<T>* entries, const T* x, std::int64_t n, bool descending) {
  const KeyOf<T> flip = key_flip<T>(descending);
  parallel_for(0, n, default_grain, [=](std::int64_t b, std::int64_t e) {
    for (std::int64_t k = b; k < e; ++k)
      entries[k] = EntryOf<T>(order_key(element_at(x, k)) ^ flip, k);
  });
}

// So few are sorted by comparisons.
constexpr std::int64_t few_entries = 64;

}  // namespace

// Sorts n entries whose places ascend; `other` is as long. Returns where the result is. Long lines
// are sorted by several threads.
template <class Entry>
Entry* sort_entries(Entry* entries, Entry* other, std::int64_t n, int bits);

namespace {

// The entry that has k smaller ones. Changes the order of the entries.
template <class Entry>
Entry select_entry(Entry* entries, std::int64_t n, std::int64_t k, int bits) {
  constexpr int digit_bits = 8;
  std::uint32_t counts[1 << digit_bits];
  for (int shift = bits; n > few_entries && shift > 0;) {
    shift = std::max(0, shift - digit_bits);
    std::fill(std::begin(counts), std::end(counts), 0u);
    const auto digit = [shift](const Entry& e) { return e.key() >> shift & 255u; };
    for (std::int64_t i = 0; i < n; ++i) ++counts[digit(entries[i])];
    std::size_t wanted = 0;
    while (k >= counts[wanted]) k -= counts[wanted++];
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (digit(entries[i]) == wanted) entries[kept++] = entries[i];
    n = kept;
  }
  std::nth_element(entries, entries + k, entries + n);
  return entries[k];
}

}  // namespace
}  // namespace fb
