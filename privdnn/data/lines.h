// Reads text files with one row per line, the format in which data sets list their images. Internal to data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "privdnn/base/status.h"

namespace privdnn {

// Reads untrusted text line by line; "\n" or "\r\n" ends a line. Errors name the file and the line, counted from 1.
class LineReader {
 public:
  // Both must outlive the reader.
  LineReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  // Goes to the next line. Returns false at the end.
  bool Next();
  std::string_view line() const { return line_; }
  int64_t number() const { return number_; }
  // Returns the current line's fields. Fails unless there are `count`.
  absl::StatusOr<std::vector<std::string_view>> Fields(char separator, size_t count) const;
  // Parses a decimal number in [min, max].
  absl::StatusOr<int64_t> Integer(std::string_view field, std::string_view what, int64_t min, int64_t max) const;
  // Checks a file name of letters, digits, '_', '-' and '.' that ends in `suffix` and leads to no other directory.
  absl::StatusOr<std::string> FileName(std::string_view field, std::string_view suffix) const;
  absl::Status Error(std::string_view problem) const;

 private:
  std::string_view text_, line_;
  const std::string& name_;
  int64_t number_ = 0;
};

// Returns at most 60 characters of untrusted text for a message. Unprintable characters become '?'.
std::string Quoted(std::string_view text);

}  // namespace privdnn
