// A user without LibTorch: reads a package, which here is none, and calls a server that isn't there.
#include <cstdio>

#include "privdnn/party/user.h"
#include "privdnn/service/client.h"

int main() {
  const auto package = privdnn::Package::Parse({}, "nothing");
  const auto client = privdnn::Client::Connect("localhost:1", {});
  std::printf("%s; %s\n", std::string(package.status().message()).c_str(),
              std::string(client.status().message()).c_str());
  return package.ok() || client.ok() ? 1 : 0;
}
