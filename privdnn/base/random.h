// Randomness. Secrets come from the operating system's generator through OpenSSL's private DRBG; tests and experiments
// that must repeat pass a DeterministicRandom instead.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace privdnn {

// A source of uniform bytes. Drawing advances it, and it cannot be copied, so no two uses of a source get the same
// bytes, even of a deterministic one. Implementations need not be thread-safe; use one per thread.
class RandomSource {
 public:
  RandomSource() = default;
  RandomSource(const RandomSource&) = delete;
  RandomSource& operator=(const RandomSource&) = delete;
  virtual ~RandomSource() = default;
  virtual void Fill(std::span<uint8_t> out) = 0;
  // An independent source of the same kind, for another thread or task. Each call advances this source and returns a
  // different fork. To divide work, make one fork per task, in order, before the threads start; results then do not
  // depend on the threads.
  virtual std::unique_ptr<RandomSource> Fork() = 0;
  void Fill(std::span<uint64_t> out) {
    Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(out.data()), out.size_bytes()));
  }
};

// OpenSSL's RAND_priv_bytes: AES-256 CTR DRBG (NIST SP 800-90A), seeded by the system. Stateless and thread-safe.
// Ends the process if the generator fails, since going on without randomness would publish secrets.
class SystemRandom final : public RandomSource {
 public:
  using RandomSource::Fill;
  void Fill(std::span<uint8_t> out) override;
  std::unique_ptr<RandomSource> Fork() override;
};

// `count` forks, for as many tasks.
std::vector<std::unique_ptr<RandomSource>> Forks(RandomSource& random, size_t count);

// SHAKE128("privdnn/v1/test-random" || seed || stream || counter): the same bytes for the same seed. A fork's seed and
// stream are SHAKE128("privdnn/v1/test-random-fork" || seed || stream || counter). Never for secrets in use.
class DeterministicRandom final : public RandomSource {
 public:
  explicit DeterministicRandom(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  using RandomSource::Fill;
  void Fill(std::span<uint8_t> out) override;
  std::unique_ptr<RandomSource> Fork() override;

 private:
  void Expand(std::string_view label, std::span<uint8_t> out);
  uint64_t seed_;
  uint64_t stream_;
  uint64_t counter_ = 0;
};

// Uniform in [0, 1) and in [-1, 1): the top bits of a uniform word, as many as T has, so that nothing is rounded.
template <std::floating_point T>
constexpr T UnitUniform(uint64_t word) {
  constexpr int kBits = std::numeric_limits<T>::digits;
  static_assert(kBits < 64, "a word holds the bits of a float or a double");
  return static_cast<T>(word >> (64 - kBits)) / static_cast<T>(uint64_t{1} << kBits);
}
template <std::floating_point T>
constexpr T SymmetricUniform(uint64_t word) {
  return 2 * UnitUniform<T>(word) - 1;
}
template <std::floating_point T>
std::vector<T> SymmetricUniforms(size_t count, RandomSource& random) {
  std::vector<uint64_t> words(count);
  random.Fill(std::span<uint64_t>(words));
  std::vector<T> values;
  for (const uint64_t word : words) values.push_back(SymmetricUniform<T>(word));
  return values;
}

// SHAKE128 of the concatenated parts; fills all of `out`.
void Shake128(std::span<const std::span<const uint8_t>> parts, std::span<uint8_t> out);
std::array<uint8_t, 32> Sha256(std::span<const uint8_t> data);

// SHA-256 of data that comes in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  ~Sha256Stream();
  void Update(std::span<const uint8_t> data);
  // Of all that came; nothing may follow.
  std::array<uint8_t, 32> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace privdnn
