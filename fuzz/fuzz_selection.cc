// ParseSelection: what users type and what selection files hold, and the partition that follows from it.
#include "fuzz_support.h"
#include "privdnn/graph/architectures.h"
#include "privdnn/partition/partition.h"

namespace {

// With a first byte of 0, a byte 128 + k stands for 2^(k mod 20) repetitions of the byte before it: nesting too deep to
// be found byte by byte.
std::string Expand(std::string_view text) {
  constexpr size_t kMaxSize = size_t{1} << 21;
  if (text.empty() || text[0] != 0) return std::string(text);
  std::string expanded;
  for (const char c : text.substr(1)) {
    const auto byte = static_cast<unsigned char>(c);
    const size_t repetitions = byte < 128 || expanded.empty() ? 1 : size_t{1} << (byte - 128) % 20;
    if (expanded.size() + repetitions > kMaxSize) break;
    expanded.append(repetitions, repetitions > 1 ? expanded.back() : c);
  }
  return expanded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  static const auto& graph = *new Graph(*BuildArchitecture("lenet5-mnist", 1));
  const auto selection = ParseSelection(Expand(AsStringView({data, size})), graph);
  if (!selection.ok()) {
    fuzz::Require(!selection.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(CheckSelection(graph, *selection).ok(), "what is read can be checked");
  const auto again = ParseSelection(FormatSelection(*selection), graph);
  fuzz::Require(again.ok() && *again == *selection, "a selection is read as it was written");
  const auto segments = FindSegments(graph, *selection);
  if (!segments.ok()) return 0;
  const auto rest = PlaintextRest(graph, *segments);
  fuzz::Require(rest.ok(), "a partition leaves a rest");
  fuzz::Require(SplitStages(*rest, segments->size()).ok(), "a rest has stages");
  return 0;
}
