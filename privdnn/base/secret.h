// Memory for secrets: overwritten before it is given back. Nothing here copies by accident; reading a secret is done
// through Secret::Reveal(), so that every use can be found with grep.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace privdnn {

template <typename T>
struct ZeroizingAllocator {
  using value_type = T;
  ZeroizingAllocator() = default;
  template <typename U>
  ZeroizingAllocator(const ZeroizingAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* p, size_t n) {
    OPENSSL_cleanse(p, n * sizeof(T));
    std::allocator<T>().deallocate(p, n);
  }
  template <typename U>
  bool operator==(const ZeroizingAllocator<U>&) const {
    return true;
  }
};

// A vector whose memory is zeroised when it is released or grown.
template <typename T>
using ZeroizingVector = std::vector<T, ZeroizingAllocator<T>>;

// A movable, non-copyable array of secret integers.
template <typename T>
class Secret {
 public:
  Secret() = default;
  explicit Secret(size_t size) : values_(size) {}
  explicit Secret(ZeroizingVector<T> values) : values_(std::move(values)) {}
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&&) noexcept = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  size_t size() const { return values_.size(); }
  std::span<const T> Reveal() const { return values_; }
  std::span<T> RevealMutable() { return values_; }

 private:
  ZeroizingVector<T> values_;
};

}  // namespace privdnn
