// Writes tables of text for terminals and logs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace privdnn {

// Two columns: a name and its value.
//   title
//     encrypted outputs      8 of 16
//     package                5.9 MB
class FactTable {
 public:
  explicit FactTable(std::string title) : title_(std::move(title)) {}
  void Add(std::string what, std::string value) { rows_.emplace_back(std::move(what), std::move(value)); }
  // Returns the table, ending in a newline.
  std::string Render() const;

 private:
  std::string title_;
  std::vector<std::pair<std::string, std::string>> rows_;
};

// Returns text such as "716,800 B" or "5.9 MB" (powers of ten).
std::string FormatBytes(uint64_t bytes);
// Returns three significant digits with a unit: "0.213 ms", "1.72 s".
std::string FormatMilliseconds(double ms);

}  // namespace privdnn
