// What the fuzz targets share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "privdnn/base/bytes.h"

namespace privdnn::fuzz {

// Ends the process, so that the fuzzer keeps the input, if something that must hold for every input does not.
inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

// Reads choices from the front of an input; past its end everything is zero.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data, size) {}
  bool empty() const { return data_.empty(); }
  uint64_t Integer(int bytes) {
    uint64_t v = 0;
    const auto taken = Take(static_cast<size_t>(bytes));
    for (size_t i = 0; i < taken.size(); ++i) v |= uint64_t{taken[i]} << (8 * i);
    return v;
  }
  // Uniform enough in [low, high].
  uint64_t InRange(uint64_t low, uint64_t high, int bytes = 2) { return low + Integer(bytes) % (high - low + 1); }
  std::span<const uint8_t> Take(size_t size) {
    const auto taken = data_.first(std::min(size, data_.size()));
    data_ = data_.subspan(taken.size());
    return taken;
  }
  std::span<const uint8_t> Rest() { return Take(data_.size()); }

 private:
  std::span<const uint8_t> data_;
};

// A forgery of a valid file or message, as the input says: either the input's bytes as they are, or the valid bytes
// after a list of edits. The latter reaches what lies behind sizes that must agree, which random bytes seldom do. An
// edit is a byte of flags and a 16-bit offset, from the front or the end; then it overwrites, inserts, erases or cuts.
inline Bytes Forge(std::span<const uint8_t> valid, Input& input) {
  constexpr uint8_t kFromEnd = 4;
  if (input.Integer(1) % 2 == 1) {
    const auto rest = input.Rest();
    return {rest.begin(), rest.end()};
  }
  Bytes bytes(valid.begin(), valid.end());
  while (!input.empty()) {
    const auto flags = static_cast<uint8_t>(input.Integer(1));
    const uint64_t from = std::min<uint64_t>(input.Integer(2), bytes.size());
    const auto at = static_cast<ptrdiff_t>((flags & kFromEnd) != 0 ? bytes.size() - from : from);
    const auto left = static_cast<size_t>(static_cast<ptrdiff_t>(bytes.size()) - at);
    switch (flags % 4) {
      case 0: {
        const auto patch = input.Take(input.Integer(1));
        std::copy_n(patch.begin(), std::min(patch.size(), left), bytes.begin() + at);
        break;
      }
      case 1: {
        const auto patch = input.Take(input.Integer(1));
        bytes.insert(bytes.begin() + at, patch.begin(), patch.end());
        break;
      }
      case 2: {
        const auto erased = static_cast<ptrdiff_t>(std::min<size_t>(input.Integer(1), left));
        bytes.erase(bytes.begin() + at, bytes.begin() + at + erased);
        break;
      }
      default:
        bytes.resize(static_cast<size_t>(at));
    }
  }
  return bytes;
}

// A forgery whose checksums are as they come or made right by `reseal`, as the input's first byte says.
template <typename Reseal>
Bytes Forge(std::span<const uint8_t> valid, std::span<const uint8_t> data, const Reseal& reseal) {
  Input input(data.data(), data.size());
  const bool right = input.Integer(1) % 2 == 1;
  Bytes bytes = Forge(valid, input);
  if (right) reseal(bytes);
  return bytes;
}

}  // namespace privdnn::fuzz
