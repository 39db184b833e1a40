// The executor against plain loops in double precision.
#include "privdnn/torch/executor.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "privdnn/graph/architectures.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/torch/naive_operators.h"
#include "privdnn/torch/program.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

void ExpectNear(const Tensor& actual, const Tensor& expected, double tolerance = 1e-5) {
  ASSERT_EQ(actual.shape, expected.shape);
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double bound = tolerance * (1 + std::abs(double{expected.values[i]}));
    ASSERT_NEAR(actual.values[i], expected.values[i], bound) << "element " << i;
  }
}

// Runs the graph and the loops on a batch of 1 and of 3.
void ExpectMatchesLoops(const Graph& graph) {
  const auto executor = Executor::Create(graph);
  ASSERT_TRUE(executor.ok()) << executor.status();
  for (const int64_t batch : {1, 3}) {
    std::vector<int64_t> shape = graph.inputs[0].shape;
    shape[0] = batch;
    const Tensor x = PatternTensor(shape, 20 + static_cast<int>(batch));
    const auto outputs = executor->Run({{"x", x}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ExpectNear(outputs->at("y"), RunNaively(graph, x));
  }
}

const std::vector<Window>& Windows() {
  static const auto& windows = *new std::vector<Window>{
      {{1, 1}, {1, 1}, {}},           {{3, 3}, {1, 1}, {}},           {{3, 3}, {1, 1}, {1, 1, 1, 1}},
      {{2, 2}, {2, 2}, {}},           {{3, 2}, {2, 1}, {1, 0, 2, 1}}, {{5, 4}, {3, 2}, {2, 3, 2, 3}},
      {{2, 5}, {1, 3}, {0, 4, 1, 0}}, {{7, 6}, {1, 1}, {}},           {{4, 4}, {2, 3}, {3, 3, 3, 3}},
  };
  return windows;
}
constexpr int64_t kHeight = 7, kWidth = 6;

std::vector<int64_t> WindowOutput(const Window& w, int64_t channels) {
  return {channels, (kHeight + w.pads[0] + w.pads[2] - w.kernel[0]) / w.strides[0] + 1,
          (kWidth + w.pads[1] + w.pads[3] - w.kernel[1]) / w.strides[1] + 1};
}

TEST(Executor, Conv) {
  for (const Window& w : Windows()) {
    for (const int64_t groups : {1, 2, 4}) {
      for (const bool bias : {false, true}) {
        std::vector<std::string> inputs = {"x", "w"};
        if (bias) inputs.push_back("b");
        ExpectMatchesLoops(SingleNodeGraph(
            {4, kHeight, kWidth}, op::Conv{w, groups},
            {{"w", PatternTensor({8, 4 / groups, w.kernel[0], w.kernel[1]}, 1)}, {"b", PatternTensor({8}, 2)}}, inputs,
            WindowOutput(w, 8)));
      }
    }
  }
}

TEST(Executor, Pools) {
  for (const Window& w : Windows()) {
    const auto output = WindowOutput(w, 3);
    ExpectMatchesLoops(SingleNodeGraph({3, kHeight, kWidth}, op::MaxPool{w}, {}, {"x"}, output));
    ExpectMatchesLoops(SingleNodeGraph({3, kHeight, kWidth}, op::AveragePool{w, false}, {}, {"x"}, output));
    ExpectMatchesLoops(SingleNodeGraph({3, kHeight, kWidth}, op::AveragePool{w, true}, {}, {"x"}, output));
  }
  // Windows of padding only have an average if padding counts.
  const Window wide{{2, 2}, {1, 1}, {3, 2, 2, 4}};
  ExpectMatchesLoops(
      SingleNodeGraph({3, kHeight, kWidth}, op::AveragePool{wide, true}, {}, {"x"}, WindowOutput(wide, 3)));
}

TEST(Executor, BatchNormalization) {
  const std::map<std::string, Tensor> parameters = {{"s", PatternTensor({5}, 1)},
                                                    {"b", PatternTensor({5}, 2)},
                                                    {"m", PatternTensor({5}, 3)},
                                                    {"v", {{5}, {0, 0.5f, 1, 2, 30}}}};
  for (const auto& shape : std::vector<std::vector<int64_t>>{{5}, {5, 3}, {5, 3, 2}}) {
    ExpectMatchesLoops(
        SingleNodeGraph(shape, op::BatchNormalization{1e-2f}, parameters, {"x", "s", "b", "m", "v"}, shape));
  }
}

TEST(Executor, Elementwise) {
  ExpectMatchesLoops(SingleNodeGraph({3, 5}, op::Relu{}, {}, {"x"}, {3, 5}));
  ExpectMatchesLoops(SingleNodeGraph({3, 5}, op::Square{}, {}, {"x"}, {3, 5}));
  ExpectMatchesLoops(SingleNodeGraph({3, 5}, op::Add{}, {}, {"x", "x"}, {3, 5}));
  for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {5}, {3, 1}, {1, 5}, {1, 3, 5}, {1, 1, 1}}) {
    const std::map<std::string, Tensor> b = {{"b", PatternTensor(shape, 1)}};
    ExpectMatchesLoops(SingleNodeGraph({3, 5}, op::Add{}, b, {"x", "b"}, {3, 5}));
    ExpectMatchesLoops(SingleNodeGraph({3, 5}, op::Add{}, b, {"b", "x"}, {3, 5}));
  }
  ExpectMatchesLoops(SingleNodeGraph({1, 5}, op::Add{}, {{"b", PatternTensor({4, 1}, 1)}}, {"x", "b"}, {4, 5}));
}

