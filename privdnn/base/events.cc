#include "privdnn/base/events.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <system_error>
#include <utility>

namespace privdnn {
namespace {

constexpr std::string_view kHeader = "privdnn-events 1";
constexpr char kProgress[] = "progress", kError[] = "error";
constexpr size_t kMaxText = 8192;  // bytes of a field before it is escaped
// Of a line: three texts, of which escaping makes twice as much, and the rest.
constexpr size_t kMaxLine = 6 * kMaxText + 128;
constexpr size_t kChunk = 1 << 16;

std::string ErrnoText() { return std::generic_category().message(errno); }

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text.substr(0, kMaxText)) {
    switch (c) {
      case '\t':
        escaped += "\\t";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\\':
        escaped += "\\\\";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::optional<std::string> Unescaped(std::string_view field) {
  std::string text;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\') {
      text += field[i];
      continue;
    }
    if (++i == field.size()) return std::nullopt;
    constexpr std::string_view kNames = "tn\\", kMeant = "\t\n\\";
    const size_t which = kNames.find(field[i]);
    if (which == std::string_view::npos) return std::nullopt;
    text += kMeant[which];
  }
  return text;
}

std::optional<uint64_t> Number(std::string_view field) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

// Nothing if the line is no event.
std::optional<Event> ParseEvent(std::string_view line) {
  const std::vector<std::string_view> fields = Fields(line);
  if (fields[0] == kProgress && fields.size() == 5) {
    auto label = Unescaped(fields[1]), note = Unescaped(fields[4]);
    const auto done = Number(fields[2]), total = Number(fields[3]);
    if (!label || !done || !total || *total == 0 || !note) return std::nullopt;
    return ProgressEvent{*std::move(label), *done, *total, *std::move(note)};
  }
  if (fields[0] == kError && fields.size() == 2) {
    if (auto message = Unescaped(fields[1])) return ErrorEvent{*std::move(message)};
  }
  return std::nullopt;
}

std::string LineOf(const Event& event) {
  if (const auto* error = std::get_if<ErrorEvent>(&event)) {
    return fmt::format("{}\t{}\n", kError, Escaped(error->message));
  }
  const auto& p = std::get<ProgressEvent>(event);
  return fmt::format("{}\t{}\t{}\t{}\t{}\n", kProgress, Escaped(p.label), p.done, p.total, Escaped(p.note));
}

// With one call, and at the file's end (O_APPEND), so that lines of several writers don't mix.
bool Append(int fd, std::string_view line) {
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

// Writes the first line, or holds what is there against it.
absl::Status Begin(int fd) {
  // Of several writers one begins. Where files can't be locked there is only one.
  while (::flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
  const std::string header = std::string(kHeader) + "\n";
  std::array<char, kHeader.size() + 1> there{};
  const ssize_t size = ::pread(fd, there.data(), there.size(), 0);
  absl::Status status;
  if (size == 0 && !Append(fd, header)) status = FailedPrecondition("{}", ErrnoText());
  if (size != 0 && (size < 0 || std::string_view(there.data(), static_cast<size_t>(size)) != header)) {
    status = FailedPrecondition("its first line is not '{}'", kHeader);
  }
  ::flock(fd, LOCK_UN);
  return status;
}

}  // namespace

absl::StatusOr<EventWriter> EventWriter::Open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FailedPrecondition("{}: {}", path.string(), ErrnoText());
  EventWriter writer(fd);
  PRIVDNN_RETURN_IF_ERROR(Annotate(Begin(fd), path.string()));
  return writer;
}

absl::StatusOr<std::optional<EventWriter>> EventWriter::FromEnvironment() {
  const char* path = std::getenv(kEventsVariable);
  if (path == nullptr || *path == '\0') return std::optional<EventWriter>();
  PRIVDNN_ASSIGN_OR_RETURN(EventWriter writer, Open(path));
  return std::optional<EventWriter>(std::move(writer));
}

EventWriter::EventWriter(EventWriter&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

EventWriter::~EventWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void EventWriter::Write(const Event& event) const {
  const auto* progress = std::get_if<ProgressEvent>(&event);
  if (progress == nullptr || progress->total > 0) Append(fd_, LineOf(event));
}

absl::Status EventParser::Line(std::string_view line, std::vector<Event>& events) {
  if (++lines_ == 1) {
    if (line == kHeader) return absl::OkStatus();
    return FailedPrecondition("the first line is not '{}'", kHeader);
  }
  auto event = ParseEvent(line);
  if (!event) return DataLoss("line {} is no event", lines_);
  events.push_back(*std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Event>> EventParser::Feed(std::string_view bytes) {
  std::vector<Event> events;
  while (broken_.ok() && !bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    rest_ += bytes.substr(0, end);
    if (rest_.size() > kMaxLine) {
      broken_ = DataLoss("line {} is longer than {} bytes", lines_ + 1, kMaxLine);
    } else if (end < bytes.size()) {
      broken_ = Line(rest_, events);
      rest_.clear();
    }
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  if (!broken_.ok()) return broken_;
  return events;
}

absl::StatusOr<std::vector<Event>> EventReader::Read() {
  std::vector<Event> events;
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return events;
    return NotFound("{}: {}", path_.string(), ErrnoText());
  }
  std::string chunk(kChunk, '\0');
  absl::Status status;
  ssize_t size = 1;
  while (status.ok() && size > 0) {
    size = ::pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(read_));
    if (size < 0) status = DataLoss("{}", ErrnoText());
    if (size <= 0) break;
    read_ += static_cast<uint64_t>(size);
    auto some = parser_.Feed(std::string_view(chunk).substr(0, static_cast<size_t>(size)));
    status = some.status();
    if (some.ok()) std::ranges::move(*some, std::back_inserter(events));
  }
  ::close(fd);
  PRIVDNN_RETURN_IF_ERROR(Annotate(status, path_.string()));
  return events;
}

}  // namespace privdnn
