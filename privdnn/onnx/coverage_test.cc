// Every operator that is read has a case that ONNX Runtime answered.
#include <absl/strings/escaping.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "privdnn/onnx/onnx.h"

namespace privdnn {
namespace {

// As the error for any other operator lists them.
std::set<std::string> ReadOperators() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(13);
  onnx::NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type("NoSuchOperator");
  node.add_input("x");
  node.add_output("y");
  onnx::ValueInfoProto& x = *model.mutable_graph()->add_input();
  x.set_name("x");
  onnx::TypeProto::Tensor& type = *x.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : {1, 2}) type.mutable_shape()->add_dim()->set_dim_value(dim);
  const std::string bytes = model.SerializeAsString();
  const std::string error = Message(ImportOnnx(AsBytes(bytes), "test").status());
  const size_t start = error.find("(supported: ");
  EXPECT_NE(start, std::string::npos) << error;
  const std::string list = error.substr(start + 12, error.rfind(')') - start - 12);
  return absl::StrSplit(list, ", ");
}

void AddOperators(const onnx::GraphProto& graph, std::set<std::string>& operators) {
  for (const auto& node : graph.node()) {
    operators.insert(node.op_type());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) AddOperators(attribute.g(), operators);
    }
  }
}

TEST(OnnxOperators, EachHasACase) {
  std::set<std::string> tried;
  const std::filesystem::path root = std::filesystem::path(PRIVDNN_TESTDATA) / "../../..";
  for (const char* file : {"privdnn/torch/onnxruntime_crosscheck/operators.json", "tests/field/networks.json"}) {
    const auto cases = nlohmann::json::parse(std::ifstream(root / file));
    for (const auto& item : cases) {
      std::string bytes;
      ASSERT_TRUE(absl::Base64Unescape(item["model"].get<std::string>(), &bytes));
      onnx::ModelProto model;
      ASSERT_TRUE(model.ParseFromString(bytes));
      AddOperators(model.graph(), tried);
    }
  }
  const std::set<std::string> read = ReadOperators();
  EXPECT_GT(read.size(), 70u);
  for (const std::string& op : read) EXPECT_TRUE(tried.contains(op)) << op;
}

}  // namespace
}  // namespace privdnn
