#include "privdnn/ring/bench.h"

#include <gtest/gtest.h>

#include "privdnn/ring/test_util.h"

namespace privdnn {
namespace {

TEST(RunKernelBenchmarks, FillsEveryField) {
  const RingBenchmark b = RunKernelBenchmarks(1, uint64_t{1} << 20).value();
  EXPECT_EQ(b.repeats, 1);
  ASSERT_EQ(b.kernels.size(), ring_test::SupportedKernels().size());
  for (const KernelBenchmark& k : b.kernels) {
    EXPECT_TRUE(KernelsByName(k.kernel).ok());
    ASSERT_EQ(k.ntt.size(), 3u);
    for (const NttTiming& t : k.ntt) {
      EXPECT_GT(t.forward_us, 0);
      EXPECT_GT(t.inverse_us, 0);
    }
    ASSERT_EQ(k.inner_products.size(), 6u);
    for (const InnerProductTiming& t : k.inner_products) {
      EXPECT_GT(t.gmacs, 0);
      EXPECT_GT(t.weight_bytes, 0u);
    }
    EXPECT_GT(k.peak_gmacs, 0);
    EXPECT_GT(k.read_gbytes_per_s, 0);
  }
  EXPECT_GT(b.samplers.expand_uniform_us, 0);
  EXPECT_GT(b.samplers.ternary_us, 0);
  EXPECT_GT(b.samplers.centered_binomial_us, 0);
  EXPECT_GT(b.samplers.uniform_us, 0);
}

TEST(RunKernelBenchmarks, RejectsBadArguments) {
  EXPECT_EQ(RunKernelBenchmarks(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunKernelBenchmarks(1, 1000).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace privdnn
