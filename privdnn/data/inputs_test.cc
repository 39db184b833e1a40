#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "privdnn/base/file.h"
#include "privdnn/data/arrays.h"
#include "privdnn/data/formats.h"

namespace privdnn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Inputs : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view text) {
    const std::string path = testing::TempDir() + "/" + name;
    EXPECT_TRUE(WriteFile(path, AsBytes(text)).ok());
    return path;
  }
};

// A .npy file as NumPy writes it.
std::string Numpy(const std::string& fields, std::string_view data, char major = 1) {
  std::string header = "{" + fields + "}\n";
  std::string file = "\x93NUMPY";
  file += {major, 0, static_cast<char>(header.size()), 0};
  if (major > 1) file += std::string(2, '\0');
  return file + header + std::string(data);
}

TEST_F(Inputs, ReadNumpyArrays) {
  const float values[] = {1.5f, -2, 0.25f, 8};
  const std::string_view data(reinterpret_cast<const char*>(values), sizeof(values));
  const auto rows =
      LoadInputs(Write("a.npy", Numpy("'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), ", data)));
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->count, 2);
  EXPECT_EQ(rows->Shape(), (std::vector<int64_t>{2}));
  EXPECT_THAT(rows->Batch(1, 2).values, ElementsAre(0.25f, 8));
  EXPECT_EQ(rows->Batch(0, 2).shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(rows->labels, std::vector<int32_t>(2, 0));

  const auto pixels = LoadInputs(Write("p.npy", Numpy("'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 1, 2), ",
                                                      "\x01\x02\x03\x04\x05\xff", 3)));
  ASSERT_TRUE(pixels.ok()) << pixels.status();
  EXPECT_EQ(pixels->Shape(), (std::vector<int64_t>{3, 1, 2}));
  EXPECT_EQ(pixels->Batch(0, 1).values[5], 1);  // a pixel of 255
}

TEST_F(Inputs, NumpyArraysThatAreNoInputsAreErrors) {
  const auto error = [&](const std::string& fields, std::string_view data, char major = 1) {
    return Message(LoadInputs(Write("bad.npy", Numpy(fields, data, major))).status());
  };
  const std::string order = "'fortran_order': False, ";
  EXPECT_THAT(error("'descr': '>f4', " + order + "'shape': (1, 1), ", "abcd"), HasSubstr("'>f4'"));
  EXPECT_THAT(error("'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), ", "abcd"), HasSubstr("Fortran order"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1,), ", "abcd"), HasSubstr("shape (1)"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1, 2), ", "abcd"), HasSubstr("field 'elements'"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1, 1), ", "abcde"), HasSubstr("bad.npy"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (99999999999, 99999999999), ", ""), HasSubstr("elements"));
  EXPECT_THAT(error("'descr': '<f4', " + order, ""), HasSubstr("no field 'shape'"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1, -1), ", ""), HasSubstr("shape"));
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1, 1), ", "abcd", 9), HasSubstr("version 9"));
  const float infinite = HUGE_VALF;
  EXPECT_THAT(error("'descr': '<f4', " + order + "'shape': (1, 1), ",
                    {reinterpret_cast<const char*>(&infinite), sizeof(infinite)}),
              HasSubstr("element 0 is inf"));
}

TEST_F(Inputs, ReadRowsOfNumbers) {
  for (const char* text :
       {"a,b\n1,2.5\n-3,4e-1\n", "1;2.5\r\n-3;+0.4", "1 2.5\n\n  -3   0.4 \n", "1\t2.5\n-3\t0.4\n"}) {
    const auto rows = LoadInputs(Write("rows.csv", text));
    ASSERT_TRUE(rows.ok()) << text << rows.status();
    EXPECT_EQ(rows->count, 2) << text;
    EXPECT_THAT(rows->values, ElementsAre(1, 2.5f, -3, 0.4f)) << text;
  }
  EXPECT_THAT(Message(LoadInputs(Write("rows.csv", "1,2\n3\n")).status()), HasSubstr("line 2: has 1 numbers"));
  EXPECT_THAT(Message(LoadInputs(Write("rows.csv", "1,2\n3,x\n")).status()),
              HasSubstr("line 2: column 2: 'x' is not a number"));
  EXPECT_THAT(Message(LoadInputs(Write("rows.csv", "name\n")).status()), HasSubstr("no rows"));
}

TEST_F(Inputs, AFirstRowOfNumbersIsNotTakenForNames) {
  for (const char* text : {"\xef\xbb\xbf"
                           "1,2.5\n-3,0.4\n",
                           "\"1\",\"2.5\"\n\"-3\",\" 0.4 \"\n", "\n\xc3\xa4,\"b\"\n1,2.5\n-3,0.4\n",
                           "\xef\xbb\xbf"
                           "a,NA\n1,2.5\n-3,0.4\n"}) {
    const auto rows = LoadInputs(Write("rows.csv", text));
    ASSERT_TRUE(rows.ok()) << text << rows.status();
    EXPECT_THAT(rows->values, ElementsAre(1, 2.5f, -3, 0.4f)) << text;
  }
  const auto error = [&](const char* text) { return Message(LoadInputs(Write("rows.csv", text)).status()); };
  EXPECT_THAT(error("1,NA,2\n1,2,3\n"), HasSubstr("line 1: column 2: 'NA' is not a number"));
  EXPECT_THAT(error("1,2,\n1,2,3\n"), HasSubstr("line 1: column 3: '' is not a number"));
  EXPECT_THAT(error("NA\n1\n"), HasSubstr("line 1: column 1: 'NA' is not a number"));
  EXPECT_THAT(error("nan,x\n1,2\n"), HasSubstr("line 1: column 1: 'nan' is not a finite number"));
  EXPECT_THAT(error("a,b\nc,d\n1,2\n"), HasSubstr("line 2: column 1: 'c' is not a number"));
}

