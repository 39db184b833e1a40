#include "privdnn/pipeline/inference_report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "privdnn/pipeline/bounded_json.h"

namespace privdnn {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kVersion = 2;
constexpr std::string_view kClasses = "classes";

void WriteFigures(const InferenceReport::Figures& f, uint64_t images, Json& json) {
  json["user_encrypted_ms_per_image"] = f.user_encrypted_ms;
  json["user_encrypted_cpu_ms_per_image"] = f.user_encrypted_cpu_ms;
  json["user_plain_ms_per_image"] = f.user_plain_ms;
  json["owner_ms_per_image"] = f.owner_ms;
  if (f.plain) {
    json["plain_ms_per_image"] = f.plain->ms;
    json["plain_predictions"] = f.plain->predictions;
  }
  json["wall_ms_per_image"] = f.wall_ms;
  json["bytes_up"] = f.bytes_up;
  json["bytes_down"] = f.bytes_down;
  json["bytes_up_per_image"] = f.bytes_up / images;
  json["bytes_down_per_image"] = f.bytes_down / images;
  json["peak_rss_bytes_user"] = f.peak_rss_bytes;
  for (size_t rank = 0; rank < f.ranks.size(); ++rank) {
    const RankShare& share = f.ranks[rank];
    json["ranks"].push_back({{"rank", rank}, {"host", share.host}, {"images", share.images}, {"ms", share.ms}});
  }
}

// Takes an object's fields one by one. The first thing that is wrong stays, and nothing is read from then on.
class FieldReader {
 public:
  FieldReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) Fail("is not an object");
  }

  bool Has(const char* name) const { return status_.ok() && object_.contains(name); }
  void Fail(const std::string& what) {
    if (status_.ok()) status_ = InvalidArgument("{}: {}", where_, what);
  }

  // A whole number from `low` to `high`.
  template <typename Integer>
  void Whole(const char* name, Integer low, Integer high, Integer& value) {
    const Json* field = Take(name);
    if (!field) return;
    const auto taken = AsWhole(*field, low, high);
    if (!taken)
      return Fail(fmt::format("{} is {}, must be a whole number of {} to {}", name, Shown(*field), low, high));
    value = *taken;
  }
  // A finite number, 0 or more.
  void Real(const char* name, double& value) {
    const Json* field = Take(name);
    if (!field) return;
    if (!field->is_number() || !std::isfinite(field->get<double>()) || field->get<double>() < 0) {
      return Fail(fmt::format("{} is {}, must be a number from 0 on", name, Shown(*field)));
    }
    value = field->get<double>();
  }
  void Text(const char* name, std::string& value) {
    const Json* field = Take(name);
    if (!field) return;
    if (!field->is_string()) return Fail(fmt::format("{} is {}, must be text", name, Shown(*field)));
    value = field->get<std::string>();
  }
  // A label for each image; null, where that is `allowed`, stands for none.
  void Labels(const char* name, int64_t images, bool allowed, std::vector<int32_t>& labels) {
    const Json* field = Take(name);
    if (!field) return;
    if (!field->is_array() || static_cast<int64_t>(field->size()) != images) {
      return Fail(fmt::format("{} must be a list of {} labels", name, images));
    }
    for (const Json& label : *field) {
      const auto taken =
          label.is_null() && allowed ? std::optional(kNoPrediction) : AsWhole(label, int32_t{0}, INT32_MAX);
      if (!taken) return Fail(fmt::format("{} has {}, which is no label", name, Shown(label)));
      labels.push_back(*taken);
    }
  }
  // As many numbers for each image, null for one that is not finite; null, where that is `allowed`, stands for no row.
  void Scores(const char* name, int64_t images, bool allowed, std::vector<float>& scores) {
    const Json* field = Take(name);
    if (!field) return;
    const auto columns = field->is_array() ? WidthOf(*field) : 0;
    if (columns == 0 || static_cast<int64_t>(field->size()) != images) {
      return Fail(fmt::format("{} must be a list of {} rows of numbers", name, images));
    }
    for (const Json& row : *field) {
      if (row.is_null() && allowed) {
        scores.resize(scores.size() + columns, std::numeric_limits<float>::quiet_NaN());
        continue;
      }
      if (!row.is_array() || row.size() != columns || !std::ranges::all_of(row, IsScore)) {
        return Fail(fmt::format("{} has {}, which is no row of {} numbers", name, Shown(row), columns));
      }
      for (const Json& score : row) {
        scores.push_back(score.is_null() ? std::numeric_limits<float>::quiet_NaN() : score.get<float>());
      }
    }
  }
  const Json* List(const char* name) {
    const Json* field = Take(name);
    if (field && field->is_array() && !field->empty()) return field;
    Fail(fmt::format("{} must be a list that is not empty", name));
    return nullptr;
  }

  // InvalidArgument if something was wrong, or if there are fields that nobody took.
  absl::Status Finish() {
    for (const auto& [name, value] : object_.items()) {
      if (std::ranges::find(taken_, name) == taken_.end()) Fail(fmt::format("has an unknown field, {}", name));
    }
    return status_;
  }

 private:
  static bool IsScore(const Json& number) {
    return number.is_null() || (number.is_number() && std::isfinite(number.get<float>()));
  }
  // Of the first row that is one.
  static size_t WidthOf(const Json& rows) {
    const auto row = std::ranges::find_if(rows, [](const Json& r) { return r.is_array(); });
    return row == rows.end() ? 0 : row->size();
  }
  const Json* Take(const char* name) {
    if (!status_.ok()) return nullptr;
    const auto found = object_.find(name);
    if (found == object_.end()) {
      Fail(fmt::format("has no {}", name));
      return nullptr;
    }
    taken_.emplace_back(name);
    return &*found;
  }
  template <typename Integer>
  static std::optional<Integer> AsWhole(const Json& field, Integer low, Integer high) {
    if (field.is_number_unsigned()) {
      const auto value = field.get<uint64_t>();
      if (std::cmp_greater_equal(value, low) && std::cmp_less_equal(value, high)) return static_cast<Integer>(value);
    } else if (field.is_number_integer()) {
      const auto value = field.get<int64_t>();
      if (std::cmp_greater_equal(value, low) && std::cmp_less_equal(value, high)) return static_cast<Integer>(value);
    }
    return std::nullopt;
  }
  static std::string Shown(const Json& field) {
    return field.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 40);
  }

  const Json& object_;
  std::string where_;
  std::vector<std::string> taken_;
  absl::Status status_;
};