TEST(Executor, Arithmetic) {
  for (const Op& op : {Op(op::Sub{}), Op(op::Mul{}), Op(op::Div{}), Op(op::Max{}), Op(op::Min{})}) {
    for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {5}, {3, 1}, {1, 5}, {1, 3, 5}, {1, 1, 1}}) {
      const std::map<std::string, Tensor> b = {{"b", PatternTensor(shape, 1)}};
      ExpectMatchesLoops(SingleNodeGraph({3, 5}, op, b, {"x", "b"}, {3, 5}));
      ExpectMatchesLoops(SingleNodeGraph({3, 5}, op, b, {"b", "x"}, {3, 5}));
    }
    // A factor for each channel, computed, as squeeze-and-excitation blocks have it; either operand may be the small
    // one.
    for (const bool swap : {false, true}) {
      Graph graph = SingleNodeGraph({3, 4, 5}, op, {}, {swap ? "m" : "x", swap ? "x" : "m"}, {3, 4, 5});
      graph.nodes.insert(graph.nodes.begin(), {"mean", op::AveragePool{{{4, 5}, {1, 1}, {}}, false}, {"x"}, "m"});
      ExpectMatchesLoops(graph);
    }
  }
}

TEST(Executor, Activations) {
  // Values on both sides of every bend.
  for (const float scale : {1.0f, 7.0f}) {
    for (const Op& op : {Op(op::LeakyRelu{0.2f}), Op(op::LeakyRelu{-1.5f}), Op(op::Clip{}), Op(op::Clip{0, 6}),
                         Op(op::Clip{-0.5f, 0.25f}), Op(op::Sigmoid{}), Op(op::Tanh{}), Op(op::HardSigmoid{}),
                         Op(op::HardSigmoid{-0.4f, 0.1f}), Op(op::HardSwish{}), Op(op::Dropout{0.9f}),
                         Op(op::FakeQuantize{0.1f, 3, true}), Op(op::FakeQuantize{0.03f, 200, false})}) {
      Graph graph = SingleNodeGraph({3, 5}, op, {{"scale", {{}, {scale}}}}, {"scaled"}, {3, 5});
      graph.nodes.insert(graph.nodes.begin(), {"mul", op::Mul{}, {"x", "scale"}, "scaled"});
      ExpectMatchesLoops(graph);
    }
  }
}

// In training, a share of values is zero and the rest larger; which ones, the seed says.
TEST(Program, DropsOutInTrainingOnly) {
  const Graph graph = SingleNodeGraph({1000}, op::Dropout{0.2f}, {}, {"x"}, {1000});
  const auto program = Program::Compile(graph);
  ASSERT_TRUE(program.ok()) << program.status();
  const auto run = [&](std::optional<uint64_t> seed) {
    return FromTorch(program->Run({}, {at::ones({10, 1000})}, seed).value().at(0));
  };
  EXPECT_EQ(run(std::nullopt).values, std::vector<float>(10000, 1));
  const Tensor dropped = run(7);
  const auto zeros = std::count(dropped.values.begin(), dropped.values.end(), 0.0f);
  EXPECT_NEAR(static_cast<double>(zeros), 2000, 5 * 40);  // five standard deviations
  EXPECT_EQ(zeros + std::count(dropped.values.begin(), dropped.values.end(), 1.25f), 10000);
  EXPECT_EQ(dropped, run(7));
  EXPECT_NE(dropped, run(8));
}

