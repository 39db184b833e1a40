// Owner and user on shares against the simulation, step by step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/package/test_package.h"
#include "privdnn/sealed/evaluate.h"
#include "privdnn/sealed/simulate.h"
#include "privdnn/shares/test_parties.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

// A program with everything: two encrypted layers (one in part), plaintext layers in groups, strides, pads, a padded
// max pool, a residual sum, a square, an average as a linear step.
struct TestProgram {
  SealedProgram program;
  std::vector<QuantizedSegment> segments;
  Bytes package;
  std::optional<OwnerKey> key;
};

class Builder {
 public:
  explicit Builder(uint64_t seed) : random_(seed) {}

  ValueId Add(SealedStep step, MapShape shape, int bits) {
    result_.program.steps.push_back(std::move(step));
    result_.program.values.push_back({shape, bits, 0});
    return static_cast<ValueId>(result_.program.steps.size() - 1);
  }
  int64_t Int(int64_t low, int64_t high) {
    uint64_t word;
    random_.Fill(std::span(&word, 1));
    return low + static_cast<int64_t>(word % static_cast<uint64_t>(high - low + 1));
  }
  // `encrypted`: which outputs. Weights up to 7, biases up to 50.
  ValueId Linear(ValueId input, SealedWindow window, uint32_t outputs, const std::vector<uint32_t>& encrypted, int drop,
                 int bits, uint32_t groups = 1) {
    const MapShape in = result_.program.values[input].shape;
    const Size2 map = WindowedMap(in, window);
    LinearStep step;
    step.input = input;
    step.window = window;
    step.groups = groups;
    step.encrypted = encrypted;
    step.drop = drop;
    const size_t fan_in = in.channels / groups * window.kernel.area();
    for (uint32_t f = 0; f < outputs; ++f) {
      if (std::ranges::find(encrypted, f) != encrypted.end()) continue;
      step.plain.push_back(f);
      for (size_t i = 0; i < fan_in; ++i) step.weights.push_back(static_cast<int32_t>(Int(-7, 7)));
      step.bias.push_back(Int(-50, 50));
    }
    if (!encrypted.empty()) {
      step.segment = static_cast<uint32_t>(result_.segments.size());
      QuantizedSegment s;
      s.spec.kind = SegmentKind::kLinear;
      s.spec.channels = in.channels;
      s.spec.input = {in.height, in.width};
      s.spec.pads1 = window.pads;
      s.spec.input_bits = static_cast<uint32_t>(bits + drop);
      s.spec.groups = {{static_cast<uint32_t>(encrypted.size()), window.kernel, window.stride, {0, 0}, map}};
      s.bias = Secret<int64_t>(encrypted.size());
      for (size_t f = 0; f < encrypted.size(); ++f) {
        Secret<int32_t> kernel(fan_in);
        for (int32_t& w : kernel.RevealMutable()) w = static_cast<int32_t>(Int(-7, 7));
        s.kernels.push_back(std::move(kernel));
        s.bias.RevealMutable()[f] = Int(-50, 50);
      }
      s.output_scale.assign(encrypted.size(), 1);
      result_.segments.push_back(std::move(s));
    }
    return Add(std::move(step), {outputs, map.h, map.w}, bits);
  }

  // Encrypts the segments.
  TestProgram Take(Reveal reveal, int answer_bits) && {
    result_.program.reveal = reveal;
    result_.program.answer_bits = answer_bits;
    std::vector<EncryptionPlan> plans;
    for (const QuantizedSegment& s : result_.segments) {
      plans.push_back({.parameters = {.n = 4096,
                                      .primes = NttPrimes(2),
                                      .plain_bits = static_cast<int>(s.spec.input_bits),
                                      .shares = true},
                       .geometry = *Geometry::Create(s.spec, 4096),
                       .image_budget = 100});
    }
    std::vector<EncryptionTask> tasks;
    for (size_t k = 0; k < plans.size(); ++k) tasks.push_back({&result_.segments[k], &plans[k]});
    EncryptedModel model = *EncryptToMemory(tasks, {}, "user", random_, 2);
    result_.package = std::move(model.package);
    result_.key.emplace(std::move(model.owner_key));
    return std::move(result_);
  }

 private:
  DeterministicRandom random_;
  TestProgram result_;
};

