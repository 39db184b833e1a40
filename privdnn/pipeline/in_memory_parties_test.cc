// Whole networks, user and owner in one process, against the integer reference.
#include "privdnn/pipeline/in_memory_parties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/pipeline/answer_file.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/pipeline/plan_figures.h"
#include "privdnn/pipeline/plan_on_images.h"
#include "privdnn/segment/reference.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

constexpr char kLeNet[] = PRIVDNN_ASSETS "/lenet5-mnist/";
constexpr uint64_t kBudget = 60;

// An owner who reads queries ahead, up to four, as one behind a network does.
class ReadsAhead final : public OwnerTransport {
 public:
  ReadsAhead(std::unique_ptr<OwnerTransport> owner, size_t& most) : owner_(std::move(owner)), most_(most) {}
  const std::string& address() const override { return owner_->address(); }
  absl::StatusOr<OwnerDescription> Describe() override { return owner_->Describe(); }
  absl::Status Evaluate(const std::string& id, const NextQueryFn& next_query, const OnReplyFn& on_reply,
                        std::chrono::milliseconds deadline) override {
    std::deque<Bytes> waiting;
    const auto take_first = [&]() -> absl::StatusOr<std::optional<Bytes>> {
      if (std::exchange(taken_, true)) return std::nullopt;
      return waiting.front();
    };
    for (;;) {
      while (waiting.size() < 4) {
        PRIVDNN_ASSIGN_OR_RETURN(std::optional<Bytes> query, next_query());
        if (!query) break;
        waiting.push_back(*std::move(query));
      }
      if (waiting.empty()) return absl::OkStatus();
      most_ = std::max(most_, waiting.size());
      taken_ = false;
      PRIVDNN_RETURN_IF_ERROR(owner_->Evaluate(id, take_first, on_reply, deadline));
      waiting.pop_front();
    }
  }

 private:
  std::unique_ptr<OwnerTransport> owner_;
  size_t& most_;
  bool taken_ = false;
};

class InMemoryPartiesTest : public ::testing::Test {
 protected:
  // Two segments, so that rounds depend on each other: filters of both convolutions, and of the layer behind them.
  static void SetUpTestSuite() {
    images_ = new ImageSet(LoadIdx(kLeNet + std::string("t10k-1000-images-idx3-ubyte"),
                                   kLeNet + std::string("t10k-1000-labels-idx1-ubyte"))
                               ->Head(50));
    const Graph graph = *LoadOnnx(kLeNet + std::string("model.onnx"));
    plan_ =
        new ModelPlan(*Plan(graph, *ParseSelection("1:0,3;2:5,9;3:0,1", graph), {.image_budget = kBudget}, *images_));
  }
  static void TearDownTestSuite() {
    delete plan_;
    delete images_;
  }

  static InMemoryParties Make(const InMemoryOptions& options = {}) { return *InMemoryParties::Create(*plan_, options); }

  // Appends the package to `package`.
  static OwnerKey Encrypt(std::span<const uint8_t> rest_model, Bytes& package) {
    SystemRandom random;
    return *EncryptModel(
        plan_->Tasks(), rest_model, "user", random, 1,
        [&](std::span<const uint8_t> some) {
          package.insert(package.end(), some.begin(), some.end());
          return absl::OkStatus();
        },
        Begin(nullptr, ""));
  }

