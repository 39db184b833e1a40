#include "privdnn/package/encrypt.h"

#include <algorithm>

#include "privdnn/base/parallel.h"
#include "privdnn/package/package.h"
#include "privdnn/ring/residues.h"
#include "privdnn/segment/packing.h"

namespace privdnn {
namespace {

// Ciphertexts that are made before they are written: 13 MB at N = 4096 with two primes.
constexpr size_t kBlock = 256;

Bytes SerializeHeader(const PackageHeader& header, uint64_t rest_model_bytes) {
  ByteWriter w;
  WriteHeader(header, w);
  w.U64(rest_model_bytes);
  return std::move(w).Take();
}

// Magic, version and sizes.
Bytes Prologue(uint64_t header_size, uint64_t total) {
  ByteWriter w;
  w.Raw(kPackageMagic);
  w.U32(kPackageVersion);
  w.U32(static_cast<uint32_t>(header_size));
  w.U64(total);
  return std::move(w).Take();
}

PackageHeader MakeHeader(std::span<const EncryptionTask> tasks) {
  PackageHeader header;
  for (const EncryptionTask& task : tasks) {
    header.image_budget = task.plan->image_budget;
    header.segments.push_back({task.plan->geometry.spec(), task.plan->parameters, {}, task.quantized->output_scale});
  }
  return header;
}

uint64_t TotalBytes(std::span<const EncryptionTask> tasks, uint64_t header_size, uint64_t rest_model_bytes) {
  uint64_t total = Prologue(0, 0).size() + header_size + rest_model_bytes + Sha256({}).size();
  for (const EncryptionTask& task : tasks) total += CiphertextBytes(task.plan->parameters, task.plan->geometry);
  return total;
}

absl::Status CheckTasks(std::span<const EncryptionTask> tasks, const std::string& user) {
  if (user.empty() || user.size() > kMaxUserName) {
    return InvalidArgument("encrypt: the user's name has {} bytes, must have 1 to {}", user.size(), kMaxUserName);
  }
  if (tasks.empty() || tasks.size() > kMaxSegments) {
    return InvalidArgument("encrypt: {} segments, must be 1 to {}", tasks.size(), kMaxSegments);
  }
  for (size_t k = 0; k < tasks.size(); ++k) {
    const auto& [quantized, plan] = tasks[k];
    const bool shares = plan->parameters.shares;  // of which products wrap around, as they should
    if (!shares && quantized->plain_bits() > plan->parameters.plain_bits) {
      return InvalidArgument("encrypt: segment {}: outputs need {} plaintext bits, the plan has {}", k,
                             quantized->plain_bits(), plan->parameters.plain_bits);
    }
    if (plan->geometry.n() != plan->parameters.n) {
      return InvalidArgument("encrypt: segment {}: its geometry is in a ring of N = {}, its plan has N = {}", k,
                             plan->geometry.n(), plan->parameters.n);
    }
    const size_t outputs = plan->geometry.spec().outputs();
    if (quantized->kernels.size() != outputs || quantized->bias.size() != outputs ||
        quantized->output_scale.size() != outputs) {
      return InvalidArgument("encrypt: segment {}: {} kernels, the plan has {} outputs", k, quantized->kernels.size(),
                             outputs);
    }
    for (size_t f = 0; f < outputs; ++f) {
      if (!FitsPlaintext(quantized->bias.Reveal()[f], plan->parameters.plain_bits)) {
        return InvalidArgument("encrypt: segment {}: the bias of output {} is beyond +-2^{}", k, f,
                               plan->parameters.plain_bits - 1);
      }
    }
    if (plan->image_budget != tasks[0].plan->image_budget) {
      return InvalidArgument("encrypt: segment {} is planned for {} images, segment 0 for {}", k, plan->image_budget,
                             tasks[0].plan->image_budget);
    }
  }
  return absl::OkStatus();
}

// Hashes what it hands on.
class Writer {
 public:
  explicit Writer(const ByteSink& sink) : sink_(sink) {}
  absl::Status Append(std::span<const uint8_t> bytes) {
    hash_.Update(bytes);
    return sink_(bytes);
  }
  absl::StatusOr<PackageId> Finish() {
    const PackageId id = hash_.Finish();
    PRIVDNN_RETURN_IF_ERROR(sink_(id));
    return id;
  }