TestProgram Everything(Reveal reveal) {
  constexpr int kBits = 13;
  Builder b(3);
  const ValueId x = b.Add(InputStep{.front = 0, .range_bits = 6}, {2, 11, 9}, 20);
  const ValueId conv = b.Linear(x, {{3, 3}, {1, 1}, {1, 1, 1, 1}}, 4, {0, 2}, 2, kBits);
  const ValueId pooled = b.Add(MaxPoolStep{conv, {{3, 3}, {2, 2}, {1, 1, 1, 1}}}, {4, 6, 5}, kBits);
  const ValueId relu = b.Add(ReluStep{pooled, kBits}, {4, 6, 5}, 22);
  const ValueId branch = b.Linear(relu, {{3, 3}, {1, 1}, {1, 1, 1, 1}}, 4, {}, 5, 15, 2);
  const ValueId skip = b.Linear(relu, {{1, 1}, {1, 1}, {}}, 4, {0, 1, 2, 3}, 3, 14);
  const ValueId sum = b.Add(AddStep{branch, skip, 2, 1}, {4, 6, 5}, kBits);
  const ValueId rectified = b.Add(ReluStep{sum, kBits}, {4, 6, 5}, 24);
  const ValueId square = b.Add(SquareStep{rectified, 6}, {4, 6, 5}, 18);
  const ValueId mean = b.Linear(square, {{3, 5}, {3, 1}, {}}, 4, {}, 4, 14, 4);
  const ValueId flat = b.Add(ReshapeStep{mean}, {8, 1, 1}, 14);
  b.Linear(flat, {}, 5, {1, 3}, 0, 14);
  return std::move(b).Take(reveal, 14);
}

FrontOutputs RandomFront(uint32_t images) {
  Builder b(17);
  FrontOutputs front(1);
  for (uint32_t i = 0; i < images * 2 * 11 * 9; ++i) front[0].push_back(static_cast<int32_t>(b.Int(-15, 15)));
  return front;
}

struct Transcript {
  SealedAnswer answer;
  std::vector<ShareValues> shares;
};

// Both parties, each in a thread of its own.
std::array<absl::StatusOr<Transcript>, 2> RunParties(const TestProgram& test, const FrontOutputs& front,
                                                     uint32_t images, MemoryPipe& pipe) {
  const Owner owner = *Owner::Create(*OwnerKey::Parse(test.key->Write(), "k"));
  const User user = *User::Create(*Package::Parse(test.package, "p"));
  const Bytes context = {7};
  const auto run = [&](int id, EncryptedLayers& layers, const FrontOutputs& own,
                       Channel& channel) -> absl::StatusOr<Transcript> {
    SystemRandom random;
    PRIVDNN_ASSIGN_OR_RETURN(SharesParty party, SharesParty::Create(id, context, random, channel));
    Transcript transcript;
    const ObserveFn observe = [&](size_t, std::span<const uint32_t> shares) {
      transcript.shares.emplace_back(shares.begin(), shares.end());
    };
    PRIVDNN_ASSIGN_OR_RETURN(transcript.answer, EvaluateSealed(test.program, party, layers, own, images, observe));
    return transcript;
  };
  auto both = RunBoth(
      pipe,
      [&](Channel& channel) {
        OwnersLayers layers(owner, 1);
        return run(kOwnerParty, layers, {}, channel);
      },
      [&](Channel& channel) {
        UsersLayers layers(user, 1);
        return run(kUserParty, layers, front, channel);
      });
  return {std::move(both.first), std::move(both.second)};
}

