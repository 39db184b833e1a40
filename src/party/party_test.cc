#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lifting/reference.h"
#include "package/test_package.h"
#include "party/owner.h"
#include "party/user.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

std::vector<float> RandomImages(TestModelBuilder& builder, size_t size) {
  std::vector<float> pixels(size);
  for (float& v : pixels) v = builder.Real(0, 1);
  return pixels;
}

// Reference outputs of every image, by naive loops.
std::vector<int64_t> Expected(const TestModel& model, const Geometry& g, std::span<const float> images,
                              size_t image_size) {
  std::vector<int64_t> y;
  for (size_t at = 0; at < images.size(); at += image_size) {
    const auto one = ReferenceOutputs(g, model.quantized, QuantizeInput(g, images.subspan(at, image_size)));
    y.insert(y.end(), one.begin(), one.end());
  }
  return y;
}

TEST(Parties, EncryptedEqualsReferenceForRandomModels) {
  int tried = 0;
  for (uint64_t seed = 100; seed < 130; ++seed) {
    TestModelBuilder builder(seed);
    const nn::Graph graph = builder.Build(builder.RandomShape());
    const auto model = EncryptTestModel(graph, builder, seed);
    if (!model.ok()) continue;  // windows that don't fit the map
    ++tried;
    const int threads = 1 + static_cast<int>(seed % 2);
    const auto user = User::Create(*Package::Parse(model->encrypted.package, "p"), threads);
    ASSERT_TRUE(user.ok()) << user.status();
    const auto owner = Owner::Create(*ParseOwnerKey(WriteOwnerKey(model->encrypted.owner_key), "k"));
    ASSERT_TRUE(owner.ok()) << owner.status();
    User::Workspace workspace;
    for (const size_t count : {1, 2, 9}) {
      const auto images = RandomImages(builder, count * user->image_size());
      const auto query = user->Prepare(images, SystemRandom(), workspace, threads);
      ASSERT_TRUE(query.ok()) << query.status();
      EXPECT_EQ(query->message.size(), user->sizes().query(count));
      EXPECT_EQ(*owner->CountImages(query->message), count);
      const auto reply = owner->Answer(query->message, SystemRandom(), threads);
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(reply->size(), user->sizes().reply(count));
      const auto y = user->Unmask(*query, *reply);
      ASSERT_TRUE(y.ok()) << y.status();
      ASSERT_EQ(*y, Expected(*model, user->package().geometry(), images, user->image_size())) << "seed " << seed;
    }
  }
  EXPECT_GT(tried, 20);
}

class WireTest : public ::testing::Test {
 protected:
  WireTest()
      : builder_(7),
        model_(*EncryptTestModel(builder_.Build(TinyShape()), builder_, 5)),
        user_(*User::Create(*Package::Parse(model_.encrypted.package, "p"))),
        owner_(*Owner::Create(*ParseOwnerKey(WriteOwnerKey(model_.encrypted.owner_key), "k"))),
        images_(RandomImages(builder_, 2 * user_.image_size())),
        query_(*user_.Prepare(images_, DeterministicRandom(1), workspace_)),
        reply_(*owner_.Answer(query_.message, DeterministicRandom(2))) {}

  std::string QueryError(const Bytes& q) const { return Message(owner_.Answer(q, DeterministicRandom(3)).status()); }
  std::string ReplyError(const Bytes& r) const { return Message(user_.Unmask(query_, r).status()); }

  TestModelBuilder builder_;
  TestModel model_;
  User user_;
  Owner owner_;
  User::Workspace workspace_;
  std::vector<float> images_;
  PreparedQuery query_;
  Bytes reply_;
};

// Images counts and lengths in the header, then what the body must be.
TEST_F(WireTest, MalformedQueriesAreRefusedWithTheReason) {
  Bytes q = query_.message;
  q[0] = 'X';
  EXPECT_THAT(QueryError(q), HasSubstr("query: field 'magic'"));
  q = query_.message;
  q[8] = 9;
  EXPECT_THAT(QueryError(q), HasSubstr("'version' at byte 8: is 9"));
  q = query_.message;
  q[12] ^= 1;
  EXPECT_THAT(QueryError(q), HasSubstr("is for package"));
  for (const uint8_t images : {0, 1, 3}) {
    q = query_.message;
    q[44] = images;
    EXPECT_FALSE(QueryError(q).empty()) << int{images};
  }
  q = query_.message;
  std::fill_n(q.begin() + 44, 4, 0xff);
  EXPECT_THAT(QueryError(q), HasSubstr("'images' at byte 44: is 4294967295, must be 1 to 1024"));
  q = query_.message;
  q.push_back(0);
  EXPECT_THAT(QueryError(q), HasSubstr("1 trailing bytes"));
  q = query_.message;
  std::fill_n(q.begin() + 48, 16, 0xff);
  FinishMessage(q);
  EXPECT_THAT(QueryError(q), HasSubstr("image 0: a residue of a' is not below its prime"));
  q = query_.message;
  std::fill(q.end() - 24, q.end() - 8, 0xff);
  FinishMessage(q);
  EXPECT_THAT(QueryError(q), HasSubstr("image 1: a residue of b' for output"));
}

