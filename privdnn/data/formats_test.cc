#include "privdnn/data/formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include <jpeglib.h>  // needs what <cstdio> declares

#include "privdnn/base/random.h"
#include "privdnn/data/lines.h"
#include "privdnn/testing/images.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
std::string ErrorOf(const absl::StatusOr<T>& result) {
  EXPECT_FALSE(result.ok());
  return result.ok() ? "" : Message(result.status());
}

Bytes Text(std::string_view text) { return {text.begin(), text.end()}; }
Bytes Prefix(const Bytes& bytes, size_t size) { return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)}; }

TEST(Gzip, DecompressesIdxFiles) {
  const ImageSet set{2, 1, 2, 3, {0, 1, 2, 3, 4, 5, 255, 254, 253, 252, 251, 250}, {9, 0}, 10};
  EXPECT_EQ(*GunzipIdx(Gzip(WriteIdxImages(set)), "z"), WriteIdxImages(set));
  EXPECT_EQ(*GunzipIdx(Gzip(WriteIdxLabels(set)), "z"), WriteIdxLabels(set));
}

TEST(Gzip, EveryTruncationAndTrailingBytesAreErrors) {
  const Bytes file = Gzip(WriteIdxLabels({3, 1, 1, 1, {0, 0, 0}, {1, 2, 3}, 10}));
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THAT(ErrorOf(GunzipIdx(Prefix(file, size), "z")), HasSubstr("z:"));
  Bytes longer = file;
  longer.push_back(0);
  EXPECT_THAT(ErrorOf(GunzipIdx(longer, "z")), HasSubstr("1 bytes behind the gzip stream"));
}

TEST(Gzip, EveryFlippedBitOfTheChecksumIsAnError) {
  const Bytes file = Gzip(WriteIdxLabels({3, 1, 1, 1, {0, 0, 0}, {1, 2, 3}, 10}));
  for (size_t bit = 0; bit < 64; ++bit) {
    Bytes flipped = file;
    flipped[file.size() - 8 + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_THAT(ErrorOf(GunzipIdx(flipped, "z")), HasSubstr("incorrect"));
  }
}

TEST(Gzip, TheHeaderInsideSaysHowLongItIs) {
  for (const int64_t count : {3, 30}) {  // shorter and longer than what is read first
    const ImageSet set{
        count, 1, 1, 1, Bytes(static_cast<size_t>(count)), std::vector<int32_t>(static_cast<size_t>(count)), 10};
    Bytes inside = WriteIdxLabels(set);
    inside.push_back(0);
    EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")), HasSubstr("more bytes than its IDX header says"));
    inside.resize(inside.size() - 2);
    EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")),
                HasSubstr(fmt::format("to {} bytes, its IDX header says {}", count + 7, count + 8)));
  }
}

TEST(Gzip, SizesBeyondTheFileAreErrorsBeforeAnyAllocation) {
  Bytes inside = WriteIdxImages({1, 1, 2, 2, {1, 2, 3, 4}, {0}, 10});
  inside[5] = 0x0f;  // 983,041 images
  EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")),
              HasSubstr("field 'content' at byte 16: of 3932164 bytes can't come of a file of"));
  for (size_t i = 4; i < 16; i += 4) inside[i] = 0x7f;
  EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")),
              HasSubstr("field 'number of images' at byte 4: makes the file more than 1073741824 bytes"));
  inside[4] = 0;
  EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")),
              HasSubstr("field 'rows' at byte 8: makes the file more than 1073741824 bytes"));
  std::fill_n(inside.begin() + 12, 4, 0);
  inside[8] = 0;
  EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(inside), "z")), HasSubstr("field 'columns' at byte 12: is 0"));
  EXPECT_THAT(ErrorOf(GunzipIdx(Gzip(Text("something else altogether")), "z")),
              HasSubstr("z: a gzip file of something else than an IDX file"));
}