  // What the user should decrypt and predict.
  struct Expected {
    std::vector<std::vector<int64_t>> outputs;
    std::vector<int32_t> predictions;
  };
  // The rest of the network is run on the user's batches, so that its floating-point results are the same.
  static Expected Reference(const RestNetwork& rest, const ImageSet& images, int64_t batch) {
    Expected expected;
    expected.outputs.resize(plan_->segments.size());
    for (int64_t first = 0; first < images.count; first += batch) {
      auto evaluation = rest.Start(images.Batch(first, std::min(first + batch, images.count)));
      const auto count = static_cast<size_t>(evaluation.images);
      for (size_t k = 0; k < plan_->segments.size(); ++k) {
        const Tensor feed = *rest.Feed(k, evaluation);
        const size_t size = feed.values.size() / count;
        std::vector<int64_t> outputs;
        for (size_t i = 0; i < count; ++i) {
          const Geometry& geometry = plan_->segments[k].plan.geometry();
          const auto z = QuantizeInput(geometry, std::span(feed.values).subspan(i * size, size));
          std::ranges::copy(ReferenceOutputs(geometry, plan_->segments[k].quantized, z), std::back_inserter(outputs));
        }
        rest.Provide(k, outputs, evaluation);
        std::ranges::copy(outputs, std::back_inserter(expected.outputs[k]));
      }
      std::ranges::copy(Argmax(*rest.Scores(evaluation)), std::back_inserter(expected.predictions));
    }
    return expected;
  }

  static inline ImageSet* images_ = nullptr;
  static inline ModelPlan* plan_ = nullptr;
};

TEST_F(InMemoryPartiesTest, DecryptsTheReferencesIntegers) {
  ASSERT_EQ(plan_->segments.size(), 2u);
  for (const int64_t batch : {50, 7}) {  // one message, or several of which the last is smaller
    InMemoryParties parties = Make({.threads = 2});
    const Expected expected = Reference(parties.session().rest(), *images_, batch);
    const InferenceResult result = parties.session().Infer(*images_, {.batch = batch, .outputs = true});
    ASSERT_TRUE(result.ended.ok()) << result.ended;
    EXPECT_EQ(result.outputs, expected.outputs);
    EXPECT_EQ(result.predictions, expected.predictions);
    EXPECT_EQ(CountAnswered(result), 50);
    EXPECT_EQ(result.images_remaining, kBudget - 50);
    EXPECT_EQ(parties.session().AskTerms()->images_remaining, kBudget - 50);
  }
}

TEST_F(InMemoryPartiesTest, PassesAndComparisonChangeNoAnswer) {
  InMemoryParties parties = Make();
  const ImageSet images = images_->Head(15);
  const PlainNetwork plain = *PlainNetwork::Create(plan_->graph);
  uint64_t heard = 0;
  const InferenceResult result = parties.session().Infer(
      images, {.batch = 15, .repeats = 3, .outputs = true, .plain = &plain}, [&](uint64_t done, uint64_t total, auto&) {
        EXPECT_EQ(total, 45u);
        heard = done;
        return true;
      });
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  const Expected expected = Reference(parties.session().rest(), images, 15);
  EXPECT_EQ(result.outputs, expected.outputs);
  EXPECT_EQ(result.predictions, expected.predictions);
  EXPECT_EQ(heard, 45u);
  EXPECT_EQ(result.passes.size(), 3u);
  for (const PassTiming& pass : result.passes) {
    EXPECT_GT(pass.encrypted, 0);
    EXPECT_GT(pass.owner, 0);
    EXPECT_GT(pass.plain, 0);
    EXPECT_GE(pass.wall, pass.owner);
  }
  EXPECT_EQ(result.images_remaining, kBudget - 45);
  EXPECT_EQ(result.plain.size(), 15u);
}

TEST_F(InMemoryPartiesTest, AComparisonThatFailsLosesNoAnswer) {
  InMemoryParties parties = Make();
  const ImageSet images = images_->Head(15);
  const Expected expected = Reference(parties.session().rest(), images, 15);
  PlainNetwork row = *PlainNetwork::Create(plan_->graph), broken = *PlainNetwork::Create(plan_->graph);
  row.shape = {1, 28, 27};
  const InferenceResult unasked = parties.session().Infer(images, {.batch = 15, .plain = &row});
  EXPECT_THAT(Message(unasked.ended), HasSubstr("images are 1x28x28, the plaintext network reads 1x28x27"));
  EXPECT_EQ(parties.session().AskTerms()->images_remaining, kBudget);
  broken.input = "nothing";
  const InferenceResult result = parties.session().Infer(images, {.batch = 15, .scores = true, .plain = &broken});
  EXPECT_TRUE(absl::IsInvalidArgument(result.ended)) << result.ended;
  EXPECT_EQ(result.predictions, expected.predictions);
  EXPECT_EQ(std::ranges::count_if(result.scores, [](float s) { return std::isnan(s); }), 0);
}

