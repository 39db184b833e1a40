#include "privdnn/report/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace privdnn {

std::string FactTable::Render() const {
  size_t width = 0;
  for (const auto& [what, value] : rows_) width = std::max(width, what.size());
  std::string text = title_ + "\n";
  for (const auto& [what, value] : rows_) text += fmt::format("  {:<{}}  {}\n", what, width, value);
  return text;
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  const auto b = static_cast<double>(bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", b / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", b / 1e6);
  return fmt::format("{:.2f} GB", b / 1e9);
}

std::string FormatMilliseconds(double ms) {
  if (ms < 1000) return fmt::format("{:.3g} ms", ms);
  return fmt::format("{:.3g} s", ms / 1000);
}

}  // namespace privdnn
