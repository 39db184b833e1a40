// EventParser, in one piece and byte by byte.
#include "fuzz_support.h"
#include "privdnn/base/events.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  EventParser whole, pieces;
  const auto events = whole.Feed(text);
  std::vector<Event> found;
  absl::Status status;
  for (size_t i = 0; i < size && status.ok(); ++i) {
    const auto some = pieces.Feed(text.substr(i, 1));
    status = some.status();
    if (some.ok()) found.insert(found.end(), some->begin(), some->end());
  }
  fuzz::Require(status == events.status(), "pieces don't matter");
  if (!events.ok()) {
    fuzz::Require(!status.message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(found == *events, "pieces don't matter");
  for (const Event& event : found) {
    const auto* progress = std::get_if<ProgressEvent>(&event);
    fuzz::Require(!progress || progress->total > 0, "there is something to do");
  }
  return 0;
}
