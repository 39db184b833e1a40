// Extraction finds exactly the kernels behind outputs, from as many images as are predicted and no fewer.
#include "privdnn/attack/extract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "privdnn/attack/approximate.h"
#include "privdnn/segment/reference.h"
#include "privdnn/segment/test_specs.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

// Random kernels of a shape.
QuantizedSegment RandomSegment(const Geometry& g, std::mt19937_64& random) {
  QuantizedSegment segment;
  segment.spec = g.spec();
  segment.bias = Secret<int64_t>(g.spec().outputs());
  std::uniform_int_distribution<int32_t> coefficient(-2047, 2047);
  std::uniform_int_distribution<int64_t> bias(-(int64_t{1} << 50), int64_t{1} << 50);
  for (uint32_t f = 0; f < g.spec().outputs(); ++f) {
    Secret<int32_t> kernel(g.features() * g.spec().groups[g.group(f)].kernel.area());
    for (int32_t& v : kernel.RevealMutable()) v = coefficient(random);
    segment.kernels.push_back(std::move(kernel));
    segment.bias.RevealMutable()[f] = bias(random);
  }
  return segment;
}

std::vector<int16_t> RandomImage(const Geometry& g, std::mt19937_64& random) {
  std::uniform_int_distribution<int32_t> value(-g.z_max(), g.z_max());
  std::vector<float> image(g.spec().channels * g.spec().input.area());
  for (float& v : image) v = static_cast<float>((value(random) - g.spec().zero_point) * g.spec().input_scale);
  return QuantizeInput(g, image);
}

