#include "privdnn/party/user.h"

#include <algorithm>

#include "privdnn/base/parallel.h"
#include "privdnn/segment/cost_model.h"
#include "privdnn/segment/packing.h"

namespace privdnn {
namespace {

// Values of feature planes, 2 bytes each, that a query holds at a time.
constexpr uint64_t kMaxPlaneValuesAtOnce = uint64_t{1} << 26;

}  // namespace

// Images of a query whose features are at hand.
template <typename Z>
struct User::Wave {
  uint32_t images;  // of the whole query
  uint64_t first_image;
  std::vector<BasicFeaturePlanes<Z>> planes;
};

absl::StatusOr<User> User::Create(Package package, int threads) {
  std::vector<Segment> segments;
  std::vector<MessageLayout> layouts;
  for (size_t k = 0; k < package.segments().size(); ++k) {
    const PreparedSegment& segment = package.segments()[k];
    const Parameters& params = segment.parameters;
    const size_t outputs = segment.header.spec.outputs(), terms = params.terms() + 1;
    EncryptedKernels kernels(params, outputs, segment.header.seed);
    std::vector<absl::Status> status(outputs);
    ParallelFor(outputs, threads, [&](size_t f) {
      AlignedVector<uint64_t> residues(params.ring().limbs_size());
      for (size_t j = 0; j < terms && status[f].ok(); ++j) {
        status[f] = package.ReadCiphertext(k, f, j, residues);
        if (status[f].ok()) kernels.Set(params, f, j, residues);
      }
      package.DropResidentPages();  // so that the package and its copy are never both in memory
    });
    for (const auto& s : status) PRIVDNN_RETURN_IF_ERROR(s);
    segments.push_back({std::move(kernels), TorusMap(params.ring())});
    layouts.emplace_back(segment);
  }
  return User(std::move(package), std::move(segments), std::move(layouts));
}

size_t User::input_size(size_t k) const {
  const SegmentSpec& s = segment(k).header.spec;
  return s.channels * s.input.area();
}

template <typename Z>
void User::PreparePass(size_t k, const Wave<Z>& wave, uint64_t first_unit, std::span<Masks> masks, RandomSource& random,
                       int threads, EvaluationScratch& scratch, QueryWriter& query) const {
  const auto& [kernels, torus] = segments_[k];
  const Parameters& params = segment(k).parameters;
  const Geometry& g = segment(k).geometry;
  const auto unit_at = [&](size_t i) { return g.unit(first_unit + i, wave.images); };
  const auto features = [&](size_t i, size_t term, std::span<int32_t> coefficients) {
    const auto unit = unit_at(i);
    for (uint32_t slot = 0; slot < unit.images; ++slot) {
      wave.planes[unit.first_image - wave.first_image + slot].Fill(g, unit.tile, slot, term, coefficients);
    }
  };
  const auto positions = [&](size_t i, size_t output) {
    return g.positions(unit_at(i), static_cast<uint32_t>(output));
  };
  const auto masked = Evaluate(params, torus, kernels, features, positions, random, scratch, masks, threads);
  for (size_t i = 0; i < masked.size(); ++i) {
    query.WriteMaskedPoly(first_unit + i, masked[i].a.all());
    auto b = std::span(masked[i].b);
    for (uint32_t f = 0; f < kernels.outputs(); ++f) {
      const size_t residues = positions(i, f).size() * params.ring().num_primes();
      query.WriteMaskedOutput(first_unit + i, f, b.first(residues));
      b = b.subspan(residues);
    }
  }
}

absl::StatusOr<uint32_t> User::CountImages(size_t k, size_t values) const {
  const size_t size = input_size(k), count = values / size;
  if (count < 1 || count > kMaxImagesPerMessage || values % size != 0) {
    return InvalidArgument("query: {} values are not 1 to {} images of {}", values, kMaxImagesPerMessage, size);
  }
  return static_cast<uint32_t>(count);
}

template <typename Z, typename PlanesFn>
Bytes User::PrepareQuery(size_t k, uint32_t images, const PlanesFn& planes, std::span<Masks> masks,
                         RandomSource& random, Workspace& workspace, int threads) const {
  const Geometry& g = segment(k).geometry;
  QueryWriter query({package_.id(), static_cast<uint32_t>(k), images}, layouts_[k]);
  // Whole ciphertexts of images, so many that their planes stay within bounds.
  const uint64_t per_ciphertext = g.images_per_ciphertext(), plane_values = g.window() * g.layer1().area();
  const uint64_t at_once =
      std::max<uint64_t>(kMaxPlaneValuesAtOnce / plane_values / per_ciphertext, 1) * per_ciphertext;
  for (uint64_t first_image = 0; first_image < images; first_image += at_once) {
    const uint64_t last_image = std::min<uint64_t>(first_image + at_once, images);
    Wave<Z> wave{images, first_image, std::vector<BasicFeaturePlanes<Z>>(last_image - first_image)};
    ParallelFor(wave.planes.size(), threads, [&](size_t i) { wave.planes[i] = planes(first_image + i); });
    const uint64_t first_unit = first_image / per_ciphertext * g.num_tiles(), last_unit = g.units(last_image);
    const uint64_t passes = (last_unit - first_unit + kMaxUnitsPerPass - 1) / kMaxUnitsPerPass;
    const bool side_by_side = PassesSideBySide(segment(k).parameters.spec(), g.spec().outputs(), passes, threads);
    const auto fresh = Forks(random, passes);
    ParallelFor(passes, side_by_side ? threads : 1, [&](size_t pass) {
      const uint64_t first = first_unit + pass * kMaxUnitsPerPass;
      const uint64_t units = std::min<uint64_t>(kMaxUnitsPerPass, last_unit - first);
      PreparePass(k, wave, first, masks.subspan(first, units), *fresh[pass], side_by_side ? 1 : threads,
                  workspace.local(), query);
    });
  }
  return std::move(query).Finish();
}

absl::StatusOr<PreparedQuery> User::Prepare(size_t k, std::span<const float> inputs, RandomSource& random,
                                            Workspace& workspace, int threads) const {
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t images, CountImages(k, inputs.size()));
  const Geometry& g = segment(k).geometry;
  const size_t size = input_size(k);
  PreparedQuery query{{}, {package_.id(), static_cast<uint32_t>(k), images}, std::vector<Masks>(g.units(images)), {}};
  std::vector<Clamping> each(images);
  const auto planes = [&](uint64_t i) {
    return FeaturePlanes(g, QuantizeInput(g, inputs.subspan(i * size, size), each[i]));
  };
  query.message = PrepareQuery<int16_t>(k, images, planes, query.masks, random, workspace, threads);
  for (const Clamping& image : each) query.clamping += image;
  return query;
}

