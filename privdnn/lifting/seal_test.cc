#include "privdnn/lifting/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/graph/architectures.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The same range for everything.
absl::StatusOr<SealedModel> SealWith(const Graph& graph, const std::string& selection, double largest = 4,
                                     const SealOptions& options = {}) {
  PRIVDNN_ASSIGN_OR_RETURN(const Selection chosen, ParseSelection(selection, graph));
  PRIVDNN_ASSIGN_OR_RETURN(const auto values, ValuesToSeal(graph, chosen));
  std::map<std::string, MeasuredRange> ranges;
  for (const std::string& value : values) ranges[value] = {-largest, largest};
  return Seal(graph, chosen, ranges, options);
}

std::vector<std::string> Steps(const SealedModel& model) {
  std::vector<std::string> names;
  for (const SealedStep& step : model.program.steps) names.push_back(StepName(step));
  return names;
}

NetworkBuilder ConvNet() {
  NetworkBuilder b({1, 12, 12}, 3);
  b.Conv(4, {{3, 3}, {1, 1}, {1, 1, 1, 1}});
  b.Append(op::Relu{});
  b.Append(op::MaxPool{{{2, 2}, {2, 2}}});
  b.Conv(6, {{3, 3}, {1, 1}, {}});
  b.Append(op::Relu{});
  b.Append(op::Flatten{});
  b.Gemm(5);
  return b;
}

TEST(Seal, SharesBeginAtTheFirstEncryptedLayer) {
  NetworkBuilder b = ConvNet();
  const Graph graph = b.Finish();
  // A rectifier comes behind the pool, where there are fewer values.
  EXPECT_THAT(Steps(*SealWith(graph, "1:all;2:all;3:all")),
              ElementsAre("input", "linear", "max pool", "ReLU", "linear", "ReLU", "reshape", "linear"));
  const SealedModel middle = *SealWith(graph, "2:1,3");
  EXPECT_THAT(Steps(middle), ElementsAre("input", "linear", "ReLU", "reshape", "linear"));
  EXPECT_THAT(middle.front, ElementsAre(graph.nodes[2].output));
  ASSERT_EQ(middle.segments.size(), 1u);
  EXPECT_THAT(middle.segments[0].neurons, ElementsAre(1, 3));
  const auto& linear = std::get<LinearStep>(middle.program.steps[1]);
  EXPECT_THAT(linear.plain, ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(linear.encrypted, ElementsAre(1, 3));
  // No weight of an encrypted neuron is in the program.
  EXPECT_EQ(linear.weights.size(), 4u * 4 * 9);
  EXPECT_EQ(middle.program.values[1].bits + linear.drop, static_cast<int>(middle.segments[0].spec.input_bits));
}

TEST(Seal, RoundsWeightsToPowersOfTwo) {
  NetworkBuilder b({6}, 5);
  b.Gemm(3);
  const Graph graph = b.Finish();
  const SealedModel model = *SealWith(graph, "1:all", 4, {.value_bits = 13, .weight_bits = 8, .input_bits = 12});
  const auto& linear = std::get<LinearStep>(model.program.steps[1]);
  const SealedValue &in = model.program.values[0], &out = model.program.values[1];
  EXPECT_EQ(in.exponent, 8);   // 4 * 2^8 is within 2^11
  EXPECT_EQ(out.exponent, 8);  // 4 * 2^9 is not below 2^11, with a bit of margin
  int32_t largest = 0;
  for (const auto& kernel : model.segments[0].kernels) {
    for (const int32_t w : kernel.Reveal()) largest = std::max(largest, std::abs(w));
  }
  EXPECT_GE(largest, 64 - 1);
  EXPECT_LE(largest, 127);
  EXPECT_EQ(std::log2(model.segments[0].output_scale[0]), -(out.exponent + linear.drop));
}

// A weight that stands in plaintext elsewhere is no secret.
TEST(Seal, RefusesWeightsThatStandElsewhere) {
  NetworkBuilder b({6}, 5);
  b.Gemm(6);
  b.Append(op::Relu{});
  b.Gemm(6);
  Graph graph = b.Finish();
  Node &first = graph.nodes[0], &second = graph.nodes[2];
  second.op = first.op;
  Graph copied = graph;
  copied.initializers[second.inputs[1]] = copied.initializers[first.inputs[1]];
  EXPECT_THAT(Message(SealWith(copied, "1:all").status()), HasSubstr("stand in"));
  EXPECT_TRUE(SealWith(copied, "1:all;2:all").ok());
  second.inputs[1] = first.inputs[1];
  EXPECT_THAT(Message(SealWith(graph, "1:all").status()), HasSubstr("reads its constant"));
  EXPECT_THAT(Message(SealWith(graph, "2:all").status()), HasSubstr("reads its constant"));
}

TEST(Seal, RefusesWhatSharesCannotDo) {
  const auto error = [](const Op& op) {
    NetworkBuilder b({1, 6, 6}, 2);
    b.Conv(2, {{3, 3}, {1, 1}, {}});
    b.Append(op);
    b.Append(op::Flatten{});
    b.Gemm(3);
    return Message(SealWith(b.Finish(), "1:all").status());
  };
  EXPECT_THAT(error(op::Sigmoid{}), testing::AllOf(HasSubstr("(Sigmoid)"), HasSubstr("is not computed on shares")));
  EXPECT_THAT(error(op::MaxPool{{{2, 2}, {1, 1}, {}, {2, 2}}}), HasSubstr("dilations"));
  NetworkBuilder b = ConvNet();
  const Graph graph = b.Finish();
  EXPECT_THAT(
      Message(SealWith(graph, "1:all;2:all", 4, {.value_bits = 24, .weight_bits = 16, .input_bits = 24}).status()),
      HasSubstr("bits, at most 31 fit"));
  EXPECT_THAT(Message(SealWith(graph, "1:all", 4, {.value_bits = 5}).status()), HasSubstr("value bits are 5"));
  EXPECT_THAT(Message(Seal(graph, *ParseSelection("1:0", graph), {}, {}).status()), HasSubstr("is not known"));
}

}  // namespace
}  // namespace privdnn