TEST_F(InMemoryPartiesTest, BatchesAndRepeatsAreAtLeastOne) {
  InMemoryParties parties = Make();
  for (const InferenceOptions& options : {InferenceOptions{.batch = 0}, InferenceOptions{.repeats = 0}}) {
    const InferenceResult result = parties.session().Infer(images_->Slice(0, 3), options);
    EXPECT_TRUE(absl::IsInvalidArgument(result.ended)) << result.ended;
    EXPECT_THAT(Message(result.ended), HasSubstr("must be at least 1"));
    EXPECT_EQ(result.predictions, std::vector<int32_t>(3, kNoPrediction));
  }
}

TEST_F(InMemoryPartiesTest, BudgetEndsOnTheWayOrIsAskedBefore) {
  InMemoryParties parties = Make();
  InferenceSession& session = parties.session();
  EXPECT_TRUE(session.CheckBudget(30, 2).ok());
  const absl::Status refused = session.CheckBudget(31, 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(Message(refused), HasSubstr("60 images are left of the package's budget, 62 were to be asked"));
  ASSERT_TRUE(session.Infer(*images_).ended.ok());
  const InferenceResult result = session.Infer(*images_, {.batch = 4});
  EXPECT_TRUE(absl::IsResourceExhausted(result.ended)) << result.ended;
  EXPECT_THAT(Message(result.ended), HasSubstr("58 of the 60 images allowed are used, 4 more"));
  EXPECT_EQ(CountAnswered(result), 8);  // whole messages
  EXPECT_EQ(result.predictions[7] == kNoPrediction, false);
  EXPECT_EQ(result.predictions[8], kNoPrediction);
}

TEST_F(InMemoryPartiesTest, AskGivesOneSegmentsOutputs) {
  InMemoryParties parties = Make();
  const ImageSet images = images_->Head(3);
  const Tensor pixels = images.Batch(0, 3);
  const auto outputs = parties.session().Ask(0, pixels.values);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(*outputs, Reference(parties.session().rest(), images, 3).outputs[0]);
  EXPECT_TRUE(absl::IsCancelled(parties.session().Ask(0, pixels.values, [] { return false; }).status()));
}

// Stopped on the way, cut off as by a kill, and gone on with: every image is asked for once, but for those of the
// record that was cut.
TEST_F(InMemoryPartiesTest, AnswersInAFileAreNotAskedForAgain) {
  const auto directory = *TemporaryDirectory::Create();
  const auto path = directory.path() / "answers";
  InMemoryParties parties = Make();
  InferenceSession& session = parties.session();
  const InferenceOptions options{.batch = 2, .outputs = true};
  const InferenceSetup setup{session, *images_, options};
  const auto left = [&] { return *session.AskTerms()->images_remaining; };
  {
    auto file = *AnswerFile::Open(path, setup);
    EXPECT_EQ(file.answered(), 0);
    EXPECT_TRUE(absl::IsFailedPrecondition(AnswerFile::Open(path, setup).status()));  // in use
    const InferenceResult stopped = file.Infer([](uint64_t done, uint64_t, const std::string&) { return done < 20; });
    EXPECT_TRUE(absl::IsCancelled(stopped.ended)) << stopped.ended;
    EXPECT_EQ(CountAnswered(stopped), 20);
  }
  const uint64_t spent = kBudget - left();
  EXPECT_LE(spent, 24u);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);  // the record of images 16 to 20
  auto file = *AnswerFile::Open(path, setup);
  EXPECT_EQ(file.answered(), 16);
  const InferenceResult result = file.Infer(nullptr);
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  EXPECT_EQ(left(), kBudget - spent - 34);
  const Expected expected = Reference(session.rest(), *images_, 2);
  EXPECT_EQ(result.predictions, expected.predictions);
  EXPECT_EQ(result.outputs, expected.outputs);
}

