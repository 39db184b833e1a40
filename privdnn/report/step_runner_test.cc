#include "privdnn/report/step_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/events.h"

namespace privdnn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(StepRunner, ResultsAreOfCommandsThatEndedInOrder) {
  const std::string printed = "{\"accuracy\": 1}\n";
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = printed}), Json({{"accuracy", 1}}));
  EXPECT_EQ(ResultOf({.exit_code = 1, .output = printed}), Json({{"accuracy", 1}}));
  EXPECT_EQ(ResultOf({.exit_code = 2, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 127, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = -1, .signal = 6, .output = printed}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = "[1]"}), nullptr);
  EXPECT_EQ(ResultOf({.exit_code = 0, .output = printed + printed}), nullptr);
}

// A runner whose steps are not processes but what a test says.
class Steps : public testing::Test {
 protected:
  StepRunner Runner() {
    StepRunnerOptions options;
    options.run = [this](const StepProcess& process, const std::function<void()>& glance) -> absl::StatusOr<StepEnd> {
      ran_.push_back(process.arguments);
      if (!events_.empty()) {
        EXPECT_TRUE(WriteTextFile(process.events, events_).ok());
      }
      glance();
      return end_;
    };
    options.reporting.go_on = [this] { return go_on_; };
    options.reporting.begin = [this](const std::string& label) {
      drawn_.push_back(label);
      return [this](uint64_t done, uint64_t total, const std::string& note) {
        drawn_.push_back(fmt::format("{} of {} {}", done, total, note));
        return true;
      };
    };
    options.reporting.warn = [this](const std::string& warning) { warnings_.push_back(warning); };
    return *StepRunner::Create(work_, "subject", options);
  }
  StepResult Run() { return *Runner().Run(step_, {"eval", "--limit", "2"}, "step 1 of 1"); }
  std::filesystem::path kept() const { return work_ / "eval.json"; }

  const TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  const std::filesystem::path work_ = directory_.path() / "work";
  ReportStep step_{.name = "eval", .title = "accuracies", .part = "eval"};
  StepEnd end_{.exit_code = 0, .output = "{\"accuracy\": 1}\n"};
  std::string events_;
  bool go_on_ = true;
  std::vector<std::vector<std::string>> ran_;
  std::vector<std::string> drawn_, warnings_;
};

TEST_F(Steps, RunOnceForAResult) {
  const StepResult first = Run();
  EXPECT_EQ(first.result, Json({{"accuracy", 1}}));
  EXPECT_EQ(first.command, "privdnn eval --limit 2");
  const StepResult second = Run();
  EXPECT_EQ(second.result, first.result);
  EXPECT_EQ(second.seconds, first.seconds);
  EXPECT_THAT(ran_, ElementsAre(ElementsAre("eval", "--limit", "2", "--json")));
}

TEST_F(Steps, RunAgainUnlessTheKeptResultIsWholeAndOfThisForm) {
  Run();
  const Json whole = Json::parse(*ReadTextFile(kept(), 1 << 20));
  EXPECT_EQ(whole["version"], 1);
  size_t runs = 1;
  const auto expect_another = [&](const std::string& text, const std::string& what) {
    ASSERT_TRUE(WriteTextFile(kept(), text).ok());
    EXPECT_EQ(Run().result, Json({{"accuracy", 1}})) << what;
    EXPECT_EQ(ran_.size(), ++runs) << what;
  };
  for (const auto& [field, value] : std::initializer_list<std::pair<const char*, Json>>{{"version", 2},
                                                                                        {"version", "1"},
                                                                                        {"key", "0123456789abcdef"},
                                                                                        {"result", nullptr},
                                                                                        {"result", {1, 2}},
                                                                                        {"seconds", "1"},
                                                                                        {"seconds", -1}}) {
    Json damaged = whole;
    damaged[field] = value;
    expect_another(damaged.dump(), damaged.dump());
  }
  for (const char* field : {"version", "key", "result", "seconds"}) {
    Json damaged = whole;
    damaged.erase(field);
    expect_another(damaged.dump(), field);
  }
  const std::string text = whole.dump();
  for (size_t size = 0; size < text.size(); size += 7) expect_another(text.substr(0, size), "cut");
  Run();
  EXPECT_EQ(ran_.size(), runs);
}

TEST_F(Steps, ProgressIsDrawnByPhases) {
  events_ =
      "privdnn-events 1\nprogress\tone\t1\t3\ta note\nprogress\tone\t3\t3\t\nprogress\ttwo\t1\t2\t\n"
      "progress\ttwo\t2";  // the rest comes later, or never
  Run();
  EXPECT_THAT(drawn_, ElementsAre("step 1 of 1: one", "1 of 3 a note", "3 of 3 ", "step 1 of 1: two", "1 of 2 "));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(Steps, WithoutAResultHaveTheLastErrorAsReason) {
  end_ = {.exit_code = 1, .output = ""};
  events_ = "privdnn-events 1\nerror\tof the owner\nprogress\tone\t1\t3\t\nerror\tno room:\\nreally none\n";
  const StepResult failed = Run();
  EXPECT_TRUE(failed.result.is_null());
  EXPECT_EQ(failed.reason, "no room:\nreally none");
  EXPECT_THAT(warnings_, ElementsAre("accuracies: no room:\nreally none"));
  EXPECT_FALSE(std::filesystem::exists(kept()));
  end_ = {.exit_code = -1, .signal = 6, .output = ""};
  EXPECT_EQ(Run().reason, "ended by signal 6");
  end_ = {.exit_code = 127, .output = ""};
  events_.clear();
  EXPECT_EQ(Run().reason, "exit code 127");  // an earlier run's events are gone
}

TEST_F(Steps, CountWithDamagedEventsToo) {
  for (const char* events : {"privdnn-events 2\nerror\tnew\n", "privdnn-events 1\nnonsense\nerror\tlost\n"}) {
    events_ = events;
    warnings_.clear();
    std::filesystem::remove(kept());
    EXPECT_EQ(Run().result, Json({{"accuracy", 1}}));
    ASSERT_EQ(warnings_.size(), 1u) << events;
    EXPECT_THAT(warnings_[0], HasSubstr("step 1 of 1: progress is lost: "));
  }
  EXPECT_THAT(warnings_[0], HasSubstr("line 2 is no event"));
}

TEST_F(Steps, LeaveNoResultWhenInterrupted) {
  go_on_ = false;
  const absl::Status status = Runner().Run(step_, {"eval"}, "step 1 of 1").status();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(Message(status), HasSubstr("goes on from what is in " + work_.string()));
  EXPECT_FALSE(std::filesystem::exists(kept()));
}

}  // namespace
}  // namespace privdnn