// Halves go to the even neighbour, before the zero point is added. Gradients pass where nothing is clamped.
TEST(Program, QuantizesAndPassesGradients) {
  const auto program = Program::Compile(SingleNodeGraph({6}, op::FakeQuantize{0.5f, 1, true}, {}, {"x"}, {6}));
  ASSERT_TRUE(program.ok()) << program.status();
  const Tensor values{{1, 6}, {0.25f, 0.75f, -0.3f, -100, 63, 80}};
  at::Tensor x = ToTorch(values).requires_grad_();
  for (const at::Tensor& input : {x.detach(), x}) {
    const Tensor y = FromTorch(program->Run({}, {input}, std::nullopt).value().at(0).detach());
    EXPECT_EQ(y.values, (std::vector<float>{0, 1, -0.5f, -64.5f, 63, 63}));
  }
  program->Run({}, {x}, std::nullopt).value().at(0).sum().backward();
  EXPECT_EQ(FromTorch(x.grad()).values, (std::vector<float>{1, 1, 1, 0, 1, 0}));
}

TEST(Executor, RootsAndMeans) {
  Graph root = SingleNodeGraph({3, 5}, op::Sqrt{}, {}, {"s"}, {3, 5});
  root.nodes.insert(root.nodes.begin(), {"square", op::Square{}, {"x"}, "s"});
  ExpectMatchesLoops(root);
  ExpectMatchesLoops(SingleNodeGraph({3, 4, 5}, op::ReduceMean{{2, 3}, true}, {}, {"x"}, {3, 1, 1}));
  ExpectMatchesLoops(SingleNodeGraph({3, 4, 5}, op::ReduceMean{{-1, 1}, false}, {}, {"x"}, {4}));
  ExpectMatchesLoops(SingleNodeGraph({3, 4, 5}, op::ReduceMean{{-2}, true}, {}, {"x"}, {3, 1, 5}));
}

TEST(Executor, Pads) {
  ExpectMatchesLoops(SingleNodeGraph({3, 4, 5}, op::Pad{{0, 0, 1, 2, 0, 0, 3, 0}, 0}, {}, {"x"}, {3, 8, 7}));
  ExpectMatchesLoops(SingleNodeGraph({3, 4, 5}, op::Pad{{0, 2, 0, 0, 0, 1, 0, 0}, -1.5f}, {}, {"x"}, {6, 4, 5}));
  ExpectMatchesLoops(SingleNodeGraph({3}, op::Pad{{0, 1, 0, 2}, 0.5f}, {}, {"x"}, {6}));
  ExpectMatchesLoops(SingleNodeGraph({3}, op::Pad{{0, 0, 0, 0}, 0.5f}, {}, {"x"}, {3}));
}

TEST(Executor, Products) {
  for (const bool trans_b : {false, true}) {
    op::Gemm gemm;
    gemm.alpha = -0.5f;
    gemm.beta = 3;
    gemm.trans_b = trans_b;
    const Tensor b = PatternTensor(trans_b ? std::vector<int64_t>{7, 4} : std::vector<int64_t>{4, 7}, 1);
    ExpectMatchesLoops(SingleNodeGraph({4}, gemm, {{"b", b}}, {"x", "b"}, {7}));
    for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {1}, {7}, {1, 7}, {1, 1}}) {
      ExpectMatchesLoops(SingleNodeGraph({4}, gemm, {{"b", b}, {"c", PatternTensor(shape, 2)}}, {"x", "b", "c"}, {7}));
    }
  }
  const std::map<std::string, Tensor> b = {{"b", PatternTensor({4, 7}, 1)}};
  ExpectMatchesLoops(SingleNodeGraph({4}, op::MatMul{}, b, {"x", "b"}, {7}));
  ExpectMatchesLoops(SingleNodeGraph({3, 2, 4}, op::MatMul{}, b, {"x", "b"}, {3, 2, 7}));
}

