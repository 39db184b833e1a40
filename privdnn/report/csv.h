// A document's figures as files.
#pragma once

#include <filesystem>

#include "privdnn/base/status.h"
#include "privdnn/report/document.h"

namespace privdnn {

// RFC 4180, with line feeds: a line of titles, then a line a row; numbers as precise as they are.
std::string RenderCsv(const Table& table);

// ID.csv for each figure's table and ID.png for its picture, into `directory`, which is made if it isn't there.
absl::Status WriteFigures(const Document& document, const std::filesystem::path& directory);

}  // namespace privdnn
