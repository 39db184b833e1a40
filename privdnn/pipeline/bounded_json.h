// JSON of files that others wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace privdnn {

struct BoundedJson {
  nlohmann::ordered_json value;  // is_discarded() if the text is not JSON, or is too deep
  bool too_deep = false;
};

// Parses JSON that may be nested at most `max_depth` deep. It is bounded before anything is built, since copies of
// values recurse.
inline BoundedJson ParseBoundedJson(std::string_view text, int max_depth) {
  BoundedJson parsed;
  const auto watch = [&](int depth, nlohmann::ordered_json::parse_event_t, nlohmann::ordered_json&) {
    parsed.too_deep |= depth > max_depth;
    return !parsed.too_deep;
  };
  parsed.value = nlohmann::ordered_json::parse(text, watch, /*allow_exceptions=*/false);
  return parsed;
}

}  // namespace privdnn
