// Ranks for a program that is built without MPI: it knows when mpirun started it, and refuses. Join always fails, so
// that nothing else here is ever called.
#include "privdnn/ranks/ranks.h"

namespace privdnn {
namespace {

absl::Status BuiltWithoutMpi() {
  return FailedPrecondition(
      "mpirun started this process, but the program was built without MPI; see docs/cluster.md for how to build it "
      "with OpenMPI");
}

}  // namespace

struct Ranks::Impl {
  std::string host;
};

absl::StatusOr<Ranks> Ranks::Join() { return BuiltWithoutMpi(); }

Ranks::Ranks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ranks::Ranks(Ranks&&) noexcept = default;
Ranks::~Ranks() = default;

void Ranks::OnDeparture(DepartureFn) {}
int Ranks::rank() const { return 0; }
int Ranks::size() const { return 1; }
const std::string& Ranks::Host(int) const { return impl_->host; }
absl::Status Ranks::Meet(const std::string&, const GoOnFn&) { return BuiltWithoutMpi(); }
absl::Status Ranks::Spread(const NextPieceFn&, const PieceFn&, const OnPieceFn&, const GoOnFn&) {
  return BuiltWithoutMpi();
}
absl::Status Ranks::Serve(const std::string&, const PieceFn&, const GoOnFn&) { return BuiltWithoutMpi(); }
bool Ranks::Leave(const absl::Status&) { return false; }

}  // namespace privdnn
