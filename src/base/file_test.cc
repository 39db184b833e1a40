#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace privdnn {
namespace {

TEST(File, WritesWholeFilesWithTheirPermissions) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(dir.ok());
  const auto path = dir->path() / "a" / "secret.key";
  ASSERT_TRUE(WriteTextFile(path, "first", 0600).ok());
  ASSERT_TRUE(WriteTextFile(path, "second", 0600).ok());
  EXPECT_EQ(*ReadTextFile(path, 100), "second");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  // Nothing temporary is left.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path.parent_path()), {}), 1);
}

TEST(File, RefusesWhatItShould) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(ReadFile(dir->path() / "none", 10).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadFile(dir->path(), 10).ok());  // a directory
  ASSERT_TRUE(WriteTextFile(dir->path() / "big", "0123456789a").ok());
  EXPECT_NE(Message(ReadFile(dir->path() / "big", 10).status()).find("11 bytes, more than the 10"), std::string::npos);
  ASSERT_TRUE(WriteTextFile(dir->path() / "empty", "").ok());
  EXPECT_FALSE(MappedFile::Open(dir->path() / "empty").ok());
  EXPECT_FALSE(MappedFile::Open(dir->path() / "none").ok());
}

TEST(File, MapsAndMoves) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(WriteTextFile(dir->path() / "f", "mapped").ok());
  auto map = MappedFile::Open(dir->path() / "f");
  ASSERT_TRUE(map.ok());
  MappedFile moved = *std::move(map);
  moved.DropResidentPages();
  EXPECT_EQ(AsStringView(moved.bytes()), "mapped");
}

}  // namespace
}  // namespace privdnn