TEST(Executor, Shapes) {
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Flatten{1}, {}, {"x"}, {24}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Flatten{-3}, {}, {"x"}, {24}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Reshape{{0, 0, -1}}, {}, {"x"}, {2, 12}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Reshape{{-1, 6, 4}}, {}, {"x"}, {6, 4}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Softmax{-1}, {}, {"x"}, {2, 3, 4}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3, 4}, op::Softmax{2}, {}, {"x"}, {2, 3, 4}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3}, op::Concat{1}, {}, {"x", "x", "x"}, {6, 3}));
  ExpectMatchesLoops(SingleNodeGraph({2, 3}, op::Concat{-1}, {}, {"x", "x"}, {2, 6}));
  ExpectMatchesLoops(SingleNodeGraph({5, 3}, op::Gather{1, {4, -1, 0, 0, -5}}, {}, {"x"}, {5, 3}));
  ExpectMatchesLoops(SingleNodeGraph({5, 3}, op::Gather{-1, {2}}, {}, {"x"}, {5, 1}));
}

TEST(Executor, WholeGraphs) {
  ExpectMatchesLoops(EveryOperatorGraph());
  Graph lenet = BuildArchitecture("lenet5-mnist", 1).value();
  lenet.inputs[0].name = lenet.nodes[0].inputs[0] = "x";
  lenet.outputs[0].name = lenet.nodes.back().output = "y";
  ExpectMatchesLoops(lenet);
}

// Neither depth nor squares blow up or fade out what flows through freshly initialised networks.
TEST(Executor, RunsEveryArchitecture) {
  for (const std::string& name : ArchitectureNames()) {
    const Graph graph = BuildArchitecture(name, 1).value();
    std::vector<int64_t> shape = graph.inputs[0].shape;
    shape[0] = 2;
    Tensor images = PatternTensor(shape, 3);
    for (float& v : images.values) v = std::abs(v) - std::floor(std::abs(v));
    const auto outputs = Executor::Create(graph)->Run({{"image", images}});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    const Tensor& logits = outputs->at("logits");
    EXPECT_EQ(logits.shape, (std::vector<int64_t>{2, graph.outputs[0].shape[1]}));
    double squares = 0;
    for (const float v : logits.values) squares += double{v} * v;
    const double rms = std::sqrt(squares / static_cast<double>(logits.size()));
    EXPECT_GT(rms, 0.01) << name;
    EXPECT_LT(rms, 100) << name;
  }
}

// Training in bfloat16 computes convolutions with large weights on small maps as products (see program.cc).
TEST(Program, ComputesTheSameInBfloat16) {
  for (const int64_t groups : {1, 2}) {
    const Graph graph = SingleNodeGraph(
        {128, 2, 2}, op::Conv{{{3, 2}, {2, 1}, {1, 1, 1, 1}}, groups},
        {{"w", PatternTensor({144 * groups, 128 / groups, 3, 2}, 1)}, {"b", PatternTensor({144 * groups}, 2)}},
        {"x", "w", "b"}, {144 * groups, 1, 3});
    const Program program = Program::Compile(graph).value();
    const auto run = [&](bool lower) {
      std::vector<at::Tensor> leaves;
      for (const std::string& name : program.parameter_names()) {
        leaves.push_back(ToTorch(graph.initializers.at(name)).requires_grad_());
      }
      const at::Tensor x = ToTorch(PatternTensor({3, 128, 2, 2}, 3)).requires_grad_();
      at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
      at::autocast::set_cpu_enabled(lower);
      const at::Tensor y = program.Run(leaves, {x}, 1).value()[0];
      at::autocast::set_cpu_enabled(false);
      at::autocast::clear_cache();
      EXPECT_EQ(y.scalar_type(), lower ? at::kBFloat16 : at::kFloat);
      (y.to(at::kFloat) * ToTorch(PatternTensor(y.sizes().vec(), 4))).sum().backward();
      std::vector<at::Tensor> results = {y.to(at::kFloat).detach(), x.grad()};
      for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad());
      return results;
    };
    const auto expected = run(false), actual = run(true);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(actual[i].sizes(), expected[i].sizes());
      const double error = (actual[i] - expected[i]).norm().item<double>();
      EXPECT_LT(error, 0.05 * expected[i].norm().item<double>()) << i << " " << groups;  // 8 bits of mantissa
    }
  }
}

