#include <openssl/crypto.h>

#include <grpcpp/grpcpp.h>

#include "privdnn/base/cpu.h"
#include "privdnn/cli/command.h"
#include "privdnn/package/package.h"
#include "privdnn/party/wire.h"
#include "privdnn/report/table.h"
#include "privdnn/ring/kernels/kernels.h"

namespace privdnn {
namespace {

absl::StatusOr<CommandOutput> Version() {
  PRIVDNN_ASSIGN_OR_RETURN(const Kernels* chosen, ChooseKernels());
  std::string supported;
  Json names = Json::array();
  for (const Kernels* k : AllKernels()) {
    if (!k->supported()) continue;
    names.push_back(k->name);
    supported += (supported.empty() ? "" : ", ") + std::string(k->name);
  }
  CommandOutput output;
  output.json = {{"version", PRIVDNN_VERSION},
                 {"kernel", chosen->name},
                 {"kernels_supported", names},
                 {"cpu", CpuModelName()},
                 {"package_format", kPackageVersion},
                 {"wire_format", kWireVersion},
                 {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
                 {"grpc", grpc::Version()}};
  FactTable table("privdnn " PRIVDNN_VERSION);
  table.Add("kernels", fmt::format("{} (supported here: {}; PRIVDNN_KERNEL chooses)", chosen->name, supported));
  table.Add("processor", CpuModelName());
  table.Add("formats", fmt::format("package {}, messages {}", kPackageVersion, kWireVersion));
  table.Add("libraries", fmt::format("OpenSSL {}, gRPC {}", OpenSSL_version(OPENSSL_VERSION_STRING), grpc::Version()));
  output.text = table.Render();
  return output;
}

}  // namespace

void AddVersion(CLI::App& app, Globals& globals, Action& action) {
  auto* command = AddCommand(app, globals, "version", "Show the version, the formats, and the instruction set in use",
                             "privdnn version");
  command->callback([&action] { action = Version; });
}

}  // namespace privdnn
