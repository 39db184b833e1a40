#include "privdnn/pipeline/encrypt_for_user.h"

#include "privdnn/base/file.h"
#include "privdnn/base/random.h"

namespace privdnn {
namespace {

// What RestNetwork asks of a package.
absl::Status CheckRunnable(const Graph& graph) {
  if (graph.inputs.size() != 1 || graph.outputs.empty()) {
    return InvalidArgument("the network has {} inputs and {} outputs, needs 1 and some", graph.inputs.size(),
                           graph.outputs.size());
  }
  const ValueInfo &input = graph.inputs[0], &output = graph.outputs[0];
  if (input.shape.size() < 2 || input.shape.size() > 4) {
    return InvalidArgument("the network's input '{}' has shape ({}), needs 2 to 4 dimensions", input.name,
                           fmt::join(input.shape, ", "));
  }
  if (output.shape.size() != 2) {
    return InvalidArgument("the network's output '{}' has shape ({}), needs (N, scores)", output.name,
                           fmt::join(output.shape, ", "));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckPackageFiles(const std::filesystem::path& package, const std::filesystem::path& key) {
  if (IsSameFile(key, package)) {
    return InvalidArgument("{}: is to be both package and key", key.string());
  }
  std::error_code ignored;
  if (std::filesystem::exists(key, ignored)) {
    return FailedPrecondition("{}: exists; a key file is not overwritten, since its package would be useless",
                              key.string());
  }
  return absl::OkStatus();
}

absl::StatusOr<WrittenPackage> EncryptForUser(const ModelPlan& plan, const std::string& user,
                                              const std::filesystem::path& package, const std::filesystem::path& key,
                                              int threads, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckPackageFiles(package, key));
  PRIVDNN_RETURN_IF_ERROR(CheckRunnable(plan.graph));
  return WriteForUser(plan.Tasks(), plan.rest_model, {}, user, package, key, threads, progress);
}

absl::StatusOr<WrittenPackage> WriteForUser(std::span<const EncryptionTask> tasks, std::span<const uint8_t> plaintext,
                                            std::span<const uint8_t> program, const std::string& user,
                                            const std::filesystem::path& package, const std::filesystem::path& key,
                                            int threads, const ProgressFn& progress) {
  PRIVDNN_RETURN_IF_ERROR(CheckPackageFiles(package, key));
  PRIVDNN_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(package));
  WrittenPackage written;
  const ByteSink sink = [&](std::span<const uint8_t> bytes) {
    written.bytes += bytes.size();
    return writer.Append(bytes);
  };
  SystemRandom random;
  PRIVDNN_ASSIGN_OR_RETURN(const OwnerKey owner_key,
                           EncryptModel(tasks, plaintext, user, random, threads, sink, progress, program));
  written.id = owner_key.package_id();
  PRIVDNN_RETURN_IF_ERROR(WriteFile(key, owner_key.Write(), 0600));
  if (const absl::Status committed = writer.Commit(); !committed.ok()) {
    std::error_code ignored;
    std::filesystem::remove(key, ignored);  // it is of no use without its package
    return committed;
  }
  return written;
}

}  // namespace privdnn
