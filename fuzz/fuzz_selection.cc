// ParseSelection: what users type and what selection files hold.
#include "fuzz_support.h"
#include "nn/partition.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const auto selection = nn::ParseSelection(std::string(AsStringView({data, size})));
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
