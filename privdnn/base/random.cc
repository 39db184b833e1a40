#include "privdnn/base/random.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "privdnn/base/bytes.h"

namespace privdnn {
namespace {

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "privdnn: %s failed; stopping, since nothing can be kept secret without it\n", what);
  std::abort();
}

struct DigestContextFree {
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, DigestContextFree>;

}  // namespace

void SystemRandom::Fill(std::span<uint8_t> out) {
  // The DRBG refuses requests over 64 KiB at a time internally; RAND_priv_bytes splits them and takes an int.
  constexpr size_t kMost = size_t{1} << 30;
  while (!out.empty()) {
    const size_t n = out.size() < kMost ? out.size() : kMost;
    if (RAND_priv_bytes(out.data(), static_cast<int>(n)) != 1) Die("the random generator");
    out = out.subspan(n);
  }
}

std::unique_ptr<RandomSource> SystemRandom::Fork() { return std::make_unique<SystemRandom>(); }

std::vector<std::unique_ptr<RandomSource>> Forks(RandomSource& random, size_t count) {
  std::vector<std::unique_ptr<RandomSource>> forks;
  for (size_t k = 0; k < count; ++k) forks.push_back(random.Fork());
  return forks;
}

std::unique_ptr<RandomSource> DeterministicRandom::Fork() {
  std::array<uint64_t, 2> child;
  Expand("privdnn/v1/test-random-fork", {reinterpret_cast<uint8_t*>(child.data()), sizeof child});
  return std::make_unique<DeterministicRandom>(child[0], child[1]);
}

void DeterministicRandom::Fill(std::span<uint8_t> out) { Expand("privdnn/v1/test-random", out); }

void DeterministicRandom::Expand(std::string_view label, std::span<uint8_t> out) {
  ByteWriter w;
  w.U64(seed_);
  w.U64(stream_);
  w.U64(counter_++);
  const std::span<const uint8_t> parts[] = {AsBytes(label), w.view()};
  Shake128(parts, out);
}

void Shake128(std::span<const std::span<const uint8_t>> parts, std::span<uint8_t> out) {
  static EVP_MD* const shake = EVP_MD_fetch(nullptr, "SHAKE128", nullptr);
  const DigestContext context(EVP_MD_CTX_new());
  if (!shake || !context || EVP_DigestInit_ex(context.get(), shake, nullptr) != 1) Die("SHAKE128");
  for (const auto& p : parts) {
    if (EVP_DigestUpdate(context.get(), p.data(), p.size()) != 1) Die("SHAKE128");
  }
  if (EVP_DigestFinalXOF(context.get(), out.data(), out.size()) != 1) Die("SHAKE128");
}

std::array<uint8_t, 32> Sha256(std::span<const uint8_t> data) {
  Sha256Stream stream;
  stream.Update(data);
  return stream.Finish();
}

struct Sha256Stream::State {
  DigestContext context{EVP_MD_CTX_new()};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) Die("SHA-256");
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Update(std::span<const uint8_t> data) {
  if (EVP_DigestUpdate(state_->context.get(), data.data(), data.size()) != 1) Die("SHA-256");
}

std::array<uint8_t, 32> Sha256Stream::Finish() {
  std::array<uint8_t, 32> digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) != 1) Die("SHA-256");
  return digest;
}

}  // namespace privdnn
