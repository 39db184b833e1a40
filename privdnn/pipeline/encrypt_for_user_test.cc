#include "privdnn/pipeline/encrypt_for_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "privdnn/package/test_package.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

ModelPlan TinyPlan() {
  TestModelBuilder builder(7);
  const Graph graph = builder.Build(TinyShape());
  return *Plan(graph, RandomSelection(builder, graph), {.image_budget = 1000});
}

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

class EncryptForUserTest : public ::testing::Test {
 protected:
  absl::StatusOr<WrittenPackage> Encrypt(const ProgressFn& progress = GoOn) {
    return EncryptForUser(plan_, "alice", package_, key_, 1, progress);
  }
  // The names of what lies in the directory.
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      files.insert(entry.path().filename());
    }
    return files;
  }
  const ModelPlan plan_ = TinyPlan();
  const TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  std::filesystem::path package_ = directory_.path() / "alice.privdnn", key_ = directory_.path() / "alice.key";
};

TEST_F(EncryptForUserTest, WritesAPackageAndTheKeyToIt) {
  const auto written = Encrypt();
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(Files(), (std::set<std::string>{"alice.key", "alice.privdnn"}));
  const auto package = Package::Open(package_);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->id(), written->id);
  EXPECT_EQ(package->size(), written->bytes);
  EXPECT_EQ(plan_.PackageSize(), written->bytes);
  EXPECT_EQ(package->image_budget(), 1000u);
  const auto key = OwnerKey::Parse(*ReadSecretFile(key_, 1 << 24), "key");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->package_id(), written->id);
  EXPECT_EQ(key->user(), "alice");
  struct stat info {};
  ASSERT_EQ(stat(key_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(EncryptForUserTest, NothingIsSeenBeforeEverythingIsEncrypted) {
  int calls = 0;
  const auto look = [&](uint64_t, uint64_t, const std::string&) {
    ++calls;
    EXPECT_FALSE(std::filesystem::exists(package_));
    EXPECT_FALSE(std::filesystem::exists(key_));
    return true;
  };
  ASSERT_TRUE(Encrypt(look).ok());
  EXPECT_GT(calls, 0);
}

TEST_F(EncryptForUserTest, NobodyNeedsToHearOfProgress) {
  const auto written = Encrypt(ProgressFn());
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(Files(), (std::set<std::string>{"alice.key", "alice.privdnn"}));
}

TEST_F(EncryptForUserTest, MakesMissingDirectoriesAndLeavesThem) {
  package_ = directory_.path() / "for" / "alice" / "package";
  key_ = directory_.path() / "own" / "key";
  const auto stop = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_FALSE(Encrypt(stop).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path() / "for" / "alice"));
  ASSERT_TRUE(Encrypt().ok());
  EXPECT_TRUE(std::filesystem::exists(package_));
  EXPECT_TRUE(std::filesystem::exists(key_));
}

TEST_F(EncryptForUserTest, NothingIsLeftWhenItIsStopped) {
  const auto stop = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Encrypt(stop).status()));
  EXPECT_EQ(Files(), std::set<std::string>());
}

// The key comes first: if it can't be written there is no package, and the one that was there stays.
TEST_F(EncryptForUserTest, NoPackageIsLeftWithoutItsKey) {
  ASSERT_TRUE(WriteTextFile(package_, "the old one").ok());
  ASSERT_TRUE(WriteTextFile(directory_.path() / "nowhere", "no directory").ok());
  key_ = directory_.path() / "nowhere" / "alice.key";
  EXPECT_FALSE(Encrypt().ok());
  EXPECT_EQ(Files(), (std::set<std::string>{"alice.privdnn", "nowhere"}));
  EXPECT_EQ(*ReadTextFile(package_, 1000), "the old one");
}

TEST_F(EncryptForUserTest, NoKeyIsLeftWithoutItsPackage) {
  std::filesystem::create_directories(package_ / "not empty");  // no file takes its place
  EXPECT_FALSE(Encrypt().ok());
  EXPECT_EQ(Files(), std::set<std::string>{"alice.privdnn"});
}

TEST_F(EncryptForUserTest, RefusesBeforeAnyWork) {
  bool worked = false;
  const auto work = [&](uint64_t, uint64_t, const std::string&) { return worked = true; };
  ASSERT_TRUE(WriteTextFile(key_, "another package's").ok());
  const auto exists = Encrypt(work).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(exists));
  EXPECT_THAT(Message(exists), HasSubstr("alice.key: exists; a key file is not overwritten"));
  EXPECT_EQ(*ReadTextFile(key_, 1000), "another package's");

  package_ = directory_.path() / "." / "alice.key";
  const auto same = Encrypt(work).status();
  EXPECT_TRUE(absl::IsInvalidArgument(same));
  EXPECT_THAT(Message(same), HasSubstr("is to be both package and key"));
  EXPECT_EQ(*ReadTextFile(key_, 1000), "another package's");
  EXPECT_FALSE(worked);
}

TEST(CheckPackageFiles, KnowsAFileByEverySpelling) {
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckPackageFiles("new", "./new")));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckPackageFiles(directory.path() / "new", "new")));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckPackageFiles("new", "not/../new")));
  EXPECT_TRUE(CheckPackageFiles("new", "other").ok());
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace privdnn
