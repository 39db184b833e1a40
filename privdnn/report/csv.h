// Writes a document's figures as files.
#pragma once

#include <filesystem>

#include "privdnn/base/status.h"
#include "privdnn/report/document.h"

namespace privdnn {

// Returns a table as RFC 4180, with line feeds: a line of titles, then one line per row; numbers in full precision.
std::string RenderCsv(const Table& table);

// Writes ID.csv for each figure's table and ID.png for its picture into `directory`.
absl::Status WriteFigures(const Document& document, const std::filesystem::path& directory);

}  // namespace privdnn
