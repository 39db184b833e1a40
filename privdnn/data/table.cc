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

std::optional<double> Number(std::string_view field) {
  field = Trimmed(field);
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Appends the numbers of a line. Returns the first field that is none.
std::optional<std::string_view> AppendNumbers(std::string_view line, char separator, std::vector<double>& numbers) {
  for (std::string_view rest = Trimmed(line);;) {
    const size_t end = rest.find(separator);
    const std::string_view field = rest.substr(0, end);
    const auto number = Number(field);
    if (!number) return field;
    numbers.push_back(*number);
    if (end == std::string_view::npos) return std::nullopt;
    rest = rest.substr(end + 1);
    if (separator == ' ') rest = Trimmed(rest);  // several blanks are one
  }
}

}  // namespace

absl::StatusOr<NumberTable> ParseNumberTable(std::string_view text, const std::string& name) {
  NumberTable table;
  LineReader lines(text, name);
  char separator = 0;
  while (lines.Next()) {
    if (Trimmed(lines.line()).empty()) continue;
    if (separator == 0) separator = SeparatorOf(lines.line());
    const size_t before = table.numbers.size();
    if (const auto bad = AppendNumbers(lines.line(), separator, table.numbers)) {
      table.numbers.resize(before);
      if (lines.number() == 1) continue;  // names of the columns
      return lines.Error(fmt::format("{} is not a number", Quoted(*bad)));
    }
    const auto columns = static_cast<int64_t>(table.numbers.size() - before);
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