TEST_F(InMemoryPartiesTest, AnswersOfSomethingElseAreRefused) {
  const auto directory = *TemporaryDirectory::Create();
  const auto path = directory.path() / "answers";
  InMemoryParties parties = Make();
  const ImageSet few = images_->Head(8), others = images_->Slice(8, 16);
  const InferenceOptions options{.batch = 2}, with_outputs{.batch = 2, .outputs = true};
  ASSERT_TRUE(AnswerFile::Open(path, {parties.session(), few, options})->Infer(nullptr).ended.ok());
  for (const InferenceSetup& setup :
       {InferenceSetup{parties.session(), others, options}, InferenceSetup{parties.session(), few, with_outputs}}) {
    const auto file = AnswerFile::Open(path, setup);
    EXPECT_TRUE(absl::IsFailedPrecondition(file.status())) << file.status();
    EXPECT_THAT(Message(file.status()), HasSubstr("answers of another package, other images or other options"));
  }
  EXPECT_EQ(AnswerFile::Open(path, {parties.session(), few, options})->answered(), 8);
  // The size of messages is the owner's to change.
  const InferenceOptions smaller{.batch = 1};
  const auto same = AnswerFile::Open(path, {parties.session(), few, smaller});
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->answered(), 8);
  Bytes bytes = *ReadFile(path, 1 << 20);
  bytes[bytes.size() - 20] ^= 1;
  ASSERT_TRUE(WriteFile(path, bytes).ok());
  EXPECT_TRUE(absl::IsDataLoss(AnswerFile::Open(path, {parties.session(), few, options}).status()));
}

// A few bytes of a package that ask for 400 MB: the image padded by 5,000 on each side, and back to its size.
TEST_F(InMemoryPartiesTest, APackageAsksForNoMoreMemoryThanItsSizeExplains) {
  Graph rest = *ImportOnnx(plan_->rest_model, "rest");
  const std::string image = std::ranges::find_if_not(rest.inputs, IsSegmentInput, &ValueInfo::name)->name;
  for (Node& node : rest.nodes) std::ranges::replace(node.inputs, image, std::string("small"));
  rest.nodes.insert(rest.nodes.begin(),
                    {Node{"grow", op::Pad{{0, 0, 5000, 5000, 0, 0, 5000, 5000}, 0}, {image}, "huge"},
                     Node{"shrink", op::MaxPool{{{10001, 10001}, {1, 1}, {0, 0, 0, 0}}}, {"huge"}, "small"}});
  Bytes bytes;
  Encrypt(ExportOnnx(rest), bytes);
  const auto open = [&](uint64_t max_value_bytes) {
    return InferenceSession::Open(*Package::Parse(bytes, "package"), nullptr, {.max_value_bytes = max_value_bytes})
        .status();
  };
  const absl::Status refused = open(0);
  EXPECT_TRUE(absl::IsOutOfRange(refused)) << refused;
  EXPECT_THAT(Message(refused), HasSubstr("the values of one image take 383 MiB, allowed are 256 MiB"));
  EXPECT_TRUE(absl::IsOutOfRange(open(uint64_t{300} << 20)));
  EXPECT_TRUE(open(uint64_t{500} << 20).ok());
}

TEST_F(InMemoryPartiesTest, MessagesHoldAsManyImagesAsMemoryAllows) {
  InMemoryParties parties = Make();
  const uint64_t image = parties.session().rest().bytes_per_image();
  ASSERT_GT(image, 0u);
  Bytes bytes;
  OwnerKey key = Encrypt(plan_->rest_model, bytes);
  const auto session =
      InferenceSession::Open(*Package::Parse(bytes, "package"), *InMemoryTransport::Create(std::move(key)),
                             {.max_value_bytes = 3 * image + 1});
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->terms().most_images, 3);
}

