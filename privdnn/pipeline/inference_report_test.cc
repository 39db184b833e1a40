#include "privdnn/pipeline/inference_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

// Three images in one process, with the plaintext network beside it.
InferenceReport Whole() {
  InferenceReport report{.images = 3,
                         .threads = 2,
                         .kernel = "scalar",
                         .segments = 2,
                         .package_id = std::string(64, 'a'),
                         .package_bytes = 12345,
                         .predictions = {7, 0, 2},
                         .accuracy = 66.5};
  report.online = {.batch = 2, .repeats = 5, .images_remaining = 85, .output_noise = 0.25};
  report.online->figures = {.user_encrypted_ms = 1.5,
                            .user_encrypted_cpu_ms = 1.25,
                            .user_plain_ms = 0.125,
                            .owner_ms = 0.1,
                            .plain = InferenceReport::Figures::Plain{0.3, {7, 1, 2}},
                            .wall_ms = 3,
                            .bytes_up = 1000,
                            .bytes_down = 301,
                            .peak_rss_bytes = 200'000'000};
  return report;
}

// Of which the second was not answered.
InferenceReport EndedEarly() {
  InferenceReport report = Whole();
  report.online->figures.reset();
  report.online->ended = {"the owner went away", 2};
  report.predictions[1] = kNoPrediction;
  return report;
}

InferenceReport OnRanks() {
  InferenceReport report = Whole();
  report.online->figures->plain.reset();
  report.online->figures->ranks = {{"here", 1, 4.5}, {"there", 2, 4}};
  return report;
}

InferenceReport Offline() {
  InferenceReport report = Whole();
  report.online.reset();
  report.accuracy.reset();
  return report;
}

// Three labels an image, with what was clamped; the second image was answered or not.
InferenceReport Labels(bool whole) {
  InferenceReport report = whole ? Whole() : EndedEarly();
  report.outputs = "multi-label";
  report.predictions.clear();
  report.accuracy.reset();
  report.scores = {0.5f, 0.25f, 1, 0, 0, 0.125f, 0, 1, 1};
  if (whole) report.online->figures->plain.reset();
  if (!whole) std::fill_n(report.scores.begin() + 3, 3, std::numeric_limits<float>::quiet_NaN());
  report.online->clamped = {{784, 3, 2}, {100, 0, 0}};
  return report;
}

std::string Text(const InferenceReport& report) { return WriteInferenceReport(report).dump(2); }

TEST(InferenceReportTest, NestingIsBounded) {
  constexpr size_t kDepth = 1'000'000;
  const std::string deep = "{\"a\": " + std::string(kDepth, '[') + std::string(kDepth, ']') + ", \"b\": 1, \"c\": 1}";
  EXPECT_THAT(Message(ParseInferenceReport(deep).status()), HasSubstr("nested more than 8 deep"));
}

// The format, byte by byte: whoever reads what `infer --json` prints depends on its names and their order.
TEST(InferenceReportTest, KnownAnswers) {
  EXPECT_EQ(WriteInferenceReport(Whole()).dump(),
            R"({"version":2,"outputs":"classes","images":3,"threads":2,"kernel":"scalar","segments":2,"package_id":")" +
                std::string(64, 'a') +
                R"(","package_bytes":12345,"batch":2,"repeats":5,"user_encrypted_ms_per_image":1.5,)"
                R"("user_encrypted_cpu_ms_per_image":1.25,"user_plain_ms_per_image":0.125,"owner_ms_per_image":0.1,)"
                R"("plain_ms_per_image":0.3,"plain_predictions":[7,1,2],"wall_ms_per_image":3.0,"bytes_up":1000,)"
                R"("bytes_down":301,"bytes_up_per_image":333,"bytes_down_per_image":100,)"
                R"("peak_rss_bytes_user":200000000,"images_remaining":85,"output_noise":0.25,"predictions":[7,0,2],)"
                R"("accuracy":66.5})");
  const std::string ended = WriteInferenceReport(EndedEarly()).dump();
  EXPECT_THAT(ended,
              HasSubstr(R"("repeats":5,"error":"the owner went away","images_answered":2,"images_remaining":85)"));
  EXPECT_THAT(ended, HasSubstr(R"("predictions":[7,null,2])"));
  EXPECT_THAT(WriteInferenceReport(OnRanks()).dump(),
              HasSubstr(R"("ranks":[{"rank":0,"host":"here","images":1,"ms":4.5},{"rank":1,"host":"there",)"
                        R"("images":2,"ms":4.0}],"images_remaining":85)"));
  EXPECT_THAT(WriteInferenceReport(Offline()).dump(), HasSubstr(R"("package_bytes":12345,"predictions":[7,0,2]})"));
  EXPECT_THAT(WriteInferenceReport(Labels(false)).dump(),
              HasSubstr(R"("clamping":[{"values":784,"clamped":3,"images_clamped":2},{"values":100,"clamped":0,)"
                        R"("images_clamped":0}],"scores":[[0.5,0.25,1.0],null,[0.0,1.0,1.0]]})"));
}