// Outputs of one group.
std::vector<int64_t> Outputs(const Geometry& g, const QuantizedSegment& segment, std::span<const int16_t> z,
                             size_t group) {
  const auto all = ReferenceOutputs(g, segment, z);
  const uint64_t first = group == 0 ? 0 : g.spec().groups[0].outputs * g.spec().groups[0].positions();
  const uint64_t count = g.spec().groups[group].outputs * g.spec().groups[group].positions();
  return {all.begin() + static_cast<std::ptrdiff_t>(first), all.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

// Attacks every group and compares the count, the kernels and the clone's outputs.
void ExpectExtracts(const SegmentSpec& spec, size_t n, uint64_t seed) {
  const auto geometry = Geometry::Create(spec, n);
  ASSERT_TRUE(geometry.ok()) << geometry.status();
  const Geometry& g = *geometry;
  std::mt19937_64 random(seed);
  const QuantizedSegment segment = RandomSegment(g, random);
  for (size_t group = 0; group < spec.groups.size(); ++group) {
    const auto polynomial = OutputPolynomial::Create(g, group);
    ASSERT_TRUE(polynomial.ok()) << polynomial.status();
    const ExtractionCount count = CountExtraction(g, group);
    Extractor extractor(*polynomial, 2);
    for (uint64_t i = 0; i < count.images; ++i) {
      ASSERT_FALSE(extractor.determined()) << "image " << i << " of " << count.images;
      auto z = RandomImage(g, random);
      auto y = Outputs(g, segment, z, group);
      EXPECT_EQ(extractor.Solve().status().code(), absl::StatusCode::kFailedPrecondition);  // one less is not enough
      const auto added = extractor.Add({{std::move(z), std::move(y)}});
      ASSERT_TRUE(added.ok()) << added;
    }
    ASSERT_TRUE(extractor.determined()) << extractor.rank() << " of " << extractor.unknowns();
    EXPECT_EQ(extractor.images_needed(), count.images);
    const auto kernels = extractor.Solve();
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    const uint32_t first = group == 0 ? 0 : spec.groups[0].outputs;
    for (uint32_t f = 0; f < polynomial->outputs(); ++f) {
      EXPECT_EQ(kernels->sums[f],
                polynomial->Sums(segment.kernels[first + f].Reveal(), segment.bias.Reveal()[first + f]))
          << f;
    }
    const auto z = RandomImage(g, random);
    EXPECT_EQ(kernels->Outputs(*polynomial, z), Outputs(g, segment, z, group));
  }
}

TEST(Extractor, FindsExactKernelsOfEveryKindOfSegment) {
  SegmentSpec small;
  small.input = {10, 9};
  small.kernel1 = {3, 2};
  small.groups = {{3, {2, 3}, {1, 2}, {0, 0}, {7, 3}}};
  small.input_scale = 1.0 / 254;
  small.zero_point = -127;
  ExpectExtracts(small, 4096, 1);
  SegmentSpec padded = small;  // both layers, unevenly
  padded.channels = 2;
  padded.pads1 = {1, 0, 1, 1};
  padded.pads2 = {1, 1, 0, 1};
  padded.groups = {{2, {3, 3}, {1, 1}, {0, 0}, {9, 9}}};
  padded.input_scale = 0.1;
  padded.zero_point = 31;
  ExpectExtracts(padded, 4096, 2);
  SegmentSpec pooled = small;
  pooled.input = {14, 14};
  pooled.pool1 = pooled.pool1_stride = {2, 2};
  pooled.groups = {{1, {3, 3}, {2, 2}, {0, 0}, {1, 2}}};
  ExpectExtracts(pooled, 4096, 3);
  SegmentSpec strided = padded;
  strided.stride1 = {2, 2};
  strided.pool1 = {1, 2};
  strided.pool1_stride = {1, 2};
  strided.groups = {{2, {2, 2}, {1, 1}, {0, 0}, {5, 3}}};
  ExpectExtracts(strided, 4096, 8);
  SegmentSpec wide = small;  // more padding than the kernel reaches: some positions see no tap at all
  wide.pads2 = {3, 2, 3, 2};
  wide.groups = {{1, {2, 2}, {1, 1}, {0, 0}, {13, 11}}};
  ExpectExtracts(wide, 4096, 4);
  SegmentSpec connected;
  connected.kind = SegmentKind::kLinear;
  connected.channels = 40;
  connected.groups = {{5, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  connected.zero_point = -100;
  ExpectExtracts(connected, 4096, 5);
  SegmentSpec convolution = connected;
  convolution.channels = 20;
  convolution.input = {4, 4};
  convolution.pads1 = {1, 1, 1, 1};
  convolution.groups = {{3, {3, 3}, {1, 1}, {0, 0}, {4, 4}}};
  ExpectExtracts(convolution, 4096, 6);
}

TEST(Extractor, FindsVggsBordersAndShortcuts) {
  SegmentSpec vgg = VggSpec(2);
  vgg.input_scale = 1.0 / 254;
  vgg.zero_point = -127;
  vgg.input = {10, 10};
  vgg.groups[0].map = {10, 10};
  vgg.groups.push_back({2, {1, 1}, {1, 1}, {1, 1}, {10, 10}});
  ExpectExtracts(vgg, 4096, 7);
}

// A small segment, its kernels, and images with their outputs.
struct Scene {
  explicit Scene(uint64_t images) : random(8) {
    SegmentSpec spec;
    spec.input = {8, 8};
    spec.kernel1 = {3, 3};
    spec.groups = {{2, {2, 2}, {1, 1}, {0, 0}, {5, 5}}};
    spec.input_scale = 1.0 / 254;
    spec.zero_point = -127;
    geometry = std::make_unique<Geometry>(*Geometry::Create(spec, 4096));
    polynomial = std::make_unique<OutputPolynomial>(*OutputPolynomial::Create(*geometry, 0));
    segment = RandomSegment(*geometry, random);
    for (uint64_t i = 0; i < images; ++i) seen.push_back(Image());
  }
  Extractor::Image Image() {
    auto z = RandomImage(*geometry, random);
    auto y = Outputs(*geometry, segment, z, 0);
    return {std::move(z), std::move(y)};
  }
  std::mt19937_64 random;
  std::unique_ptr<Geometry> geometry;
  std::unique_ptr<OutputPolynomial> polynomial;
  QuantizedSegment segment;
  std::vector<Extractor::Image> seen;
};

TEST(Extractor, NoticesOutputsThatAreNotExact) {
  Scene scene(20);
  scene.seen.back().outputs[7] += 1;
  Extractor extractor(*scene.polynomial, 1);
  EXPECT_THAT(Message(extractor.Add(scene.seen)), HasSubstr("contradicts"));
}

// Errors in outputs end exact extraction and not approximation: the more images, the more of the noise averages out,
// down to far below the error of a single reply.
TEST(Approximate, AveragesNoiseOnOutputsOut) {
  Scene scene(160);
  double square = 0, count = 0;
  for (const Extractor::Image& image : scene.seen) {
    for (const int64_t y : image.outputs) {
      square += static_cast<double>(y) * static_cast<double>(y);
      count += 1;
    }
  }
  const double sigma = 0.1 * std::sqrt(square / count);
  std::normal_distribution<double> normal(0, sigma);
  const auto fresh = scene.Image();
  for (Extractor::Image& image : scene.seen) {
    for (int64_t& y : image.outputs) y += std::llround(normal(scene.random));
  }
  Extractor exact(*scene.polynomial, 1);
  EXPECT_THAT(Message(exact.Add(scene.seen)), HasSubstr("contradicts"));
  Extractor extractor(*scene.polynomial, 1);
  extractor.Observe(scene.seen);
  EXPECT_EQ(extractor.images(), 160u);
  EXPECT_FALSE(extractor.determined());
  const auto error = [&](size_t images) {  // of the clone, by the deviation of the noise
    const auto kernels = Approximate(*scene.polynomial, extractor.observed().first(images));
    EXPECT_TRUE(kernels.ok()) << kernels.status();
    const auto y = kernels->Outputs(*scene.polynomial, fresh.z_map);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += std::pow(static_cast<double>(y[i] - fresh.outputs[i]) / sigma, 2);
    return std::sqrt(sum / static_cast<double>(y.size()));
  };
  const double some = error(40), all = error(160);
  EXPECT_LT(some, 1);
  EXPECT_LT(all, 0.7 * some);
}

TEST(Extractor, RefusesMoreUnknownsThanItCanSolveFor) {
  SegmentSpec s;
  s.channels = 4;
  s.input = {40, 40};
  s.kernel1 = {5, 5};
  s.groups = {{1, {6, 6}, {2, 2}, {0, 0}, {4, 4}}};
  const Geometry g = *Geometry::Create(s, 4096);
  EXPECT_THAT(Message(OutputPolynomial::Create(g, 0).status()), HasSubstr("at most 12000"));
  EXPECT_THAT(Message(OutputPolynomial::Create(g, 0, OutputPolynomial::kMaxUnknowns).status()),
              AllOf(HasSubstr("at most 30000"), HasSubstr(" GB and at least ")));
}

// The more images, the smaller the error; with enough of them the approximation is exact.
TEST(Approximate, GetsBetterWithImagesAndEndsExact) {
  Scene scene(20);
  const ExtractionCount count = CountExtraction(*scene.geometry, 0);
  ASSERT_GT(count.images, 4u);
  ASSERT_LT(count.images, 10u);
  const auto fresh = scene.Image();
  const auto error = [&](uint64_t images) {
    const auto kernels = Approximate(*scene.polynomial, std::span(scene.seen).first(images));
    EXPECT_TRUE(kernels.ok()) << kernels.status();
    const auto y = kernels->Outputs(*scene.polynomial, fresh.z_map);
    double sum = 0, mean = 0, all = 0;
    for (const int64_t v : fresh.outputs) mean += static_cast<double>(v) / static_cast<double>(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      sum += std::pow(static_cast<double>(y[i] - fresh.outputs[i]), 2);
      all += std::pow(static_cast<double>(fresh.outputs[i]) - mean, 2);
    }
    return std::sqrt(sum / all);
  };
  const double half = error(count.images / 2), most = error(count.images - 1), enough = error(20);
  EXPECT_LT(most, half);
  EXPECT_LT(enough, 1e-5);
  EXPECT_GT(most, 100 * enough);
}

}  // namespace
}  // namespace privdnn
