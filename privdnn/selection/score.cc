#include "privdnn/selection/score.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <vector>

namespace privdnn {
namespace {

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

// The numbers behind `name` and a colon, separated by commas, in place of `defaults`; as many as those.
absl::StatusOr<std::vector<double>> Parameters(std::string_view text, std::string_view name,
                                               std::vector<double> defaults) {
  if (text == name) return defaults;
  std::string_view rest = text.substr(name.size() + 1);
  std::vector<double> values;
  for (bool more = true; more;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view number = rest.substr(0, comma);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || end != number.data() + number.size() || !std::isfinite(value) || value <= 0) {
      return InvalidArgument("score '{}': '{}' is not a positive number", text, number);
    }
    values.push_back(value);
    more = comma < rest.size();
    rest.remove_prefix(more ? comma + 1 : comma);
  }
  if (values.size() != defaults.size()) {
    return InvalidArgument("score '{}': {} parameters; '{}' takes {}", text, values.size(), name, defaults.size());
  }
  return values;
}

bool Names(std::string_view text, std::string_view name) {
  return text.substr(0, name.size()) == name && (text.size() == name.size() || text[name.size()] == ':');
}

}  // namespace

absl::StatusOr<ScoreFn> ParseScore(const std::string& text) {
  if (Names(text, "paper")) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto p, Parameters(text, "paper", {5, 1}));
    return [a = p[0], b = p[1]](const Accuracies& of) {
      return Logistic((of.separated - of.removed) / a) - Logistic((of.original - of.separated) / b);
    };
  }
  if (Names(text, "difference")) {
    PRIVDNN_ASSIGN_OR_RETURN(const auto p, Parameters(text, "difference", {1}));
    return [w = p[0]](const Accuracies& of) {
      return of.separated - of.removed - w * std::max(0.0, of.original - of.separated);
    };
  }
  return InvalidArgument("score '{}' is not known; there are 'paper', 'paper:A,B', 'difference' and 'difference:W'",
                         text);
}

}  // namespace privdnn
