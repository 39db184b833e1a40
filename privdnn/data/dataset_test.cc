#include "privdnn/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ImageSet SmallSet() {
  ImageSet set{3, 1, 2, 4, {}, {2, 0, 1}, 3};
  for (int i = 0; i < 24; ++i) set.pixels.push_back(static_cast<uint8_t>(i * 11));
  return set;
}

absl::StatusOr<ImageSet> Parse(const Bytes& images, const Bytes& labels, int32_t classes = 3) {
  return ParseIdx(images, "pictures", labels, "answers", classes);
}

std::string Error(const Bytes& images, const Bytes& labels, int32_t classes = 3) {
  const auto set = Parse(images, labels, classes);
  EXPECT_FALSE(set.ok());
  return set.ok() ? "" : Message(set.status());
}

TEST(Idx, WritesTheOfficialFormat) {
  const Bytes images = WriteIdxImages(SmallSet());
  ASSERT_EQ(images.size(), 16u + 24u);
  EXPECT_EQ(Bytes(images.begin(), images.begin() + 16), (Bytes{0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4}));
  EXPECT_EQ(WriteIdxLabels(SmallSet()), (Bytes{0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1}));
}

TEST(Idx, ReadsWhatItWrites) {
  const ImageSet set = SmallSet();
  const auto read = Parse(WriteIdxImages(set), WriteIdxLabels(set));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->count, 3);
  EXPECT_EQ(read->channels, 1);
  EXPECT_EQ(read->height, 2);
  EXPECT_EQ(read->width, 4);
  EXPECT_EQ(read->classes, 3);
  EXPECT_EQ(read->pixels, set.pixels);
  EXPECT_EQ(read->labels, set.labels);
}

TEST(Idx, EveryTruncationIsAnErrorThatNamesTheFile) {
  const Bytes images = WriteIdxImages(SmallSet()), labels = WriteIdxLabels(SmallSet());
  for (size_t size = 0; size < images.size(); ++size) {
    EXPECT_THAT(Error(Bytes(images.begin(), images.begin() + static_cast<int64_t>(size)), labels),
                HasSubstr("pictures"));
  }
  for (size_t size = 0; size < labels.size(); ++size) {
    EXPECT_THAT(Error(images, Bytes(labels.begin(), labels.begin() + static_cast<int64_t>(size))),
                HasSubstr("answers"));
  }
}

TEST(Idx, TrailingBytesAreErrors) {
  Bytes images = WriteIdxImages(SmallSet()), labels = WriteIdxLabels(SmallSet());
  images.push_back(0);
  EXPECT_THAT(Error(images, labels), HasSubstr("pictures"));
  images.pop_back();
  labels.push_back(0);
  EXPECT_THAT(Error(images, labels), HasSubstr("answers"));
}

TEST(Idx, LabelsInPlaceOfImagesAreNamed) {
  const Bytes images = WriteIdxImages(SmallSet()), labels = WriteIdxLabels(SmallSet());
  EXPECT_THAT(Error(labels, labels),
              HasSubstr("pictures: one number an image, which are labels; inputs have 2 to 4 dimensions"));
  EXPECT_THAT(Error(images, images),
              HasSubstr("answers: 3 dimensions, which are inputs; labels have 1 dimension of bytes"));
}

// Sizes whose product wraps around, or that promise far more than the file holds, are refused before any allocation.
TEST(Idx, HugeDimensionsAreErrors) {
  const Bytes labels = WriteIdxLabels(SmallSet());
  for (const uint8_t top : {0x7f, 0x80, 0xff}) {
    for (const size_t field : {4u, 8u, 12u}) {
      Bytes images = WriteIdxImages(SmallSet());
      images[field] = top;
      EXPECT_THAT(Error(images, labels), HasSubstr("pictures"));
      for (size_t i = 4; i < 16; i += 4) images[i] = top;
      EXPECT_THAT(Error(images, labels), HasSubstr("pictures"));
    }
  }
}

TEST(Idx, APixelCountBeyond64BitsIsAnErrorWherePixelsBegin) {
  Bytes images = WriteIdxImages(SmallSet());
  for (size_t i = 4; i < 16; i += 4) images[i] = 0x7f;
  EXPECT_THAT(Error(images, WriteIdxLabels(SmallSet())),
              HasSubstr("field 'pixels' at byte 16: are 2130706435 x 2130706434 x 2130706436, which is more than"));
}