TEST(InferenceReportTest, IsReadBackAsItWas) {
  for (const InferenceReport& report : {Whole(), EndedEarly(), OnRanks(), Offline(), Labels(true), Labels(false)}) {
    const auto read = ParseInferenceReport(Text(report));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(Text(*read), Text(report));
    EXPECT_EQ(read->predictions, report.predictions);
    EXPECT_EQ(read->online.has_value(), report.online.has_value());
  }
}

TEST(InferenceReportTest, EveryFieldIsNeededAndNoOtherTaken) {
  for (const InferenceReport& report : {Whole(), EndedEarly(), OnRanks(), Offline(), Labels(true), Labels(false)}) {
    const Json json = WriteInferenceReport(report);
    for (const auto& [name, value] : json.items()) {
      // Without these it is a report of another kind: of a run without labels, ranks, comparison.
      const bool optional = name == "accuracy" || name == "ranks" || name == "clamping" || name == "scores";
      Json without = json;
      without.erase(name);
      EXPECT_EQ(ParseInferenceReport(without.dump()).ok(), optional) << name;
      Json wrong = json;
      wrong[name] = Json::object();
      EXPECT_FALSE(ParseInferenceReport(wrong.dump()).ok()) << name;
    }
    Json more = json;
    more["colour"] = "green";
    EXPECT_THAT(Message(ParseInferenceReport(more.dump()).status()), HasSubstr("unknown field, colour"));
    more = json;
    more["version"] = 3;
    EXPECT_THAT(Message(ParseInferenceReport(more.dump()).status()), HasSubstr("version is 3"));
    more.erase("version");
    EXPECT_THAT(Message(ParseInferenceReport(more.dump()).status()), HasSubstr("of version 1"));
  }
}

TEST(InferenceReportTest, RefusesWhatCannotBe) {
  const auto refused = [](const InferenceReport& report, const std::function<void(Json&)>& change) {
    Json json = WriteInferenceReport(report);
    change(json);
    const auto read = ParseInferenceReport(json.dump());
    return absl::IsInvalidArgument(read.status()) ? Message(read.status()) : "read: " + json.dump();
  };
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["images"] = 0; }), HasSubstr("images is 0"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["images"] = 4; }), HasSubstr("a list of 4 labels"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["threads"] = 1.5; }), HasSubstr("threads is 1.5"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["batch"] = -1; }), HasSubstr("batch is -1"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["owner_ms_per_image"] = -0.5; }), HasSubstr("owner_ms_per_image is"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["bytes_up_per_image"] = 334; }), HasSubstr("bytes_up_per_image is 334"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["predictions"][1] = nullptr; }), HasSubstr("null, which is no label"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["predictions"][1] = -1; }), HasSubstr("-1, which is no label"));
  EXPECT_THAT(refused(Whole(), [](Json& j) { j["plain_predictions"].push_back(1); }), HasSubstr("3 labels"));
  EXPECT_THAT(refused(EndedEarly(), [](Json& j) { j["images_answered"] = 3; }), HasSubstr("2 have a prediction"));
  EXPECT_THAT(refused(EndedEarly(), [](Json& j) { j["wall_ms_per_image"] = 1; }), HasSubstr("unknown field"));
  EXPECT_THAT(refused(OnRanks(), [](Json& j) { j["ranks"] = Json::array(); }), HasSubstr("ranks must be a list"));
  EXPECT_THAT(refused(OnRanks(), [](Json& j) { j["ranks"][1]["rank"] = 0; }), HasSubstr("rank 1: rank is 0"));
  EXPECT_THAT(refused(Offline(), [](Json& j) { j["batch"] = 1; }), HasSubstr("has no repeats"));
}

TEST(InferenceReportTest, RefusesEveryTruncation) {
  for (const InferenceReport& report : {Whole(), EndedEarly(), OnRanks(), Offline(), Labels(true), Labels(false)}) {
    const std::string text = Text(report);
    for (size_t size = 0; size < text.size(); ++size) {
      EXPECT_FALSE(ParseInferenceReport(std::string_view(text).substr(0, size)).ok()) << size;
    }
  }
  for (const char* text : {"null", "[]", "7", "\"images\"", "{}", "not JSON", "{\"images\":1}"}) {
    EXPECT_FALSE(ParseInferenceReport(text).ok()) << text;
  }
}

}  // namespace
}  // namespace privdnn
