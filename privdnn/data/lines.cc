#include "privdnn/data/lines.h"

#include <algorithm>
#include <charconv>

namespace privdnn {

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  std::string shown(text.substr(0, kShown));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return fmt::format("'{}{}'", shown, text.size() > kShown ? "..." : "");
}

bool LineReader::Next() {
  if (text_.empty()) return false;
  const size_t end = text_.find('\n');
  line_ = text_.substr(0, end);
  text_ = end == std::string_view::npos ? std::string_view() : text_.substr(end + 1);
  if (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
  ++number_;
  return true;
}

absl::StatusOr<std::vector<std::string_view>> LineReader::Fields(char separator, size_t count) const {
  std::vector<std::string_view> fields;
  std::string_view rest = line_;
  while (fields.size() <= count) {
    const size_t end = rest.find(separator);
    fields.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest = rest.substr(end + 1);
  }
  if (fields.size() == count) return fields;
  return Error(fmt::format("{} has {} fields, needs {}", Quoted(line_),
                           fields.size() > count ? "too many" : std::to_string(fields.size()), count));
}

absl::StatusOr<int64_t> LineReader::Integer(std::string_view field, std::string_view what, int64_t min,
                                            int64_t max) const {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) {
    return Error(fmt::format("{} is {}, which is not a number", what, Quoted(field)));
  }
  if (value < min || value > max) return Error(fmt::format("{} is {}, must lie in [{}, {}]", what, value, min, max));
  return value;
}

absl::StatusOr<std::string> LineReader::FileName(std::string_view field, std::string_view suffix) const {
  const bool plain = std::all_of(field.begin(), field.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
           c == '.';
  });
  if (!plain || field.size() > 255 || field.starts_with('.') || !field.ends_with(suffix)) {
    return Error(fmt::format("{} is not a plain file name that ends in {}", Quoted(field), suffix));
  }
  return std::string(field);
}

absl::Status LineReader::Error(std::string_view problem) const {
  return InvalidArgument("{}: line {}: {}", name_, number_, problem);
}

}  // namespace privdnn
