// What a verdict says of defences that an owner may add.
#pragma once

#include "privdnn/report/results.h"

namespace privdnn {

// Errors on outputs, as attack extract measured them, against the image budget. Nothing without them.
std::vector<Sentence> NoiseVerdict(const Results& results);

// A network of its own for each user, once two were made: what it costs them, what neurons of one are worth in the
// other, and whether training goes further from them.
std::vector<Sentence> ObfuscationVerdict(const Results& results);

}  // namespace privdnn
