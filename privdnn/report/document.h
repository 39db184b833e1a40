// A report as data: sentences, tables, plots and pictures. The HTML page and the CSV files are written from it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "privdnn/base/bytes.h"

namespace privdnn {

using Json = nlohmann::ordered_json;

struct Column {
  std::string title;
  int digits = 0;  // decimal places of numbers on the page
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Json>> rows;  // cells: text, a number, or null where there is none
};

// Draws columns of a table, so plot and table can't differ. The first column holds the bars' labels, or x.
struct Plot {
  enum class Kind { kBars, kLines };
  Kind kind = Kind::kBars;
  std::vector<size_t> columns = {};        // drawn as bars, or as points joined by lines
  std::vector<size_t> reference = {};      // drawn as dashed lines; only with kLines
  std::string x_title = {}, y_title = {};  // for bars, y_title belongs to their values
  bool log_x = false, log_y = false;
  std::optional<double> min = {}, max = {};  // limits of the values' axis
};

struct Picture {
  Bytes png;
  std::string description;
};

struct Figure {
  std::string id;  // letters and dashes; used in file names and in the page's anchors
  std::string title, caption;
  Table table;
  std::optional<Plot> plot;
  std::optional<Picture> image;
};

// How a section's figures were made.
struct Provenance {
  std::string title, command;
  double seconds = 0;
  std::string reason;  // why there is no result; empty if there is one
};

struct Section {
  std::string id, title;
  std::vector<std::string> paragraphs;
  std::vector<Figure> figures;
  std::vector<Provenance> made_by;
};

enum class Tone { kProtects, kExposes, kNote };

// One sentence of the verdict, and the section whose figures support it.
struct Sentence {
  Tone tone;
  std::string text, section;
  bool operator==(const Sentence&) const = default;
};

struct Document {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<Sentence> verdict;
  std::vector<std::string> not_said;
  std::vector<Section> sections;
};

}  // namespace privdnn
