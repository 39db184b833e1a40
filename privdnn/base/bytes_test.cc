#include "privdnn/base/bytes.h"

#include <gtest/gtest.h>

#include "privdnn/base/random.h"

namespace privdnn {
namespace {

TEST(PackBits, RoundTripsEveryWidthAndCount) {
  DeterministicRandom random(1);
  for (int bits = 1; bits <= 64; ++bits) {
    for (const size_t count : {0, 1, 2, 3, 7, 8, 63, 64, 65, 200}) {
      std::vector<uint64_t> values(count);
      random.Fill(std::span(values));
      for (auto& v : values) v >>= 64 - bits;
      Bytes packed(PackedBytes(count, bits));
      PackBits(values, bits, packed);
      std::vector<uint64_t> back(count);
      ASSERT_TRUE(UnpackBits(packed, bits, back));
      ASSERT_EQ(back, values) << bits << " bits, " << count << " values";
    }
  }
}

TEST(PackBits, KnownAnswer) {
  const std::vector<uint64_t> values = {0x3, 0x1ff, 0x155};
  Bytes packed(PackedBytes(3, 9));
  PackBits(values, 9, packed);
  // bits, least significant first: 110000000 111111111 101010101
  EXPECT_EQ(HexEncode(packed), "03fe5705");
}

TEST(PackBits, RejectsSurplusBits) {
  std::vector<uint64_t> values(3);
  EXPECT_TRUE(UnpackBits(Bytes{0x03, 0xfe, 0x57, 0x05}, 9, values));
  EXPECT_FALSE(UnpackBits(Bytes{0x03, 0xfe, 0x57, 0x0d}, 9, values));
}

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  ByteWriter w;
  w.U8(7);
  w.U16(0x1234);
  w.U32(0x89abcdef);
  w.U64(0x0123456789abcdef);
  w.F64(-2.5);
  w.String("core");
  ByteReader r(w.view(), "test");
  EXPECT_EQ(*r.U8("a"), 7);
  EXPECT_EQ(*r.U16("b"), 0x1234);
  EXPECT_EQ(*r.U32("c"), 0x89abcdefu);
  EXPECT_EQ(*r.U64("d"), 0x0123456789abcdefu);
  EXPECT_EQ(*r.F64("e"), -2.5);
  EXPECT_EQ(*r.String(10, "f"), "core");
  EXPECT_TRUE(r.Finish().ok());
}

TEST(ByteReader, ErrorsNameObjectFieldAndOffset) {
  const Bytes data = {1, 2, 3, 4, 5};
  ByteReader r(data, "query");
  ASSERT_TRUE(r.U32("images").ok());
  const auto missing = r.U16("version");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(Message(missing.status()), "query: field 'version' at byte 4: needs 2 bytes, 1 are left");
  EXPECT_EQ(Message(r.Finish()), "query: 1 trailing bytes after byte 4");
  // A failed read moves nothing.
  EXPECT_EQ(*r.U8("x"), 5);
}

TEST(ByteReader, BoundsStringsAndRangesAndNumbers) {
  ByteWriter w;
  w.U32(1'000'000);
  EXPECT_FALSE(ByteReader(w.view(), "t").String(64, "name").ok());
  EXPECT_FALSE(ByteReader(w.view(), "t").U32InRange(1, 10, "count").ok());
  ByteWriter nan;
  nan.F64(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(ByteReader(nan.view(), "t").F64("scale").ok());
  EXPECT_FALSE(CheckedMul(uint64_t{1} << 33, uint64_t{1} << 33).ok());
  EXPECT_FALSE(CheckedAdd(~uint64_t{0}, 1).ok());
  EXPECT_EQ(*CheckedMul(6, 7), 42u);
}

}  // namespace
}  // namespace privdnn