TEST_F(InMemoryPartiesTest, MessagesOverlapUnlessTheyAreTimed) {
  Bytes bytes;
  OwnerKey key = Encrypt(plan_->rest_model, bytes);
  size_t most = 0;
  auto owner = std::make_unique<ReadsAhead>(*InMemoryTransport::Create(std::move(key)), most);
  InferenceSession session = *InferenceSession::Open(*Package::Parse(bytes, "package"), std::move(owner));
  const ImageSet images = images_->Head(15);
  const Expected expected = Reference(session.rest(), images, 2);
  // Messages of one batch wait for each other, those of several batches do not.
  const InferenceResult overlapping = session.Infer(images, {.batch = 2, .outputs = true});
  EXPECT_EQ(overlapping.outputs, expected.outputs);
  EXPECT_EQ(overlapping.predictions, expected.predictions);
  EXPECT_EQ(most, 4u);
  most = 0;
  const InferenceResult timed = session.Infer(images, {.batch = 2, .repeats = 2, .outputs = true});
  EXPECT_EQ(timed.outputs, expected.outputs);
  EXPECT_EQ(timed.predictions, expected.predictions);
  EXPECT_EQ(most, 1u);
}

TEST_F(InMemoryPartiesTest, TellsWhatTheSegmentWithTheLeastHasLeft) {
  InMemoryParties parties = Make();
  ASSERT_TRUE(parties.session().Ask(0, images_->Batch(0, 5).values).ok());
  const InferenceResult result = parties.session().Infer(images_->Head(10));  // its last answer is segment 1's
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  EXPECT_EQ(result.images_remaining, kBudget - 15);
  EXPECT_EQ(parties.session().AskTerms()->images_remaining, kBudget - 15);
}

TEST_F(InMemoryPartiesTest, StopsWhenToldAndKeepsWhatWasPaidFor) {
  InMemoryParties parties = Make();
  const InferenceResult result =
      parties.session().Infer(*images_, {.batch = 10}, [](uint64_t done, uint64_t, auto&) { return done < 20; });
  EXPECT_TRUE(absl::IsCancelled(result.ended));
  EXPECT_EQ(CountAnswered(result), 20);
  EXPECT_EQ(result.images_remaining, kBudget - 20);
}

TEST_F(InMemoryPartiesTest, OfflineIsTheRestWithZeros) {
  InMemoryParties parties = Make();
  const auto labels = parties.session().Offline(*images_, 50);
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(*labels, Argmax(*parties.session().rest().WithoutOwner(images_->Batch(0, 50))));
  EXPECT_EQ(parties.session().AskTerms()->images_remaining, kBudget) << "the owner was asked";
}

TEST_F(InMemoryPartiesTest, NoiseIsAnnouncedAndAdded) {
  InMemoryParties parties = Make({.output_noise = 0.25});
  EXPECT_EQ(parties.session().terms().output_noise, 0.25);
  const InferenceResult result = parties.session().Infer(*images_, {.batch = 50, .outputs = true});
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  EXPECT_NE(result.outputs[0], Reference(parties.session().rest(), *images_, 50).outputs[0]);
}

// A package in a directory of its own, with its key.
struct PackageFiles {
  explicit PackageFiles(const ModelPlan& plan) { EXPECT_TRUE(EncryptForUser(plan, "alice", package, key).ok()); }
  const TemporaryDirectory directory = *TemporaryDirectory::Create();
  const std::filesystem::path package = directory.path() / "alice.privdnn", key = directory.path() / "alice.key";
};

TEST_F(InMemoryPartiesTest, ABudgetThatTheOwnerDoesNotKnowIsNotChecked) {
  const PackageFiles files(*plan_), other(*plan_);
  OwnerKey key = *OwnerKey::Open(other.key);
  auto session = InferenceSession::Open(files.package, *InMemoryTransport::Create(std::move(key)));
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_FALSE(session->terms().images_remaining.has_value());
  EXPECT_TRUE(session->CheckBudget(1'000'000, 9).ok());
  const InferenceResult result = session->Infer(images_->Head(2));
  EXPECT_TRUE(absl::IsNotFound(result.ended)) << result.ended;
  EXPECT_EQ(CountAnswered(result), 0);

  InferenceSession alone = *InferenceSession::Open(files.package, nullptr);
  EXPECT_TRUE(alone.CheckBudget(1, 1).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(alone.Infer(images_->Head(2)).ended));
}

