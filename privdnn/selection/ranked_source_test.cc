// Searches on several processes against the same search in one. This program starts itself under mpirun.
#include "privdnn/selection/ranked_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "privdnn/base/file.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/ranks/test_mpirun.h"
#include "privdnn/selection/journal.h"
#include "privdnn/selection/search.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

const std::string kAssets = PRIVDNN_ASSETS;

// LeNet-5 on the MNIST images that the program carries.
absl::StatusOr<Evaluator> MakeEvaluator() {
  PRIVDNN_ASSIGN_OR_RETURN(const Graph graph, LoadOnnx(kAssets + "/lenet5-mnist/model.onnx"));
  const std::string images = kAssets + "/lenet5-mnist/t10k-1000-";
  PRIVDNN_ASSIGN_OR_RETURN(ImageSet set, LoadIdx(images + "images-idx3-ubyte", images + "labels-idx1-ubyte"));
  return Evaluator::Create(graph, std::move(set), {});
}

bool Always(uint64_t, uint64_t, const std::string&) { return true; }

std::string Bits(const std::vector<uint8_t>& bits) {
  std::string text;
  for (const uint8_t bit : bits) text += bit ? '1' : '0';
  return text;
}

// What a search finds, and outcomes on ranges that no border of a batch meets, one line each.
absl::StatusOr<std::string> Report(const Evaluator& evaluator, const OutcomeSource& source) {
  SearchOptions options;
  options.count1 = 2;
  options.count2 = 3;
  options.tries = 40;
  PRIVDNN_ASSIGN_OR_RETURN(options.score, ParseScore("paper"));
  PRIVDNN_ASSIGN_OR_RETURN(const SearchResult random, RandomSearch(evaluator, source, options, Always));
  PRIVDNN_ASSIGN_OR_RETURN(const SearchResult greedy, GreedySearch(evaluator, source, options, Always));
  std::string text;
  for (const SearchResult& r : {random, greedy}) {
    text += fmt::format("found {} ; {} {:.9f} {}\n", fmt::join(r.best.candidate.first, " "),
                        fmt::join(r.best.candidate.second, " "), r.best.score, r.image_evaluations);
  }
  const std::vector<Candidate> candidates = {{{0}, {1, 2}}, {{1, 5}, {7}}, {{}, {0}}};
  for (const auto& [begin, end] : {std::pair{0, 1000}, {3, 5}, {130, 700}, {999, 1000}}) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto outcomes, source.Evaluate(candidates, begin, end, Always));
    for (const Outcome& o : outcomes) text += Bits(o.separated) + " " + Bits(o.removed) + "\n";
  }
  std::vector<int64_t> scattered;
  for (int64_t i = 1; i < 1000; i += 1 + i % 7) scattered.push_back(i);
  for (const View view : {View::kSeparated, View::kRemoved}) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto margins, source.Margins(candidates, view, scattered, Always));
    for (const std::vector<float>& m : margins) text += fmt::format("{}\n", fmt::join(m, " "));
  }
  const absl::Status refused = source.Evaluate(candidates, 0, 1001, Always).status();
  const std::vector<int64_t> too_many = {999, 1000};
  const absl::Status outside = source.Margins(candidates, View::kRemoved, too_many, Always).status();
  return text + Message(refused) + "\n" + Message(outside) + "\n";
}

// Dies when it has been asked so often, as a process may.
class Dying : public OutcomeSource {
 public:
  Dying(const OutcomeSource& source, int left) : source_(source), left_(left) {}
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override {
    if (left_-- == 0) ::raise(SIGKILL);
    return source_.Evaluate(candidates, begin, end, progress);
  }
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override {
    if (left_-- == 0) ::raise(SIGKILL);
    return source_.Margins(candidates, view, images, progress);
  }

 private:
  const OutcomeSource& source_;
  mutable int left_;
};

absl::Status Lead(Ranks& ranks, const Evaluator& evaluator, const std::string& out, const std::string& journal,
                  int dies_after) {
  const auto go_on = [] { return true; };
  PRIVDNN_ASSIGN_OR_RETURN(const RankedSource source, RankedSource::Create(ranks, evaluator, "lenet", go_on));
  const Dying dying(source, dies_after);
  PRIVDNN_ASSIGN_OR_RETURN(const Journal kept, Journal::Open(journal, "lenet", dying));
  PRIVDNN_ASSIGN_OR_RETURN(const std::string report, Report(evaluator, kept));
  fmt::print("replayed {}\n", kept.replayed());
  for (int r = 0; r < ranks.size(); ++r) fmt::print("rank {}: {} pairs\n", r, source.pairs()[static_cast<size_t>(r)]);
  return WriteTextFile(out, report);
}

int RunAsRank(const std::string& out, const std::string& journal, int dies_after) {
  auto ranks = Ranks::Join();
  if (!ranks.ok()) return 3;
  const auto evaluator = MakeEvaluator();
  absl::Status status = evaluator.status();
  if (status.ok()) {
    status = ranks->rank() == 0 ? Lead(*ranks, *evaluator, out, journal, dies_after)
                                : ServeOutcomes(*ranks, *evaluator, "lenet", [] { return true; });
  }
  if (!status.ok()) fmt::print(stderr, "rank {}: {}\n", ranks->rank(), Message(status));
  ranks->Leave(status);
  return status.ok() ? 0 : 1;
}

class RankedSourceTest : public MpirunTest {
 protected:
  static constexpr int kNever = 1 << 30;
  const TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  std::string Path(const std::string& name) const { return (directory_.path() / name).string(); }
  Mpirun Search(int ranks, const std::string& name, int dies_after = kNever) const {
    return Run(ranks, fmt::format("'{}' '{}' {}", Path(name), Path(name + ".journal"), dies_after));
  }
};

TEST_F(RankedSourceTest, FindsWhatOneProcessFinds) {
  const auto evaluator = MakeEvaluator();
  const std::string expected = *Report(*evaluator, *evaluator);
  for (const int n : {2, 4}) {
    const Mpirun ended = Search(n, fmt::format("of{}", n));
    ASSERT_EQ(ended.exit_code, 0) << ended.output;
    EXPECT_EQ(*ReadTextFile(Path(fmt::format("of{}", n)), 1 << 20), expected);
    for (int r = 0; r < n; ++r)
      EXPECT_THAT(ended.output, ::testing::Not(HasSubstr(fmt::format("rank {}: 0 pairs", r))));
  }
}

TEST_F(RankedSourceTest, GoesOnWhereAKilledRunWas) {
  const auto evaluator = MakeEvaluator();
  const Mpirun killed = Search(2, "killed", 3);
  EXPECT_NE(killed.exit_code, 0);
  EXPECT_THAT(killed.output, HasSubstr("signal 9"));
  EXPECT_FALSE(std::ifstream(Path("killed")).good());
  const Mpirun resumed = Search(2, "killed");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_THAT(resumed.output, ::testing::Not(HasSubstr("replayed 0\n")));
  EXPECT_EQ(*ReadTextFile(Path("killed"), 1 << 20), *Report(*evaluator, *evaluator));
}

}  // namespace
}  // namespace privdnn

int main(int argc, char** argv) {
  if (privdnn::Ranks::Started() && argc == 4) return privdnn::RunAsRank(argv[1], argv[2], std::stoi(argv[3]));
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
