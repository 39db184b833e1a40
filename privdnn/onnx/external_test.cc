// Weights in files beside the model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "privdnn/base/file.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/onnx.h"

namespace privdnn {
namespace {

using testing::HasSubstr;

// x (N, 3) + b, b in the file `location` from byte 4.
onnx::ModelProto ExternalModel(const std::string& location) {
  onnx::ModelProto model = EmptyModel({3}, {3});
  onnx::TensorProto& b = *model.mutable_graph()->add_initializer();
  b.set_name("b");
  b.set_data_type(onnx::TensorProto::FLOAT);
  b.add_dims(3);
  b.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto add = [&](const std::string& key, const std::string& value) {
    auto& entry = *b.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  add("location", location);
  add("offset", "4");
  add("length", "12");
  AddNode(model, "Add", {"x", "b"}, {"y"});
  return model;
}

class ExternalOnnx : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "data");
    const float values[] = {-1, 1.5f, -2, 3};
    Bytes bytes(sizeof(values));
    std::memcpy(bytes.data(), values, sizeof(values));
    for (const auto& path : {folder_ / "weights.bin", folder_ / "data" / "weights.bin", root_.path() / "secret.bin"}) {
      ASSERT_TRUE(WriteFile(path, bytes).ok());
    }
  }
  absl::StatusOr<Graph> Load(const onnx::ModelProto& model) {
    EXPECT_TRUE(WriteTextFile(folder_ / "model.onnx", model.SerializeAsString()).ok());
    return LoadOnnx(folder_ / "model.onnx");
  }
  // The message for a model whose external entry `index` has another value.
  std::string Refusal(int index, const std::string& value) {
    onnx::ModelProto model = ExternalModel("weights.bin");
    model.mutable_graph()->mutable_initializer(0)->mutable_external_data(index)->set_value(value);
    return Message(Load(model).status());
  }

  const TemporaryDirectory root_ = TemporaryDirectory::Create().value();
  const std::filesystem::path folder_ = root_.path() / "model";
};

TEST_F(ExternalOnnx, ReadsFilesInTheModelsFolder) {
  for (const char* location : {"weights.bin", "data/weights.bin", "./data/../weights.bin"}) {
    const auto graph = Load(ExternalModel(location));
    ASSERT_TRUE(graph.ok()) << graph.status();
    EXPECT_EQ(graph->initializers.at("b"), (Tensor{{3}, {1.5f, -2, 3}}));
  }
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  EXPECT_TRUE(LoadOnnx("model.onnx").ok());
  std::filesystem::current_path(before);
}

TEST_F(ExternalOnnx, RefusesFilesOutsideOfIt) {
  std::filesystem::create_symlink(root_.path() / "secret.bin", folder_ / "link.bin");
  std::filesystem::create_directory_symlink(root_.path(), folder_ / "up");
  for (const std::string& location :
       {std::string("../secret.bin"), (root_.path() / "secret.bin").string(), std::string("link.bin"),
        std::string("up/secret.bin"), std::string("data/../../secret.bin"), std::string("/etc/passwd")}) {
    EXPECT_THAT(Message(Load(ExternalModel(location)).status()),
                HasSubstr("tensor 'b': external data: '" + location + "' lies outside the model's folder"));
  }
}

TEST_F(ExternalOnnx, RefusesWhatDoesNotFitTheFile) {
  EXPECT_THAT(Refusal(0, "none.bin"), HasSubstr("'none.bin' is not a file in"));
  EXPECT_THAT(Refusal(0, "data"), HasSubstr("'data' is not a file in"));
  EXPECT_THAT(Refusal(0, ""), HasSubstr("no location"));
  EXPECT_THAT(Refusal(1, "5"), HasSubstr("'weights.bin' has 16 bytes, 12 are needed from 5"));
  EXPECT_THAT(Refusal(1, "18446744073709551615"), HasSubstr("are needed from 18446744073709551615"));
  EXPECT_THAT(Refusal(1, "-4"), HasSubstr("offset '-4' is not a number of bytes"));
  EXPECT_THAT(Refusal(2, "11"), HasSubstr("its shape needs 12 bytes of data, its part of 'weights.bin' has 11"));
  EXPECT_THAT(Refusal(2, "12 bytes"), HasSubstr("length '12 bytes'"));
  onnx::ModelProto model = ExternalModel("weights.bin");
  model.mutable_graph()->mutable_initializer(0)->mutable_external_data(1)->set_key("start");
  EXPECT_THAT(Message(Load(model).status()), HasSubstr("key 'start' is not supported"));
  model = ExternalModel("weights.bin");
  model.mutable_graph()->mutable_initializer(0)->add_float_data(1);
  EXPECT_THAT(Message(Load(model).status()), HasSubstr("both external data and data of its own"));
}

TEST_F(ExternalOnnx, BoundsWhatAllTensorsTakeTogether) {
  onnx::ModelProto model = ExternalModel("weights.bin");
  onnx::TensorProto& b = *model.mutable_graph()->mutable_initializer(0);
  b.set_dims(0, (1 << 28) + 1);
  b.mutable_external_data()->RemoveLast();
  EXPECT_THAT(Message(Load(model).status()), HasSubstr("more than the 1073741824 bytes allowed"));
}

TEST_F(ExternalOnnx, ModelsWithoutAFolderHaveNoFiles) {
  EXPECT_THAT(Message(ImportModel(ExternalModel("weights.bin")).status()),
              HasSubstr("tensor 'b': its data lies in another file"));
}

}  // namespace
}  // namespace privdnn
