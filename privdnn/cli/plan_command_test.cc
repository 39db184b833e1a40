// `plan`, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/testing/networks.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(PlanCommand, NamesTheOptionsThatGiveImagesIfTheyAreNeeded) {
  const TemporaryDirectory directory = TemporaryDirectory::Create().value();
  const std::string model = (directory.path() / "model.onnx").string();
  NetworkBuilder builder({1, 6, 6}, 1);
  builder.Conv(3, {.kernel = {3, 3}});
  builder.Append(op::Relu{});
  builder.Conv(2, {.kernel = {2, 2}});
  builder.Append(op::Flatten{});
  ASSERT_TRUE(WriteFile(model, ExportOnnx(builder.Finish())).ok());
  const auto plan = [&](const std::string& selection) {
    return ParseAndRun(AddPlan, {"plan", model, "--selection", selection, "--image-budget", "1000"});
  };
  const auto first = plan("1:0");
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Message(plan("2:0").status()),
              AllOf(HasSubstr("layer 2 reads"), HasSubstr("whose range has to be measured: give images"),
                    HasSubstr("(--images or --data-set)")));
}

}  // namespace
}  // namespace privdnn
