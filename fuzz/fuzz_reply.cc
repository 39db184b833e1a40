// User::Unmask: what an owner, or whoever answers in its place, sends to the user.
#include "fuzz_support.h"
#include "privdnn/package/test_package.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"

namespace privdnn {
namespace {

struct Fixture {
  Bytes package;
  std::unique_ptr<User> user;
  PreparedQuery query;  // of two images
  Bytes reply;
};

const Fixture& Parties() {
  static const Fixture fixture = [] {
    TestModelBuilder builder(1);
    EncryptedModel model = std::move(EncryptTestModel(builder.Build(TinyShape()), builder, 99)->encrypted);
    Fixture f;
    f.package = std::move(model.package);
    f.user = std::make_unique<User>(*User::Create(*Package::Parse(f.package, "p")));
    User::Workspace workspace;
    const std::vector<float> images(2 * f.user->input_size(0), 0.5f);
    DeterministicRandom random(1);
    f.query = *f.user->Prepare(0, images, random, workspace);
    f.reply = *Owner::Create(std::move(model.owner_key))->Answer(f.query.message, random);
    return f;
  }();
  return fixture;
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const Fixture& f = Parties();
  fuzz::Input input(data, size);
  const bool finish = input.Integer(1) % 2 == 1;
  Bytes reply = fuzz::Forge(f.reply, input);
  if (finish && reply.size() >= MessageLayout::overhead()) FinishMessage(reply);
  const auto outputs = f.user->Unmask(f.query, reply);
  if (!outputs.ok()) {
    fuzz::Require(!outputs.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  const int64_t limit = int64_t{1} << (f.user->segment(0).parameters.plain_bits() - 1);
  for (const int64_t y : *outputs) fuzz::Require(-limit <= y && y < limit, "outputs lie in [-t/2, t/2)");
  return 0;
}
