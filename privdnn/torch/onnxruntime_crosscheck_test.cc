// The executor against ONNX Runtime; onnxruntime_crosscheck/crosscheck.mjs computes the answers.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

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
  EXPECT_EQ(compared, 8);
}

}  // namespace
}  // namespace privdnn
