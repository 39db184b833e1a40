// Which values a network's input can take on its way to the first layer, without running it.
#pragma once

#include <optional>
#include <string>

#include "privdnn/graph/graph.h"

namespace privdnn {

struct KnownRange {
  double min = 0, max = 0;
  bool operator==(const KnownRange&) const = default;
};

// Returns bounds of a value of the graph when every element of the graph's input lies in `input`: of the input itself,
// and of what is computed from it alone by operators that mix no channels with weights, such as arithmetic with
// constants, rectifiers, pools and changes of shape. Returns nullopt for any other value, for example behind a layer.
// `shapes` are the graph's.
std::optional<KnownRange> FindKnownRange(const Graph& graph, const Shapes& shapes, const std::string& value,
                                         const KnownRange& input);

}  // namespace privdnn
