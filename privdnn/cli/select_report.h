// What `privdnn select` found, for machines and for people.
#pragma once

#include "privdnn/cli/select_search.h"

namespace privdnn {

CommandOutput ReportSelected(const SelectCommand& command, const Evaluator& evaluator, const Selected& selected,
                             double seconds);

}  // namespace privdnn
