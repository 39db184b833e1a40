// Owner::Answer: what a user, or whoever holds a user's certificate, sends to the owner.
#include "fuzz_support.h"
#include "privdnn/package/test_package.h"
#include "privdnn/party/owner.h"
#include "privdnn/party/user.h"

namespace privdnn {
namespace {

struct Fixture {
  Owner owner;
  Bytes query;  // of two images
};

const Fixture& Parties() {
  static const Fixture fixture = [] {
    TestModelBuilder builder(1);
    EncryptedModel model = std::move(EncryptTestModel(builder.Build(TinyShape()), builder, 99)->encrypted);
    const auto user = User::Create(*Package::Parse(model.package, "p"));
    User::Workspace workspace;
    const std::vector<float> images(2 * user->input_size(0), 0.5f);
    DeterministicRandom random(1);
    return Fixture{*Owner::Create(std::move(model.owner_key)), user->Prepare(0, images, random, workspace)->message};
  }();
  return fixture;
}

}  // namespace
}  // namespace privdnn

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace privdnn;
  const auto& [owner, valid] = Parties();
  fuzz::Input input(data, size);
  const bool finish = input.Integer(1) % 2 == 1;
  Bytes query = fuzz::Forge(valid, input);
  if (finish && query.size() >= MessageLayout::overhead()) FinishMessage(query);
  const auto header = owner.Peek(query);
  DeterministicRandom random(2);
  const auto reply = owner.Answer(query, random);
  if (!reply.ok()) {
    fuzz::Require(!reply.status().message().empty(), "an error says what is wrong");
    return 0;
  }
  fuzz::Require(header.ok(), "a query that is answered says how many images it has");
  fuzz::Require(reply->size() == owner.layout(header->segment).reply(header->images),
                "a reply has the size that the plan gives");
  return 0;
}
