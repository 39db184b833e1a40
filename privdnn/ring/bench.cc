#include "privdnn/ring/bench.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>

#include "privdnn/base/random.h"
#include "privdnn/ring/aligned.h"
#include "privdnn/ring/kernels/avx512ifma.h"
#include "privdnn/ring/kernels/kernels.h"
#include "privdnn/ring/poly.h"
#include "privdnn/ring/sampling.h"

namespace privdnn {
namespace {

using U128 = unsigned __int128;

// Keeps the compiler from dropping a computation whose result nobody reads.
template <typename T>
void Use(T value) {
  asm volatile("" : : "r"(value) : "memory");
}

// Median over `repeats` measurements of the seconds that a call of `body` takes. Each measurement makes as many calls
// as fill 200 microseconds, so that the clock's resolution does not matter.
template <typename Body>
double MedianSeconds(int repeats, const Body& body) {
  using Clock = std::chrono::steady_clock;
  const auto measure = [&](int calls) {
    const auto start = Clock::now();
    for (int c = 0; c < calls; ++c) body();
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
  };
  measure(1);  // fills the caches
  const int calls = std::clamp(static_cast<int>(200e-6 / std::max(measure(1), 1e-8)), 1, 10000);
  std::vector<double> seconds(static_cast<size_t>(repeats));
  for (double& s : seconds) s = measure(calls);
  const auto middle = seconds.begin() + repeats / 2;
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

// MemAvailable of the system in bytes, or "no limit" where it cannot be read.
uint64_t AvailableMemory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  for (uint64_t kib = 0; in >> key >> kib;) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(in, unit);
  }
  return std::numeric_limits<uint64_t>::max();
}

// Residues below q that are cheap to make and not all alike.
AlignedVector<uint64_t> SomeResidues(size_t count, const Modulus& q) {
  AlignedVector<uint64_t> values(count);
  uint64_t x = q.value() / 3;
  for (uint64_t& v : values) v = x = q.Add(x, q.value() / 7);
  return values;
}

NttTiming TimeNtt(const Kernels& kernels, size_t n, const Modulus& q, int repeats) {
  const NttTables tables = *NttTables::Create(n, q);
  AlignedVector<uint64_t> values = SomeResidues(n, q);
  const double forward = MedianSeconds(repeats, [&] { kernels.ntt_forward(tables, values.data()); });
  const double inverse = MedianSeconds(repeats, [&] { kernels.ntt_inverse(tables, values.data()); });
  return {.n = n, .forward_us = forward * 1e6, .inverse_us = inverse * 1e6};
}

// Goes through weights[tile][output][term][kTile] once: about 4096 coefficients and as many outputs as there are
// weights for, or 8 outputs and fewer coefficients.
InnerProductTiming TimeInnerProduct(const Kernels& kernels, const Modulus& q, const AlignedVector<uint64_t>& weights,
                                    size_t terms, size_t units, bool from_memory, int repeats) {
  const size_t vector_words = terms * kTile;
  const size_t outputs = std::max<size_t>(8, weights.size() / (4096 / kTile * vector_words));
  const size_t tiles = weights.size() / (outputs * vector_words);
  const AlignedVector<uint64_t> features = SomeResidues(tiles * vector_words * units, q);
  const size_t row_stride = tiles * kTile;
  AlignedVector<uint64_t> products(units * outputs * row_stride);
  const uint64_t* f[kMaxUnitsPerPass];
  uint64_t* out[kMaxUnitsPerPass];
  for (size_t i = 0; i < units; ++i) {
    f[i] = features.data() + i * tiles * vector_words;
    out[i] = products.data() + i * outputs * row_stride;
  }
  const InnerProductArgs args{.tiles = tiles,
                              .rows = outputs,
                              .terms = terms,
                              .units = units,
                              .weights = weights.data(),
                              .features = f,
                              .out = out,
                              .row_stride = row_stride};
  const double seconds = MedianSeconds(repeats, [&] { kernels.inner_products(q, args); });
  const size_t words = tiles * outputs * vector_words;
  return {.units = units,
          .from_memory = from_memory,
          .terms = terms,
          .weight_bytes = words * sizeof(uint64_t),
          .gmacs = static_cast<double>(words * units) / seconds * 1e-9};
}

// Scalar counterparts of avx512ifma.h's probes.
uint64_t ScalarMultiplyAddProbe(uint64_t iterations) {
  constexpr size_t kChains = 4;
  U128 sums[kChains] = {1, 2, 3, 4};
  uint64_t a = iterations | 1, b = iterations * 0x9e3779b97f4a7c15 | 1;
  for (uint64_t k = 0; k < iterations; ++k) {
    for (U128& s : sums) {
      asm volatile("" : "+r"(a), "+r"(b));  // or the product would be taken out of the loop
      s += static_cast<U128>(a) * b;
    }
  }
  return static_cast<uint64_t>((sums[0] + sums[1] + sums[2] + sums[3]) >> 64);
}

uint64_t ScalarStreamProbe(const uint64_t* data, size_t count) {
  uint64_t sum = 0;
  for (size_t k = 0; k < count; ++k) sum += data[k];
  return sum;
}

struct Probes {
  size_t macs;  // in an iteration of multiply_add
  uint64_t (*multiply_add)(uint64_t iterations);
  uint64_t (*stream)(const uint64_t* data, size_t count);
};

Probes ProbesOf(const Kernels& kernels) {
#if defined(__x86_64__)
  if (&kernels == &Avx512IfmaKernels()) {
    return {avx512ifma::kProbeMacs, avx512ifma::MultiplyAddProbe, avx512ifma::StreamProbe};
  }
#endif
  (void)kernels;
  return {4, ScalarMultiplyAddProbe, ScalarStreamProbe};
}

KernelBenchmark BenchmarkKernels(const Kernels& kernels, const Modulus& q, const AlignedVector<uint64_t>& memory,
                                 int repeats) {
  KernelBenchmark result{
      .kernel = std::string(kernels.name), .ntt = {}, .inner_products = {}, .peak_gmacs = 0, .read_gbytes_per_s = 0};
  for (const size_t n : {4096, 8192, 16384}) result.ntt.push_back(TimeNtt(kernels, n, q, repeats));
  constexpr size_t kUnits[] = {1, 4, kMaxUnitsPerPass};
  // LeNet-5's 14 terms (13 weight polynomials and the mask) on a cache's worth of weights; VGG16's 137 on many.
  const AlignedVector<uint64_t> in_cache = SomeResidues(size_t{16} << 10, q);
  for (const size_t units : kUnits) {
    result.inner_products.push_back(TimeInnerProduct(kernels, q, in_cache, 14, units, false, repeats));
  }
  for (const size_t units : kUnits) {
    const size_t terms = memory.size() >= size_t{1} << 20 ? 137 : 14;
    result.inner_products.push_back(TimeInnerProduct(kernels, q, memory, terms, units, true, repeats));
  }
  const Probes probes = ProbesOf(kernels);
  constexpr uint64_t kIterations = 4096;
  const double loop = MedianSeconds(repeats, [&] { Use(probes.multiply_add(kIterations)); });
  result.peak_gmacs = static_cast<double>(probes.macs * kIterations) / loop * 1e-9;
  const double stream = MedianSeconds(repeats, [&] { Use(probes.stream(memory.data(), memory.size())); });
  result.read_gbytes_per_s = static_cast<double>(memory.size() * sizeof(uint64_t)) / stream * 1e-9;
  return result;
}

absl::StatusOr<SamplerBenchmark> BenchmarkSamplers(int repeats) {
  SamplerBenchmark result{
      .n = 4096, .primes = 2, .expand_uniform_us = 0, .ternary_us = 0, .centered_binomial_us = 0, .uniform_us = 0};
  PRIVDNN_ASSIGN_OR_RETURN(const Ring ring, Ring::Create(result.n, NttPrimes(result.primes)));
  SystemRandom random;
  const Seed seed{};
  std::vector<int32_t> small(result.n);
  std::vector<uint64_t> residues(result.n);
  const auto microseconds = [&](const auto& body) { return MedianSeconds(repeats, body) * 1e6; };
  result.expand_uniform_us = microseconds([&] { Use(ExpandUniform(ring, seed, 1).all().data()); });
  result.ternary_us = microseconds([&] { SampleTernary(random, small); });
  result.centered_binomial_us = microseconds([&] { SampleCenteredBinomial(random, small); });
  result.uniform_us = microseconds([&] { SampleUniform(random, ring.modulus(0), residues); });
  return result;
}

}  // namespace

absl::StatusOr<RingBenchmark> RunKernelBenchmarks(int repeats, uint64_t memory_bytes) {
  if (repeats < 1) return InvalidArgument("{} repeats; at least 1 is needed", repeats);
  constexpr uint64_t kLeast = uint64_t{1} << 20;
  if (memory_bytes < kLeast) return InvalidArgument("a memory test of {} bytes; at least {}", memory_bytes, kLeast);
  PRIVDNN_ASSIGN_OR_RETURN(const Modulus q, Modulus::Create(NttPrimes(1)[0]));
  const uint64_t bytes = std::max(kLeast, std::min(memory_bytes, AvailableMemory() / 4)) / 512 * 512;
  const AlignedVector<uint64_t> memory = SomeResidues(bytes / sizeof(uint64_t), q);
  RingBenchmark result{.repeats = repeats, .kernels = {}, .samplers = {}};
  for (const Kernels* kernels : AllKernels()) {
    if (kernels->supported()) result.kernels.push_back(BenchmarkKernels(*kernels, q, memory, repeats));
  }
  PRIVDNN_ASSIGN_OR_RETURN(result.samplers, BenchmarkSamplers(repeats));
  return result;
}

}  // namespace privdnn