TEST(SealedProgram, IsChecked) {
  const TestProgram test = Everything(Reveal::kLabel);
  std::vector<SegmentSpec> specs;
  for (const QuantizedSegment& s : test.segments) specs.push_back(s.spec);
  EXPECT_TRUE(CheckProgram(test.program, specs).ok()) << CheckProgram(test.program, specs);
  const auto refused = [&](const auto& change) {
    SealedProgram broken = test.program;
    change(broken);
    return Message(CheckProgram(broken, specs));
  };
  using P = SealedProgram;
  EXPECT_THAT(refused([](P& p) { p.steps.clear(); }), HasSubstr("0 steps"));
  EXPECT_THAT(refused([](P& p) { p.values.pop_back(); }), HasSubstr("11 values of 12 steps"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[1]).input = 1; }),
              HasSubstr("step 1 (linear): reads value 1"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[1]).weights.pop_back(); }), HasSubstr("35 weights"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[1]).encrypted[1] = 3; }),
              HasSubstr("not each plaintext or encrypted"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[1]).drop = 3; }), HasSubstr("computes something else"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[1]).drop = 30; }), HasSubstr("dropped bits: 30"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[4]).groups = 3; }), HasSubstr("3 groups"));
  EXPECT_THAT(refused([](P& p) { std::get<LinearStep>(p.steps[5]).segment = 0; }),
              HasSubstr("segment 0, the next is 1"));
  EXPECT_THAT(refused([](P& p) {
                std::get<MaxPoolStep>(p.steps[2]).window.pads = {3, 1, 0, 1};
              }),
              HasSubstr("padding alone"));
  EXPECT_THAT(refused([](P& p) { std::get<ReluStep>(p.steps[3]).range_bits = 14; }), HasSubstr("range bits: 14"));
  EXPECT_THAT(refused([](P& p) { std::get<AddStep>(p.steps[6]).drop_first = 3; }),
              HasSubstr("13 bits of 15 without 3"));
  EXPECT_THAT(refused([](P& p) { std::get<SquareStep>(p.steps[8]).drop = 7; }), HasSubstr("squares modulo 2^25"));
  EXPECT_THAT(refused([](P& p) { p.values[0].bits = 32; }), HasSubstr("bits: 32"));
  EXPECT_THAT(refused([](P& p) { p.values[2].shape.height = 5; }), HasSubstr("windows give 6x5"));
  EXPECT_THAT(refused([](P& p) { p.values[10].shape.channels = 7; }), HasSubstr("7 values of 14 bits from 8"));
  EXPECT_THAT(refused([](P& p) { p.answer_bits = 15; }), HasSubstr("an answer of 15 bits"));
  specs.pop_back();
  EXPECT_THAT(refused([](P&) {}), HasSubstr("segment 2, the next is 2 of 2"));
}

TEST(SealedProgram, IsWrittenAndRead) {
  const TestProgram test = Everything(Reveal::kScores);
  std::vector<SegmentSpec> specs;
  for (const QuantizedSegment& s : test.segments) specs.push_back(s.spec);
  const Bytes bytes = WriteProgram(test.program);
  EXPECT_EQ(*ReadProgram(bytes, specs, "p"), test.program);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ReadProgram(std::span(bytes).first(size), specs, "p").ok()) << size;
  }
  // What reads with a bit changed is a program of its own, which is written as it was read.
  Bytes flipped = bytes;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto read = ReadProgram(flipped, specs, "p");
    if (read.ok()) {
      EXPECT_EQ(WriteProgram(*read), flipped);
    }
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
  }
  flipped[9 + 4] = 9;
  EXPECT_THAT(Message(ReadProgram(flipped, specs, "p").status()), HasSubstr("field 'kind of step' at byte 14: is 9"));
}

