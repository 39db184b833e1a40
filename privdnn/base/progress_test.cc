#include "privdnn/base/progress.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

// What a bar says on stderr where there is no terminal, with an environment variable.
std::string Said(const char* variable = "", const std::string& value = "") {
  if (*variable != '\0') ::setenv(variable, value.c_str(), 1);
  testing::internal::CaptureStderr();
  {
    ProgressBar bar("training, 2 epochs");
    bar.Update(0, 2);
    bar.Update(1, 2, "within the pause");
    bar.Update(2, 2, "loss 0.5");
  }
  if (*variable != '\0') ::unsetenv(variable);
  return testing::internal::GetCapturedStderr();
}

TEST(ProgressBar, SaysOnceWhatIsDoneWithoutATerminal) { EXPECT_EQ(Said(), "training, 2 epochs\n"); }

TEST(ProgressBar, WritesEventsForAnotherProgram) {
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const std::filesystem::path file = directory.path() / "events";
  EXPECT_EQ(Said(kEventsVariable, file), "training, 2 epochs\n");
  EXPECT_EQ(*EventReader(file).Read(), (std::vector<Event>{ProgressEvent{"training, 2 epochs", 0, 2, ""},
                                                           ProgressEvent{"training, 2 epochs", 2, 2, "loss 0.5"}}));
  // What can't be written is no error of the work.
  EXPECT_EQ(Said(kEventsVariable, directory.path() / "no" / "events"), "training, 2 epochs\n");
}

TEST(ProgressBar, IsSilentIfAsked) {
  EXPECT_EQ(Said("PRIVDNN_PROGRESS", "none"), "");
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const std::filesystem::path file = directory.path() / "events";
  ::setenv(kEventsVariable, file.c_str(), 1);
  EXPECT_EQ(Said("PRIVDNN_PROGRESS", "none"), "");
  ::unsetenv(kEventsVariable);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(FormatDuration, HasHoursWhereThereAreSome) {
  EXPECT_EQ(FormatDuration(-1), "00:00");
  EXPECT_EQ(FormatDuration(41.4), "00:41");
  EXPECT_EQ(FormatDuration(4050), "01:07:30");
}

}  // namespace
}  // namespace privdnn
