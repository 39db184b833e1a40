#include "privdnn/report/csv.h"

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

std::string Quote(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + "\"";
}

std::string Cell(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? Quote(value.get<std::string>()) : value.dump();
}

}  // namespace

std::string RenderCsv(const Table& table) {
  std::string text;
  for (size_t i = 0; i < table.columns.size(); ++i) text += (i ? "," : "") + Quote(table.columns[i].title);
  text += "\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i ? "," : "") + Cell(row[i]);
    text += "\n";
  }
  return text;
}

absl::Status WriteFigures(const Document& document, const std::filesystem::path& directory) {
  for (const Section& section : document.sections) {
    for (const Figure& figure : section.figures) {
      PRIVDNN_RETURN_IF_ERROR(WriteTextFile(directory / (figure.id + ".csv"), RenderCsv(figure.table)));
      if (figure.image) PRIVDNN_RETURN_IF_ERROR(WriteFile(directory / (figure.id + ".png"), figure.image->png));
    }
  }
  return absl::OkStatus();
}

}  // namespace privdnn