 private:
  const ByteSink& sink_;
  Sha256Stream hash_;
};

struct Progress {
  const ProgressFn& report;
  uint64_t done = 0, total = 0;
};

// Forks of `random`: one a key, then one a ciphertext.
absl::Status EncryptSegment(const PreparedSegment& segment, const EncryptionTask& task, RandomSource& random,
                            int threads, Writer& writer, Progress& progress, SegmentKey& key) {
  const Parameters& params = segment.parameters;
  const size_t outputs = task.quantized->kernels.size(), terms = params.terms() + 1, count = outputs * terms;
  for (size_t f = 0; f < outputs; ++f) key.keys.push_back(OutputKey::Generate(params, *random.Fork()));
  key.bias = Secret<int64_t>(outputs);
  std::ranges::copy(task.quantized->bias.Reveal(), key.bias.RevealMutable().begin());
  if (params.spec().shares) {
    for (const Secret<int32_t>& kernel : task.quantized->kernels) {
      key.kernels.emplace_back(kernel.size());
      std::ranges::copy(kernel.Reveal(), key.kernels.back().RevealMutable().begin());
    }
  }
  const std::vector<NttPoly> a = ExpandPublic(params, segment.header.seed);
  const uint64_t size = PackedResidueBytes(params.spec().primes, params.spec().n);
  Bytes block;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count);
    block.resize((end - begin) * size);
    const auto errors = Forks(random, end - begin);
    ParallelFor(end - begin, threads, [&](size_t i) {
      const size_t f = (begin + i) / terms, j = (begin + i) % terms;
      ZeroizingVector<int32_t> message;
      if (j < params.terms()) {
        message = PackKernel(segment.geometry, static_cast<uint32_t>(f), task.quantized->kernels[f].Reveal(), j);
      }
      PackResidues(params.spec().primes, EncryptTerm(params, a[j], key.keys[f], message, *errors[i]).all(),
                   std::span(block).subspan(i * size, size));
    });
    PRIVDNN_RETURN_IF_ERROR(writer.Append(block));
    progress.done += end - begin;
    if (!Proceeds(progress.report, progress.done, progress.total,
                  fmt::format("{} of {} ciphertexts", progress.done, progress.total)))
      return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t PackageBytes(std::span<const EncryptionTask> tasks, uint64_t rest_model_bytes) {
  const PackageHeader header = MakeHeader(tasks);
  return TotalBytes(tasks, SerializeHeader(header, rest_model_bytes).size(), rest_model_bytes);
}

uint64_t HeaderAllowance(std::span<const PlanTask> tasks) {
  uint64_t bytes = 1000;
  for (const PlanTask& task : tasks) bytes += 500 + 8 * uint64_t{task.spec.outputs()};
  return bytes;
}

class OwnerKeyMaker {
 public:
  static OwnerKey Make(const PackageId& id, const std::string& user, uint64_t image_budget,
                       std::vector<PreparedSegment> segments, std::vector<SegmentKey> secrets, Bytes program) {
    return OwnerKey(id, user, image_budget, std::move(segments), std::move(secrets), std::move(program));
  }
};

absl::StatusOr<OwnerKey> EncryptModel(std::span<const EncryptionTask> tasks, std::span<const uint8_t> rest_model,
                                      const std::string& user, RandomSource& random, int threads, const ByteSink& sink,
                                      const ProgressFn& progress, std::span<const uint8_t> program) {
  PRIVDNN_RETURN_IF_ERROR(CheckTasks(tasks, user));
  PackageHeader header = MakeHeader(tasks);
  for (SegmentHeader& segment : header.segments) random.Fork()->Fill(std::span<uint8_t>(segment.seed));
  PRIVDNN_ASSIGN_OR_RETURN(auto segments, PrepareSegments(header, "encrypt"));

  Writer writer(sink);
  const Bytes header_bytes = SerializeHeader(header, rest_model.size());
  PRIVDNN_RETURN_IF_ERROR(
      writer.Append(Prologue(header_bytes.size(), TotalBytes(tasks, header_bytes.size(), rest_model.size()))));
  PRIVDNN_RETURN_IF_ERROR(writer.Append(header_bytes));
  PRIVDNN_RETURN_IF_ERROR(writer.Append(rest_model));

  std::vector<SegmentKey> secrets(segments.size());
  Progress counted{progress};
  for (const PreparedSegment& s : segments) counted.total += s.header.spec.outputs() * (s.parameters.terms() + 1);
  for (size_t k = 0; k < segments.size(); ++k) {
    PRIVDNN_RETURN_IF_ERROR(EncryptSegment(segments[k], tasks[k], random, threads, writer, counted, secrets[k]));
  }
  PRIVDNN_ASSIGN_OR_RETURN(const PackageId id, writer.Finish());
  return OwnerKeyMaker::Make(id, user, header.image_budget, std::move(segments), std::move(secrets),
                             Bytes(program.begin(), program.end()));
}

}  // namespace privdnn
