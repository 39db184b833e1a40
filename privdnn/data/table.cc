// Text with a row of numbers a line.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "privdnn/data/arrays.h"
#include "privdnn/data/formats.h"
#include "privdnn/data/lines.h"

namespace privdnn {
namespace {

// What separates the fields of a line: what its file was saved with.
char SeparatorOf(std::string_view line) {
  for (const char separator : {',', ';', '\t'}) {
    if (line.find(separator) != std::string_view::npos) return separator;
  }
  return ' ';
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

// A number, which may stand in quotes; also "nan" and "inf".
std::optional<double> Number(std::string_view field) {
  field = Trimmed(field);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
    field = Trimmed(field.substr(1, field.size() - 2));
  }
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> SplitFields(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  for (std::string_view rest = Trimmed(line);;) {
    const size_t end = rest.find(separator);
    fields.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) return fields;
    rest = rest.substr(end + 1);
    if (separator == ' ') rest = Trimmed(rest);  // several blanks are one
  }
}

// Whether the first line of a file names the columns: no field is a number, and not all say that one is missing.
bool NamesColumns(const std::vector<std::string_view>& fields) {
  const auto missing = [](std::string_view field) {
    constexpr std::string_view kMissing[] = {"", "NA", "N/A", "NULL", "null", "None", "?"};
    return std::ranges::find(kMissing, Trimmed(field)) != std::end(kMissing);
  };
  return std::ranges::none_of(fields, [](std::string_view field) { return Number(field).has_value(); }) &&
         !std::ranges::all_of(fields, missing);
}

// Appends the numbers of a line.
absl::Status AppendNumbers(const std::vector<std::string_view>& fields, const LineReader& line,
                           std::vector<double>& numbers) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto number = Number(fields[i]);
    if (!number || !std::isfinite(*number)) {
      return line.Error(
          fmt::format("column {}: {} is not a {}number", i + 1, Quoted(Trimmed(fields[i])), number ? "finite " : ""));
    }
    numbers.push_back(*number);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NumberTable> ParseNumberTable(std::string_view text, const std::string& name) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // as Excel writes in front of UTF-8
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  NumberTable table;
  LineReader lines(text, name);
  char separator = 0;
  while (lines.Next()) {
    if (Trimmed(lines.line()).empty()) continue;
    const bool first = separator == 0;
    if (first) separator = SeparatorOf(lines.line());
    const auto fields = SplitFields(lines.line(), separator);
    if (first && NamesColumns(fields)) {
      table.named = true;
      continue;
    }
    PRIVDNN_RETURN_IF_ERROR(AppendNumbers(fields, lines, table.numbers));
    const auto columns = static_cast<int64_t>(fields.size());
    if (table.rows == 0) table.columns = columns;
    if (columns != table.columns) {
      return lines.Error(fmt::format("has {} numbers, the lines before it have {}", columns, table.columns));
    }
    ++table.rows;
  }
  if (table.rows == 0) return InvalidArgument("{}: has no rows of numbers", name);
  return table;
}

std::string WriteTable(const Tensor& matrix) {
  std::string text;
  const auto columns = static_cast<size_t>(matrix.dim(1));
  for (size_t i = 0; i < matrix.values.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}", matrix.values[i], (i + 1) % columns == 0 ? '\n' : ',');
  }
  return text;
}

}  // namespace privdnn