void ReadRanks(FieldReader& r, InferenceReport::Figures& figures) {
  const Json* ranks = r.List("ranks");
  if (!ranks) return;
  for (size_t i = 0; i < ranks->size(); ++i) {
    FieldReader rank((*ranks)[i], fmt::format("rank {}", i));
    RankShare& share = figures.ranks.emplace_back();
    uint64_t index = 0;
    rank.Whole<uint64_t>("rank", i, i, index);
    rank.Text("host", share.host);
    rank.Whole<int64_t>("images", 0, INT64_MAX, share.images);
    rank.Real("ms", share.ms);
    if (const absl::Status status = rank.Finish(); !status.ok()) return r.Fail(Message(status));
  }
}

InferenceReport::Figures ReadFigures(FieldReader& r, int64_t images) {
  InferenceReport::Figures f;
  r.Real("user_encrypted_ms_per_image", f.user_encrypted_ms);
  r.Real("user_encrypted_cpu_ms_per_image", f.user_encrypted_cpu_ms);
  r.Real("user_plain_ms_per_image", f.user_plain_ms);
  r.Real("owner_ms_per_image", f.owner_ms);
  if (r.Has("plain_ms_per_image")) {
    InferenceReport::Figures::Plain& plain = f.plain.emplace(InferenceReport::Figures::Plain{});
    r.Real("plain_ms_per_image", plain.ms);
    r.Labels("plain_predictions", images, /*allowed=*/false, plain.predictions);
  }
  r.Real("wall_ms_per_image", f.wall_ms);
  r.Whole<uint64_t>("bytes_up", 0, UINT64_MAX, f.bytes_up);
  r.Whole<uint64_t>("bytes_down", 0, UINT64_MAX, f.bytes_down);
  const auto count = static_cast<uint64_t>(std::max<int64_t>(images, 1));  // less is an error already
  uint64_t per_image = 0;
  r.Whole<uint64_t>("bytes_up_per_image", f.bytes_up / count, f.bytes_up / count, per_image);
  r.Whole<uint64_t>("bytes_down_per_image", f.bytes_down / count, f.bytes_down / count, per_image);
  r.Whole<uint64_t>("peak_rss_bytes_user", 0, UINT64_MAX, f.peak_rss_bytes);
  if (r.Has("ranks")) ReadRanks(r, f);
  return f;
}

void ReadClamping(FieldReader& r, InferenceReport::Online& online) {
  const Json* segments = r.List("clamping");
  if (!segments) return;
  for (size_t k = 0; k < segments->size(); ++k) {
    FieldReader segment((*segments)[k], fmt::format("segment {}", k));
    InferenceReport::Online::Clamped& c = online.clamped.emplace_back();
    segment.Whole<uint64_t>("values", 0, UINT64_MAX, c.values);
    segment.Whole<uint64_t>("clamped", 0, c.values, c.clamped);
    segment.Whole<uint64_t>("images_clamped", 0, c.clamped, c.images);
    if (const absl::Status status = segment.Finish(); !status.ok()) return r.Fail(Message(status));
  }
}