TEST_F(InMemoryPartiesTest, ANumberOfImagesThatIsNoneFitsNoBudget) {
  InMemoryParties parties = Make();
  EXPECT_TRUE(parties.session().CheckBudget(0, 1).ok());
  EXPECT_THAT(Message(parties.session().CheckBudget(-1, 1)), HasSubstr("-1 images, 1 times: neither may be negative"));
  EXPECT_TRUE(absl::IsInvalidArgument(parties.session().CheckBudget(1, -1)));
  EXPECT_TRUE(absl::IsInvalidArgument(parties.session().CheckBudget(INT64_MAX, 3)));  // 2^64 and more
}

TEST_F(InMemoryPartiesTest, OutputNoiseHasARange) {
  const PackageFiles files(*plan_);
  const OutputNoiseRange range = AllowedOutputNoise(*plan_);
  ASSERT_LT(range.min, range.max);
  const auto with = [&](double noise) {
    return InMemoryParties::Open(files.package, files.key, {.output_noise = noise}).status();
  };
  for (const double noise : {0.0, range.min, std::sqrt(range.min * range.max), range.max}) {
    EXPECT_TRUE(with(noise).ok()) << noise;
  }
  EXPECT_THAT(Message(with(range.min * (1 - 1e-12))), HasSubstr("would be lost in rounding"));
  EXPECT_THAT(Message(with(range.max * (1 + 1e-12))), HasSubstr("a quarter of the plaintext modulus"));
}

TEST_F(InMemoryPartiesTest, FilesMakePartiesToo) {
  const PackageFiles files(*plan_), other(*plan_);
  auto parties = InMemoryParties::Open(files.package, files.key);
  ASSERT_TRUE(parties.ok()) << parties.status();
  EXPECT_EQ(parties->owner().user(), "alice");
  const InferenceResult result = parties->session().Infer(*images_, {.batch = 50});
  ASSERT_TRUE(result.ended.ok()) << result.ended;
  EXPECT_EQ(result.predictions, Reference(parties->session().rest(), *images_, 50).predictions);

  const auto error = [](const std::filesystem::path& package, const std::filesystem::path& key) {
    return Message(InMemoryParties::Open(package, key).status());
  };
  EXPECT_THAT(error(files.package, other.key), HasSubstr("the key is that of package"));
  const std::filesystem::path none = files.directory.path() / "none";
  EXPECT_THAT(error(none, files.key), HasSubstr(none.string()));
  EXPECT_THAT(error(files.package, none), HasSubstr(none.string()));
  EXPECT_THAT(error(files.key, files.key), HasSubstr(files.key.string()));
  EXPECT_THAT(error(files.package, files.package), HasSubstr(files.package.string()));
}

TEST_F(InMemoryPartiesTest, BytesMakePartiesToo) {
  Bytes package, other;
  const auto key = Encrypt(plan_->rest_model, package).Write();
  Encrypt(plan_->rest_model, other);
  auto parties = InMemoryParties::Open(package, key);
  ASSERT_TRUE(parties.ok()) << parties.status();
  const InferenceResult result = parties->session().Infer(*images_, {.batch = 50});
  EXPECT_EQ(result.predictions, Reference(parties->session().rest(), *images_, 50).predictions);
  EXPECT_THAT(Message(InMemoryParties::Open(other, key).status()), HasSubstr("the key is that of package"));
  package.pop_back();
  EXPECT_FALSE(InMemoryParties::Open(package, key).ok());
}

TEST_F(InMemoryPartiesTest, OtherImagesAreRefused) {
  InMemoryParties parties = Make();
  ImageSet images = images_->Head(2);
  images.height /= 2;
  images.count *= 2;
  images.labels.resize(4);
  const InferenceResult result = parties.session().Infer(images);
  EXPECT_THAT(Message(result.ended), HasSubstr("images are 1x14x28, the package's network reads 1x28x28"));
  EXPECT_EQ(parties.session().AskTerms()->images_remaining, kBudget);
}

}  // namespace
}  // namespace privdnn
