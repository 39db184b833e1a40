// LoadDataSet on small trees in the layouts of the official distributions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "privdnn/base/file.h"
#include "privdnn/data/dataset.h"
#include "privdnn/testing/images.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Split kAllSplits[] = {Split::kTrain, Split::kTest, Split::kValidationHalf, Split::kTestHalf};

Image Plain(int64_t side, uint8_t value) { return {3, side, side, Bytes(static_cast<size_t>(3 * side * side), value)}; }

class DataRoot : public testing::Test {
 protected:
  std::filesystem::path Path(const std::string& name) const { return directory_.path() / name; }
  std::string Error(const std::string& name, Split split, int threads = 2) const {
    const auto set = LoadDataSet(name, directory_.path(), split, {threads, {}});
    EXPECT_FALSE(set.ok());
    return set.ok() ? "" : Message(set.status());
  }
  ImageSet Load(const std::string& name, Split split, int threads = 2) const {
    auto set = LoadDataSet(name, directory_.path(), split, {threads, {}});
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? *std::move(set) : ImageSet();
  }
  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

using NamedSets = DataRoot;

TEST_F(NamedSets, UnknownNamesAreErrorsWithTheKnownOnes) {
  EXPECT_THAT(Error("imagenet", Split::kTrain),
              AllOf(HasSubstr("'imagenet'"), HasSubstr("mnist, fashion-mnist"), HasSubstr("tiny-imagenet")));
}

TEST_F(NamedSets, WhatIsMissingIsNamed) {
  const std::map<std::string, std::string> first_files = {
      {"mnist", "mnist/train-images-idx3-ubyte"},
      {"fashion-mnist", "fashion-mnist/train-images-idx3-ubyte"},
      {"emnist-letters", "emnist/emnist-letters-train-images-idx3-ubyte"},
      {"emnist-letters13", "emnist/emnist-letters13-train-images-idx3-ubyte"},
      {"cifar10", "cifar10/cifar-10-batches-bin/data_batch_1.bin"},
      {"gtsrb", "gtsrb/GTSRB/Final_Training/Images/00000/GT-00000.csv"},
      {"tiny-imagenet", "tiny-imagenet/tiny-imagenet-200/wnids.txt"}};
  for (const DataSetInfo& info : DataSets()) {
    const std::string name(info.name);
    ASSERT_TRUE(first_files.contains(name)) << name;
    EXPECT_THAT(Error(name, Split::kTrain), HasSubstr(Path(first_files.at(name)).string() + ": No such file"));
  }
}

TEST_F(NamedSets, OtherDistributionsAreFoundOrNamed) {
  const ImageSet set{2, 1, 2, 3, {0, 1, 2, 3, 4, 5, 255, 254, 253, 252, 251, 250}, {9, 0}, 10};
  PutFile(Path("MNIST/raw/t10k-images-idx3-ubyte"), WriteIdxImages(set));  // torchvision
  PutFile(Path("MNIST/raw/t10k-labels-idx1-ubyte"), WriteIdxLabels(set));
  EXPECT_EQ(Load("mnist", Split::kTest).pixels, set.pixels);
  PutFile(Path("fashion-mnist/train-images.idx3-ubyte"), WriteIdxImages(set));  // Kaggle
  PutFile(Path("fashion-mnist/train-labels.idx1-ubyte"), WriteIdxLabels(set));
  EXPECT_EQ(Load("fashion-mnist", Split::kTrain).labels, set.labels);
  PutFile(Path("cifar10/cifar-10-batches-py/data_batch_1"), std::string_view("\x80\x02"));
  EXPECT_THAT(Error("cifar10", Split::kTrain), AllOf(HasSubstr("cifar-10-batches-py"), HasSubstr("binary version")));
}

TEST_F(NamedSets, IdxFilesMayBeCompressed) {
  const ImageSet set{2, 1, 2, 3, {0, 1, 2, 3, 4, 5, 255, 254, 253, 252, 251, 250}, {9, 0}, 10};
  PutFile(Path("fashion-mnist/t10k-images-idx3-ubyte.gz"), Gzip(WriteIdxImages(set)));
  PutFile(Path("fashion-mnist/t10k-labels-idx1-ubyte"), WriteIdxLabels(set));
  const ImageSet read = Load("fashion-mnist", Split::kTest);
  EXPECT_EQ(read.pixels, set.pixels);
  EXPECT_EQ(read.labels, set.labels);
  PutFile(Path("fashion-mnist/t10k-images-idx3-ubyte.gz"), std::string_view("\x1f\x8b no gzip file"));
  EXPECT_THAT(Error("fashion-mnist", Split::kTest), HasSubstr("t10k-images-idx3-ubyte.gz: at compressed byte"));
}

TEST_F(NamedSets, EmnistLettersStandUprightAndCountFromZero) {
  const ImageSet lying{2, 1, 2, 3, {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}, {13, 1}, 26};
  for (const std::string name : {"emnist-letters", "emnist-letters13"}) {
    PutFile(Path("emnist/" + name + "-test-images-idx3-ubyte"), WriteIdxImages(lying));
    PutFile(Path("emnist/" + name + "-test-labels-idx1-ubyte"), WriteIdxLabels(lying));
    const ImageSet read = Load(name, Split::kTest);
    EXPECT_EQ(read.height, 3);
    EXPECT_EQ(read.width, 2);
    EXPECT_THAT(read.pixels, ElementsAre(0, 3, 1, 4, 2, 5, 10, 13, 11, 14, 12, 15));
    EXPECT_THAT(read.labels, ElementsAre(12, 0));
    EXPECT_EQ(read.classes, name == "emnist-letters" ? 26 : 13);
    for (const int32_t wrong : {0, read.classes + 1}) {
      ImageSet bad = lying;
      bad.labels[1] = wrong;
      PutFile(Path("emnist/" + name + "-test-labels-idx1-ubyte"), WriteIdxLabels(bad));
      EXPECT_THAT(Error(name, Split::kTest),
                  HasSubstr(fmt::format("label {} of image 1 at byte 9 is not in 1..", wrong)));
    }
  }
}

TEST_F(NamedSets, CifarBatchesHoldEquallyManyRecords) {
  for (int batch = 1; batch <= 5; ++batch) {
    Bytes file(2 * 3073, static_cast<uint8_t>(batch));
    PutFile(Path(fmt::format("cifar10/cifar-10-batches-bin/data_batch_{}.bin", batch)), file);
  }
  const ImageSet train = Load("cifar10", Split::kTrain);
  EXPECT_THAT(train.labels, ElementsAre(1, 1, 2, 2, 3, 3, 4, 4, 5, 5));
  EXPECT_EQ(train.Batch(0, 10).shape, (std::vector<int64_t>{10, 3, 32, 32}));
  EXPECT_THAT(Error("cifar10", Split::kTest), HasSubstr("test_batch.bin: No such file"));
  const auto fourth = Path("cifar10/cifar-10-batches-bin/data_batch_4.bin");
  PutFile(fourth, Bytes(3073));
  EXPECT_THAT(Error("cifar10", Split::kTrain),
              HasSubstr(fourth.string() + ": 1 records, where data_batch_1.bin holds 2"));
  PutFile(fourth, Bytes(3074));
  EXPECT_THAT(Error("cifar10", Split::kTrain), HasSubstr(fourth.string() + ": 3074 bytes"));
}

// The halves are the test set, in two parts without common images, the same ones every time.
TEST_F(NamedSets, HalvesPartTheTestSet) {
  ImageSet set{101, 1, 1, 1, {}, {}, 10};
  for (int i = 0; i < 101; ++i) {
    set.pixels.push_back(static_cast<uint8_t>(i));
    set.labels.push_back(i % 10);
  }
  PutFile(Path("mnist/t10k-images-idx3-ubyte"), WriteIdxImages(set));
  PutFile(Path("mnist/t10k-labels-idx1-ubyte"), WriteIdxLabels(set));
  const ImageSet validation = Load("mnist", Split::kValidationHalf), test = Load("mnist", Split::kTestHalf);
  EXPECT_EQ(validation.count, 50);
  EXPECT_EQ(test.count, 51);
  std::set<uint8_t> seen(validation.pixels.begin(), validation.pixels.end());
  seen.insert(test.pixels.begin(), test.pixels.end());
  EXPECT_EQ(seen.size(), 101u);
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(validation.labels[i], validation.pixels[i] % 10);
  EXPECT_EQ(Load("mnist", Split::kValidationHalf).pixels, validation.pixels);
  // Published results depend on this order.
  EXPECT_THAT(validation.Head(6).pixels, ElementsAre(61, 30, 95, 2, 78, 97));
}

class Gtsrb : public DataRoot {
 protected:
  static constexpr const char* kHeader = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n";
  // In each of 43 classes 3 tracks of 2 images, listed frame by frame; each image of one colour, its class.
  void SetUp() override {
    for (int label = 0; label < 43; ++label) {
      std::string list = kHeader;
      for (int frame = 0; frame < 2; ++frame) {
        for (int track = 0; track < 3; ++track) {
          const std::string file = fmt::format("{:05}_{:05}.ppm", track, frame);
          list += fmt::format("{};29;30;5;6;24;25;{}\n", file, label);
          PutFile(ClassFolder(label) / file, WritePpm(Plain(frame == 0 ? 32 : 45, static_cast<uint8_t>(label))));
        }
      }
      PutFile(ListOf(label), list);
    }
    std::string list = kHeader;
    for (int i = 0; i < 4; ++i) {
      list += fmt::format("{:05}.ppm;29;30;5;6;24;25;{}\n", i, 42 - i);
      PutFile(Test(fmt::format("{:05}.ppm", i)), WritePpm(Plain(20, static_cast<uint8_t>(42 - i))));
    }
    PutFile(Test("GT-final_test.csv"), list);
  }
  std::filesystem::path ClassFolder(int label) const {
    return Path(fmt::format("gtsrb/GTSRB/Final_Training/Images/{:05}", label));
  }
  std::filesystem::path ListOf(int label) const { return ClassFolder(label) / fmt::format("GT-{:05}.csv", label); }
  std::filesystem::path Test(const std::string& name) const { return Path("gtsrb/GTSRB/Final_Test/Images") / name; }
};

TEST_F(Gtsrb, LoadsEverySplit) {
  EXPECT_EQ(Load("gtsrb", Split::kTrain).count, 43 * 6);
  const ImageSet test = Load("gtsrb", Split::kTest);
  EXPECT_THAT(test.labels, ElementsAre(42, 41, 40, 39));
  EXPECT_EQ(Load("gtsrb", Split::kValidationHalf).count, 2);
  EXPECT_EQ(Load("gtsrb", Split::kTestHalf).count, 2);
  for (const Split split : kAllSplits) {
    const ImageSet set = Load("gtsrb", split);
    EXPECT_EQ(set.classes, 43);
    EXPECT_EQ(set.height, 32);
    EXPECT_EQ(set.width, 32);
    ASSERT_EQ(set.pixels.size(), static_cast<size_t>(set.count) * 3 * 32 * 32);
    for (size_t i = 0; i < set.pixels.size(); ++i) ASSERT_EQ(set.pixels[i], set.labels[i / (3 * 32 * 32)]);
  }
}

TEST_F(Gtsrb, TracksStayTogetherAndClassesAreMixed) {
  const ImageSet train = Load("gtsrb", Split::kTrain);
  ASSERT_EQ(train.groups.size(), 43u * 6);
  std::set<int32_t> seen;
  for (size_t i = 0; i < train.groups.size(); i += 2) {
    EXPECT_EQ(train.groups[i], train.groups[i + 1]);
    EXPECT_EQ(train.labels[i], train.labels[i + 1]);
    EXPECT_TRUE(seen.insert(train.groups[i]).second);
  }
  EXPECT_FALSE(std::is_sorted(train.labels.begin(), train.labels.end()));
  const auto [rest, held_out] = SplitValidation(train, 61);
  EXPECT_EQ(held_out.count, 62);
  EXPECT_NE(rest.groups.back(), held_out.groups.front());
  EXPECT_GT(std::set(held_out.labels.begin(), held_out.labels.end()).size(), 10u);
}

TEST_F(Gtsrb, TheResultDoesNotDependOnThreads) {
  const ImageSet one = Load("gtsrb", Split::kTrain, 1), four = Load("gtsrb", Split::kTrain, 4);
  EXPECT_EQ(one.pixels, four.pixels);
  EXPECT_EQ(one.labels, four.labels);
}

TEST_F(Gtsrb, DamageIsNamed) {
  std::filesystem::remove(ClassFolder(7) / "00001_00001.ppm");
  EXPECT_THAT(Error("gtsrb", Split::kTrain), HasSubstr("00007/00001_00001.ppm: No such file"));
  PutFile(ClassFolder(7) / "00001_00001.ppm", std::string_view("P6 3 3 255\nshort"));
  EXPECT_THAT(Error("gtsrb", Split::kTrain), HasSubstr("00007/00001_00001.ppm: PPM at byte 11: 5 bytes of pixels"));
  PutFile(ListOf(8), std::string(kHeader) + "00000_00000.ppm;29;30;5;6;24;25;9\n");
  EXPECT_THAT(Error("gtsrb", Split::kTrain),
              HasSubstr("GT-00008.csv: 00000_00000.ppm is of class 9, this is the list of"));
  std::filesystem::remove(ListOf(8));
  EXPECT_THAT(Error("gtsrb", Split::kTrain), HasSubstr("GT-00008.csv: No such file"));
  PutFile(Test("GT-final_test.csv"), std::string(kHeader) + "00000.ppm;29;30;5;6;24;25;43\n");
  EXPECT_THAT(Error("gtsrb", Split::kTest), HasSubstr("GT-final_test.csv: line 2: ClassId is 43"));
}

// Of several bad files it is always the first that is reported, however many threads read.
TEST_F(Gtsrb, TheFirstBadImageIsReported) {
  for (int label = 0; label < 43; ++label) PutFile(ClassFolder(label) / "00001_00000.ppm", std::string_view("no"));
  const std::string first = Error("gtsrb", Split::kTrain, 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Error("gtsrb", Split::kTrain, 4), first);
}

TEST_F(Gtsrb, ProgressCountsImagesAndCanStop) {
  std::vector<uint64_t> counts;
  const auto report = [&](uint64_t done, uint64_t total, const std::string&) {
    EXPECT_EQ(total, 43u * 6);
    counts.push_back(done);
    return counts.size() < 2;
  };
  EXPECT_TRUE(LoadDataSet("gtsrb", directory_.path(), Split::kTrain, {2, report}).ok());
  EXPECT_THAT(counts, ElementsAre(43 * 6));
  const auto stopped = LoadDataSet("gtsrb", directory_.path(), Split::kTrain, {2, report});
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
}

class TinyImageNet : public DataRoot {
 protected:
  // Two classes of 3 training images and a validation image each; the last of a class is grayscale.
  void SetUp() override {
    PutFile(Base() / "wnids.txt", std::string_view("n00000002\nn00000001\n"));
    std::string list;
    for (const std::string id : {"n00000001", "n00000002"}) {
      const auto value = static_cast<uint8_t>(id.back() == '1' ? 64 : 192);
      std::string boxes;
      for (int i = 0; i < 3; ++i) {
        const std::string file = fmt::format("{}_{}.JPEG", id, i);
        boxes += file + "\t0\t0\t63\t63\n";
        PutFile(Train(id) / "images" / file,
                WriteJpeg(i < 2 ? Plain(64, value) : Image{1, 64, 64, Bytes(64 * 64, value)}));
      }
      PutFile(Train(id) / (id + "_boxes.txt"), boxes);
      const std::string file = fmt::format("val_{}.JPEG", id.back());
      list += fmt::format("{}\t{}\t0\t0\t63\t63\n", file, id);
      PutFile(Validation(file), WriteJpeg(Plain(64, value)));
    }
    PutFile(Base() / "val" / "val_annotations.txt", list);
  }
  std::filesystem::path Base() const { return Path("tiny-imagenet/tiny-imagenet-200"); }
  std::filesystem::path Train(const std::string& id) const { return Base() / "train" / id; }
  std::filesystem::path Validation(const std::string& file) const { return Base() / "val" / "images" / file; }
};

TEST_F(TinyImageNet, LoadsAsManyClassesAsThereAre) {
  const ImageSet train = Load("tiny-imagenet", Split::kTrain), test = Load("tiny-imagenet", Split::kTest);
  EXPECT_EQ(train.count, 6);
  EXPECT_THAT(test.labels, ElementsAre(0, 1));
  EXPECT_TRUE(train.groups.empty());
  for (const ImageSet& set : {train, test}) {
    EXPECT_EQ(set.classes, 2);
    ASSERT_EQ(set.pixels.size(), static_cast<size_t>(set.count) * 3 * 64 * 64);
    // JPEG keeps areas of these grays exactly.
    for (size_t i = 0; i < set.pixels.size(); ++i) {
      ASSERT_EQ(set.pixels[i], set.labels[i / (3 * 64 * 64)] == 0 ? 64 : 192) << i;
    }
  }
  EXPECT_EQ(Load("tiny-imagenet", Split::kValidationHalf).count, 1);
}

TEST_F(TinyImageNet, DamageIsNamed) {
  const auto image = Train("n00000002") / "images" / "n00000002_1.JPEG";
  Bytes file = *ReadFile(image, 1 << 20);
  file.resize(file.size() - 3);
  PutFile(image, file);
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain), AllOf(HasSubstr(image.string()), HasSubstr("Premature end")));
  PutFile(image, WriteJpeg(Plain(63, 1)));
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain),
              HasSubstr("n00000002_1.JPEG: JPEG: 63 x 63 pixels, needs 64 x 64"));
  std::filesystem::remove(image);
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain), HasSubstr(image.string() + ": No such file"));
  std::filesystem::remove(Train("n00000001") / "n00000001_boxes.txt");
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain), HasSubstr("n00000001_boxes.txt: No such file"));
  std::filesystem::remove(Validation("val_2.JPEG"));
  EXPECT_THAT(Error("tiny-imagenet", Split::kTest), HasSubstr("val_2.JPEG: No such file"));
  PutFile(Base() / "val" / "val_annotations.txt", std::string_view("val_1.JPEG\tn00000003\t0\t0\t1\t1\n"));
  EXPECT_THAT(Error("tiny-imagenet", Split::kTest), HasSubstr("line 1: class 'n00000003' is not in wnids.txt"));
}

TEST_F(TinyImageNet, FoldersAndListOfClassesMustAgree) {
  std::filesystem::create_directory(Train("n00000009"));
  EXPECT_THAT(Error("tiny-imagenet", Split::kTest),
              AllOf(HasSubstr("n00000009: is not a class of"), HasSubstr("wnids.txt")));
  std::filesystem::remove(Train("n00000009"));
  PutFile(Base() / "wnids.txt", std::string_view("n00000001\nn00000002\nn00000005\n"));
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain), HasSubstr("train/n00000005/n00000005_boxes.txt: No such file"));
  std::filesystem::remove_all(Base() / "train");
  EXPECT_THAT(Error("tiny-imagenet", Split::kTrain), HasSubstr("train: No such file"));
}

}  // namespace
}  // namespace privdnn