TEST_F(WireTest, MalformedRepliesAreRefusedWithTheReason) {
  Bytes r = reply_;
  r[0] = 'X';
  EXPECT_THAT(ReplyError(r), HasSubstr("reply: field 'magic'"));
  r = query_.message;
  EXPECT_THAT(ReplyError(r), HasSubstr("reply: field 'magic'"));
  r = reply_;
  r.push_back(1);
  EXPECT_THAT(ReplyError(r), HasSubstr("trailing"));
  const auto one = user_.Prepare(std::span(images_).first(user_.image_size()), DeterministicRandom(4), workspace_);
  EXPECT_THAT(Message(user_.Unmask(*one, reply_).status()), HasSubstr("has 2 images, the query had 1"));
}

TEST_F(WireTest, EveryTruncationAndBitFlipIsAnError) {
  const auto check = [](const Bytes& good, const auto& error) {
    for (size_t size = 0; size < good.size(); size += size < 100 ? 1 : 809) {
      ASSERT_FALSE(error(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))).empty()) << size;
    }
    Bytes damaged = good;
    for (size_t byte = 0; byte < good.size(); byte += byte < 100 ? 1 : 403) {
      for (int bit = 0; bit < 8; ++bit) {
        damaged[byte] ^= static_cast<uint8_t>(1 << bit);
        ASSERT_FALSE(error(damaged).empty()) << "byte " << byte << " bit " << bit;
        damaged[byte] ^= static_cast<uint8_t>(1 << bit);
      }
    }
  };
  check(query_.message, [&](const Bytes& q) { return QueryError(q); });
  check(reply_, [&](const Bytes& r) { return ReplyError(r); });
}

TEST_F(WireTest, KnownAnswers) {
  // The protocol is its bytes: these change only with a version number.
  EXPECT_EQ(HexEncode(Sha256(query_.message)), "ef7cbc5f13791fa2d598e06c10be0c259947c37bf5503e395162338c48b8d653");
  EXPECT_EQ(HexEncode(Sha256(reply_)), "36b4b2b89fc0bfa94f6663a45831119110279fc84c6b0c6fdfb7f248bd8d3e99");
}

TEST_F(WireTest, WrongCountsOfPixelsAreRefused) {
  EXPECT_THAT(Message(user_.Prepare(std::span(images_).first(5), SystemRandom(), workspace_).status()),
              HasSubstr("5 pixels are not 1 to 1024 images of 64"));
  EXPECT_FALSE(user_.Prepare({}, SystemRandom(), workspace_).ok());
  const std::vector<float> many(1025 * user_.image_size());
  EXPECT_FALSE(user_.Prepare(many, SystemRandom(), workspace_).ok());
}

TEST_F(WireTest, EveryKernelGivesTheSameBytes) {
  for (const Kernels* k : AllKernels()) {
    if (!k->supported()) continue;
    const auto user = *User::Create(*Package::Parse(model_.encrypted.package, "p", k));
    EXPECT_EQ(user.Prepare(images_, DeterministicRandom(1), workspace_)->message, query_.message) << k->name;
  }
}

// The same image twice: nothing in the two queries is equal, and both decrypt to the same integers.
TEST_F(WireTest, QueriesAreFresh) {
  const auto a = *user_.Prepare(images_, SystemRandom(), workspace_);
  const auto b = *user_.Prepare(images_, SystemRandom(), workspace_);
  size_t equal = 0;
  for (size_t i = 48; i < a.message.size() - 8; ++i) equal += a.message[i] == b.message[i];
  EXPECT_NEAR(static_cast<double>(equal), static_cast<double>(a.message.size()) / 256,
              5 * std::sqrt(a.message.size() / 256.0));
  EXPECT_EQ(*user_.Unmask(a, *owner_.Answer(a.message, SystemRandom())),
            *user_.Unmask(b, *owner_.Answer(b.message, SystemRandom())));
}

}  // namespace
}  // namespace privdnn
