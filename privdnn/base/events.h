// Events that a program reports to its parent program through a file: progress, and the reason for a failure.
//
// The file is text. Its first line is "privdnn-events 1", every other line is an event with tabs between its fields:
//   progress  LABEL  DONE  TOTAL  NOTE
//   error  MESSAGE
// DONE and TOTAL are decimal numbers of at most 64 bits, TOTAL is not 0. In the other fields a tab, a line feed and a
// backslash are \t, \n and \\. A line is complete when its line feed is there. Lines of several writers don't mix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

struct ProgressEvent {
  std::string label;
  uint64_t done = 0, total = 0;
  std::string note;
  bool operator==(const ProgressEvent&) const = default;
};
// The last error of a failed program gives the reason.
struct ErrorEvent {
  std::string message;
  bool operator==(const ErrorEvent&) const = default;
};
using Event = std::variant<ProgressEvent, ErrorEvent>;

// The environment variable that tells a child program the file's name.
inline constexpr char kEventsVariable[] = "PRIVDNN_EVENTS";

class EventWriter {
 public:
  // Creates the file, for this user alone, or appends if it exists. Fails with FailedPrecondition if it isn't an events
  // file of this version.
  static absl::StatusOr<EventWriter> Open(const std::filesystem::path& path);
  // Opens the file that kEventsVariable names. Returns nothing if the variable is not set, for example in a program
  // that a person starts.
  static absl::StatusOr<std::optional<EventWriter>> FromEnvironment();
  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&&) = delete;
  ~EventWriter();

  // Appends a line. Writes at most the first 8 kB of a text. Ignores write errors, so that reporting never stops the
  // work. Skips events with a total of 0.
  void Write(const Event& event) const;

 private:
  explicit EventWriter(int fd) : fd_(fd) {}
  int fd_;
};

// Parses bytes into events. The bytes may arrive in any pieces.
class EventParser {
 public:
  // Returns the events whose lines `bytes` complete. Fails with FailedPrecondition if the first line differs, as in
  // another version, and with DataLoss, giving the line's number, if a line is not an event or is too long for one.
  // After an error, every call returns that error.
  absl::StatusOr<std::vector<Event>> Feed(std::string_view bytes);

 private:
  absl::Status Line(std::string_view line, std::vector<Event>& events);
  std::string rest_;  // the start of an incomplete line
  uint64_t lines_ = 0;
  absl::Status broken_;
};

// Follows a file of events that another program writes.
class EventReader {
 public:
  explicit EventReader(std::filesystem::path path) : path_(std::move(path)) {}
  // Returns the events since the last call; none while there is no file. Returns EventParser's errors, with the file's
  // name.
  absl::StatusOr<std::vector<Event>> Read();

 private:
  std::filesystem::path path_;
  uint64_t read_ = 0;  // bytes
  EventParser parser_;
};

}  // namespace privdnn
