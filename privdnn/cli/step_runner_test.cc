#include "privdnn/cli/step_runner.h"

#include <gtest/gtest.h>

namespace privdnn {
namespace {

TEST(StepRunner, ResultsAreOfCommandsThatEndedInOrder) {
  const std::string printed = "{\"accuracy\": 1}\n";
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = printed}), Json({{"accuracy", 1}}));
  EXPECT_EQ(ResultOf({.exit_code = 1, .output = printed}), Json({{"accuracy", 1}}));
  EXPECT_EQ(ResultOf({.exit_code = 2, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 127, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = -1, .signal = 6, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = "[1]"}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = printed + printed}), nullptr);
}

}  // namespace
}  // namespace privdnn
