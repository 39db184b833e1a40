#include "privdnn/report/table.h"

#include <gtest/gtest.h>

namespace privdnn {
namespace {

TEST(FactTable, AlignsTheSecondColumn) {
  FactTable table("costs");
  table.Add("package", "5.9 MB");
  table.Add("up", "51 kB");
  EXPECT_EQ(table.Render(), "costs\n  package  5.9 MB\n  up       51 kB\n");
}

TEST(Format, Units) {
  EXPECT_EQ(FormatBytes(9999), "9999 B");
  EXPECT_EQ(FormatBytes(51200), "51.2 kB");
  EXPECT_EQ(FormatBytes(5'900'000), "5.9 MB");
  EXPECT_EQ(FormatBytes(1'370'000'000), "1.37 GB");
  EXPECT_EQ(FormatMilliseconds(0.2134), "0.213 ms");
  EXPECT_EQ(FormatMilliseconds(1718), "1.72 s");
}

}  // namespace
}  // namespace privdnn