TEST(Cifar10, RecordsAreLabelThenRedGreenBlue) {
  Bytes file;
  for (uint8_t record = 0; record < 2; ++record) {
    file.push_back(static_cast<uint8_t>(9 - record));
    for (int i = 0; i < 3072; ++i) file.push_back(static_cast<uint8_t>(i * 7 + record));
  }
  ImageSet set;
  ASSERT_EQ(*ParseCifar10(file, "batch", set), 2);
  ASSERT_EQ(*ParseCifar10(std::span(file).first(3073), "batch", set), 1);
  EXPECT_EQ(set.count, 3);
  EXPECT_EQ(set.classes, 10);
  EXPECT_THAT(set.labels, ElementsAre(9, 8, 9));
  ASSERT_EQ(set.pixels.size(), 3u * 3072u);
  for (size_t i = 0; i < 3072; ++i) EXPECT_EQ(set.pixels[3072 + i], static_cast<uint8_t>(i * 7 + 1));
  EXPECT_EQ((std::vector<int64_t>{set.channels, set.height, set.width}), (std::vector<int64_t>{3, 32, 32}));
}

TEST(Cifar10, DamageIsAnErrorWithTheRecordAndLeavesTheSetAsItWas) {
  Bytes file(2 * 3073);
  ImageSet set;
  EXPECT_THAT(ErrorOf(ParseCifar10({}, "batch", set)), HasSubstr("batch: 0 bytes"));
  EXPECT_THAT(ErrorOf(ParseCifar10(Prefix(file, 6145), "batch", set)), HasSubstr("record 1 at byte 3073 is cut short"));
  file[3073] = 10;
  EXPECT_THAT(ErrorOf(ParseCifar10(file, "batch", set)), HasSubstr("label 10 of record 1 at byte 3073"));
  EXPECT_EQ(set.count, 0);
  EXPECT_TRUE(set.pixels.empty() && set.labels.empty());
}

TEST(Ppm, ReadsPlanes) {
  const Image image = PatternImage(3, 3, 5);
  const auto read = ParsePpm(WritePpm(image), "p");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->height, 3);
  EXPECT_EQ(read->width, 5);
  EXPECT_EQ(read->pixels, image.pixels);
  EXPECT_EQ(ParsePpm(Text("P6 1\t1 # comment\n255 abc"), "p")->pixels, Text("abc"));
}

TEST(Ppm, EveryTruncationAndTrailingBytesAreErrors) {
  Bytes file = WritePpm(PatternImage(3, 3, 5));
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THAT(ErrorOf(ParsePpm(Prefix(file, size), "p")), HasSubstr("p: PPM"));
  file.push_back(0);
  EXPECT_THAT(ErrorOf(ParsePpm(file, "p")), HasSubstr("46 bytes of pixels, 5 x 3 x 3 need 45"));
}

TEST(Ppm, WrongHeadersAreErrorsWithTheByte) {
  const auto error = [](std::string_view file) { return ErrorOf(ParsePpm(Text(file), "p")); };
  EXPECT_THAT(error("P5 1 1 255\nabc"), HasSubstr("at byte 0: doesn't begin with P6"));
  EXPECT_THAT(error("P61 1 255\nabc"), AllOf(HasSubstr("at byte 2"), HasSubstr("no white space")));
  EXPECT_THAT(error("P6 x 1 255\nabc"), AllOf(HasSubstr("at byte 3"), HasSubstr("width is missing")));
  EXPECT_THAT(error("P6 1 -1 255\nabc"), HasSubstr("at byte 5: height is missing"));
  EXPECT_THAT(error("P6 0 1 255\nabc"), HasSubstr("at byte 3: width is 0"));
  EXPECT_THAT(error("P6 4097 1 255\nabc"), HasSubstr("at byte 3: width is more than 4096"));
  EXPECT_THAT(error("P6 1 99999999999999999999999999 255\nabc"), HasSubstr("at byte 5: height is more than 4096"));
  EXPECT_THAT(error("P6 1 1 65535\nabcdef"), HasSubstr("at byte 7: largest value is more than 255"));
  EXPECT_THAT(error("P6 1 1 15\nabc"), HasSubstr("at byte 7: largest value is 15, must be 255"));
  EXPECT_THAT(error("P6 1 1 255#abc"), HasSubstr("at byte 10: no white space behind the header"));
  EXPECT_THAT(error("P6 1 1 255\nabcd"), HasSubstr("at byte 11: 4 bytes of pixels, 1 x 1 x 3 need 3"));
}

