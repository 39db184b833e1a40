// Memory for secrets: overwritten before it is given back. Nothing here copies by accident. Code reads a secret only
// through Secret::Reveal(), so that grep finds every use.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace privdnn {

// Memory comes from `Upstream`, which needs no state.
template <typename T, typename Upstream = std::allocator<T>>
struct ZeroizingAllocator {
  using value_type = T;
  template <typename U>
  struct rebind {
    using other = ZeroizingAllocator<U, typename std::allocator_traits<Upstream>::template rebind_alloc<U>>;
  };
  ZeroizingAllocator() = default;
  template <typename U, typename V>
  ZeroizingAllocator(const ZeroizingAllocator<U, V>&) {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(size_t n) { return Upstream().allocate(n); }
  void deallocate(T* p, size_t n) {
    OPENSSL_cleanse(p, n * sizeof(T));
    Upstream().deallocate(p, n);
  }
  template <typename U, typename V>
  bool operator==(const ZeroizingAllocator<U, V>&) const {
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
