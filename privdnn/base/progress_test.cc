#include "privdnn/base/progress.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace privdnn {
namespace {

// What a bar says on stderr where there is no terminal.
std::string Said(const char* progress) {
  if (progress != nullptr) ::setenv("PRIVDNN_PROGRESS", progress, 1);
  testing::internal::CaptureStderr();
  {
    ProgressBar bar("training, 2 epochs");
    bar.Update(0, 2);
    bar.Update(1, 2, "within the pause");
    bar.Update(2, 2, "loss 0.5");
  }
  ::unsetenv("PRIVDNN_PROGRESS");
  return testing::internal::GetCapturedStderr();
}

TEST(ProgressBar, SaysOnceWhatIsDoneWithoutATerminal) { EXPECT_EQ(Said(nullptr), "training, 2 epochs\n"); }

TEST(ProgressBar, WritesLinesForAnotherProgram) {
  EXPECT_EQ(Said("lines"), "progress\ttraining, 2 epochs\t0\t2\t\nprogress\ttraining, 2 epochs\t2\t2\tloss 0.5\n");
}

TEST(ProgressBar, IsSilentIfAsked) { EXPECT_EQ(Said("none"), ""); }

TEST(FormatDuration, HasHoursWhereThereAreSome) {
  EXPECT_EQ(FormatDuration(-1), "00:00");
  EXPECT_EQ(FormatDuration(41.4), "00:41");
  EXPECT_EQ(FormatDuration(4050), "01:07:30");
}

}  // namespace
}  // namespace privdnn
