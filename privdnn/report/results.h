// What the steps of a privacy report found out: the JSON of privdnn's own commands.
#pragma once

#include <algorithm>

#include "privdnn/report/document.h"

namespace privdnn {

struct StepResult {
  std::string name;          // "plan", "eval", "scratch", ...; what the rules of the verdict go by
  std::string title;         // for people
  std::string command = {};  // line that repeats it
  double seconds = 0;
  Json result = nullptr;    // null: there is none
  std::string reason = {};  // then why
  Bytes picture = {};       // PNG, if the step draws
};

struct Results {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  // about all of it: model, data, effort, version
  std::vector<StepResult> steps;

  // The JSON of a step, or nullptr if it has none.
  const Json* Find(std::string_view name) const {
    for (const StepResult& s : steps) {
      if (s.name == name && !s.result.is_null()) return &s.result;
    }
    return nullptr;
  }
};

// A field of a step's JSON. Throws Json::exception without it.
inline double Number(const Json& json, const char* field) { return json.at(field).get<double>(); }
inline uint64_t Count(const Json& json, const char* field) { return json.at(field).get<uint64_t>(); }

// The images after which linear algebra has the kernels of every segment, by a plan's JSON, whose own figure is that of
// the segment that needs fewest.
inline uint64_t ImagesForAllKernels(const Json& plan) {
  uint64_t images = 0;
  for (const Json& s : plan.at("segments")) {
    images = std::max(images, Count(s, "images_to_reconstruct"));
  }
  return images;
}

// Of errors added to outputs, by the JSON of an attack: their deviation, in percent of that of the outputs, of the
// segment where it is most.
inline double NoisePercent(const Json& level) {
  double most = 0;
  for (const Json& share : level.at("shares_of_deviation")) most = std::max(most, 100 * share.get<double>());
  return most;
}

}  // namespace privdnn
