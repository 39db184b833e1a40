// The part of a verdict about defences that an owner may add.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// Judges errors on outputs, as attack extract measured them, for the image budget. Empty if there are none.
std::vector<Sentence> NoiseVerdict(const Results& results);

// Judges a separate network for each user, if two were made: what it costs them, what neurons of one are worth in the
// other, and whether training gets further with them.
std::vector<Sentence> ObfuscationVerdict(const Results& results);

}  // namespace privdnn
