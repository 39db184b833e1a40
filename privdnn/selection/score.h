// Scores pairs of accuracies.
#pragma once

#include <functional>
#include <string>

#include "privdnn/base/status.h"

namespace privdnn {

// Accuracies in percent.
struct Accuracies {
  double original = 0;   // A_o: the whole network
  double separated = 0;  // A_s: authorised user
  double removed = 0;    // A_r: without the owner
};

// Returns a score. Larger is better; it rises with `separated` and falls with `removed`.
using ScoreFn = std::function<double(const Accuracies&)>;

// Parses "paper" or "paper:A,B": sig((A_s - A_r)/A) - sig((A_o - A_s)/B) with the logistic function sig, A = 5 and B =
// 1 as in Ren et al., PoPETs 2024(3), section 5; and "difference" or "difference:W": A_s - A_r - W max(0, A_o - A_s), W
// = 1. Fails with InvalidArgument for anything else, and for parameters that are not positive.
absl::StatusOr<ScoreFn> ParseScore(const std::string& text);

}  // namespace privdnn
