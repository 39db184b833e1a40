// What `demo` and `bench infer` print of a run by two parties.
#pragma once

#include "privdnn/cli/command.h"
#include "privdnn/pipeline/two_parties.h"

namespace privdnn {

// The fields that both have.
Json TwoPartyJson(const TwoPartyResult& result);
// Those of labelled images.
void AddAccuracies(const TwoPartyResult& result, Json& json);

}  // namespace privdnn
