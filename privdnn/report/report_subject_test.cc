#include "privdnn/report/report_subject.h"

#include <gtest/gtest.h>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

TEST(FileDigest, IsOfTheContents) {
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const auto file = directory.path() / "file";
  ASSERT_TRUE(WriteTextFile(file, "abc").ok());
  // FIPS 180-4's example.
  EXPECT_EQ(*FileDigest(file), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ASSERT_TRUE(WriteTextFile(file, std::string((1 << 20) + 1, 'a')).ok());
  const std::string large = *FileDigest(file);
  ASSERT_TRUE(WriteTextFile(file, std::string(1 << 20, 'a')).ok());
  EXPECT_NE(*FileDigest(file), large);
  EXPECT_FALSE(FileDigest(directory.path() / "missing").ok());
}

TEST(DataState, ChangesWithTheFolderAndItsFiles) {
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const auto a = directory.path() / "a" / "set", b = directory.path() / "b" / "set";
  for (const auto& folder : {a, b}) ASSERT_TRUE(WriteTextFile(folder / "deep" / "images", "abc").ok());
  const std::string state = DataState(a);
  EXPECT_EQ(DataState(a), state);
  EXPECT_EQ(DataState(b / ".." / ".." / "a" / "set"), state);
  EXPECT_NE(DataState(b), state);
  EXPECT_NE(DataState(directory.path() / "missing"), state);

  const auto file = a / "deep" / "images";
  const auto time = std::filesystem::last_write_time(file);
  ASSERT_TRUE(WriteTextFile(file, "abcd").ok());
  std::filesystem::last_write_time(file, time);
  EXPECT_NE(DataState(a), state) << "size";
  ASSERT_TRUE(WriteTextFile(file, "abc").ok());
  std::filesystem::last_write_time(file, time);
  EXPECT_EQ(DataState(a), state);
  std::filesystem::last_write_time(file, time + std::chrono::seconds(1));
  EXPECT_NE(DataState(a), state) << "time";
}

}  // namespace
}  // namespace privdnn