// What Pillow 9.4 makes of PatternImage(3, height, width), as SHA-256 of the three planes.
TEST(ResizeBilinear, EqualsPillow) {
  const std::tuple<int64_t, int64_t, const char*> kAnswers[] = {
      {5, 7, "d987c0e28edd3ff583cffdbb027a2cbe02f7ab95d07f4fef0660d7f2906c0247"},
      {41, 50, "5ae42431c7df3f95b0a2e99f51c930bebd3912cd9b699b778702e0b7b346e150"},
      {32, 32, "47f89d954e725ba499ffe2db2853de70ac89c696d07ce34b4db0ab6c82844bcc"},
      {250, 15, "5edaa0e83949133eb84b074d61bb25edd82f9a8b537b90618b2ddab03ade7035"},
      {33, 64, "f8af4f63a5a9926feff6aa58d1e903ba9c255a71bb50441d6c43f3d0c44edd31"},
      {1, 1, "16d955968ad87c671a5ce0534ba17b3163cde53167b3dc6c27c23c50e6d601cd"}};
  for (const auto& [height, width, digest] : kAnswers) {
    const Image scaled = ResizeBilinear(PatternImage(3, height, width), 32, 32);
    EXPECT_EQ(HexEncode(Sha256(scaled.pixels)), digest) << width << " x " << height;
  }
  const Image small{3, 2, 3, {0, 100, 255, 40, 1, 7, 10, 110, 254, 50, 2, 77, 20, 120, 253, 60, 3, 177}};
  EXPECT_THAT(ResizeBilinear(small, 3, 2).pixels,
              ElementsAre(38, 197, 32, 101, 25, 5, 48, 200, 40, 125, 32, 49, 58, 203, 49, 158, 39, 112));
}

// What libjpeg itself decodes, pixel by pixel.
Bytes DirectlyDecoded(const Bytes& file) {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file.data(), file.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg_start_decompress(&jpeg);
  Bytes pixels(size_t{jpeg.output_height} * jpeg.output_width * static_cast<size_t>(jpeg.output_components));
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row =
        pixels.data() + jpeg.output_scanline * jpeg.output_width * static_cast<size_t>(jpeg.output_components);
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_destroy_decompress(&jpeg);
  return pixels;
}

TEST(Jpeg, ColourBecomesThreePlanes) {
  const Bytes file = WriteJpeg(PatternImage(3, 16, 24));
  const auto image = DecodeJpeg(file, "j", 16, 24);
  ASSERT_TRUE(image.ok()) << image.status();
  const Bytes direct = DirectlyDecoded(file);
  ASSERT_EQ(image->pixels.size(), direct.size());
  for (size_t i = 0; i < 16 * 24; ++i) {
    for (size_t c = 0; c < 3; ++c) ASSERT_EQ(image->pixels[c * 16 * 24 + i], direct[3 * i + c]);
  }
}

TEST(Jpeg, GrayscaleBecomesThreeEqualPlanes) {
  const Bytes file = WriteJpeg(PatternImage(1, 16, 24));
  const auto image = DecodeJpeg(file, "j", 16, 24);
  ASSERT_TRUE(image.ok()) << image.status();
  Bytes thrice = DirectlyDecoded(file);
  for (size_t i = 0; i < size_t{2} * 16 * 24; ++i) thrice.push_back(thrice[i]);
  EXPECT_EQ(image->channels, 3);
  EXPECT_EQ(image->pixels, thrice);
}

TEST(Jpeg, EveryTruncationIsAnError) {
  for (const int64_t channels : {1, 3}) {
    const Bytes file = WriteJpeg(PatternImage(channels, 16, 16));
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_THAT(ErrorOf(DecodeJpeg(Prefix(file, size), "j", 16, 16)), HasSubstr("j: JPEG"));
    }
  }
}

