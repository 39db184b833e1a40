#include "privdnn/party/hosted_owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/package/test_package.h"
#include "privdnn/party/user.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

class HostedOwnerTest : public ::testing::Test {
 protected:
  std::unique_ptr<const HostedOwner> Host(double output_noise = 0) const {
    return *HostedOwner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"), output_noise, 1);
  }

  TestModelBuilder builder_{7};
  TestModel model_ = *EncryptTestModel(builder_.Build(TinyShape()), builder_, 5);
  User user_ = *User::Create(*Package::Parse(model_.encrypted.package, "p"));
};

TEST_F(HostedOwnerTest, SessionsAnswerAndTakeEveryQuerysImagesAtOnce) {
  const auto host = Host();
  EXPECT_EQ(host->info().id, HexEncode(model_.encrypted.owner_key.package_id()));
  EXPECT_EQ(host->info().user, "user");
  EXPECT_EQ(host->info().segments, 1u);
  EXPECT_EQ(host->info().image_budget, 1000u);
  EXPECT_EQ(host->info().output_noise, 0);
  const auto owner = *Owner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"));
  const auto first = *host->OpenSession(), second = *host->OpenSession();
  User::Workspace workspace;
  SystemRandom random;
  for (const uint64_t images : {1, 3}) {
    const std::vector<float> pixels(images * user_.input_size(0), 0.5F);
    const auto query = *user_.Prepare(0, pixels, random, workspace);
    const auto exact = *user_.Unmask(query, *owner.Answer(query.message, random));
    for (Session* session : {first.get(), second.get()}) {
      const auto events = session->Peek(query.message);
      ASSERT_TRUE(events.ok()) << events.status();
      EXPECT_EQ(events->reserve->segment, 0u);
      EXPECT_EQ(events->reserve->images, images);
      EXPECT_TRUE(events->commit);
      const auto reply = session->Step(query.message);
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(*user_.Unmask(query, *reply), exact);
      EXPECT_NE(*session->Step(query.message), *reply);  // what drowns the keys is drawn anew
    }
  }
}

TEST_F(HostedOwnerTest, RefusesWhatTheOwnerRefuses) {
  const auto host = Host();
  const auto session = *host->OpenSession();
  EXPECT_EQ(session->Peek(Bytes{1, 2}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session->Step(Bytes{1, 2}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Host(0.5)->info().output_noise, 0.5);
  const auto negative = HostedOwner::Create(*OwnerKey::Parse(model_.encrypted.owner_key.Write(), "k"), -1, 1).status();
  EXPECT_THAT(Message(negative), HasSubstr("deviation of -1"));
}

}  // namespace
}  // namespace privdnn
