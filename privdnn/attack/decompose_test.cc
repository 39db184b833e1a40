// The layers behind lifted kernels are found again, exactly where coefficients are and within rounding where they are
// rounded to integers.
#include "privdnn/attack/decompose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "privdnn/attack/product_equations.h"
#include "privdnn/lifting/folded_kernel.h"
#include "privdnn/lifting/test_models.h"
#include "privdnn/partition/partition.h"

namespace privdnn {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Lt;

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

struct Truth {
  Segment segment;
  QuantizedSegment quantized;
  std::vector<std::vector<double>> first, second;
};

// Two convolutions, on windows of 16 inputs and of 4 taps.
TestModelShape Shape(int64_t neurons1, int64_t neurons2) {
  TestModelShape shape;
  shape.height = shape.width = 10;
  shape.neurons1 = neurons1;
  shape.neurons2 = neurons2;
  shape.conv1.kernel = {4, 4};
  shape.conv1.strides = {2, 2};
  shape.conv2.kernel = {2, 2};
  return shape;
}

// All neurons are encrypted. Those of the first layer in `dead` have no weights.
Truth Make(const TestModelShape& shape, uint32_t kernel_bits, const std::vector<int64_t>& dead = {}) {
  TestModelBuilder builder(3);
  Graph graph = builder.Build(shape);
  Tensor& weights = graph.initializers.at("w1");
  const int64_t neurons1 = shape.neurons1, neurons2 = shape.neurons2, size = weights.size() / neurons1;
  for (const int64_t c : dead) std::fill_n(weights.values.begin() + c * size, size, 0.0F);
  Selection selection;
  for (int64_t f = 0; f < neurons2; ++f) selection.layers[2].push_back(f);
  for (int64_t c = 0; c < neurons1; ++c) selection.layers[1].push_back(c);
  Truth truth{(*FindSegments(graph, selection))[0], {}, {}, {}};
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

// What an adversary has.
struct Observed {
  explicit Observed(const Truth& truth)
      : geometry(*Geometry::Create(truth.quantized.spec, 4096)), polynomial(*OutputPolynomial::Create(geometry, 0)) {
    for (size_t f = 0; f < truth.quantized.kernels.size(); ++f) {
      kernels.sums.push_back(polynomial.Sums(truth.quantized.kernels[f].Reveal(), truth.quantized.bias.Reveal()[f]));
    }
  }
  Observed(const Observed&) = delete;  // the polynomial refers to the geometry
  Observed& operator=(const Observed&) = delete;

  Geometry geometry;
  OutputPolynomial polynomial;
  ExtractedKernels kernels;
};

// With the first `known` neurons of the first layer in plaintext, in scales of their own.
Found Attack(const Truth& truth, size_t neurons, size_t known = 0) {
  Observed seen(truth);
  std::vector<std::vector<double>> plaintext(truth.first.begin(),
                                             truth.first.begin() + static_cast<std::ptrdiff_t>(known));
  for (size_t c = 0; c < known; ++c) {
    for (double& v : plaintext[c]) v *= c % 2 == 0 ? 1e8 : -1e-8;
  }
  Found found{Decompose(seen.polynomial, seen.kernels, plaintext, neurons, GoOn), {}};
  if (found.layers.ok()) found.errors = CompareLayers(*found.layers, truth.first, truth.second);
  return found;
}

TEST(Decompose, FindsBothLayers) {
  const Found fine = Attack(Make(Shape(4, 6), 22), 4);
  ASSERT_TRUE(fine.layers.ok()) << fine.layers.status();
  EXPECT_THAT(fine.errors.first, Each(Lt(1e-4)));
  EXPECT_THAT(fine.errors.second, Each(Lt(1e-4)));
  const Found coarse = Attack(Make(Shape(4, 6), 10), 4);
  ASSERT_TRUE(coarse.layers.ok()) << coarse.layers.status();
  EXPECT_THAT(coarse.errors.first, Each(Lt(0.03)));
  EXPECT_THAT(coarse.errors.second, Each(Lt(0.03)));
  EXPECT_LT(fine.layers->residual, coarse.layers->residual);
}

// More neurons than a window has places, with all of them unknown, or half of them and then by few outputs.
TEST(Decompose, FindsOvercompleteFirstLayers) {
  for (const auto& [outputs, known] : {std::pair{14, 0}, {6, 10}}) {
    for (const auto& [bits, error] : {std::pair{24U, 1e-4}, {14U, 0.05}}) {
      const Truth truth = Make(Shape(20, outputs), bits);
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
  const Truth truth = Make(Shape(20, 5), 24);
  EXPECT_THAT(Message(Attack(truth, 20).layers.status()), HasSubstr("for 20 neurons before the square, 20 of them"));
  EXPECT_THAT(Message(Attack(truth, 121, 20).layers.status()),
              HasSubstr("at most 120 can be told apart in windows of 16"));
  EXPECT_THAT(Message(Attack(truth, 21).layers.status()), HasSubstr("20 unknown ones by 5 outputs of 4 taps"));
  // Kernels of 36 taps.
  TestModelShape wide = Shape(2, 9);
  wide.conv1.kernel = {5, 5};
  wide.conv1.strides = {1, 1};
  wide.conv2.kernel = {6, 6};
  EXPECT_THAT(Message(Attack(Make(wide, 22), 300).layers.status()),
              HasSubstr("linear system of 10800 unknowns, at most 8192"));
  // Nothing is to be found, but the second layer is not determined.
  const Found open = Attack(Make(Shape(120, 2), 24), 120, 120);
  EXPECT_EQ(open.layers.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(open.layers.status()), HasSubstr("0 of them unknown, which leave 960 numbers open"));
}

TEST(Decompose, SaysThatThereIsNothingToFind) {
  const Truth truth = Make(Shape(4, 6), 22, {0, 1});
  Observed seen(truth);
  const auto dead = Decompose(seen.polynomial, seen.kernels, {truth.first[0], truth.first[1]}, 2, GoOn);
  EXPECT_THAT(Message(dead.status()), HasSubstr("all neurons before the square have no weights"));
  for (auto& sums : seen.kernels.sums) std::fill(sums.begin(), sums.end(), 0);
  const auto zero = Decompose(seen.polynomial, seen.kernels, {}, 4, GoOn);
  EXPECT_EQ(zero.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(zero.status()), HasSubstr("all coefficients of products are 0"));
}

TEST(Decompose, FindsTheSecondLayerBehindAKnownFirst) {
  const Found found = Attack(Make(Shape(4, 6), 22), 4, 4);
  ASSERT_TRUE(found.layers.ok()) << found.layers.status();
  EXPECT_THAT(found.errors.first, Each(Lt(1e-7)));
  EXPECT_THAT(found.errors.second, Each(Lt(1e-4)));
}

// At a padded second layer's border kernels show their taps one by one.
TEST(Decompose, FindsLayersBehindPaddedKernels) {
  TestModelShape shape = Shape(20, 6);
  shape.conv2.pads = {1, 1, 1, 1};
  const Found found = Attack(Make(shape, 22), 20);
  ASSERT_TRUE(found.layers.ok()) << found.layers.status();
  EXPECT_THAT(found.errors.first, Each(Lt(1e-3)));
  EXPECT_THAT(found.errors.second, Each(Lt(1e-3)));
}

TEST(Decompose, PutsUpWithKnownNeuronsWithoutWeights) {
  const Found found = Attack(Make(Shape(20, 6), 24, {3, 9}), 20, 10);
  ASSERT_TRUE(found.layers.ok()) << found.layers.status();
  EXPECT_EQ(found.layers->missing, 0);
  EXPECT_THAT(found.errors.first, Each(Lt(1e-4)));
  for (size_t c = 0; c < 20; ++c) {
    if (c == 3 || c == 9) {
      EXPECT_THAT(found.layers->first[c], Each(0)) << c;
      EXPECT_EQ(found.errors.second[c], 1) << c;
    } else {
      EXPECT_LT(found.errors.second[c], 1e-4) << c;
    }
  }
}

// Neurons that contribute nothing can't be found, which is no harm to the others; nor is a number that is too large.
TEST(Decompose, FindsWhatThereIs) {
  const Found fewer = Attack(Make(Shape(8, 6), 24, {5}), 8);
  ASSERT_TRUE(fewer.layers.ok()) << fewer.layers.status();
  EXPECT_EQ(fewer.layers->missing, 1);
  EXPECT_EQ(fewer.layers->first.size(), 7);
  for (size_t c = 0; c < 8; ++c) {
    if (c == 5) {
      EXPECT_EQ(fewer.errors.first[c], 1);
      EXPECT_EQ(fewer.errors.second[c], 1);
    } else {
      EXPECT_LT(fewer.errors.first[c], 1e-4) << c;
      EXPECT_LT(fewer.errors.second[c], 1e-4) << c;
    }
  }
  const Truth truth = Make(Shape(4, 6), 22);
  const Found more = Attack(truth, 5);
  ASSERT_TRUE(more.layers.ok()) << more.layers.status();
  EXPECT_EQ(more.layers->missing, 1);
  EXPECT_THAT(more.errors.first, Each(Lt(1e-4)));
  EXPECT_THAT(more.errors.second, Each(Lt(1e-4)));
  // One too few leaves more than rounding does.
  const Found less = Attack(truth, 3);
  ASSERT_TRUE(less.layers.ok()) << less.layers.status();
  EXPECT_GT(less.layers->residual, 100 * less.layers->rounding);
  EXPECT_LT(more.layers->residual, 2 * more.layers->rounding);
}

TEST(Decompose, EndsWhenTold) {
  const Observed seen(Make(Shape(4, 6), 22));
  std::vector<std::string> notes;  // the stages that are gone through
  const auto note = [&](uint64_t, uint64_t, const std::string& text) {
    const std::string stage = text.substr(0, text.find(','));
    if (notes.empty() || notes.back() != stage) notes.push_back(stage);
    return true;
  };
  ASSERT_TRUE(Decompose(seen.polynomial, seen.kernels, {}, 4, note).ok());
  ASSERT_THAT(notes, ElementsAre("span of the squares", "squares in the span", "fit"));
  for (const std::string& last : notes) {
    const auto until = [&](uint64_t, uint64_t, const std::string& text) { return !text.starts_with(last); };
    EXPECT_TRUE(absl::IsCancelled(Decompose(seen.polynomial, seen.kernels, {}, 4, until).status())) << last;
  }
}

// Equations hold for the true layers, up to the scale of the integers, and are as simple as padding allows.
TEST(MakeEquations, GivesCoefficientsOfProducts) {
  for (const int64_t pad : {0, 1}) {
    TestModelShape shape = Shape(4, 3);
    shape.conv2.pads = {pad, pad, pad, pad};
    const Truth truth = Make(shape, 24);
    Observed seen(truth);
    const ProductEquations e = MakeEquations(seen.polynomial, seen.kernels);
    ASSERT_EQ(e.window, 16);
    ASSERT_EQ(e.taps, 4);
    ASSERT_EQ(e.outputs, 3);
    ASSERT_EQ(e.pairs(), 136);
    double both = 0, square = 0, left = 0;
    size_t single = 0;
    for (size_t u = 0; u < e.size(); ++u) {
      single += e.terms[u].size() == 1;
      for (size_t f = 0; f < 3; ++f) {
        double naive = 0;
        for (const auto& t : e.terms[u]) {
          const auto [i, j] = e.places[t.pair];
          for (size_t c = 0; c < 4; ++c) {
            naive +=
                t.factor * truth.second[f][c * 4 + t.tap] * truth.first[c][i] * truth.first[c][j] * (i == j ? 1 : 2);
          }
        }
        const double value = e.values[u * 3 + f];
        both += naive * value;
        square += naive * naive;
        left += value * value;
      }
    }
    EXPECT_NEAR(left, e.square, 1e-9 * left);
    EXPECT_LT(left - both * both / square, 1e-10 * left) << "padded by " << pad;
    if (pad == 0) {
      EXPECT_LT(single, e.size());  // overlapping windows give sums
    } else {
      EXPECT_EQ(single, e.size());
      EXPECT_EQ(e.size(), 136 * 4);
    }
  }
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

TEST(CompareLayers, CountsWhatIsMissingAsWrong) {
  const std::vector<std::vector<double>> first = {{0, 0}, {1, 0}, {0, 1}}, second = {{1, 1, 1}};
  const LayerErrors errors = CompareLayers({{{NAN, 1}, {1, 0}}, {{1, 1}}, 0, 1}, first, second);
  EXPECT_EQ(errors.first, (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(errors.second, (std::vector<double>{1, 0, 1}));
}

}  // namespace
}  // namespace privdnn