TEST(Jpeg, ATruncatedFileSaysWhere) {
  const Bytes file = WriteJpeg(PatternImage(3, 16, 16));
  const size_t size = file.size() - 2;
  EXPECT_THAT(
      ErrorOf(DecodeJpeg(Prefix(file, size), "j", 16, 16)),
      AllOf(HasSubstr("Premature end of JPEG file (decoded up to byte "), HasSubstr(fmt::format("of {})", size))));
}

TEST(Jpeg, OtherSizesAndColourSpacesAreErrors) {
  const Bytes file = WriteJpeg(PatternImage(3, 16, 24));
  EXPECT_THAT(ErrorOf(DecodeJpeg(file, "j", 64, 64)), HasSubstr("24 x 16 pixels, needs 64 x 64"));
  EXPECT_THAT(ErrorOf(DecodeJpeg(file, "j", 24, 16)), HasSubstr("24 x 16 pixels, needs 16 x 24"));
  EXPECT_THAT(ErrorOf(DecodeJpeg(WriteJpeg(PatternImage(4, 16, 16)), "j", 16, 16)),
              HasSubstr("Unsupported color conversion"));
  EXPECT_THAT(ErrorOf(DecodeJpeg(Text("P6 16 16 255\n"), "j", 16, 16)), HasSubstr("Not a JPEG"));
}

// Flipped bits of the compressed data often still give an image; what must hold is that nothing worse happens.
TEST(Jpeg, FlippedBitsAreErrorsOrImages) {
  const Bytes file = WriteJpeg(PatternImage(3, 16, 16));
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto image = DecodeJpeg(flipped, "j", 16, 16);
    if (image.ok()) {
      EXPECT_EQ(image->pixels.size(), 3u * 16 * 16);
    } else {
      EXPECT_THAT(Message(image.status()), HasSubstr("j: JPEG:"));
    }
  }
}

constexpr std::string_view kGtsrbHeader = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId";

TEST(GtsrbList, ReadsFilesAndClasses) {
  for (const std::string end : {"\n", "\r\n"}) {
    const auto rows = ParseGtsrbList(
        fmt::format("{}{}00000_00001.ppm;29;30;5;6;24;25;0{}00002.ppm;53;54;6;5;48;49;42", kGtsrbHeader, end, end), "l",
        43);
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), 2u);
    EXPECT_EQ((*rows)[0].file, "00000_00001.ppm");
    EXPECT_EQ((*rows)[1].file, "00002.ppm");
    EXPECT_EQ((*rows)[0].class_index, 0);
    EXPECT_EQ((*rows)[1].class_index, 42);
  }
}

