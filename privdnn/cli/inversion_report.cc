#include "privdnn/cli/inversion_report.h"

#include <algorithm>
#include <cmath>

#include "privdnn/base/file.h"
#include "privdnn/report/png.h"
#include "privdnn/report/table.h"

namespace privdnn {
namespace {

constexpr double kConfidence = 0.99;
// Sides of pictures in the file, at least, if they can be had by whole factors.
constexpr int64_t kPictureSide = 112;

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Json ScoresJson(const Scores& scores) { return {{"psnr_mean", Mean(scores.psnr)}, {"ssim_mean", Mean(scores.ssim)}}; }

std::string ScoresText(const Scores& scores) {
  return fmt::format("{:5.2f} dB, SSIM {:.3f}", Mean(scores.psnr), Mean(scores.ssim));
}

Json AdvantageJson(const Advantage& a) {
  const auto interval = [](const MeanInterval& m) -> Json {
    return {{"mean", m.mean}, {"low", m.interval.low}, {"high", m.interval.high}};
  };
  return {{"psnr", interval(a.psnr)}, {"ssim", interval(a.ssim)}};
}

std::string AdvantageText(const Advantage& a, double confidence) {
  return fmt::format("{:+.3f} dB [{:+.3f}, {:+.3f}], SSIM {:+.4f} [{:+.4f}, {:+.4f}], {:.4g} % confidence", a.psnr.mean,
                     a.psnr.interval.low, a.psnr.interval.high, a.ssim.mean, a.ssim.interval.low, a.ssim.interval.high,
                     100 * confidence);
}

// Image i of (N, C, H, W), values in [0, 1].
Picture PictureOf(const Tensor& images, int64_t i) {
  Picture picture{images.dim(1), images.dim(2), images.dim(3), {}};
  const int64_t size = picture.channels * picture.height * picture.width;
  for (int64_t k = i * size; k < (i + 1) * size; ++k) {
    picture.pixels.push_back(
        static_cast<uint8_t>(std::lround(255 * std::clamp(images.values[static_cast<size_t>(k)], 0.0f, 1.0f))));
  }
  return picture;
}

}  // namespace

bool JudgedInversion::query_equals_guess() const {
  return std::ranges::all_of(reconstructions,
                             [](const JudgedReconstruction& r) { return !r.over_others || r.over_others->none(); });
}

JudgedInversion Judge(const InversionReport& report) {
  JudgedInversion judged;
  judged.one_image = ScoreBlindGuesses(report.attackers, report.originals);
  judged.mean_image = ScoreBlindGuesses(report.mean_image, report.originals);
  const auto queries = std::ranges::count_if(report.reconstructions, [](const Reconstruction& r) { return r.query; });
  judged.confidence = kConfidence;
  // Bonferroni: two for each method.
  judged.joint = 1 - (1 - kConfidence) / static_cast<double>(2 * std::max<int64_t>(queries, 1));
  for (const Reconstruction& r : report.reconstructions) {
    JudgedReconstruction& j = judged.reconstructions.emplace_back();
    j.view = r.view;
    j.what = r.what;
    j.method = r.method;
    j.seconds = r.seconds;
    j.scores = Score(r.images, report.originals);
    j.over_one = Compare(j.scores, judged.one_image, kConfidence);
    j.over_mean = Compare(j.scores, judged.mean_image, kConfidence);
    if (r.query) {
      j.over_others = Compare(j.scores, ScoreOthersGuesses(r.images, report.originals), judged.joint);
    }
  }
  return judged;
}

void AddInversion(const JudgedInversion& judged, Json& json) {
  json["confidence"] = judged.confidence;
  json["confidence_of_queries"] = judged.joint;
  json["one_image"] = ScoresJson(judged.one_image);
  json["mean_image"] = ScoresJson(judged.mean_image);
  json["reconstructions"] = Json::array();
  for (const JudgedReconstruction& r : judged.reconstructions) {
    Json j = {{"view", r.view}, {"method", r.method}};
    j.update(ScoresJson(r.scores));
    j["psnr"] = r.scores.psnr;
    j["ssim"] = r.scores.ssim;
    j["over_one_image"] = AdvantageJson(r.over_one);
    j["over_mean_image"] = AdvantageJson(r.over_mean);
    j["better_than_blind_guess"] = r.better();
    j["seconds"] = r.seconds;
    if (r.over_others) {
      j["over_other_queries"] = AdvantageJson(*r.over_others);
      j["equals_guess"] = r.over_others->none();
    }
    json["reconstructions"].push_back(std::move(j));
  }
  json["query_equals_guess"] = judged.query_equals_guess();
}

std::string InversionText(const JudgedInversion& judged, const std::string& title) {
  FactTable table(title);
  table.Add("blind guess: one of the attacker's images", ScoresText(judged.one_image));
  table.Add("blind guess: the mean of them", ScoresText(judged.mean_image));
  for (const JudgedReconstruction& r : judged.reconstructions) {
    const std::string text = ScoresText(r.scores), name = fmt::format("{}, {}: {}", r.view, r.method, r.what);
    if (r.over_others) {
      table.Add(name, text + (r.over_others->none() ? ": says nothing of the image" : ": DIFFERS from other queries'"));
      table.Add("  over other images' queries", AdvantageText(*r.over_others, judged.joint));
    } else {
      table.Add(name, text + (r.better() ? ": reconstructed" : ": no better than a blind guess"));
      table.Add("  over the mean image", AdvantageText(r.over_mean, judged.confidence));
    }
  }
  return table.Render();
}

absl::Status WritePictures(const InversionReport& report, int64_t count, const std::string& file) {
  const Tensor& originals = report.originals;
  std::vector<std::vector<Picture>> rows;
  for (int64_t i = 0; i < std::min(count, originals.dim(0)); ++i) {
    std::vector<std::string> methods;
    const size_t first = rows.size();
    for (const Reconstruction& r : report.reconstructions) {
      const auto known = std::find(methods.begin(), methods.end(), r.method);
      const auto row = first + static_cast<size_t>(known - methods.begin());
      if (known == methods.end()) {
        methods.push_back(r.method);
        rows.push_back({PictureOf(originals, i)});
      }
      rows[row].push_back(PictureOf(r.images, i));
    }
  }
  const int64_t scale = std::max<int64_t>(1, kPictureSide / std::max(originals.dim(2), originals.dim(3)));
  PRIVDNN_ASSIGN_OR_RETURN(const Bytes png, EncodePng(Grid(rows, scale)));
  return WriteFile(file, png);
}

}  // namespace privdnn
