#include "privdnn/party/calibrate.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "privdnn/base/cpu.h"
#include "privdnn/package/encrypt.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"
#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

struct Shape {
  std::string what;
  SegmentSpec spec;
  size_t n, primes;
  int plain_bits;
};

SegmentSpec Quadratic(uint32_t channels, uint32_t input, uint32_t kernel1, uint32_t pool, uint32_t pad,
                      const OutputGroup& group) {
  SegmentSpec s;
  s.channels = channels;
  s.input = {input, input};
  s.kernel1 = {kernel1, kernel1};
  s.pool1 = s.pool1_stride = {pool, pool};
  s.pads1 = s.pads2 = {pad, pad, pad, pad};
  s.groups = {group};
  return s;
}

SegmentSpec Linear(uint32_t channels, uint32_t input, uint32_t pad, const OutputGroup& group) {
  SegmentSpec s;
  s.kind = SegmentKind::kLinear;
  s.channels = channels;
  s.input = {input, input};
  s.pads1 = {pad, pad, pad, pad};
  s.groups = {group};
  return s;
}

// Between them they do every step often and seldom, in cache and out of it, in every ring.
std::vector<Shape> Shapes() {
  const auto lenet = [](uint32_t outputs) {
    return Quadratic(1, 28, 5, 2, 0, {outputs, {6, 6}, {2, 2}, {0, 0}, {4, 4}});
  };
  const auto vgg = [](uint32_t outputs) {
    return Quadratic(3, 32, 3, 1, 1, {outputs, {3, 3}, {1, 1}, {0, 0}, {32, 32}});
  };
  SegmentSpec batch = lenet(6);
  batch.images_per_ciphertext = 8;
  SegmentSpec tiled = Quadratic(2, 64, 3, 1, 1, {4, {3, 3}, {1, 1}, {0, 0}, {64, 64}});
  tiled.tiles = {2, 2};
  SegmentSpec vgg_tiled = vgg(32);
  vgg_tiled.tiles = {2, 2};
  return {{"LeNet-5, 1 output", lenet(1), 4096, 2, 34},
          {"LeNet-5, 13 outputs", lenet(13), 4096, 2, 34},
          {"LeNet-5, 6 outputs, 8 images a ciphertext", batch, 4096, 2, 34},
          {"LeNet-5, 6 outputs, N = 8192", lenet(6), 8192, 3, 40},
          {"VGG16, 4 outputs", vgg(4), 4096, 2, 32},
          {"VGG16, 20 outputs", vgg(20), 4096, 2, 32},
          {"VGG16, 4 outputs, N = 16384", vgg(4), 16384, 4, 40},
          {"AlexNet, 3 outputs", Quadratic(3, 32, 5, 2, 1, {3, {3, 3}, {1, 1}, {0, 0}, {15, 15}}), 4096, 2, 32},
          {"tiles, 4 outputs", tiled, 4096, 2, 32},
          {"VGG16 in tiles, 32 outputs", vgg_tiled, 4096, 2, 35},
          {"convolution, 32 outputs", Linear(64, 16, 1, {32, {3, 3}, {1, 1}, {0, 0}, {16, 16}}), 8192, 2, 28},
          {"convolution, 8 outputs, N = 2048", Linear(16, 8, 0, {8, {3, 3}, {1, 1}, {0, 0}, {6, 6}}), 2048, 1, 4},
          {"fully connected, 64 outputs", Linear(2048, 1, 0, {64, {1, 1}, {1, 1}, {0, 0}, {1, 1}}), 4096, 1, 4},
          {"fully connected, 16 outputs", Linear(8192, 1, 0, {16, {1, 1}, {1, 1}, {0, 0}, {1, 1}}), 4096, 2, 28}};
}

// A segment with kernels of no meaning, encrypted; and everything that its parties need.
struct Session {
  Bytes package;
  User user;
  Owner owner;
};

absl::StatusOr<Session> Open(const Shape& shape) {
  PRIVDNN_ASSIGN_OR_RETURN(Geometry geometry, Geometry::Create(shape.spec, shape.n));
  QuantizedSegment quantized;
  quantized.spec = shape.spec;
  for (const OutputGroup& group : shape.spec.groups) {
    const ZeroizingVector<int32_t> ones(geometry.features() * group.kernel.area(), 1);
    for (uint32_t f = 0; f < group.outputs; ++f) quantized.kernels.emplace_back(ones);
  }
  quantized.bias = Secret<int64_t>(quantized.kernels.size());
  quantized.output_scale.assign(quantized.kernels.size(), 1);
  const EncryptionPlan plan{
      .parameters = {.n = shape.n, .primes = NttPrimes(shape.primes), .plain_bits = shape.plain_bits},
      .geometry = geometry,
      .image_budget = 1};
  const EncryptionTask task{&quantized, &plan};
  Bytes bytes;
  const ByteSink sink = [&](std::span<const uint8_t> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  };
  SystemRandom random;
  PRIVDNN_ASSIGN_OR_RETURN(OwnerKey key, EncryptModel({&task, 1}, {}, "calibration", random, 1, sink,
                                                      [](uint64_t, uint64_t, const std::string&) { return true; }));
  PRIVDNN_ASSIGN_OR_RETURN(Package package, Package::Parse(bytes, "calibration"));
  PRIVDNN_ASSIGN_OR_RETURN(User user, User::Create(std::move(package)));
  PRIVDNN_ASSIGN_OR_RETURN(Owner owner, Owner::Create(std::move(key)));
  return Session{std::move(bytes), std::move(user), std::move(owner)};
}

