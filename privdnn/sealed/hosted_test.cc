// An owner's session as a server drives it, against a user's straight code.
#include "privdnn/sealed/hosted.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "privdnn/package/test_package.h"
#include "privdnn/sealed/evaluate.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kBudget = 100;

struct Sealed {
  Bytes package;
  Bytes key;
  SealedProgram program;
};

// One encrypted layer of 4 numbers to 3, and the largest of these.
Sealed Small() {
  Sealed sealed;
  QuantizedSegment s;
  s.spec.kind = SegmentKind::kLinear;
  s.spec.channels = 4;
  s.spec.input = {1, 1};
  s.spec.input_bits = 13;
  s.spec.groups = {{3, {1, 1}, {1, 1}, {0, 0}, {1, 1}}};
  s.bias = Secret<int64_t>(3);
  for (int32_t f = 0; f < 3; ++f) {
    Secret<int32_t> kernel(4);
    kernel.RevealMutable()[static_cast<size_t>(f)] = 5;  // the first three numbers, times 5
    s.kernels.push_back(std::move(kernel));
  }
  s.output_scale.assign(3, 1);
  LinearStep linear;
  linear.encrypted = {0, 1, 2};
  sealed.program.steps = {InputStep{0, 8}, linear};
  sealed.program.values = {{{4, 1, 1}, 13, 0}, {{3, 1, 1}, 13, 0}};
  const EncryptionPlan plan = *PlanShares(s.spec, kBudget);
  s.spec = plan.geometry.spec();
  const EncryptionTask task{&s, &plan};
  SystemRandom random;
  const ByteSink sink = [&](std::span<const uint8_t> bytes) {
    sealed.package.insert(sealed.package.end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  };
  const OwnerKey key = *EncryptModel(
      {&task, 1}, {}, "alice", random, 1, sink, [](uint64_t, uint64_t, const std::string&) { return true; },
      WriteProgram(sealed.program));
  const auto bytes = key.Write();
  sealed.key.assign(bytes.begin(), bytes.end());
  return sealed;
}

Bytes Start(uint32_t images) {
  ByteWriter w;
  w.U8(0);
  w.U32(images);
  w.Raw(Bytes(kSessionNonce, 7));
  return std::move(w).Take();
}

// Sends each message to the session and takes its reply at once. `stop` ends it before the message of that number.
class Direct final : public Channel {
 public:
  Direct(Session& session, uint32_t images, int stop = -1) : session_(session), stop_(stop) {
    first_ = Ask(Start(images));
  }
  absl::StatusOr<Bytes> Exchange(std::string_view, std::span<const uint8_t> message, uint64_t) override {
    // The owner's message of this flow came with the reply before.
    Bytes reply = first_;
    first_ = Ask(MakeFrame(FrameKind::kFlow, message));
    if (!status.ok()) return status;
    return Bytes(reply.begin() + 1, reply.end());
  }
  absl::Status BeforeAnswer() {
    if (first_.empty() || first_[0] != static_cast<uint8_t>(FrameKind::kReady)) return absl::InternalError("not ready");
    first_ = Ask(MakeFrame(FrameKind::kReveal));
    return status;
  }
  const Bytes& last() const { return first_; }
  absl::Status status;
  uint64_t reserved = 0;
  int commits = 0, messages = 0;
  bool committed_before_reveal = false;

 private:
  Bytes Ask(const Bytes& request) {
    if (messages++ == stop_) status = absl::CancelledError("stopped");
    if (!status.ok()) return {};
    const auto events = session_.Peek(request);
    if (!events.ok()) {
      status = events.status();
      return {};
    }
    if (events->reserve) reserved += events->reserve->images;
    commits += events->commit;
    committed_before_reveal |= events->commit && request[0] != static_cast<uint8_t>(FrameKind::kReveal);
    auto reply = session_.Step(request);
    status = reply.status();
    return reply.ok() ? *std::move(reply) : Bytes();
  }
  Session& session_;
  const int stop_;
  Bytes first_;
};

absl::StatusOr<SealedAnswer> AskDirectly(const Sealed& sealed, Direct& channel, const FrontOutputs& front,
                                         uint32_t images) {
  const User user = *User::Create(*Package::Parse(sealed.package, "p"));
  SystemRandom random;
  PRIVDNN_RETURN_IF_ERROR(channel.status);
  PRIVDNN_ASSIGN_OR_RETURN(
      SharesParty party,
      SharesParty::Create(kUserParty, SessionContext(user.package().id(), Bytes(kSessionNonce, 7)), random, channel));
  UsersLayers layers(user, 1);
  return EvaluateSealed(sealed.program, party, layers, front, images, {}, [&] { return channel.BeforeAnswer(); });
}

TEST(HostedSealedOwner, TakesImagesOutOfTheBudgetWithTheReveal) {
  const Sealed sealed = Small();
  const auto host = *HostedSealedOwner::Create(*OwnerKey::Parse(sealed.key, "k"), 1);
  EXPECT_EQ(host->info().user, "alice");
  EXPECT_EQ(host->info().image_budget, kBudget);
  const auto session = *host->OpenSession();
  Direct channel(*session, 2);
  const auto answer = AskDirectly(sealed, channel, {{1, 9, 3, 0, 2, -4, 20, 0}}, 2);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->labels, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(channel.reserved, 2u);
  EXPECT_EQ(channel.commits, 1);
  EXPECT_FALSE(channel.committed_before_reveal);
  EXPECT_EQ(channel.last(), MakeFrame(FrameKind::kDone));
  EXPECT_THAT(Message(session->Peek(MakeFrame(FrameKind::kFlow)).status()), HasSubstr("the session is over"));
}

// A user that goes at any message: the owner's thread ends, and nothing is taken before the reveal.
TEST(HostedSealedOwner, EndsWhereverItsUserGoes) {
  const Sealed sealed = Small();
  const auto host = *HostedSealedOwner::Create(*OwnerKey::Parse(sealed.key, "k"), 1);
  int reveal = -1;
  for (int stop = 0;; ++stop) {
    const auto session = *host->OpenSession();
    Direct channel(*session, 1, stop);
    const auto answer = AskDirectly(sealed, channel, {{1, 9, 3, 0}}, 1);
    if (channel.commits > 0 && reveal < 0) reveal = stop;
    if (answer.ok()) {
      EXPECT_GT(stop, 10);
      break;
    }
  }
  EXPECT_GT(reveal, 5);
}

TEST(HostedSealedOwner, RefusesWhatDoesNotFitTheSession) {
  const Sealed sealed = Small();
  const auto host = *HostedSealedOwner::Create(*OwnerKey::Parse(sealed.key, "k"), 1);
  const auto error = [](const Session& session, const Bytes& request) {
    return Message(session.Peek(request).status());
  };
  const auto session = *host->OpenSession();
  EXPECT_THAT(error(*session, {}), HasSubstr("field 'kind' at byte 0"));
  EXPECT_THAT(error(*session, {9}), HasSubstr("which no user sends"));
  EXPECT_THAT(error(*session, MakeFrame(FrameKind::kReady)), HasSubstr("which no user sends"));
  EXPECT_THAT(error(*session, MakeFrame(FrameKind::kFlow)), HasSubstr("begins with a start"));
  EXPECT_THAT(error(*session, Start(0)), HasSubstr("field 'images'"));
  EXPECT_THAT(error(*session, Start(1025)), HasSubstr("field 'images'"));
  Bytes longer = Start(1);
  longer.push_back(0);
  EXPECT_FALSE(session->Peek(longer).ok());
  ASSERT_TRUE(session->Peek(Start(1)).ok() && session->Step(Start(1)).ok());
  EXPECT_THAT(error(*session, Start(1)), HasSubstr("has started"));
  EXPECT_THAT(error(*session, MakeFrame(FrameKind::kReveal)), HasSubstr("there is no answer yet"));
  const Bytes wrong = MakeFrame(FrameKind::kFlow, Bytes{1, 2, 3});
  ASSERT_TRUE(session->Peek(wrong).ok());
  EXPECT_THAT(Message(session->Step(wrong).status()), HasSubstr("hash key: a message of 3 bytes, expected 16"));
}

}  // namespace
}  // namespace privdnn
