#include "privdnn/pipeline/describe_inference.h"

#include <algorithm>
#include <utility>

#include "privdnn/base/cpu.h"
#include "privdnn/base/median.h"
#include "privdnn/torch/predict.h"

namespace privdnn {
namespace {

InferenceReport Describe(const InferenceSession& session, std::vector<int32_t> predictions,
                         const std::vector<int32_t>* labels) {
  const Package& package = session.user().package();
  InferenceReport report;
  report.outputs = OutputKindName(session.rest().output_kind());
  report.images = static_cast<int64_t>(predictions.size());
  report.threads = session.threads();
  report.kernel = session.user().segment(0).parameters.ring().kernels().name;
  report.segments = session.user().num_segments();
  report.package_id = HexEncode(package.id());
  report.package_bytes = package.size();
  if (labels && session.rest().output_kind() == OutputKind::kClasses) {  // images without an answer don't count
    std::vector<int32_t> answers, expected;
    for (size_t i = 0; i < predictions.size(); ++i) {
      if (predictions[i] == kNoPrediction) continue;
      answers.push_back(predictions[i]);
      expected.push_back((*labels)[i]);
    }
    report.accuracy = AccuracyPercent(answers, expected);
  }
  report.predictions = std::move(predictions);
  return report;
}

// The named figure of every pass, a median over passes, an image.
double PerImage(const InferenceResult& result, double PassTiming::*figure) {
  std::vector<double> values;
  for (const PassTiming& pass : result.passes) {
    values.push_back(pass.*figure / static_cast<double>(result.predictions.size()));
  }
  return Median(std::move(values));
}

InferenceReport::Figures MakeFigures(const InferenceResult& result, bool plain, std::vector<RankShare> shares) {
  InferenceReport::Figures figures;
  figures.user_encrypted_ms = PerImage(result, &PassTiming::encrypted);
  figures.user_encrypted_cpu_ms = PerImage(result, &PassTiming::encrypted_cpu);
  figures.user_plain_ms = PerImage(result, &PassTiming::rest);
  figures.owner_ms = PerImage(result, &PassTiming::owner);
  if (plain) figures.plain = {PerImage(result, &PassTiming::plain), result.plain};
  figures.wall_ms = PerImage(result, &PassTiming::wall);
  figures.bytes_up = result.bytes_up;
  figures.bytes_down = result.bytes_down;
  figures.peak_rss_bytes = PeakRssBytes();
  figures.ranks = std::move(shares);
  return figures;
}

}  // namespace

InferenceReport ReportOffline(const InferenceSession& session, std::vector<int32_t> predictions,
                              const std::vector<int32_t>* labels) {
  return Describe(session, std::move(predictions), labels);
}

InferenceReport ReportOnline(const InferenceSession& session, const InferenceOptions& options,
                             const InferenceResult& result, std::vector<RankShare> shares,
                             const std::vector<int32_t>* labels) {
  InferenceReport report = Describe(session, result.predictions, labels);
  InferenceReport::Online& online = report.online.emplace(InferenceReport::Online{});
  online.batch = std::min(options.batch, session.terms().most_images);
  online.repeats = options.repeats;
  if (result.ended.ok()) {
    online.figures = MakeFigures(result, options.plain != nullptr, std::move(shares));
  } else {
    online.ended = {Message(result.ended), CountAnswered(result)};
  }
  online.images_remaining = result.images_remaining;
  online.output_noise = session.terms().output_noise;
  for (const Clamping& c : result.clamping) online.clamped.push_back({c.values, c.clamped, c.images_clamped});
  report.scores = result.scores;
  return report;
}

}  // namespace privdnn