InferenceReport::Online ReadOnline(FieldReader& r, int64_t images) {
  InferenceReport::Online online;
  r.Whole<int64_t>("batch", 1, INT64_MAX, online.batch);
  r.Whole("repeats", 1, INT32_MAX, online.repeats);
  if (r.Has("error")) {
    InferenceReport::Ended& ended = online.ended.emplace(InferenceReport::Ended{});
    r.Text("error", ended.error);
    r.Whole<int64_t>("images_answered", 0, images, ended.images_answered);
  } else {
    online.figures = ReadFigures(r, images);
  }
  r.Whole<uint64_t>("images_remaining", 0, UINT64_MAX, online.images_remaining);
  r.Real("output_noise", online.output_noise);
  if (r.Has("clamping")) ReadClamping(r, online);
  return online;
}

}  // namespace

namespace {

// A row for each image; null where there is no answer, and for a number that is not finite.
Json ScoreRows(const InferenceReport& report) {
  Json rows = Json::array();
  const auto images = static_cast<size_t>(report.images);
  const size_t columns = report.scores.size() / images;
  for (size_t i = 0; i < images; ++i) {
    const auto row_of = std::span(report.scores).subspan(i * columns, columns);
    // What was read back has no predictions unless outputs are classes.
    const bool none = report.predictions.empty()
                          ? std::ranges::all_of(row_of, [](float score) { return std::isnan(score); })
                          : report.predictions[i] == kNoPrediction;
    if (none) {
      rows.push_back(nullptr);
      continue;
    }
    Json row = Json::array();
    for (const float score : row_of) {
      row.push_back(std::isfinite(score) ? Json(score) : Json());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

nlohmann::ordered_json WriteInferenceReport(const InferenceReport& report) {
  Json json = {{"version", kVersion},
               {"outputs", report.outputs},
               {"images", report.images},
               {"threads", report.threads},
               {"kernel", report.kernel},
               {"segments", report.segments},
               {"package_id", report.package_id},
               {"package_bytes", report.package_bytes}};
  if (const auto& online = report.online) {
    json["batch"] = online->batch;
    json["repeats"] = online->repeats;
    if (online->ended) {
      json["error"] = online->ended->error;
      json["images_answered"] = online->ended->images_answered;
    }
    if (online->figures) WriteFigures(*online->figures, static_cast<uint64_t>(report.images), json);
    json["images_remaining"] = online->images_remaining;
    json["output_noise"] = online->output_noise;
    for (const InferenceReport::Online::Clamped& c : online->clamped) {
      json["clamping"].push_back({{"values", c.values}, {"clamped", c.clamped}, {"images_clamped", c.images}});
    }
  }
  if (report.outputs == kClasses) {
    json["predictions"] = Json::array();
    for (const int32_t label : report.predictions) {
      json["predictions"].push_back(label == kNoPrediction ? Json() : Json(label));
    }
  }
  if (!report.scores.empty()) json["scores"] = ScoreRows(report);
  if (report.accuracy) json["accuracy"] = *report.accuracy;
  return json;
}

absl::StatusOr<InferenceReport> ParseInferenceReport(std::string_view text) {
  // Reports are four deep.
  constexpr int kMaxDepth = 8;
  const BoundedJson parsed = ParseBoundedJson(text, kMaxDepth);
  const Json& json = parsed.value;
  if (parsed.too_deep) return InvalidArgument("inference report: nested more than {} deep", kMaxDepth);
  FieldReader r(json, "inference report");
  if (json.is_discarded()) r.Fail("is not JSON");
  if (json.is_object() && !r.Has("version")) r.Fail("has no version: it is of version 1, which is no longer read");
  int64_t version = 0;
  r.Whole("version", kVersion, kVersion, version);
  InferenceReport report;
  r.Text("outputs", report.outputs);
  r.Whole<int64_t>("images", 1, INT64_MAX, report.images);
  r.Whole("threads", 1, INT32_MAX, report.threads);
  r.Text("kernel", report.kernel);
  r.Whole<uint64_t>("segments", 1, UINT64_MAX, report.segments);
  r.Text("package_id", report.package_id);
  r.Whole<uint64_t>("package_bytes", 0, UINT64_MAX, report.package_bytes);
  if (r.Has("batch")) report.online = ReadOnline(r, report.images);
  const bool whole = !report.online || !report.online->ended;
  if (report.outputs == kClasses) r.Labels("predictions", report.images, /*allowed=*/!whole, report.predictions);
  if (r.Has("scores")) r.Scores("scores", report.images, /*allowed=*/!whole, report.scores);
  if (r.Has("accuracy")) r.Real("accuracy", report.accuracy.emplace());
  PRIVDNN_RETURN_IF_ERROR(r.Finish());
  if (!whole && report.outputs == kClasses) {
    const auto answered = report.images - std::ranges::count(report.predictions, kNoPrediction);
    if (answered != report.online->ended->images_answered) {
      return InvalidArgument("inference report: images_answered is {}, {} have a prediction",
                             report.online->ended->images_answered, answered);
    }
  }
  return report;
}

}  // namespace privdnn
