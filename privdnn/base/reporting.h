// What work of several stretches tells of itself, and how it is told to stop. Only programs draw and write logs.
#pragma once

#include <functional>
#include <string>

#include "privdnn/base/progress.h"

namespace privdnn {

// Begins a stretch of work called `label` ("evaluating, 1000 images"): what it returns hears of its progress.
using BeginProgressFn = std::function<ProgressFn(const std::string& label)>;
// False asks for a stop in order, where there is no progress to tell of.
using GoOnFn = std::function<bool()>;

// Each may be missing.
struct Reporting {
  BeginProgressFn begin;
  NoteFn note;  // says what is being done
  NoteFn warn;  // says what people should know
  GoOnFn go_on;
};

// For functions that may be missing: work without them goes on, and tells nobody.
inline ProgressFn Begin(const BeginProgressFn& begin, const std::string& label) {
  return begin ? begin(label) : [](uint64_t, uint64_t, const std::string&) { return true; };
}
inline bool GoesOn(const GoOnFn& go_on) { return !go_on || go_on(); }
inline void Note(const NoteFn& note, const std::string& line) {
  if (note) note(line);
}

}  // namespace privdnn
