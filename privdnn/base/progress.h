// The one progress bar. Libraries report through a ProgressFn; only programs draw.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "privdnn/base/events.h"

namespace privdnn {

// Called now and then with work done, work in all, and a short text ("loss 0.031"). Returning false asks the work to
// stop; it then returns absl::CancelledError.
// May be empty: nobody is told then, and work goes on.
using ProgressFn = std::function<bool(uint64_t done, uint64_t total, const std::string& note)>;
inline bool Proceeds(const ProgressFn& progress, uint64_t done, uint64_t total, const std::string& note = "") {
  return !progress || progress(done, total, note);
}

// Called with a sentence on what long work does next, or what it found. May be empty.
using NoteFn = std::function<void(const std::string&)>;

// Draws "label  [=====>  ] 52%  00:41 left  loss 0.031" on stderr if that is a terminal; if not, says "label", once.
// Also writes events if another program asks for them (events.h). PRIVDNN_PROGRESS=none turns both off.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();
  void Update(uint64_t done, uint64_t total, const std::string& note = "");

 private:
  std::string label_;
  bool terminal_;
  std::optional<EventWriter> events_;
  bool begun_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

// "01:07:30" or "00:41".
std::string FormatDuration(double seconds);

}  // namespace privdnn
