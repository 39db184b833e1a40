#include "party/user.h"

#include <algorithm>

#include "base/parallel.h"
#include "lifting/packing.h"

namespace privdnn {

User::User(Package package, EncryptedKernels kernels)
    : package_(std::move(package)),
      kernels_(std::move(kernels)),
      sizes_(package_.parameters(), package_.geometry()),
      torus_(package_.parameters().ring()) {}

absl::StatusOr<User> User::Create(Package package, int threads) {
  const Parameters& params = package.parameters();
  const size_t outputs = package.header().segment.outputs, terms = params.terms() + 1;
  EncryptedKernels kernels(params, outputs, package.header().seed);
  std::vector<absl::Status> status(outputs);
  ParallelFor(outputs, threads, [&](size_t f) {
    AlignedVector<uint64_t> residues(params.ring().limbs_size());
    for (size_t j = 0; j < terms && status[f].ok(); ++j) {
      status[f] = package.ReadCiphertext(f, j, residues);
      if (status[f].ok()) kernels.Set(params, f, j, residues);
    }
  });
  for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
  package.DropResidentPages();
  return User(std::move(package), std::move(kernels));
}

size_t User::image_size() const {
  const SegmentSpec& s = package_.header().segment;
  return size_t{s.channels} * s.input.h * s.input.w;
}

void User::PrepareGroup(std::span<const float> images, RandomSource& random, EvaluationScratch& scratch,
                        std::span<Masks> masks, std::span<uint8_t> out) const {
  const Parameters& params = package_.parameters();
  const Geometry& g = package_.geometry();
  std::vector<FeaturePlanes> planes;
  for (size_t k = 0; k < masks.size(); ++k) {
    planes.emplace_back(g, QuantizeInput(g, images.subspan(k * image_size(), image_size())));
  }
  const auto masked = Evaluate(
      params, torus_, kernels_, masks.size(),
      [&](size_t k, size_t j, std::span<int32_t> coefficients) { planes[k].Fill(g, j, coefficients); }, g.positions(),
      random, scratch, masks);
  const size_t positions = g.positions_per_output(), per_output = params.ring().num_primes() * positions;
  for (const MaskedImage& image : masked) {
    PackResidues(params.spec().primes, image.a.all(), out.first(sizes_.masked_poly()));
    out = out.subspan(sizes_.masked_poly());
    for (size_t f = 0; f < kernels_.outputs(); ++f) {
      PackResidues(params.spec().primes, std::span(image.b).subspan(f * per_output, per_output),
                   out.first(sizes_.masked_output()));
      out = out.subspan(sizes_.masked_output());
    }
  }
}

absl::StatusOr<PreparedQuery> User::Prepare(std::span<const float> images, const RandomSource& random,
                                            Workspace& workspace, int threads) const {
  const size_t count = images.size() / image_size();
  if (count < 1 || count > kMaxImagesPerMessage || images.size() % image_size() != 0) {
    return InvalidArgument("query: {} pixels are not 1 to {} images of {}", images.size(), kMaxImagesPerMessage,
                           image_size());
  }
  PreparedQuery query{
      StartMessage(MessageKind::kQuery, package_.id(), static_cast<uint32_t>(count), sizes_.query(count)),
      std::vector<Masks>(count)};
  // Up to kMaxImagesPerPass images share a pass over the kernels, but no thread should be left without work.
  const size_t share =
      (count + static_cast<size_t>(std::max(threads, 1)) - 1) / static_cast<size_t>(std::max(threads, 1));
  const size_t group = std::clamp(share, size_t{1}, kMaxImagesPerPass);
  const auto body = Body(query.message);
  ParallelFor((count + group - 1) / group, threads, [&](size_t task) {
    const size_t first = task * group, size = std::min(group, count - first);
    PrepareGroup(images.subspan(first * image_size(), size * image_size()), *random.Fork(first), workspace.local(),
                 std::span(query.masks).subspan(first, size),
                 body.subspan(first * sizes_.query_image(), size * sizes_.query_image()));
  });
  FinishMessage(query.message);
  return query;
}

absl::StatusOr<std::vector<int64_t>> User::Unmask(const PreparedQuery& query, std::span<const uint8_t> reply) const {
  const Parameters& params = package_.parameters();
  uint32_t images = 0;
  PRIVDNN_ASSIGN_OR_RETURN(auto body,
                           ParseMessage(MessageKind::kReply, reply, package_.id(), sizes_.reply_image(), images));
  if (images != query.masks.size()) {
    return InvalidArgument("reply: has {} images, the query had {}", images, query.masks.size());
  }
  const size_t positions = package_.geometry().positions_per_output(), outputs = kernels_.outputs();
  std::vector<int64_t> y(images * outputs * positions);
  std::vector<uint64_t> values(positions);
  for (size_t k = 0; k < images; ++k) {
    for (size_t f = 0; f < outputs; ++f) {
      if (!UnpackBits(body.first(sizes_.reply_output()), params.reply_bits(), values)) {
        return InvalidArgument("reply: image {}: surplus bits after output {} are not zero", k, f);
      }
      body = body.subspan(sizes_.reply_output());
      const auto masks = query.masks[k].Reveal().subspan(f * positions, positions);
      for (size_t p = 0; p < positions; ++p) {
        y[(k * outputs + f) * positions + p] = privdnn::Unmask(params, values[p], masks[p]);
      }
    }
  }
  return y;
}

nn::Tensor User::Dequantize(std::span<const int64_t> outputs) const {
  const Size2 map = package_.geometry().output();
  const size_t positions = size_t{map.h} * map.w, per_image = kernels_.outputs() * positions;
  nn::Tensor t;
  t.shape = {static_cast<int64_t>(outputs.size() / per_image), static_cast<int64_t>(kernels_.outputs()), map.h, map.w};
  t.values.reserve(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double scale = package_.header().output_scale[i % per_image / positions];
    t.values.push_back(static_cast<float>(static_cast<double>(outputs[i]) * scale));
  }
  return t;
}

}  // namespace privdnn
