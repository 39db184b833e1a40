// How work in several stages reports progress, and how it is stopped. Only programs draw and write logs.
#pragma once

#include <functional>
#include <string>

#include "privdnn/base/progress.h"

namespace privdnn {

// Begins a stage of work called `label` ("evaluating, 1000 images"). The returned function receives its progress.
using BeginProgressFn = std::function<ProgressFn(const std::string& label)>;
// Returns false to ask for an orderly stop, where there is no progress to report.
using GoOnFn = std::function<bool()>;

// Each may be missing.
struct Reporting {
  BeginProgressFn begin;
  NoteFn note;  // says what is being done
  NoteFn warn;  // says what people should know
  GoOnFn go_on;
};

// Helpers that call functions which may be missing. Without them, work goes on and reports nothing.
inline ProgressFn Begin(const BeginProgressFn& begin, const std::string& label) {
  return begin ? begin(label) : [](uint64_t, uint64_t, const std::string&) { return true; };
}
inline bool GoesOn(const GoOnFn& go_on) { return !go_on || go_on(); }
inline void Note(const NoteFn& note, const std::string& line) {
  if (note) note(line);
}

}  // namespace privdnn