TEST(Idx, EmptyDimensionsAreErrors) {
  const std::pair<int64_t, const char*> fields[] = {{4, "number of images"}, {8, "rows"}, {12, "columns"}};
  for (const auto& [byte, field] : fields) {
    Bytes images = WriteIdxImages(SmallSet());
    std::fill_n(images.begin() + byte, 4, 0);
    EXPECT_THAT(Error(images, WriteIdxLabels(SmallSet())),
                HasSubstr(fmt::format("field '{}' at byte {}: is 0", field, byte)));
  }
  Bytes labels = WriteIdxLabels(SmallSet());
  labels[7] = 0;
  EXPECT_THAT(Error(WriteIdxImages(SmallSet()), labels), HasSubstr("field 'number of labels' at byte 4: is 0"));
}

TEST(Idx, CountsMustAgree) {
  ImageSet other = SmallSet().Head(2);
  EXPECT_THAT(Error(WriteIdxImages(SmallSet()), WriteIdxLabels(other)),
              AllOf(HasSubstr("3 images"), HasSubstr("2 labels"), HasSubstr("pictures"), HasSubstr("answers")));
}

TEST(Idx, LabelsMustBeBelowTheClasses) {
  EXPECT_THAT(Error(WriteIdxImages(SmallSet()), WriteIdxLabels(SmallSet()), 2),
              AllOf(HasSubstr("answers"), HasSubstr("label 2 of image 0 at byte 8"), HasSubstr("2 classes")));
}

TEST(ImageSet, BatchScalesToTheUnitInterval) {
  const Tensor batch = SmallSet().Batch(1, 3);
  EXPECT_EQ(batch.shape, (std::vector<int64_t>{2, 1, 2, 4}));
  ASSERT_EQ(batch.size(), 16);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(batch.values[static_cast<size_t>(i)], static_cast<float>((i + 8) * 11) / 255.0f);
}

TEST(ImageSet, SlicesClampToTheSet) {
  const ImageSet set = SmallSet();
  EXPECT_EQ(set.Head(99).pixels, set.pixels);
  EXPECT_EQ(set.Head(2).labels, (std::vector<int32_t>{2, 0}));
  const ImageSet tail = set.Slice(2, 50);
  EXPECT_EQ(tail.count, 1);
  EXPECT_EQ(tail.labels, (std::vector<int32_t>{1}));
  EXPECT_EQ(tail.pixels, Bytes(set.pixels.begin() + 16, set.pixels.end()));
  EXPECT_EQ(set.Slice(5, 2).count, 0);
}

TEST(LoadDataSet, FindsMnistsOfficialNames) {
  const auto directory = TemporaryDirectory::Create().value();
  const ImageSet set = SmallSet();
  std::filesystem::create_directory(directory.path() / "mnist");
  ASSERT_TRUE(WriteFile(directory.path() / "mnist" / "t10k-images-idx3-ubyte", WriteIdxImages(set)).ok());
  ASSERT_TRUE(WriteFile(directory.path() / "mnist" / "t10k-labels-idx1-ubyte", WriteIdxLabels(set)).ok());
  const auto test = LoadDataSet("mnist", directory.path(), Split::kTest);
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_EQ(test->count, 3);
  EXPECT_EQ(test->classes, 10);
  EXPECT_THAT(Message(LoadDataSet("mnist", directory.path(), Split::kTrain).status()),
              HasSubstr("train-images-idx3-ubyte"));
}

TEST(SplitValidation, HoldsOutTheEnd) {
  const auto [train, validation] = SplitValidation(SmallSet(), 1);
  EXPECT_EQ(train.labels, (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(validation.labels, (std::vector<int32_t>{1}));
  EXPECT_EQ(SplitValidation(SmallSet(), 5).first.count, 0);
}

TEST(SplitValidation, HoldsOutWholeGroups) {
  ImageSet set = SmallSet();
  set.groups = {4, 7, 7};
  const auto [train, validation] = SplitValidation(set, 1);
  EXPECT_EQ(train.groups, (std::vector<int32_t>{4}));
  EXPECT_EQ(validation.groups, (std::vector<int32_t>{7, 7}));
  EXPECT_EQ(SplitValidation(set, 0).second.count, 0);
}

TEST(ImageSet, PicksInTheGivenOrder) {
  ImageSet set = SmallSet();
  set.groups = {4, 7, 7};
  const ImageSet picked = set.Pick(std::vector<int64_t>{2, 0});
  EXPECT_EQ(picked.count, 2);
  EXPECT_EQ(picked.labels, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(picked.groups, (std::vector<int32_t>{7, 4}));
  Bytes pixels(set.pixels.begin() + 16, set.pixels.end());
  pixels.insert(pixels.end(), set.pixels.begin(), set.pixels.begin() + 8);
  EXPECT_EQ(picked.pixels, pixels);
  EXPECT_EQ(picked.classes, 3);
}

}  // namespace
}  // namespace privdnn
