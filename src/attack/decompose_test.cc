// The layers behind lifted kernels are found again, exactly where coefficients are and within rounding where they are
// rounded to integers.
#include "attack/decompose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lifting/folded_kernel.h"
#include "lifting/test_models.h"
#include "nn/partition.h"

namespace privdnn::attack {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Lt;

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

struct Truth {
  nn::Segment segment;
  QuantizedSegment quantized;
  std::vector<std::vector<double>> first, second;
};

// Two convolutions, of which the first has `neurons1` neurons, all encrypted.
Truth Make(int64_t neurons1, int64_t neurons2, uint32_t kernel_bits) {
  TestModelBuilder builder(3);
  TestModelShape shape;
  shape.height = shape.width = 10;
  shape.neurons1 = neurons1;
  shape.neurons2 = neurons2;
  shape.conv1.kernel = {4, 4};
  shape.conv1.strides = {2, 2};
  shape.conv2.kernel = {2, 2};
  const nn::Graph graph = builder.Build(shape);
  nn::Selection selection;
  for (int64_t f = 0; f < neurons2; ++f) selection.layers[2].push_back(f);
  for (int64_t c = 0; c < neurons1; ++c) selection.layers[1].push_back(c);
  Truth truth{(*nn::FindSegments(graph, selection))[0], {}, {}, {}};
  LiftOptions options;
  options.kernel_bits = kernel_bits;
  truth.quantized = *LiftSegment(truth.segment, options);
  const Geometry g = *Geometry::Create(truth.quantized.spec, 4096);
  for (int64_t c = 0; c < neurons1; ++c) {
    const auto from = truth.segment.first->weights.begin() + c * g.window();
    truth.first.emplace_back(from, from + g.window());
  }
  for (size_t f = 0; f < truth.segment.neurons.size(); ++f) {
    truth.second.push_back(FoldedKernel(g, truth.segment.layer, truth.segment.neurons[f]));
    for (double& v : truth.second.back()) v /= truth.quantized.output_scale[f];
  }
  return truth;
}

struct Found {
  absl::StatusOr<Layers> layers;
  LayerErrors errors;
};

// With the first `known` neurons of the first layer in plaintext.
Found Attack(const Truth& truth, size_t neurons, size_t known = 0) {
  const Geometry g = *Geometry::Create(truth.quantized.spec, 4096);
  const OutputPolynomial polynomial = *OutputPolynomial::Create(g, 0);
  ExtractedKernels kernels;
  for (size_t f = 0; f < truth.quantized.kernels.size(); ++f) {
    kernels.sums.push_back(polynomial.Sums(truth.quantized.kernels[f], truth.quantized.bias[f]));
  }
  std::vector<std::vector<double>> plaintext(truth.first.begin(),
                                             truth.first.begin() + static_cast<std::ptrdiff_t>(known));
  Found found{Decompose(polynomial, kernels, plaintext, neurons, GoOn), {}};
  if (found.layers.ok()) found.errors = CompareLayers(*found.layers, truth.first, truth.second);
  return found;
}

TEST(Decompose, FindsBothLayers) {
  const Found fine = Attack(Make(4, 6, 22), 4);
  ASSERT_TRUE(fine.layers.ok()) << fine.layers.status();
  EXPECT_THAT(fine.errors.first, Each(Lt(1e-4)));
  EXPECT_THAT(fine.errors.second, Each(Lt(1e-4)));
  const Found coarse = Attack(Make(4, 6, 10), 4);
  ASSERT_TRUE(coarse.layers.ok()) << coarse.layers.status();
  EXPECT_THAT(coarse.errors.first, Each(Lt(0.03)));
  EXPECT_THAT(coarse.errors.second, Each(Lt(0.03)));
  EXPECT_LT(fine.layers->residual, coarse.layers->residual);
}

// More neurons than a window has places, with all of them unknown, or half of them and then by few outputs.
TEST(Decompose, FindsOvercompleteFirstLayers) {
  for (const auto& [outputs, known] : {std::pair{14, 0}, {6, 10}}) {
    for (const auto& [bits, error] : {std::pair{24U, 1e-4}, {14U, 0.05}}) {
      const Truth truth = Make(20, outputs, bits);
      ASSERT_EQ(truth.first[0].size(), 16);
      const Found found = Attack(truth, 20, static_cast<size_t>(known));
      ASSERT_TRUE(found.layers.ok()) << found.layers.status();
      EXPECT_THAT(found.errors.first, Each(Lt(error))) << outputs << " outputs, " << bits << " bits";
      EXPECT_THAT(found.errors.second, Each(Lt(error))) << outputs << " outputs, " << bits << " bits";
      EXPECT_NEAR(found.layers->residual / found.layers->rounding, 1, 0.1)
          << outputs << " outputs, " << bits << " bits";
    }
  }
}

TEST(Decompose, SaysWhereItDoesNotReach) {
  const Truth truth = Make(20, 5, 24);
  EXPECT_THAT(Message(Attack(truth, 20).layers.status()), HasSubstr("for 20 neurons before the square, 20 of them"));
  EXPECT_THAT(Message(Attack(truth, 121, 20).layers.status()),
              HasSubstr("at most 120 can be told apart in windows of 16"));
  EXPECT_THAT(Message(Attack(truth, 21).layers.status()), HasSubstr("20 unknown ones by 5 outputs of 4 taps"));
  // A model of another size does not fit.
  const Truth more = Make(4, 6, 22);
  const Found fewer = Attack(more, 3);
  EXPECT_TRUE(!fewer.layers.ok() || fewer.layers->residual > 100 * fewer.layers->rounding);
}

TEST(CompareLayers, IgnoresOrderSignsAndScales) {
  const std::vector<std::vector<double>> first = {{3, 4, 0}, {0, 0, 2}}, second = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  Layers found{{{0, 0, -1}, {-0.6, -0.8, 0}}, {{30, 40, 0.1, 0.2}, {70, 80, 0.5, 0.6}}, 0};
  LayerErrors errors = CompareLayers(found, first, second);
  EXPECT_THAT(errors.first, Each(Lt(1e-7)));
  EXPECT_THAT(errors.second, Each(Lt(1e-7)));
  found.first[1] = {-0.8, -0.6, 0};  // cosine 24/25
  errors = CompareLayers(found, first, second);
  EXPECT_NEAR(errors.first[0], 0.28, 1e-12);
  EXPECT_LT(errors.first[1], 1e-7);
}

}  // namespace
}  // namespace privdnn::attack