// Nanoseconds of processor time of this thread: what others do on the machine is not the machine's constant.
double Now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Times {
  double user, owner;  // ns
};

// What caches hold between two messages of a party in use is something else: the rest of the network, the connection,
// other processes. Reads and writes so much that little is left of what they held.
class CacheFlusher {
 public:
  void operator()() {
    for (size_t i = 0; i < memory_.size(); i += 64 / sizeof(uint64_t)) memory_[i] += i;
  }

 private:
  std::vector<uint64_t> memory_ = std::vector<uint64_t>((size_t{128} << 20) / sizeof(uint64_t));
};

absl::StatusOr<Times> Measure(const Session& session, uint64_t images, int repeats, CacheFlusher& flush) {
  const std::vector<float> inputs(images * session.user.input_size(0), 0.5F);
  SystemRandom random;
  User::Workspace workspace;
  std::vector<double> user, owner;
  for (int k = -1; k < repeats; ++k) {  // the first allocates the memory to work in
    flush();
    const double start = Now();
    PRIVDNN_ASSIGN_OR_RETURN(const PreparedQuery query, session.user.Prepare(0, inputs, random, workspace));
    const double asked = Now();
    flush();
    const double received = Now();
    PRIVDNN_ASSIGN_OR_RETURN(const Bytes reply, session.owner.Answer(query.message, random));
    const double answered = Now();
    PRIVDNN_ASSIGN_OR_RETURN(const auto outputs, session.user.Unmask(query, reply));
    if (k < 0) continue;
    user.push_back(asked - start + Now() - answered);
    owner.push_back(answered - received);
  }
  return Times{Median(std::move(user)), Median(std::move(owner))};
}

uint64_t CacheBytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<uint64_t>(bytes) : uint64_t{1} << 20;
}

}  // namespace

absl::StatusOr<Calibration> Calibrate(int repeats, const ProgressFn& progress) {
  if (repeats < 1) return InvalidArgument("{} repeats; at least 1 is needed", repeats);
  PRIVDNN_ASSIGN_OR_RETURN(const Kernels* kernels, ChooseKernels());
  CostConstants prior = DefaultCosts(kernels->name);
  prior.cpu = CpuModelName();
  prior.kernel = kernels->name;
  prior.cache_bytes = CacheBytes();
  Calibration result{prior, {}};
  std::vector<Observation> observations;
  const std::vector<Shape> shapes = Shapes();
  CacheFlusher flush;
  for (size_t k = 0; k < shapes.size(); ++k) {
    if (!Proceeds(progress, k, shapes.size(), shapes[k].what)) return absl::CancelledError("interrupted");
    const auto session = Open(shapes[k]);
    if (!session.ok()) return Annotate(session.status(), shapes[k].what);
    for (const uint64_t images : {1, 3, 8, 16}) {
      // Sixteen images tell of the cost of a message beside that of an image; for large segments it is nothing.
      if (images == 16 && session->user.segment(0).header.spec.outputs() > 16) continue;
      PRIVDNN_ASSIGN_OR_RETURN(const Times times, Measure(*session, images, repeats, flush));
      const PreparedSegment& segment = session->user.segment(0);
      const ParameterSpec& parameters = segment.parameters.spec();
      observations.push_back({UserWork(segment.geometry, parameters, images, prior.cache_bytes), times.user});
      observations.push_back({OwnerWork(segment.geometry, parameters, images), times.owner});
      result.points.push_back({shapes[k].what, images, times.user * 1e-6, times.owner * 1e-6, 0, 0});
    }
  }
  result.costs = FitCosts(observations, prior);
  const auto predict = [&](const Observation& o) {
    double ns = 0;
    for (size_t i = 0; i < kSteps; ++i) ns += o.work[i] * result.costs.ns[i];
    return ns * 1e-6;
  };
  for (size_t k = 0; k < result.points.size(); ++k) {
    result.points[k].predicted_user_ms = predict(observations[2 * k]);
    result.points[k].predicted_owner_ms = predict(observations[2 * k + 1]);
  }
  return result;
}

}  // namespace privdnn
