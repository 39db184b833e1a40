#include "privdnn/torch/predict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include "privdnn/torch/executor.h"

namespace privdnn {
namespace {

// Images of one pixel, which is the image's number.
ImageSet Numbered(int64_t count) {
  ImageSet set;
  set.count = count;
  set.channels = set.height = set.width = 1;
  set.classes = 3;
  for (int64_t i = 0; i < count; ++i) {
    set.pixels.push_back(static_cast<uint8_t>(i));
    set.labels.push_back(static_cast<int32_t>(i % 3));
  }
  return set;
}

// Scores that are largest for the pixel modulo 3.
absl::StatusOr<Tensor> Scores(const Tensor& images) {
  Tensor scores = Tensor::Zeros({images.dim(0), 3});
  for (size_t i = 0; i < images.values.size(); ++i) {
    scores.values[3 * i + static_cast<size_t>(std::lround(255 * images.values[i])) % 3] = 1;
  }
  return scores;
}

TEST(Predict, TakesEveryImageOnceInOrder) {
  const ImageSet set = Numbered(10);
  for (const int64_t batch : {1, 3, 5, 10, 11}) {
    std::vector<int64_t> sizes;
    const auto labels = Predict(set, batch, [&](const Tensor& images) {
      sizes.push_back(images.dim(0));
      return Scores(images);
    });
    ASSERT_TRUE(labels.ok()) << labels.status();
    EXPECT_EQ(*labels, set.labels) << batch;
    EXPECT_EQ(sizes.size(), static_cast<size_t>((10 + batch - 1) / batch));
    for (size_t i = 0; i + 1 < sizes.size(); ++i) EXPECT_EQ(sizes[i], batch);
  }
  EXPECT_TRUE(Predict(Numbered(0), 5, Scores)->empty());
}

TEST(Predict, CountsImagesAndStopsWhenAsked) {
  std::vector<uint64_t> done;
  const auto count = [&](uint64_t images, uint64_t total, const std::string&) {
    EXPECT_EQ(total, 10u);
    done.push_back(images);
    return images < 8;
  };
  const absl::Status stopped = Predict(Numbered(10), 4, Scores, count).status();
  EXPECT_TRUE(absl::IsCancelled(stopped)) << stopped;
  EXPECT_EQ(done, (std::vector<uint64_t>{4, 8}));
}

TEST(Predict, PassesErrorsOnAndWantsARowForEachImage) {
  int calls = 0;
  const auto fails = [&](const Tensor& images) -> absl::StatusOr<Tensor> {
    if (++calls == 2) return absl::DataLossError("gone");
    return Scores(images);
  };
  EXPECT_EQ(Predict(Numbered(10), 3, fails).status(), absl::DataLossError("gone"));
  EXPECT_EQ(calls, 2);
  for (const Tensor& wrong : {Tensor::Zeros({2, 3}), Tensor::Zeros({3}), Tensor::Zeros({3, 0})}) {
    const auto labels = Predict(Numbered(3), 3, [&](const Tensor&) { return wrong; });
    EXPECT_TRUE(absl::IsInternal(labels.status())) << labels.status();
  }
}

TEST(InBatches, NamesWhatItCountsAndEndsAtAnError) {
  std::vector<std::pair<int64_t, int64_t>> seen;
  const auto work = [&](int64_t begin, int64_t end) {
    seen.emplace_back(begin, end);
    return end == 9 ? absl::DataLossError("gone") : absl::OkStatus();
  };
  const auto never = [](uint64_t, uint64_t, const std::string&) { return false; };
  EXPECT_EQ(InBatches(7, 3, never, work, "inputs"), absl::CancelledError("stopped after 3 of 7 inputs"));
  EXPECT_EQ(InBatches(3, 3, never, work, "inputs"), absl::OkStatus());  // nothing was left to stop
  seen.clear();
  EXPECT_EQ(InBatches(20, 3, {}, work), absl::DataLossError("gone"));
  EXPECT_EQ(seen, (std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {3, 6}, {6, 9}}));
}

TEST(EvaluateAll, ReturnsEveryRow) {
  const auto all = EvaluateAll(Numbered(7), 3, Scores);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->dim(0), 7);
  EXPECT_EQ(Argmax(*all), *Predict(Numbered(7), 7, Scores));
}

TEST(Decide, DependsOnWhatOutputsAre) {
  const Tensor scores{{2, 3}, {0.2f, 0.6f, 0.7f, 0.5f, 0.4f, 0.1f}};
  EXPECT_EQ(Decide(OutputKind::kClasses, scores), (std::vector<int32_t>{2, 0}));
  EXPECT_EQ(Decide(OutputKind::kMultiLabel, scores), (std::vector<int32_t>{0, 1, 1, 0, 0, 0}));
  EXPECT_TRUE(Decide(OutputKind::kRegression, scores).empty());
}

TEST(DeviationPercent, IsRelativeToTheSpreadOfTheWorstColumn) {
  // Columns of mean 2 and standard deviation 1, and of a constant.
  const Tensor exact{{2, 2}, {1, 50, 3, 50}};
  EXPECT_EQ(DeviationPercent(exact, exact), 0);
  EXPECT_NEAR(DeviationPercent({{2, 2}, {1.1f, 50, 2.9f, 50}}, exact), 10, 1e-4);
  EXPECT_NEAR(DeviationPercent({{2, 2}, {1, 50, 3, 70}}, exact), 100 * 20 / 50.0 / std::sqrt(2), 1e-4);
  EXPECT_EQ(DeviationPercent({{2, 1}, {0, 1}}, {{2, 1}, {0, 0}}), 100);
  // A root of what rounding has made negative is no small error.
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(DeviationPercent({{3, 1}, {1, kNan, 3}}, {{3, 1}, {1, 2, 3}})));
  EXPECT_TRUE(std::isinf(DeviationPercent({{3, 1}, {1, 2, 3}}, {{3, 1}, {1, kInf, 3}})));
  EXPECT_EQ(DeviationPercent({{3, 1}, {1, kNan, kInf}}, {{3, 1}, {1, kNan, kInf}}), 0);
  EXPECT_GT(DeviationPercent({{3, 1}, {1, kNan, 4}}, {{3, 1}, {1, kNan, 3}}), 10);
}

TEST(AccuracyPercent, CountsWhatIsRight) {
  EXPECT_EQ(AccuracyPercent({1, 2, 3, 4}, {1, 2, 0, 0}), 50);
  EXPECT_EQ(AccuracyPercent({1}, {1, 0, 0}), 100);
  EXPECT_EQ(AccuracyPercent({1, -1}, {1, 0}), 50);  // an image without an answer
  EXPECT_EQ(AccuracyPercent({}, {}), 0);
}

}  // namespace
}  // namespace privdnn
