// ParseSelection: what users type and what selection files hold.
#include "fuzz_support.h"
#include "nn/partition.h"

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
  const auto selection = nn::ParseSelection(Expand(AsStringView({data, size})));
  if (!selection.ok()) {
    fuzz::Require(!selection.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  for (const auto* layer : {&selection->layer1, &selection->layer2}) {
    for (size_t i = 0; i < layer->size(); ++i) {
      fuzz::Require((*layer)[i] >= 0, "neurons are not negative");
      fuzz::Require(i == 0 || (*layer)[i - 1] < (*layer)[i], "neurons ascend without repetitions");
    }
  }
  const auto again = nn::ParseSelection(nn::FormatSelection(*selection));
  fuzz::Require(again.ok() && *again == *selection, "a selection is read as it was written");
  return 0;
}