// See testdata/export_torch_model.py.
TEST(Executor, ComputesWhatPyTorchComputes) {
  const std::filesystem::path data(PRIVDNN_TESTDATA);
  const auto expected = nlohmann::json::parse(std::ifstream(data / "torch_export.json"));
  const auto executor = Executor::Create(LoadOnnx(data / "torch_export.onnx").value());
  ASSERT_TRUE(executor.ok()) << executor.status();
  Tensor image = Tensor::Zeros({3, 2, 13, 11});
  for (size_t i = 0; i < image.values.size(); ++i) image.values[i] = static_cast<float>(37 * i % 101) / 101.0f;
  const auto outputs = executor->Run({{"image", image}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ExpectNear(outputs->at("probabilities"), {expected["shape"], expected["values"]}, 1e-6);
}

TEST(Executor, ReturnsEveryOutputAndKeepsValuesThatAreReadTwice) {
  Graph graph = EveryOperatorGraph();
  graph.outputs = {{"a1", {-1, 6, 5, 8}}, {"c1", {-1, 6, 5, 8}}, {"x", {-1, 4, 9, 8}}, {"y", {-1, 6}}};
  const Tensor x = PatternTensor({2, 4, 9, 8}, 1);
  const auto outputs = Executor::Create(graph)->Run({{"x", x}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(outputs->size(), 4u);
  EXPECT_EQ(outputs->at("x"), x);
  EXPECT_EQ(outputs->at("y"), Executor::Create(EveryOperatorGraph())->Run({{"x", x}})->at("y"));
}

TEST(Executor, TakesSeveralInputs) {
  Graph graph = SingleNodeGraph({2}, op::Concat{1}, {}, {"x", "z"}, {5});
  graph.inputs.push_back({"z", {-1, 3}});
  const auto executor = Executor::Create(graph);
  const auto outputs = executor->Run({{"x", {{1, 2}, {1, 2}}}, {"z", {{1, 3}, {3, 4, 5}}}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(outputs->at("y"), (Tensor{{1, 5}, {1, 2, 3, 4, 5}}));
  EXPECT_THAT(Message(executor->Run({{"x", Tensor::Zeros({1, 2})}, {"z", Tensor::Zeros({2, 3})}}).status()),
              HasSubstr("graph input 'z' has 2 images, another has 1"));
}

TEST(Executor, RefusesInputsThatDoNotFit) {
  const auto executor = Executor::Create(SingleNodeGraph({2, 3}, op::Relu{}, {}, {"x"}, {2, 3}));
  const auto error = [&](const std::map<std::string, Tensor>& inputs) {
    const auto outputs = executor->Run(inputs);
    EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInvalidArgument);
    return Message(outputs.status());
  };
  EXPECT_THAT(error({}), HasSubstr("'x' is not given"));
  EXPECT_THAT(error({{"x", Tensor::Zeros({1, 3, 2})}}), HasSubstr("has shape (1, 3, 2), needs (-1, 2, 3)"));
  EXPECT_THAT(error({{"x", Tensor::Zeros({0, 2, 3})}}), HasSubstr("has shape (0, 2, 3)"));
  EXPECT_THAT(error({{"x", Tensor{{2, 2, 3}, {1, 2}}}}), HasSubstr("holds 2 elements"));
  EXPECT_THAT(error({{"x", Tensor{{int64_t{1} << 40, 2, 3}, {1, 2}}}}), HasSubstr("more than"));
  EXPECT_THAT(error({{"x", Tensor::Zeros({1, 2, 3})}, {"z", Tensor::Zeros({1})}}), HasSubstr("2 inputs given"));
}

TEST(Executor, RefusesInvalidGraphs) {
  Graph graph = EveryOperatorGraph();
  graph.nodes.pop_back();
  EXPECT_EQ(Executor::Create(graph).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Executor, RunsInSeveralThreads) {
  SetExecutorThreads(2);
  const auto executor = Executor::Create(EveryOperatorGraph());
  const Tensor x = PatternTensor({2, 4, 9, 8}, 1);
  const Tensor expected = executor->Run({{"x", x}})->at("y");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto outputs = executor->Run({{"x", x}});
        count += !outputs.ok() || outputs->at("y") != expected;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Argmax, TakesTheFirstLargestOfEachRow) {
  EXPECT_EQ(Argmax({{3, 3}, {1, 2, 0, 5, 5, 1, -3, -2, -1}}), (std::vector<int32_t>{1, 0, 2}));
  EXPECT_TRUE(Argmax({{3}, {1, 2, 3}}).empty());
}

}  // namespace
}  // namespace privdnn