// Shares rebuilt behind every step: exact, or one less where low bits are dropped, and one unit of a sum beside where a
// layer is encrypted.
TEST(Sealed, EveryStepIsWhatItsInputsGive) {
  constexpr uint32_t kImages = 2;
  for (const Reveal reveal : {Reveal::kLabel, Reveal::kScores}) {
    const TestProgram test = Everything(reveal);
    const FrontOutputs front = RandomFront(kImages);
    MemoryPipe pipe;
    const auto parties = RunParties(test, front, kImages, pipe);
    ASSERT_TRUE(parties[0].ok()) << parties[0].status();
    ASSERT_TRUE(parties[1].ok()) << parties[1].status();
    std::vector<ClearValues> rebuilt;
    for (size_t at = 0; at < test.program.steps.size(); ++at) {
      SCOPED_TRACE(fmt::format("step {}, {}", at, StepName(test.program.steps[at])));
      const int bits = test.program.values[at].bits;
      const auto& own = parties[0]->shares[at];
      const auto& others = parties[1]->shares[at];
      ASSERT_EQ(own.size(), kImages * test.program.values[at].shape.size());
      ClearValues value;
      for (size_t i = 0; i < own.size(); ++i) value.push_back(Rebuild(own[i], others[i], bits));
      const ClearValues exact = ExactStep(test.program, at, test.segments, front, rebuilt, kImages);
      int drop = 0, units = 0;
      int64_t most = 0;
      if (const auto* linear = std::get_if<LinearStep>(&test.program.steps[at])) {
        drop = linear->drop;
        units = linear->encrypted.empty() ? 0 : 1;
        most = drop > 0;
      } else if (const auto* square = std::get_if<SquareStep>(&test.program.steps[at])) {
        drop = square->drop;
        most = 1;
      } else if (std::holds_alternative<AddStep>(test.program.steps[at])) {
        most = 2;
      }
      size_t less = 0;
      for (size_t i = 0; i < value.size(); ++i) {
        ASSERT_EQ(Centre(exact[i], bits + drop), exact[i]) << "the test's numbers are too large";
        const int64_t high = (exact[i] + units) >> drop, low = ((exact[i] - units) >> drop) - most;
        ASSERT_GE(value[i], low) << i << " " << exact[i];
        ASSERT_LE(value[i], high) << i << " " << exact[i];
        less += value[i] < exact[i] >> drop;
      }
      if (most > 0) {
        EXPECT_GT(less, 0u);
      }
      rebuilt.push_back(std::move(value));
    }
    EXPECT_TRUE(parties[0]->answer.labels.empty() && parties[0]->answer.scores.empty());
    if (reveal == Reveal::kScores) {
      EXPECT_EQ(ClearValues(parties[1]->answer.scores.begin(), parties[1]->answer.scores.end()), rebuilt.back());
    } else {
      for (size_t image = 0; image < kImages; ++image) {
        const auto row = rebuilt.back().begin() + static_cast<std::ptrdiff_t>(5 * image);
        EXPECT_EQ(parties[1]->answer.labels[image], std::max_element(row, row + 5) - row);
      }
    }
  }
}

// The simulation's roundings are those of shares: its values stray from exact ones as the parties' do.
TEST(Sealed, SimulationRoundsAsSharesDo) {
  const TestProgram test = Everything(Reveal::kScores);
  const FrontOutputs front = RandomFront(2);
  DeterministicRandom random(1);
  const SealedSimulation one = SimulateSealed(test.program, test.segments, front, 2, random),
                         two = SimulateSealed(test.program, test.segments, front, 2, random);
  EXPECT_THAT(one.overflows, ::testing::Each(0));
  EXPECT_EQ(one.values[0], two.values[0]);
  int64_t differences = 0, largest = 0;
  for (size_t i = 0; i < one.values[1].size(); ++i) {
    const int64_t difference = one.values[1][i] - two.values[1][i];
    differences += difference != 0;
    largest = std::max(largest, std::abs(difference));
  }
  EXPECT_EQ(largest, 1);
  EXPECT_GT(differences, 0);
  for (size_t at = 1; at < one.values.size(); ++at) {
    const ClearValues exact = ExactStep(test.program, at, test.segments, front, one.values, 2);
    EXPECT_EQ(exact.size(), one.values[at].size());
  }
  // A value beyond its bits is counted.
  TestProgram narrow = Everything(Reveal::kScores);
  narrow.program.values[1].bits = 5;
  EXPECT_GT(SimulateSealed(narrow.program, narrow.segments, front, 2, random).overflows[1], 0u);
}

TEST(Sealed, APeerThatGoesOrSendsSomethingElseIsNamed) {
  const TestProgram test = Everything(Reveal::kLabel);
  const FrontOutputs front = RandomFront(1);
  for (const char* step : {"encrypted layer", "ReLU", "comparison"}) {
    MemoryPipe pipe;
    pipe.tamper = [&](int to, std::string_view at, Bytes& message) {
      if (to == 0 && at == step) message.pop_back();
    };
    const auto parties = RunParties(test, front, 1, pipe);
    EXPECT_FALSE(parties[0].ok());
    EXPECT_FALSE(parties[1].ok());
    EXPECT_THAT(Message(parties[0].status()), testing::AllOf(HasSubstr("step "), HasSubstr(step)));
  }
  // Fewer numbers than the program reads.
  MemoryPipe pipe;
  const auto parties = RunParties(test, {{1, 2, 3}}, 1, pipe);
  EXPECT_THAT(Message(parties[1].status()), HasSubstr("3 numbers of the plaintext part, needs 198"));
}

}  // namespace
}  // namespace privdnn
