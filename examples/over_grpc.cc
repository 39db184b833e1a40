// Owner and user as they are meant to run: the owner's server and the user's client talk gRPC over TLS, with
// certificates on both sides. For brevity this program starts both, so they share a machine, but every byte between
// them passes through a socket. The two halves are written separately, and each reads only the files that its party
// has.
#include "example.h"
#include "privdnn/base/file.h"
#include "privdnn/party/hosted_owner.h"
#include "privdnn/pipeline/encrypt_for_user.h"
#include "privdnn/pipeline/grpc_transport.h"
#include "privdnn/pipeline/inference_session.h"
#include "privdnn/pipeline/plan.h"
#include "privdnn/service/pki.h"
#include "privdnn/service/server.h"
#include "privdnn/service/sqlite_usage_store.h"
#include "privdnn/torch/predict.h"

using namespace privdnn;
using example::Must;
namespace fs = std::filesystem;

namespace {

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

// The owner, once: certificates, and for each user a package and the key to it.
void Prepare(const fs::path& assets, const fs::path& owner, const fs::path& alice) {
  Must(CreateAuthority(owner));
  Must(IssueOwner(owner, {}));  // for localhost; put your host here
  Must(IssueUser(owner, "alice"));

  const Graph graph = example::LoadLeNet(assets);
  const Selection selection = Must(ParseSelection("1:0,3;2:3-15", graph));
  const ModelPlan plan = Must(Plan(graph, selection, {.image_budget = 1000}));
  Must(EncryptForUser(plan, "alice", owner / "alice.privdnn", owner / "alice-package.key", /*threads=*/1, GoOn));

  // Alice gets the package, her certificate with its key, and the authority's certificate, over a channel that both
  // trust. alice-package.key, which decrypts, stays with the owner.
  fs::create_directories(alice);
  for (const char* file : {"alice.privdnn", "ca.crt", "alice.crt", "alice.key"}) {
    fs::copy_file(owner / file, alice / file);
  }
}

// The owner, every day: a server that answers Alice within her budget, which a ledger records.
std::unique_ptr<Server> Serve(const fs::path& owner) {
  OwnerKey key = Must(OwnerKey::Open(owner / "alice-package.key"));
  ServerOptions options;
  options.listen_address = "127.0.0.1:0";  // any free port
  options.tls = Must(LoadTlsFiles(owner, "owner"));
  options.packages.push_back(Must(HostedOwner::Create(std::move(key), /*output_noise=*/0, /*threads=*/1)));
  options.ledger = Must(OpenSqliteLedger((owner / "budgets.sqlite").string()));
  return Must(Server::Start(std::move(options)));
}

// Alice. She never sends an image: only ring-LWE samples and one-time-padded numbers.
double Ask(const fs::path& alice, const std::string& address, const ImageSet& images) {
  auto owner = Must(GrpcTransport::Connect(address, Must(LoadTlsFiles(alice, "alice"))));
  InferenceSession session = Must(InferenceSession::Open(alice / "alice.privdnn", std::move(owner)));
  std::printf("alice may ask about %llu images, up to %lld per message\n",
              static_cast<unsigned long long>(session.terms().images_remaining.value_or(0)),
              static_cast<long long>(session.terms().most_images));
  const InferenceResult result = session.Infer(images);
  Must(result.ended);
  std::printf("%.1f kB up, %.2f kB down per image; %llu images of her budget are left\n",
              static_cast<double>(result.bytes_up) * 1e-3 / static_cast<double>(images.count),
              static_cast<double>(result.bytes_down) * 1e-3 / static_cast<double>(images.count),
              static_cast<unsigned long long>(result.images_remaining));
  return AccuracyPercent(result.predictions, images.labels);
}

}  // namespace

int main(int argc, char** argv) {
  const auto assets = example::Assets(argc, argv);
  const TemporaryDirectory directory = Must(TemporaryDirectory::Create());
  const fs::path owner = directory.path() / "owner", alice = directory.path() / "alice";
  Prepare(assets, owner, alice);

  const std::unique_ptr<Server> server = Serve(owner);
  const std::string address = "localhost:" + std::to_string(server->Port());
  std::printf("the owner listens on %s\n", address.c_str());

  const double accuracy = Ask(alice, address, example::LoadDigits(assets, 100));
  std::printf("accuracy: %.1f %%\n", accuracy);
  Must(server->Shutdown(std::chrono::seconds(5)));
  return accuracy > 90 ? 0 : 1;
}
