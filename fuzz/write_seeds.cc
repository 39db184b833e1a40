// Writes the inputs that fuzzing starts from into a directory: write_seeds fuzz/corpus.
#include <cstdio>

#include "fuzz_support.h"
#include "privdnn/base/file.h"
#include "privdnn/data/dataset.h"
#include "privdnn/onnx/onnx.h"
#include "privdnn/package/test_package.h"
#include "privdnn/testing/graphs.h"
#include "privdnn/testing/images.h"

namespace privdnn {
namespace {

bool Write(const std::filesystem::path& corpus, const char* target, const char* name, std::span<const uint8_t> bytes) {
  std::error_code error;
  std::filesystem::create_directories(corpus / target, error);
  const absl::Status status = WriteFile(corpus / target / name, bytes);
  if (!status.ok()) std::fprintf(stderr, "%s\n", Message(status).c_str());
  return status.ok();
}

Bytes Prefixed(std::initializer_list<uint8_t> first, std::span<const uint8_t> rest) {
  Bytes bytes(first);
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

Graph SmallGraph(uint64_t seed, bool bn, bool pool) {
  TestModelBuilder builder(seed);
  TestModelShape shape = TinyShape();
  shape.bn1 = shape.bn2 = bn;
  if (pool) shape.pool1.kernel = shape.pool1.strides = {2, 2};
  return builder.Build(shape);
}

bool WriteAll(const std::filesystem::path& corpus) {
  bool good = Write(corpus, "fuzz_onnx", "every_operator", ExportOnnx(EveryOperatorGraph()));
  good &= Write(corpus, "fuzz_onnx", "segment", ExportOnnx(SmallGraph(1, false, false)));
  good &= Write(corpus, "fuzz_onnx", "segment_bn_pool", ExportOnnx(SmallGraph(2, true, true)));

  ImageSet set{2, 1, 2, 3, {0, 1, 2, 3, 4, 5, 255, 254, 253, 252, 251, 250}, {9, 0}, 10};
  const Bytes images = WriteIdxImages(set), labels = WriteIdxLabels(set);
  Bytes idx = Prefixed({9, 0, static_cast<uint8_t>(images.size()), 0}, images);
  idx.insert(idx.end(), labels.begin(), labels.end());
  good &= Write(corpus, "fuzz_idx", "two_images", idx);

  const auto format = [&](uint8_t which, const char* name, std::span<const uint8_t> file) {
    good &= Write(corpus, "fuzz_data_formats", name, Prefixed({which}, file));
  };
  format(0, "idx_gz", Gzip(images));
  format(1, "cifar10", Bytes(3073, 7));
  format(2, "ppm", WritePpm(PatternImage(3, 3, 5)));
  format(3, "jpeg_colour", WriteJpeg(PatternImage(3, 16, 16)));
  format(3, "jpeg_grayscale", WriteJpeg(PatternImage(1, 16, 16)));
  format(4, "gtsrb_list",
         AsBytes("Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n"
                 "00000_00001.ppm;29;30;5;6;24;25;0\r\n"));
  format(5, "class_ids", AsBytes("n02124075\nn01629819\n"));
  format(6, "boxes", AsBytes("n02124075_0.JPEG\t0\t0\t62\t63\n"));
  format(7, "validation", AsBytes("val_0.JPEG\tn02124075\t0\t32\t44\t62\n"));

  good &= Write(corpus, "fuzz_events", "two",
                AsBytes("privdnn-events 1\nprogress\ttraining\t1\t20\tloss\\t0.5\nerror\tstopped\\nhere\n"));

  good &= Write(corpus, "fuzz_selection", "short", AsBytes("1:0,3;2:5"));
  good &= Write(corpus, "fuzz_selection", "json", AsBytes(R"({"1": [0, 3], "2": [5]})"));

  // 2^19 brackets open and closed.
  good &= Write(corpus, "fuzz_selection", "deep", AsBytes(std::string_view("\0{\"1\":[\x93]\x93}", 11)));

  // fuzz_package: the header alone, in the frame of a valid package, sizes and digest made right.
  TestModelBuilder builder(1);
  const auto model = EncryptTestModel(builder.Build(TinyShape()), builder, 99);
  const Bytes& package = model->encrypted.package;
  const size_t header_size = package[12] | package[13] << 8;
  good &= Write(corpus, "fuzz_package", "header", Prefixed({15}, std::span(package).subspan(24, header_size)));
  // Edits of a valid file or message: none; byte 70 overwritten; the last 3 bytes cut off. The first byte says whether
  // digests are made right.
  for (const char* target : {"fuzz_journal", "fuzz_package", "fuzz_owner_key", "fuzz_query", "fuzz_reply"}) {
    good &= Write(corpus, target, "valid", Bytes{3, 0});
    good &= Write(corpus, target, "overwritten", Bytes{3, 0, 0, 70, 0, 1, 255});
    good &= Write(corpus, target, "cut", Bytes{3, 0, 7, 3, 0});
  }
  for (uint8_t what = 0; what < 4; ++what) {
    const char name[] = {static_cast<char>('0' + what), 0};
    good &= Write(corpus, "fuzz_kernels", name, Bytes{what, 4, 29, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1});
  }
  return good;
}

}  // namespace
}  // namespace privdnn

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
    return 2;
  }
  return privdnn::WriteAll(argv[1]) ? 0 : 1;
}
