// The results of the steps of a privacy report: the JSON of privdnn's own commands.
#pragma once

#include <algorithm>

#include "privdnn/report/document.h"

namespace privdnn {

struct StepResult {
  std::string name;          // "plan", "eval", "scratch", ...; the rules of the verdict use it
  std::string title;         // for people
  std::string command = {};  // command line that repeats it
  double seconds = 0;
  Json result = nullptr;    // null: there is none
  std::string reason = {};  // the reason if there is no result
  Bytes picture = {};       // PNG, if the step draws
};

struct Results {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // about the whole report: model, data, effort, version
  std::vector<StepResult> steps;

  // Returns the JSON of a step, or nullptr if it has none.
  const Json* Find(std::string_view name) const {
    for (const StepResult& s : steps) {
      if (s.name == name && !s.result.is_null()) return &s.result;
    }
    return nullptr;
  }
};

// Return a field of a step's JSON. Throw Json::exception if it is missing.
inline double Number(const Json& json, const char* field) { return json.at(field).get<double>(); }
inline uint64_t Count(const Json& json, const char* field) { return json.at(field).get<uint64_t>(); }

// Returns the number of images after which linear algebra yields the kernels of every segment, from a plan's JSON. The
// plan's own figure is that of the segment that needs fewest.
inline uint64_t ImagesForAllKernels(const Json& plan) {
  uint64_t images = 0;
  for (const Json& s : plan.at("segments")) {
    images = std::max(images, Count(s, "images_to_reconstruct"));
  }
  return images;
}

// Returns the deviation of errors added to outputs, in percent of the deviation of the outputs, from an attack's JSON;
// the largest over all segments.
inline double NoisePercent(const Json& level) {
  double most = 0;
  for (const Json& share : level.at("shares_of_deviation")) most = std::max(most, 100 * share.get<double>());
  return most;
}

}  // namespace privdnn
