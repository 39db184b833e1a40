#include "privdnn/segment/planner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "privdnn/base/bytes.h"

namespace privdnn {
namespace {

struct RingChoice {
  size_t n;
  size_t primes;
};
// Every (N, number of 50-bit primes) within the security table.
constexpr std::array<RingChoice, 12> kRings = {{{2048, 1},
                                                {4096, 1},
                                                {4096, 2},
                                                {8192, 2},
                                                {8192, 3},
                                                {8192, 4},
                                                {16384, 3},
                                                {16384, 4},
                                                {16384, 5},
                                                {16384, 6},
                                                {16384, 7},
                                                {16384, 8}}};

// Tiles along an axis that are tried.
constexpr std::array<uint32_t, 8> kTilings = {1, 2, 3, 4, 6, 8, 12, 16};

// A ring and a packing that fit a segment, and what they cost.
struct Candidate {
  ParameterSpec parameters;
  SegmentSpec spec;
  double cost = 0;  // by the objective
  uint64_t ciphertexts = 0, kernels = 0, working = 0;
};

double Cost(const Geometry& g, const ParameterSpec& p, const PlanOptions& options) {
  const uint64_t images = PlannedImages(options.objective);
  const double ms =
      (UserMs(g, p, options.costs, images) + OwnerMs(g, p, options.costs, images)) / static_cast<double>(images);
  if (options.objective != Objective::kBytes) return ms;
  const MessageBytes bytes = BodyBytes(g, p, images);
  constexpr double kByTime = 1e-6;  // bytes that a millisecond is worth: breaks ties
  return static_cast<double>(bytes.query + bytes.reply) / static_cast<double>(images) + kByTime * ms;
}

// Images a ciphertext that are tried: powers of two, and as many as fill the ring.
std::vector<uint32_t> Batches(const SegmentSpec& spec, size_t n, Objective objective) {
  if (spec.images_per_ciphertext > 1 || objective == Objective::kLatency) return {spec.images_per_ciphertext};
  std::vector<uint32_t> batches;
  for (uint32_t images = 1; images <= kBatchImages; images *= 2) batches.push_back(images);
  const auto one = Geometry::Create(spec, n);
  if (!one.ok()) return batches;
  const auto filling = static_cast<uint32_t>(std::min<uint64_t>(n / one->tile_map().area(), kBatchImages));
  if (std::ranges::find(batches, filling) == batches.end()) batches.push_back(filling);
  return batches;
}

// Calls use(spec, geometry, ring's primes) for every ring, tiling and number of images that fit the map. The last error
// of an uncut map otherwise.
template <typename Use>
absl::Status ForEachPacking(const SegmentSpec& spec, Objective objective, const Use& use) {
  absl::Status refused;
  for (const RingChoice& ring : kRings) {
    const auto attempt = [&](const SegmentSpec& packed, bool report) {
      auto geometry = Geometry::Create(packed, ring.n);
      if (geometry.ok()) return use(packed, *geometry, ring);
      if (report) refused = geometry.status();
    };
    SegmentSpec packed = spec;
    packed.tiles = {1, 1};
    for (const uint32_t images : Batches(packed, ring.n, objective)) {
      packed.images_per_ciphertext = images;
      attempt(packed, images == spec.images_per_ciphertext);
    }
    if (spec.images_per_ciphertext > 1) continue;
    packed.images_per_ciphertext = 1;
    for (const uint32_t rows : kTilings) {
      for (const uint32_t columns : kTilings) {
        packed.tiles = {rows, columns};
        if (packed.tiles.area() > 1) attempt(packed, false);
      }
    }
  }
  return refused;
}

// Neither cheaper nor smaller than another in anything.
bool Dominated(const Candidate& c, const Candidate& by) {
  return by.cost <= c.cost && by.ciphertexts <= c.ciphertexts && by.kernels <= c.kernels && by.working <= c.working;
}

// PlanSegments has checked that the values of all images fit 64 bits.
ParameterSpec ParametersOf(const PlanTask& task, const Geometry& g, const RingChoice& ring, uint64_t image_budget) {
  return *DeriveParameters({.n = ring.n, .primes = NttPrimes(ring.primes), .plain_bits = task.plain_bits}, g,
                           image_budget);
}

// The valid rings and packings for a segment that no other beats in everything; empty, with the reason in `refused`, if
// there is none. The statistical security is shared among `segments`.
std::vector<Candidate> Candidates(const PlanTask& task, size_t segments, const PlanOptions& options,
                                  absl::Status& refused) {
  std::vector<Candidate> best;
  absl::Status invalid;
  refused = ForEachPacking(task.spec, options.objective,
                           [&](const SegmentSpec& spec, const Geometry& g, const RingChoice& ring) {
                             Candidate c{.parameters = ParametersOf(task, g, ring, options.image_budget), .spec = spec};
                             const ParameterSpec& p = c.parameters;
                             // All segments as costly as this one: their divergences add up.
                             ParameterSpec shared = p;
                             shared.released_values *= segments;
                             if (const absl::Status status = CheckParameters(shared); !status.ok()) {
                               invalid = status;
                               return;
                             }
                             c.cost = Cost(g, p, options);
                             c.ciphertexts = CiphertextBytes(p, g);
                             c.kernels = UserKernelBytes(p, spec.outputs());
                             c.working = UserWorkingBytes(g, p, PlannedImages(options.objective));
                             if (std::ranges::any_of(best, [&](const Candidate& other) { return Dominated(c, other); }))
                               return;
                             std::erase_if(best, [&](const Candidate& other) { return Dominated(other, c); });
                             best.push_back(std::move(c));
                           });
  if (!invalid.ok()) refused = invalid;
  return best;
}

// "; it would fit with ...", by trying smaller budgets and plaintexts; nothing if neither helps alone.
std::string WhatWouldFit(const PlanTask& task, size_t segments, const PlanOptions& options) {
  std::vector<ParameterSpec> packings;
  (void)ForEachPacking(task.spec, Objective::kLatency,
                       [&](const SegmentSpec&, const Geometry& g, const RingChoice& ring) {
                         ParameterSpec p = ParametersOf(task, g, ring, options.image_budget);
                         p.released_values *= segments;
                         packings.push_back(p);
                       });
  const auto fits = [&](int plain_bits, uint64_t divisor) {
    return std::ranges::any_of(packings, [&](ParameterSpec p) {
      p.plain_bits = plain_bits;
      p.released_values /= divisor;
      return CheckParameters(p).ok();
    });
  };
  std::string text;
  for (uint64_t divisor = 10; divisor <= options.image_budget && text.empty(); divisor *= 10) {
    if (fits(task.plain_bits, divisor)) {
      text = fmt::format("; a budget of {} images would fit", options.image_budget / divisor);
    }
  }
  for (int bits = task.plain_bits - 1; bits >= 8; --bits) {
    if (!fits(bits, 1)) continue;
    return text + fmt::format("{} outputs of {} bits instead of {} would fit (fewer input or kernel bits)",
                              text.empty() ? ";" : ", or", bits, task.plain_bits);
  }
  return text;
}

// A choice for each of the first segments.
struct Partial {
  Candidate total;  // cost, ciphertexts and kernels add up; memory to work in is the largest
  std::vector<size_t> choices;
};

// Every way to choose one candidate a segment that no other beats in everything. Beyond kMaxPartials, which takes many
// segments, those of least cost and the smallest ones.
std::vector<Partial> Combine(const std::vector<std::vector<Candidate>>& candidates) {
  constexpr size_t kMaxPartials = 500;
  std::vector<Partial> all(1);
  for (const auto& segment : candidates) {
    std::vector<Partial> next;
    for (const Partial& partial : all) {
      for (size_t i = 0; i < segment.size(); ++i) {
        Partial longer = partial;
        longer.choices.push_back(i);
        longer.total.cost += segment[i].cost;
        longer.total.ciphertexts += segment[i].ciphertexts;
        longer.total.kernels += segment[i].kernels;
        longer.total.working = std::max(longer.total.working, segment[i].working);
        const auto by = [&](const Partial& other) { return Dominated(longer.total, other.total); };
        if (std::ranges::any_of(next, by)) continue;
        std::erase_if(next, [&](const Partial& other) { return Dominated(other.total, longer.total); });
        next.push_back(std::move(longer));
      }
    }
    const auto first = [&](size_t count, const auto& less) {
      count = std::min(count, next.size());
      std::partial_sort(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(count), next.end(), less);
      all.insert(all.end(), next.begin(), next.begin() + static_cast<std::ptrdiff_t>(count));
    };
    all.clear();
    first(kMaxPartials, [](const Partial& a, const Partial& b) { return a.total.cost < b.total.cost; });
    if (next.size() > kMaxPartials) {
      first(8, [](const Partial& a, const Partial& b) { return a.total.ciphertexts < b.total.ciphertexts; });
      first(8, [](const Partial& a, const Partial& b) {
        return a.total.kernels + a.total.working < b.total.kernels + b.total.working;
      });
    }
  }
  return all;
}

uint64_t Package(const Candidate& total, const PlanOptions& o) { return o.fixed_package_bytes + total.ciphertexts; }
uint64_t Memory(const Candidate& total, const PlanOptions& o) {
  return o.fixed_user_memory_bytes + total.kernels + total.working;
}

// Why no combination keeps the bounds.
absl::Status OverBounds(const std::vector<Partial>& all, const PlanOptions& options, uint64_t outputs) {
  // Hundredths are told of small amounts; what is needed is rounded up.
  const auto asked = [](uint64_t bytes) { return fmt::format("{:g}", static_cast<double>(bytes) * 1e-6); };
  const auto megabytes = [](uint64_t bytes) {
    const uint64_t unit = bytes < 10'000'000 ? 10'000 : 1'000'000;
    return fmt::format("{:g}", static_cast<double>((bytes + unit - 1) / unit * unit) * 1e-6);
  };
  const auto refuse = [&](const char* what, uint64_t limit, uint64_t least, uint64_t fixed) {
    const uint64_t share = limit > fixed ? outputs * (limit - fixed) / std::max<uint64_t>(least - fixed, 1) : 0;
    return InvalidArgument(
        "plan: {} of at most {} MB was asked for; the smallest that fits the rings takes {} MB, {} of it whatever is "
        "encrypted; else encrypt fewer outputs ({} of the {} would fit), or take fewer kernel bits or a smaller image "
        "budget",
        what, asked(limit), megabytes(least), megabytes(fixed) + " MB", share, outputs);
  };
  uint64_t package = UINT64_MAX, memory = UINT64_MAX, memory_in_package = UINT64_MAX;
  for (const Partial& partial : all) {
    package = std::min(package, Package(partial.total, options));
    memory = std::min(memory, Memory(partial.total, options));
    if (Package(partial.total, options) > options.max_package_bytes) continue;
    memory_in_package = std::min(memory_in_package, Memory(partial.total, options));
  }
  if (package > options.max_package_bytes) {
    return refuse("a package", options.max_package_bytes, package, options.fixed_package_bytes);
  }
  if (memory > options.max_user_memory_bytes) {
    return refuse("memory of the user", options.max_user_memory_bytes, memory, options.fixed_user_memory_bytes);
  }
  return InvalidArgument(
      "plan: a package of at most {} MB and memory of the user of at most {} MB exclude each other; within the former, "
      "the latter is at least {} MB",
      asked(options.max_package_bytes), asked(options.max_user_memory_bytes), megabytes(memory_in_package));
}

SegmentPlan Describe(const Candidate& chosen, uint64_t image_budget) {
  const ParameterSpec& parameters = chosen.parameters;
  const Geometry geometry = *Geometry::Create(chosen.spec, parameters.n);
  const uint64_t outputs = geometry.spec().outputs();
  const uint64_t terms = parameters.terms + 1, primes = parameters.primes.size(), n = parameters.n;
  const uint64_t tiles = geometry.num_tiles(), images = geometry.images_per_ciphertext();
  const auto an_image = [&](uint64_t of_a_unit) { return (of_a_unit * tiles + images - 1) / images; };
  const MessageBytes full = BodyBytes(geometry, parameters, images);
  return {.encryption = {.parameters = parameters, .geometry = geometry, .image_budget = image_budget},
          .parameters = parameters,
          .cost = {.ciphertext_bytes = chosen.ciphertexts,
                   .query_bytes_per_image = (full.query + images - 1) / images,
                   .reply_bytes_per_image = (full.reply + images - 1) / images,
                   .user_memory_bytes = chosen.kernels,
                   .user_forward_ntts = an_image(primes * (terms + 1)),
                   .user_inverse_ntts = an_image(primes * outputs),
                   .user_macs = an_image(primes * n * (outputs + 1) * terms)},
          .statistical_security = StatisticalSecurity(parameters),
          .extraction = CountExtraction(geometry, 0),
          .key_recovery = CountKeyRecovery(geometry, parameters)};
}

}  // namespace

absl::StatusOr<std::vector<SegmentPlan>> PlanSegments(std::span<const PlanTask> tasks, const PlanOptions& options) {
  if (options.image_budget < 1) return InvalidArgument("plan: a budget of 0 images; at least 1 is needed");
  std::vector<std::vector<Candidate>> candidates;
  uint64_t outputs = 0;
  for (size_t k = 0; k < tasks.size(); ++k) {
    PRIVDNN_ASSIGN_OR_RETURN(const uint64_t released,
                             CheckedMul(options.image_budget, tasks[k].spec.values_per_image()));
    PRIVDNN_RETURN_IF_ERROR(CheckedMul(released, tasks.size()).status());
    absl::Status refused;
    candidates.push_back(Candidates(tasks[k], tasks.size(), options, refused));
    if (candidates.back().empty()) {
      const std::string which = tasks.size() > 1 ? fmt::format("segment {}: ", k) : "";
      return InvalidArgument("{}no ring fits this segment; the largest was refused: {}{}", which,
                             std::string(refused.message()), WhatWouldFit(tasks[k], tasks.size(), options));
    }
    outputs += tasks[k].spec.outputs();
  }
  const std::vector<Partial> all = Combine(candidates);
  const Partial* best = nullptr;
  for (const Partial& partial : all) {
    if (Package(partial.total, options) > options.max_package_bytes) continue;
    if (Memory(partial.total, options) > options.max_user_memory_bytes) continue;
    if (!best || partial.total.cost < best->total.cost) best = &partial;
  }
  if (!best) return OverBounds(all, options, outputs);
  std::vector<SegmentPlan> plans;
  for (size_t k = 0; k < tasks.size(); ++k) {
    plans.push_back(Describe(candidates[k][best->choices[k]], options.image_budget));
  }
  // Each would bear as many copies of itself as there are segments, which leaves something to check only where one is
  // bounded by noise and another by its number of values.
  std::vector<ParameterSpec> specs;
  for (const SegmentPlan& plan : plans) specs.push_back(plan.parameters);
  if (const double s = StatisticalSecurity(specs); s < kMinStatisticalSecurity) {
    return InvalidArgument(
        "plan: {} segments have a statistical security of {:.1f} bits together, at least {} are "
        "needed: take a smaller image budget",
        plans.size(), s, kMinStatisticalSecurity);
  }
  return plans;
}

absl::StatusOr<SegmentPlan> PlanSegment(const SegmentSpec& spec, int plain_bits, uint64_t image_budget,
                                        Objective objective) {
  PlanOptions options;
  options.image_budget = image_budget;
  options.objective = objective;
  const PlanTask task{spec, plain_bits};
  PRIVDNN_ASSIGN_OR_RETURN(auto plans, PlanSegments({&task, 1}, options));
  return std::move(plans[0]);
}

}  // namespace privdnn