TEST(GtsrbList, DamageIsAnErrorWithTheLine) {
  const auto error = [](std::string_view row) {
    return ErrorOf(ParseGtsrbList(fmt::format("{}\n0.ppm;29;30;5;6;24;25;0\n{}\n", kGtsrbHeader, row), "l", 43));
  };
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25"), AllOf(HasSubstr("l: line 3"), HasSubstr("7 fields, needs 8")));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25;0;0"), HasSubstr("too many fields"));
  EXPECT_THAT(error(""), HasSubstr("1 fields"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25;43"), HasSubstr("ClassId is 43, must lie in [0, 42]"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25;-1"), HasSubstr("ClassId is -1"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25;x"), HasSubstr("ClassId is 'x', which is not a number"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;25;99999999999999999999"), HasSubstr("not a number"));
  EXPECT_THAT(error("1.ppm;0;30;5;6;24;25;0"), HasSubstr("Width is 0"));
  EXPECT_THAT(error("1.ppm;29;5000;5;6;24;25;0"), HasSubstr("Height is 5000"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;30;25;0"), HasSubstr("Roi.X2 is 30, must lie in [5, 29]"));
  EXPECT_THAT(error("1.ppm;29;30;5;6;24;5;0"), HasSubstr("Roi.Y2 is 5, must lie in [6, 30]"));
  for (const char* name : {"../1.ppm", "/etc/1.ppm", ".ppm", "1.png", "", "a b.ppm", "1\x1b.ppm"}) {
    EXPECT_THAT(error(fmt::format("{};29;30;5;6;24;25;0", name)),
                HasSubstr("is not a plain file name that ends in .ppm"));
  }
  EXPECT_THAT(ErrorOf(ParseGtsrbList("", "l", 43)), HasSubstr("l: line 0"));
  EXPECT_THAT(ErrorOf(ParseGtsrbList("Filename,Width\n", "l", 43)),
              AllOf(HasSubstr("line 1"), HasSubstr(kGtsrbHeader)));
  EXPECT_THAT(ErrorOf(ParseGtsrbList(fmt::format("{}\n", kGtsrbHeader), "l", 43)), HasSubstr("no images"));
}

TEST(ClassIds, AreSorted) {
  EXPECT_THAT(*ParseClassIds("n02124075\nn03891332\nn01629819\n", "w"),
              ElementsAre("n01629819", "n02124075", "n03891332"));
}

TEST(ClassIds, DamageIsAnErrorWithTheLine) {
  for (const char* line : {"", "n0212407", "n021240755", "m02124075", "n0212407x", "../n0212407"}) {
    EXPECT_THAT(ErrorOf(ParseClassIds(fmt::format("n01629819\n{}\n", line), "w")),
                AllOf(HasSubstr("w: line 2"), HasSubstr("is not a class id")));
  }
  EXPECT_THAT(ErrorOf(ParseClassIds("n01629819\nn01629819", "w")), HasSubstr("class n01629819 is listed twice"));
  EXPECT_THAT(ErrorOf(ParseClassIds("", "w")), HasSubstr("no classes"));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += fmt::format("n{:08}\n", i);
  EXPECT_THAT(ErrorOf(ParseClassIds(many, "w")), AllOf(HasSubstr("line 1001"), HasSubstr("more than 1000")));
}

TEST(BoxList, ReadsFilesWithAndWithoutClass) {
  const auto boxes = ParseBoxList("n01_0.JPEG\t0\t1\t63\t64\n", "b", false);
  ASSERT_TRUE(boxes.ok()) << boxes.status();
  EXPECT_EQ(boxes->at(0).file, "n01_0.JPEG");
  const auto validation = ParseBoxList("val_0.JPEG\tn02124075\t0\t1\t63\t64", "b", true);
  ASSERT_TRUE(validation.ok()) << validation.status();
  EXPECT_EQ(validation->at(0).label, "n02124075");
}

TEST(BoxList, DamageIsAnErrorWithTheLine) {
  EXPECT_THAT(ErrorOf(ParseBoxList("a.JPEG\t0\t0\t1\t1\na.JPEG 0 0 1 1", "b", false)),
              AllOf(HasSubstr("b: line 2"), HasSubstr("1 fields, needs 5")));
  EXPECT_THAT(ErrorOf(ParseBoxList("a.JPEG\t0\t0\t1\t1", "b", true)), HasSubstr("5 fields, needs 6"));
  EXPECT_THAT(ErrorOf(ParseBoxList("a.JPEG\t0\t0\t1\t65", "b", false)), HasSubstr("lower edge is 65"));
  EXPECT_THAT(ErrorOf(ParseBoxList("a/b.JPEG\t0\t0\t1\t1", "b", false)), HasSubstr("not a plain file name"));
  EXPECT_THAT(ErrorOf(ParseBoxList("", "b", false)), HasSubstr("no images"));
}

TEST(LineReader, MessagesShowForeignTextShortAndPrintable) {
  EXPECT_EQ(Quoted("a\x1b[31m\xff"), "'a?[31m?'");
  EXPECT_EQ(Quoted(std::string(100, 'x')), "'" + std::string(60, 'x') + "...'");
}

}  // namespace
}  // namespace privdnn
