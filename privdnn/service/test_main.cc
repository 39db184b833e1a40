// Runs the tests, or is one of the processes that tests start and kill:
//   service_test --helper-server DIR DELAY_MS   an owner with the certificates and the ledger in DIR; prints its port
//   service_test --helper-client DIR ADDRESS    alice, asking without end; prints a line for each reply
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>

#include "privdnn/service/test_support.h"

namespace privdnn {
namespace {

int RunServer(const std::string& dir, const std::string& delay_ms) {
  ServerOptions options;
  options.tls = *LoadTlsFiles(dir, "owner");
  options.packages = {FakePackage(kPackage, 1'000'000, milliseconds(std::stoi(delay_ms))).Host()};
  options.ledger = *OpenSqliteLedger(dir + "/ledger.sqlite");
  auto server = Server::Start(std::move(options));
  if (!server.ok()) return 1;
  std::printf("%d\n", (*server)->Port());
  std::fflush(stdout);
  (*server)->Wait();  // for ever
  return 0;
}

int RunClient(const std::string& dir, const std::string& address) {
  auto client = Client::Connect(address, *LoadTlsFiles(dir, "alice"));
  if (!client.ok()) return 1;
  const auto next_query = []() -> absl::StatusOr<std::optional<Bytes>> { return FakeQuery(1, 50'000); };
  const auto on_reply = [](uint64_t, Bytes, const ReplyInfo&) {
    std::puts("reply");
    std::fflush(stdout);
    return absl::OkStatus();
  };
  return client->Evaluate(kPackage, next_query, on_reply).ok() ? 0 : 1;
}

}  // namespace
}  // namespace privdnn

int main(int argc, char** argv) {
  if (argc == 4 && std::strncmp(argv[1], "--helper-", 9) == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);     // also when the tests crash
    spdlog::set_level(spdlog::level::off);  // stdout is for the tests
    const bool server = std::strcmp(argv[1], "--helper-server") == 0;
    return server ? privdnn::RunServer(argv[2], argv[3]) : privdnn::RunClient(argv[2], argv[3]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
