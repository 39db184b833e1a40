// Measures the kernels and samplers of this module next to what the machine can do, in one run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Medians over the repeats, in microseconds, of one transform of n values modulo one 50-bit prime.
struct NttTiming {
  size_t n;
  double forward_us;
  double inverse_us;
};

// An inner product of `terms` terms as a convolution runs it: tile by tile, all weight vectors for the same features.
struct InnerProductTiming {
  size_t units;           // feature vectors in a pass over the weights
  bool from_memory;       // weights larger than the caches; otherwise they stay in the second-level cache
  size_t terms;           // products in a sum
  uint64_t weight_bytes;  // all weights that one repeat reads
  double gmacs;           // median, in 10^9 multiply-accumulates of coefficients a second, reductions included
};

// One implementation of `Kernels`.
struct KernelBenchmark {
  std::string kernel;  // Kernels::name
  std::vector<NttTiming> ntt;
  std::vector<InnerProductTiming> inner_products;
  // Upper bound for `gmacs`: the same multiply-accumulates (52-bit words: two vpmadd52 for eight coefficients; scalar:
  // 64 x 64 bits added to 128) on registers alone, in 10^9 a second.
  double peak_gmacs;
  // Upper bound from memory: a streaming sum over the weights of the memory test, in 10^9 bytes a second. A coefficient
  // takes 8 bytes.
  double read_gbytes_per_s;
};

// Medians in microseconds with SystemRandom.
struct SamplerBenchmark {
  size_t n;                     // coefficients
  size_t primes;                // 50-bit primes, for expand_uniform_us
  double expand_uniform_us;     // ExpandUniform: one polynomial, all primes
  double ternary_us;            // SampleTernary: n values
  double centered_binomial_us;  // SampleCenteredBinomial: n values
  double uniform_us;            // SampleUniform: n residues of one prime
};

struct RingBenchmark {
  int repeats;  // measurements behind each median
  std::vector<KernelBenchmark> kernels;
  SamplerBenchmark samplers;
};

// Runs everything on this thread, for every supported kernel set; a few seconds for 20 repeats. The memory test reads
// `memory_bytes`, or a quarter of the available memory if that is less.
// InvalidArgument if repeats < 1 or memory_bytes < 2^20.
absl::StatusOr<RingBenchmark> RunKernelBenchmarks(int repeats, uint64_t memory_bytes = uint64_t{256} << 20);

}  // namespace privdnn
