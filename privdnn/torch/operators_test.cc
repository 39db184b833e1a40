// Operators of plaintext parts, against plain loops in double precision.
#include <gtest/gtest.h>

#include <cmath>

#include "privdnn/testing/graphs.h"
#include "privdnn/torch/executor.h"
#include "privdnn/torch/naive_operators.h"

namespace privdnn {
namespace {

// One node, on a batch of 1 and of 3.
void ExpectMatchesLoops(const std::vector<int64_t>& image, const Op& op,
                        const std::map<std::string, Tensor>& parameters, const std::vector<std::string>& inputs,
                        const std::vector<int64_t>& output) {
  const Graph graph = SingleNodeGraph(image, op, parameters, inputs, output);
  const auto executor = Executor::Create(graph);
  ASSERT_TRUE(executor.ok()) << executor.status();
  for (const int64_t batch : {1, 3}) {
    std::vector<int64_t> shape = graph.inputs[0].shape;
    shape[0] = batch;
    Tensor x = PatternTensor(shape, 30 + static_cast<int>(batch));
    for (float& v : x.values) v *= 3;
    const auto outputs = executor->Run({{"x", x}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    const Tensor expected = RunNaively(graph, x);
    ASSERT_EQ(outputs->at("y").shape, expected.shape);
    for (size_t i = 0; i < expected.values.size(); ++i) {
      const double bound = 2e-5 * (1 + std::abs(double{expected.values[i]}));
      ASSERT_NEAR(outputs->at("y").values[i], expected.values[i], bound) << OpName(op) << " element " << i;
    }
  }
}

TEST(Operators, Activations) {
  for (const Op& op : {Op(op::Elu{0.5f}), Op(op::Selu{}), Op(op::Selu{-1, 2}), Op(op::Gelu{false}), Op(op::Gelu{true}),
                       Op(op::Softplus{}), Op(op::Softsign{}), Op(op::ThresholdedRelu{-0.5f}), Op(op::Erf{}),
                       Op(op::Exp{}), Op(op::Neg{}), Op(op::Abs{}), Op(op::Pow{3}), Op(op::LogSoftmax{-1}),
                       Op(op::LogSoftmax{1}), Op(op::Transpose{{0, 2, 1, 3}})}) {
    const bool turned = std::holds_alternative<op::Transpose>(op);
    ExpectMatchesLoops({3, 5, 2}, op, {}, {"x"},
                       turned ? std::vector<int64_t>{5, 3, 2} : std::vector<int64_t>{3, 5, 2});
  }
  for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {3, 1, 1}, {1, 1, 5, 2}, {2}}) {
    ExpectMatchesLoops({3, 5, 2}, op::PRelu{}, {{"s", PatternTensor(shape, 1)}}, {"x", "s"}, {3, 5, 2});
  }
}

TEST(Operators, Normalisations) {
  const std::map<std::string, Tensor> channels = {{"s", PatternTensor({6}, 1)}, {"b", PatternTensor({6}, 2)}};
  for (const int64_t groups : {1, 2, 6}) {
    ExpectMatchesLoops({6, 4, 2}, op::GroupNormalization{groups, 1e-2f}, channels, {"x", "s", "b"}, {6, 4, 2});
    ExpectMatchesLoops({6, 4}, op::GroupNormalization{groups, 1e-2f}, channels, {"x", "s", "b"}, {6, 4});
  }
  for (const int64_t axis : {1, 2, -1}) {
    const std::vector<int64_t> shape = axis == 1   ? std::vector<int64_t>{3, 4, 2}
                                       : axis == 2 ? std::vector<int64_t>{4, 2}
                                                   : std::vector<int64_t>{2};
    const std::map<std::string, Tensor> scales = {{"s", PatternTensor(shape, 1)}, {"b", PatternTensor(shape, 2)}};
    ExpectMatchesLoops({3, 4, 2}, op::LayerNormalization{axis, 1e-2f}, scales, {"x", "s", "b"}, {3, 4, 2});
    ExpectMatchesLoops({3, 4, 2}, op::LayerNormalization{axis, 1e-2f}, scales, {"x", "s"}, {3, 4, 2});
  }
  for (const int64_t size : {1, 2, 3, 4, 9}) {
    ExpectMatchesLoops({5, 2, 3}, op::LRN{size, 0.7f, 0.6f, 1.5f}, {}, {"x"}, {5, 2, 3});
  }
}

TEST(Operators, DilatedWindows) {
  const Window window{{3, 2}, {2, 1}, {2, 1, 1, 0}, {2, 3}};  // 9x8 -> 4x6
  for (const int64_t groups : {1, 2, 4}) {
    ExpectMatchesLoops({4, 9, 8}, op::Conv{window, groups}, {{"w", PatternTensor({8, 4 / groups, 3, 2}, 1)}},
                       {"x", "w"}, {8, 4, 6});
  }
  ExpectMatchesLoops({2, 9, 8}, op::MaxPool{window}, {}, {"x"}, {2, 4, 6});
  ExpectMatchesLoops({2, 9, 8}, op::MaxPool{{{3, 3}, {1, 1}, {1, 1, 1, 1}, {2, 2}}}, {}, {"x"}, {2, 7, 6});
}

TEST(Operators, TransposedConvolutions) {
  for (const int64_t groups : {1, 2}) {
    for (const auto& padding : std::vector<std::array<int64_t, 2>>{{0, 0}, {1, 2}}) {
      const Window window{{3, 2}, {2, 3}, {1, 0, 2, 1}, {2, 1}};  // 4x3 -> 8x7
      const std::map<std::string, Tensor> weights = {{"w", PatternTensor({4, 3, 3, 2}, 1)},
                                                     {"b", PatternTensor({3 * groups}, 2)}};
      const std::vector<int64_t> output = {3 * groups, 8 + padding[0], 7 + padding[1]};
      ExpectMatchesLoops({4, 4, 3}, op::ConvTranspose{window, groups, padding}, weights, {"x", "w", "b"}, output);
      ExpectMatchesLoops({4, 4, 3}, op::ConvTranspose{window, groups, padding}, weights, {"x", "w"}, output);
    }
  }
}

TEST(Operators, Resizes) {
  using Resize = op::Resize;
  using Coordinates = Resize::Coordinates;
  for (const auto coordinates :
       {Coordinates::kHalfPixel, Coordinates::kHalfPixelSymmetric, Coordinates::kPytorchHalfPixel,
        Coordinates::kAlignCorners, Coordinates::kAsymmetric, Coordinates::kTfHalfPixel}) {
    for (const auto& sizes : std::vector<std::vector<int64_t>>{{2, 10, 3}, {3, 1, 12}, {2, 5, 6}}) {
      ExpectMatchesLoops({2, 5, 6}, Resize{Resize::Mode::kLinear, coordinates, {}, sizes, {}}, {}, {"x"}, sizes);
    }
    for (const auto rounding : {Resize::Rounding::kPreferFloor, Resize::Rounding::kPreferCeil, Resize::Rounding::kFloor,
                                Resize::Rounding::kCeil}) {
      // Powers of two: no point depends on rounding errors.
      ExpectMatchesLoops({2, 4, 8}, Resize{Resize::Mode::kNearest, coordinates, rounding, {2, 8, 4}, {1, 2, 0.5f}}, {},
                         {"x"}, {2, 8, 4});
    }
  }
}

TEST(Operators, ReductionsAndParts) {
  for (const bool keep : {false, true}) {
    const std::vector<int64_t> output = keep ? std::vector<int64_t>{1, 4, 1} : std::vector<int64_t>{4};
    for (const Op& op :
         {Op(op::ReduceSum{{1, -1}, keep}), Op(op::ReduceMax{{-3, 3}, keep}), Op(op::ReduceMin{{3, 1}, keep})}) {
      ExpectMatchesLoops({3, 4, 5}, op, {}, {"x"}, output);
    }
  }
  ExpectMatchesLoops({7, 3}, op::Slice{1, 1, 7, 2}, {}, {"x"}, {3, 3});
  ExpectMatchesLoops({7, 3}, op::Slice{-1, 2, 3, 5}, {}, {"x"}, {7, 1});
  ExpectMatchesLoops({2, 3}, op::Concat{1}, {{"c", PatternTensor({1, 4, 3}, 1)}}, {"c", "x", "c"}, {10, 3});
}

TEST(Operators, ProductsOfValuesAndConstants) {
  const std::map<std::string, Tensor> constants = {{"two", PatternTensor({4, 2}, 1)},
                                                   {"left", PatternTensor({5, 3}, 2)},
                                                   {"many", PatternTensor({1, 2, 4, 3}, 3)},
                                                   {"three", PatternTensor({2, 4, 3}, 4)}};
  ExpectMatchesLoops({3, 4}, op::MatMul{}, constants, {"x", "two"}, {3, 2});
  ExpectMatchesLoops({3, 4}, op::MatMul{}, constants, {"left", "x"}, {5, 4});
  ExpectMatchesLoops({2, 3, 4}, op::MatMul{}, constants, {"x", "many"}, {2, 3, 3});
  ExpectMatchesLoops({1, 3, 4}, op::MatMul{}, constants, {"x", "three"}, {2, 3, 3});
  ExpectMatchesLoops({2, 3, 3}, op::MatMul{}, {}, {"x", "x"}, {2, 3, 3});
}

}  // namespace
}  // namespace privdnn
