// A_o, A_s and A_r as eval and select print them.
#pragma once

#include "privdnn/cli/command.h"
#include "privdnn/report/table.h"
#include "privdnn/selection/selection.h"

namespace privdnn {

inline void AddAccuracies(const SelectionAccuracy& a, Json& json) {
  json["accuracy_original"] = a.original;
  json["accuracy_separated"] = a.separated;
  json["accuracy_without_core"] = a.removed;
}

inline void AddAccuracies(const SelectionAccuracy& a, FactTable& table) {
  table.Add("A_o, original", fmt::format("{:.2f} %", a.original));
  table.Add("A_s, separated (authorised user)", fmt::format("{:.2f} %", a.separated));
  table.Add("A_r, core neurons removed", fmt::format("{:.2f} %", a.removed));
}

}  // namespace privdnn