TEST_F(Inputs, IdxHasTwoToFourDimensionsOfBytesOrFloats) {
  const std::string_view table("\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x05\x06", 18);
  const auto rows = LoadInputs(Write("table", table));
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->Shape(), (std::vector<int64_t>{3}));
  ImageSet floats = *rows;
  floats.pixels.clear();
  floats.values = {0.5f, -1, 2, 3, 4, 5};
  EXPECT_EQ(LoadInputs(Write("floats", AsStringView(WriteIdxImages(floats))))->values, floats.values);
  EXPECT_EQ(WriteIdxImages(*rows), Bytes(table.begin(), table.end()));
}

TEST_F(Inputs, OtherFilesAreNamed) {
  const auto error = [&](std::string_view text) { return Message(LoadInputs(Write("file", text)).status()); };
  EXPECT_THAT(error("\x89PNG\r\n"), HasSubstr("looks like a PNG picture"));
  EXPECT_THAT(error("PK\x03\x04"), HasSubstr(".npz"));
  EXPECT_THAT(error("\x80\x04\x95"), HasSubstr("a Python pickle"));
  EXPECT_THAT(error(""), HasSubstr("an empty file"));
  EXPECT_THAT(error("\x07\xfe"), HasSubstr("of an unknown kind"));
  EXPECT_THAT(error(std::string_view("\0\0\x08\x01\0\0\0\x01\x05", 9)), HasSubstr("which are labels"));
}

TEST_F(Inputs, LabelsComeFromAnyOfThem) {
  const int64_t numbers[] = {3, 0};
  const std::string_view data(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  const std::string integers = Numpy("'descr': '<i8', 'fortran_order': False, 'shape': (2,), ", data);
  EXPECT_THAT(*LoadLabels(Write("l.npy", integers)), ElementsAre(3, 0));
  EXPECT_THAT(*LoadLabels(Write("l.txt", "label\n3\n0\n")), ElementsAre(3, 0));
  EXPECT_THAT(*LoadLabels(Write("l.idx", std::string_view("\0\0\x08\x01\0\0\0\x02\x03\0", 10))), ElementsAre(3, 0));
  EXPECT_THAT(Message(LoadLabels(Write("l.txt", "1\n0.5\n")).status()), HasSubstr("label 0.5 of image 1"));
  EXPECT_THAT(Message(LoadLabels(Write("l.txt", "1\n-1\n")).status()), HasSubstr("label -1"));
  EXPECT_THAT(Message(LoadLabels(Write("l.txt", "1,2\n")).status()), HasSubstr("one a line"));
  EXPECT_THAT(*LoadLabels(Write("l.txt", "2147483646\n")), ElementsAre(2147483646));
  EXPECT_THAT(Message(LoadLabels(Write("l.txt", "1\n2147483647\n")).status()),
              HasSubstr("label 2147483647 of image 1 is not a whole number in [0, 2147483646]"));
}

TEST(InputShape, DimensionsOfOneAndRowsDoNotMatter) {
  EXPECT_TRUE(IsSameInput({1, 28, 28}, {784}));
  EXPECT_TRUE(IsSameInput({13}, {13}));
  EXPECT_TRUE(IsSameInput({1, 3, 8}, {3, 8}));
  EXPECT_FALSE(IsSameInput({3, 8, 1}, {8, 3}));
  EXPECT_FALSE(IsSameInput({1, 28, 28}, {3, 28, 28}));
  ImageSet set{2, 1, 2, 2, {1, 2, 3, 4, 5, 6, 7, 8}, {0, 1}, 2};
  ASSERT_TRUE(FitInputs({4}, set).ok());
  EXPECT_EQ(set.Batch(0, 2).shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(set.Head(1).Batch(0, 1).shape, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(Message(FitInputs({5}, set)), "inputs are 4, the network reads 5");
}

TEST(ScoreFiles, AreReadAsTheyWereWritten) {
  const Tensor scores{{2, 3}, {0.5f, 0.25f, 0.25f, 1, 0, 1e-7f}};
  const Bytes npy = WriteNumpy(scores);
  EXPECT_EQ((npy.size() - 24) % 64, 0u);  // NumPy maps aligned data
  const auto array = ParseNumpy(npy, "scores");
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->shape, scores.shape);
  EXPECT_EQ(array->numbers, std::vector<double>(scores.values.begin(), scores.values.end()));
  EXPECT_EQ(WriteTable(scores), "0.5,0.25,0.25\n1,0,1e-07\n");
}

}  // namespace
}  // namespace privdnn
