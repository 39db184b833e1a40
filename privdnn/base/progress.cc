#include "privdnn/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "privdnn/base/standard_streams.h"

namespace privdnn {
namespace {

bool Silent() {
  const char* progress = std::getenv("PRIVDNN_PROGRESS");
  return progress && std::string_view(progress) == "none";
}

// The program's main says it if they can't be written.
std::optional<EventWriter> Events() {
  auto events = EventWriter::FromEnvironment();
  return events.ok() ? *std::move(events) : std::nullopt;
}

}  // namespace

std::string FormatDuration(double seconds) {
  const auto s = static_cast<uint64_t>(std::llround(seconds < 0 ? 0 : seconds));
  if (s >= 3600) return fmt::format("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{:02}:{:02}", s / 60, s % 60);
}

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      events_(Silent() ? std::nullopt : Events()),
      start_(std::chrono::steady_clock::now()) {
  if (!terminal_ && !Silent()) WriteStderr(label_ + "\n");
}

ProgressBar::~ProgressBar() {
  if (begun_ && terminal_) WriteStderr("\n");
}

void ProgressBar::Update(uint64_t done, uint64_t total, const std::string& note) {
  if (!(events_ || terminal_) || total == 0) return;
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::milliseconds pause(events_ ? 1000 : 100);  // another program reads no more than one a second
  if (begun_ && done < total && now - last_ < pause) return;
  last_ = now;
  begun_ = true;
  if (events_) events_->Write(ProgressEvent{label_, done, total, note});
  if (!terminal_) return;
  const double fraction = static_cast<double>(done) / static_cast<double>(total);
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(fraction * kWidth);
  std::string bar(static_cast<size_t>(filled), '=');
  if (filled < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  const std::string left = done > 0 && done < total ? FormatDuration(elapsed * (1 - fraction) / fraction) + " left"
                                                    : FormatDuration(elapsed);
  WriteStderr(fmt::format("\r\033[K{}  [{}] {:3.0f}%  {}  {}", label_, bar, 100 * fraction, left, note));
}

}  // namespace privdnn
