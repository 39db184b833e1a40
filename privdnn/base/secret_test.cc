#include "privdnn/base/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace privdnn {
namespace {

// Memory that outlives its release, so that what is left in it may be read.
class Arena {
 public:
  static void Reset() {
    std::fill(std::begin(bytes_), std::end(bytes_), uint8_t{0});
    used_ = released_ = 0;
  }
  static void* Take(size_t bytes) {
    void* p = bytes_ + used_;
    used_ += bytes;
    EXPECT_LE(used_, sizeof bytes_);
    return p;
  }
  static void Release(size_t bytes) { released_ += bytes; }

  static size_t used() { return used_; }
  static size_t released() { return released_; }
  // Bytes of all that was ever taken that are not 0.
  static auto left() {
    return std::count_if(bytes_, bytes_ + used_, [](uint8_t b) { return b != 0; });
  }

 private:
  alignas(64) static inline uint8_t bytes_[4096];
  static inline size_t used_ = 0, released_ = 0;
};

template <typename T>
struct ArenaAllocator {
  using value_type = T;
  T* allocate(size_t n) { return static_cast<T*>(Arena::Take(n * sizeof(T))); }
  void deallocate(T*, size_t n) { Arena::Release(n * sizeof(T)); }
};

template <typename T>
using Vector = std::vector<T, ZeroizingAllocator<T, ArenaAllocator<T>>>;

TEST(ZeroizingAllocator, OverwritesBeforeRelease) {
  Arena::Reset();
  {
    Vector<uint64_t> v(16, ~uint64_t{0});
    EXPECT_EQ(Arena::left(), 128);
  }
  EXPECT_EQ(Arena::released(), Arena::used());
  EXPECT_EQ(Arena::left(), 0);
}

// A vector that grows, shrinks or is assigned to leaves what it held behind.
TEST(ZeroizingAllocator, OverwritesWhatAVectorHasGrownOutOf) {
  Arena::Reset();
  Vector<int32_t> v(8, -1);
  v.push_back(-1);
  EXPECT_EQ(Arena::released(), 32u);
  EXPECT_EQ(Arena::left(), 36);  // the nine in use
  v.resize(2);
  v.shrink_to_fit();
  EXPECT_EQ(Arena::left(), 8);
  Vector<int32_t> other(1, -1);
  v = std::move(other);
  EXPECT_EQ(Arena::left(), 4);
}

// What Secret and ZeroizingVector are made of is the allocator above, with the heap behind it.
static_assert(std::is_same_v<ZeroizingVector<int32_t>, std::vector<int32_t, ZeroizingAllocator<int32_t>>>);

TEST(Secret, MovesAndDoesNotCopy) {
  Secret<int32_t> s(16);
  s.RevealMutable()[3] = 9;
  const Secret<int32_t> moved = std::move(s);
  EXPECT_EQ(moved.Reveal()[3], 9);
  static_assert(!std::is_copy_constructible_v<Secret<int32_t>>);
}

}  // namespace
}  // namespace privdnn
