#include "privdnn/base/file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <filesystem>
#include <fstream>

#include <csignal>
#include <cstdlib>

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

TEST(File, SaysBeforehandWhetherItCanBeWritten) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(dir.ok());
  const auto check = [&](const std::string& name) { return Message(CheckWritable(dir->path() / name)); };
  EXPECT_TRUE(CheckWritable("").ok());
  EXPECT_EQ(check("new"), "");
  ASSERT_TRUE(WriteTextFile(dir->path() / "old", "content").ok());
  EXPECT_EQ(check("old"), "");
  EXPECT_NE(check("none/new").find("none does not exist"), std::string::npos);
  EXPECT_NE(check("old/new").find("does not exist"), std::string::npos);
  EXPECT_NE(check("").find("is a folder"), std::string::npos);
  EXPECT_NE(Message(CheckWritable("/dev/null")).find("is no regular file"), std::string::npos);
  EXPECT_FALSE(CheckWritable("/proc/new").ok());
  EXPECT_EQ(*ReadTextFile(dir->path() / "old", 100), "content");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir->path()), {}), 1);
}

TEST(File, SecretsThatEveryoneMayReadAreRefused) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(dir.ok());
  const auto path = dir->path() / "key";
  EXPECT_TRUE(CheckPrivate(path).ok());  // whoever reads it says that it isn't there
  for (const auto& [mode, allowed] : {std::pair(0600u, true), {0640u, true}, {0644u, false}, {0602u, false}}) {
    ASSERT_TRUE(WriteFile(path, AsBytes("secret"), 0600).ok());
    std::filesystem::permissions(path, std::filesystem::perms{mode});
    EXPECT_EQ(CheckPrivate(path).ok(), allowed) << mode;
  }
  EXPECT_NE(Message(CheckPrivate(path)).find("(mode 0602); chmod 600"), std::string::npos);
}

TEST(File, WhatDeadWritersLeftIsRemoved) {
  auto dir = TemporaryDirectory::Create();
  ASSERT_TRUE(dir.ok());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto file = [&](const std::string& name) { return dir->path() / name; };
  const std::string dead = fmt::format("out.tmp{}", child), alive = fmt::format("out.tmp{}", ::getppid());
  for (const std::string& name : {dead, alive, std::string("out.tmp"), std::string("other.tmp1x")}) {
    std::ofstream(file(name)) << "left";
  }
  ASSERT_TRUE(WriteTextFile(file("out"), "new").ok());
  EXPECT_FALSE(std::filesystem::exists(file(dead)));
  EXPECT_TRUE(std::filesystem::exists(file(alive)));
  EXPECT_TRUE(std::filesystem::exists(file("out.tmp")));
  EXPECT_EQ(*ReadTextFile(file("out"), 100), "new");
}

TEST(TemporaryDirectory, NamesTheVariableThatIsWrong) {
  const char* before = std::getenv("TMPDIR");
  const std::string saved = before ? before : "";
  ::setenv("TMPDIR", "/nowhere/job-1", 1);
  EXPECT_EQ(Message(TemporaryDirectory::Create().status()),
            "TMPDIR names /nowhere/job-1, which is not a directory for temporary files");
  if (before) {
    ::setenv("TMPDIR", saved.c_str(), 1);
  } else {
    ::unsetenv("TMPDIR");
  }
  EXPECT_TRUE(TemporaryDirectory::Create().ok());
}

TEST(AppendFile, GrowsAtItsEndAndIsCut) {
  auto dir = TemporaryDirectory::Create();
  const auto path = dir->path() / "a" / "log";
  {
    auto file = AppendFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->size(), 0u);
    ASSERT_TRUE(file->Append(AsBytes("first,")).ok());
    AppendFile moved = *std::move(file);
    ASSERT_TRUE(moved.Append(AsBytes("second")).ok());
    EXPECT_EQ(moved.size(), 12u);
    ASSERT_TRUE(moved.Sync().ok());
    const auto other = AppendFile::Open(path);
    EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(Message(other.status()).find("in use"), std::string::npos);
  }
  auto file = AppendFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 12u);
  ASSERT_TRUE(file->Truncate(6).ok());
  ASSERT_TRUE(file->Append(AsBytes("third")).ok());
  EXPECT_EQ(*ReadTextFile(path, 100), "first,third");
  EXPECT_FALSE(AppendFile::Open(dir->path()).ok());  // a directory
}

// A file that may not grow beyond 8 bytes stands for a full disk.
TEST(AppendFile, TakesBackWhatItCannotWriteWhole) {
  auto dir = TemporaryDirectory::Create();
  const auto path = dir->path() / "log";
  auto file = AppendFile::Open(path);
  ASSERT_TRUE(file->Append(AsBytes("first")).ok());
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit small { 8, before.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = file->Append(AsBytes("second"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(*ReadTextFile(path, 100), "first");
  ASSERT_TRUE(file->Append(AsBytes(" third")).ok());
  EXPECT_EQ(*ReadTextFile(path, 100), "first third");
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

TEST(IsSameFile, SeesThroughSpellingsAndLinks) {
  const auto dir = TemporaryDirectory::Create();
  const auto at = [&](const char* name) { return dir->path() / name; };
  ASSERT_TRUE(WriteTextFile(at("a"), "x").ok() && WriteTextFile(at("b"), "x").ok());
  std::filesystem::create_symlink(at("a"), at("link"));
  std::filesystem::create_hard_link(at("a"), at("hard"));
  for (const char* same : {"a", "./a", "link", "hard"}) EXPECT_TRUE(IsSameFile(at("a"), at(same))) << same;
  for (const char* other : {"b", "new", "."}) EXPECT_FALSE(IsSameFile(at("a"), at(other))) << other;
  EXPECT_TRUE(IsSameFile(at("new"), at("./new")));
  EXPECT_FALSE(IsSameFile(at("new"), at("newer")));
  EXPECT_FALSE(IsSameFile("/dev/null", "/dev/null"));  // nothing is lost there
}

TEST(FileWriter, ReplacesNoPrivateKeyAndNoFileThatIsKept) {
  const auto dir = TemporaryDirectory::Create();
  const std::filesystem::path file = dir->path() / "file";
  for (const char* text : {"PVDNNKEY...", "-----BEGIN PRIVATE KEY-----\nMIG", "-----BEGIN EC PRIVATE KEY-----\n"}) {
    std::filesystem::remove(file);
    ASSERT_TRUE(WriteTextFile(file, text).ok());
    EXPECT_NE(Message(WriteTextFile(file, "new")).find("holds a private key"), std::string::npos) << text;
    EXPECT_NE(Message(CheckWritable(file)).find("holds a private key"), std::string::npos) << text;
    EXPECT_EQ(*ReadTextFile(file, 100), text);
  }
  std::filesystem::remove(file);
  for (const char* text : {"", "-----BEGIN CERTIFICATE-----", "PVDNNPKG"}) {
    EXPECT_TRUE(WriteTextFile(file, text).ok()) << text;
  }
  EXPECT_TRUE(WriteTextFile(file, "last").ok());
  KeepFile(file);
  EXPECT_NE(Message(WriteTextFile(dir->path() / "./file", "new")).find("is not replaced"), std::string::npos);
  EXPECT_EQ(*ReadTextFile(file, 100), "last");
}

}  // namespace
}  // namespace privdnn
