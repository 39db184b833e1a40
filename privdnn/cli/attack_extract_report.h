// What `attack extract` found, for machines and for people.
#pragma once

#include <optional>
#include <string>

#include "privdnn/attack/extraction_report.h"
#include "privdnn/attack/noise_curve.h"
#include "privdnn/cli/command.h"
#include "privdnn/selection/selection.h"

namespace privdnn {

struct ExtractOutcome {
  std::string owner;  // who was attacked
  ExtractionReport extraction;
  std::optional<SelectionAccuracy> accuracies;  // where the model is known and images have labels
  std::optional<NoiseReport> noise;
};

Json ExtractJson(const ExtractOutcome& outcome);
std::string ExtractText(const ExtractOutcome& outcome);

}  // namespace privdnn
