// ParseIdx. Input: classes (1 byte), size of the image file (2 bytes), image file, label file.
#include "fuzz_support.h"
#include "privdnn/data/dataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  fuzz::Input input(data, size);
  const auto classes = static_cast<int32_t>(input.InRange(1, 256));
  const auto images = input.Take(input.Integer(2));
  const auto labels = input.Rest();
  const auto set = ParseIdx(images, "images", labels, "labels", classes);
  if (!set.ok()) {
    fuzz::Require(!set.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  const Bytes image_file = WriteIdxImages(*set), label_file = WriteIdxLabels(*set);
  fuzz::Require(std::equal(images.begin(), images.end(), image_file.begin(), image_file.end()),
                "images are written as read");
  fuzz::Require(std::equal(labels.begin(), labels.end(), label_file.begin(), label_file.end()),
                "labels are written as read");
  fuzz::Require(set->Batch(0, set->count).size() == set->count * set->channels * set->height * set->width,
                "a batch has all pixels");
  return 0;
}
