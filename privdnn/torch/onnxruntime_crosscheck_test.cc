// The executor against ONNX Runtime; onnxruntime_crosscheck/crosscheck.mjs and operators.mjs compute the answers.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/graph/fold.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

const std::filesystem::path kTestData(PRIVDNN_TESTDATA);

// What crosscheck.mjs exports for a model that needs no npm.
Graph ModelOf(const std::string& name, const std::string& source) {
  if (source == "testdata") return LoadOnnx(kTestData / (name + ".onnx")).value();
  return ImportOnnx(ExportOnnx(BuildArchitecture(name, 1).value()), name).value();
}

TEST(OnnxruntimeCrosscheck, SameOutputs) {
  const auto answers =
      nlohmann::json::parse(std::ifstream(kTestData / "../../torch/onnxruntime_crosscheck/answers.json"));
  int compared = 0;
  for (const auto& answer : answers) {
    const std::string name = answer["name"], source = answer["source"];
    if (source == "npm") continue;
    SCOPED_TRACE(name);
    const Graph graph = ModelOf(name, source);
    Tensor input = Tensor::Zeros(answer["input"]);
    for (size_t i = 0; i < input.values.size(); ++i) {
      input.values[i] = static_cast<float>(static_cast<double>(37 * i % 101) / 101);
    }
    const double tolerance = 1e-4 * answer["largest"].get<double>();
    for (const Graph& variant : {graph, FoldBatchNormalization(graph).value()}) {
      const auto outputs = Executor::Create(variant)->Run({{graph.inputs[0].name, input}});
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      const Tensor& output = outputs->at(graph.outputs[0].name);
      for (size_t i = 0; i < answer["picks"].size(); ++i) {
        EXPECT_NEAR(output.values.at(answer["picks"][i]), answer["values"][i].get<float>(), tolerance) << i;
      }
    }
    ++compared;
  }
  EXPECT_EQ(compared, 15);
}

// Element i is (37 i mod 101) / 101, stretched.
Tensor StretchedInput(const nlohmann::json& item) {
  Tensor input = Tensor::Zeros(item["input"]);
  const double low = item["low"], high = item["high"];
  for (size_t i = 0; i < input.values.size(); ++i) {
    input.values[i] = static_cast<float>(low + (high - low) * (static_cast<double>(37 * i % 101) / 101));
  }
  return input;
}

// The index of the largest of the scores (N, C, ...) at each place.
std::vector<float> LargestAlongAxis1(const Tensor& scores) {
  const int64_t inner = scores.size() / scores.dim(0) / scores.dim(1);
  std::vector<float> indices;
  for (int64_t n = 0; n < scores.dim(0); ++n) {
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t c) {
        return scores.values[static_cast<size_t>((n * scores.dim(1) + c) * inner + i)];
      };
      int64_t largest = 0;
      for (int64_t c = 1; c < scores.dim(1); ++c) largest = at(c) > at(largest) ? c : largest;
      indices.push_back(static_cast<float>(largest));
    }
  }
  return indices;
}

// As it is read, and as it is written and read again.
void ExpectSameOutputs(const nlohmann::json& item) {
  SCOPED_TRACE(item["name"].get<std::string>());
  std::string model;
  ASSERT_TRUE(absl::Base64Unescape(item[item.contains("given") ? "given" : "model"].get<std::string>(), &model));
  const auto graph = ImportOnnx(AsBytes(model), "case", {item.value("input_shape", std::vector<int64_t>())});
  ASSERT_TRUE(graph.ok()) << graph.status();
  const auto again = ImportOnnx(ExportOnnx(*graph), "again");
  EXPECT_TRUE(again.ok() && *again == *graph) << again.status();
  const auto outputs = Executor::Create(*graph)->Run({{"x", StretchedInput(item)}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  const Tensor& y = outputs->at("y");
  const bool indices = item["indices"];
  const std::vector<float> values = indices ? LargestAlongAxis1(y) : y.values;
  EXPECT_TRUE(indices || y.shape == item["shape"].get<std::vector<int64_t>>());
  const size_t every = item["every"];
  const double rounding = 2e-5 + item.value("rounding", 0.0);
  for (size_t i = 0; i < item["values"].size(); ++i) {
    const float expected = item["values"][i];
    EXPECT_NEAR(values.at(i * every), expected, rounding * (1 + std::abs(expected))) << i;
  }
}

// Each operator, in each form that operator sets give it.
TEST(OnnxruntimeCrosscheck, EveryOperator) {
  const auto cases =
      nlohmann::json::parse(std::ifstream(kTestData / "../../torch/onnxruntime_crosscheck/operators.json"));
  EXPECT_GT(cases.size(), 170u);
  for (const auto& item : cases) ExpectSameOutputs(item);
}

// What exporters make of whole networks. field_networks_test.cc encrypts them.
TEST(OnnxruntimeCrosscheck, FieldNetworks) {
  const auto cases = nlohmann::json::parse(std::ifstream(kTestData / "../../../tests/field/networks.json"));
  EXPECT_GT(cases.size(), 50u);
  for (const auto& item : cases) ExpectSameOutputs(item);
}

}  // namespace
}  // namespace privdnn
