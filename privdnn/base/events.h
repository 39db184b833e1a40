// What a program tells the program that started it, in a file between the two: progress, and why it failed.
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
// The last one of a program that failed says why.
struct ErrorEvent {
  std::string message;
  bool operator==(const ErrorEvent&) const = default;
};
using Event = std::variant<ProgressEvent, ErrorEvent>;

// Names the file to a program that is started.
inline constexpr char kEventsVariable[] = "PRIVDNN_EVENTS";

class EventWriter {
 public:
  // Creates the file, for this user alone, if it isn't there, and appends if it is. FailedPrecondition if it is none of
  // events in this version.
  static absl::StatusOr<EventWriter> Open(const std::filesystem::path& path);
  // Opens the file that kEventsVariable names. Returns nothing if none is named, as for a program that people start.
  static absl::StatusOr<std::optional<EventWriter>> FromEnvironment();
  EventWriter(EventWriter&& other) noexcept;
  EventWriter& operator=(EventWriter&&) = delete;
  ~EventWriter();

  // Appends a line. Of a text only the first 8 kB are written. A write that fails is lost: whoever reports progress has
  // work to do. A total of 0 says nothing and is left out.
  void Write(const Event& event) const;

 private:
  explicit EventWriter(int fd) : fd_(fd) {}
  int fd_;
};

// From bytes to events, whatever the pieces are in which the bytes come.
class EventParser {
 public:
  // Returns the events whose lines `bytes` complete. FailedPrecondition if the first line is another, as that of
  // another version is; DataLoss, with the line's number, for a line that is no event or longer than any. After an
  // error, every call returns that error.
  absl::StatusOr<std::vector<Event>> Feed(std::string_view bytes);

 private:
  absl::Status Line(std::string_view line, std::vector<Event>& events);
  std::string rest_;  // of a line that isn't complete
  uint64_t lines_ = 0;
  absl::Status broken_;
};

// Follows a file of events that another program writes.
class EventReader {
 public:
  explicit EventReader(std::filesystem::path path) : path_(std::move(path)) {}
  // Returns what has come since the last call: nothing as long as there is no file. EventParser's errors, with the
  // file's name.
  absl::StatusOr<std::vector<Event>> Read();

 private:
  std::filesystem::path path_;
  uint64_t read_ = 0;  // bytes
  EventParser parser_;
};

}  // namespace privdnn