absl::StatusOr<User::SharesQuery> User::PrepareShares(size_t k, std::span<const uint32_t> inputs, RandomSource& random,
                                                      Workspace& workspace, int threads) const {
  if (!segment(k).parameters.spec().shares)
    return InvalidArgument("query: the outputs of segment {} are not shared", k);
  PRIVDNN_ASSIGN_OR_RETURN(const uint32_t images, CountImages(k, inputs.size()));
  const Geometry& g = segment(k).geometry;
  const size_t size = input_size(k);
  const int bits = segment(k).parameters.plain_bits();
  std::vector<Masks> masks(g.units(images));
  const auto planes = [&](uint64_t i) { return SharePlanes(g, ShareMap(g, inputs.subspan(i * size, size))); };
  SharesQuery query{PrepareQuery<int32_t>(k, images, planes, masks, random, workspace, threads),
                    ZeroizingVector<uint32_t>(images * g.spec().values_per_image())};
  ForEachUnitsValue(g, images, [&](uint64_t unit, size_t at, uint64_t value) {
    query.shares[value] = (0 - RoundToBits(masks[unit].Reveal()[at], bits)) & ((uint32_t{1} << bits) - 1);
  });
  return query;
}

absl::StatusOr<std::vector<int64_t>> User::Unmask(const PreparedQuery& query, std::span<const uint8_t> reply) const {
  const MessageHeader& header = query.header;
  if (header.package != package_.id()) {
    return InvalidArgument("reply: answers a query for package {}, not {}", HexEncode(header.package),
                           HexEncode(package_.id()));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const Reply parsed, Reply::Parse(reply, header, layouts_));
  const size_t k = header.segment;
  const Parameters& params = segment(k).parameters;
  const Geometry& g = segment(k).geometry;
  std::vector<int64_t> y(header.images * g.spec().values_per_image());
  std::vector<uint64_t> values, unit;
  for (uint64_t u = 0; u < parsed.units(); ++u) {
    unit.clear();
    for (uint32_t f = 0; f < g.spec().outputs(); ++f) {
      values.resize(g.positions(g.unit(u, header.images), f).size());
      PRIVDNN_RETURN_IF_ERROR(parsed.ReadOutput(u, f, values));
      unit.insert(unit.end(), values.begin(), values.end());
    }
    ForEachValue(g, header.images, u, [&](size_t at, uint64_t value) {
      y[value] = privdnn::Unmask(params, unit[at], query.masks[u].Reveal()[at]);
    });
  }
  return y;
}

}  // namespace privdnn
