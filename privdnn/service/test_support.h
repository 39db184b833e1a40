// What the tests of the service share: certificates, a fake `party`, servers, and helper processes that can be killed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "privdnn/base/file.h"
#include "privdnn/service/client.h"
#include "privdnn/service/server.h"
#include "privdnn/service/sqlite_usage_store.h"

namespace privdnn {

using std::chrono::milliseconds;

inline const std::string kPackage(64, 'a');
inline const std::string kOtherPackage(64, 'b');

// A package whose sessions answer each query by itself, with these functions.
struct FakeHosted {
  PackageInfo info;
  std::function<absl::StatusOr<Charge>(std::span<const uint8_t> query)> peek;
  std::function<absl::StatusOr<Bytes>(std::span<const uint8_t> query)> answer;
  std::shared_ptr<const HostedPackage> Host() const;
};

// A query is the number of images in one byte, then anything; the reply is the query backwards.
Bytes FakeQuery(uint8_t images, size_t size = 100);
Bytes FakeReply(const Bytes& query);
absl::StatusOr<Charge> FakePeek(std::span<const uint8_t> query);
FakeHosted FakePackage(const std::string& id, uint64_t budget, milliseconds delay = milliseconds(0));

// ca.*, owner.*, alice.*, bob.* in a new directory.
class TestAuthority {
 public:
  TestAuthority();
  const std::filesystem::path& path() const { return dir_.path(); }
  TlsFiles Tls(const std::string& name) const;

 private:
  TemporaryDirectory dir_ = *TemporaryDirectory::Create();
};

// Keeps what is logged.
class TestLog {
 public:
  TestLog();
  std::shared_ptr<spdlog::logger> logger() const { return logger_; }
  std::string text() const;
  // False if `part` is not logged within ten seconds.
  bool WaitFor(const std::string& part) const;

 private:
  std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<std::ostringstream> stream_;
  std::shared_ptr<std::mutex> mutex_;
};

// Server tests: one authority for all of them, a log, and a server that ends with the test.
class ServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  ServerOptions Options(const std::vector<FakeHosted>& packages) const;
  void StartServer(ServerOptions options);
  void StartServer(uint64_t budget = 1000) { StartServer(Options({FakePackage(kPackage, budget)})); }
  std::string Address() const { return "127.0.0.1:" + std::to_string(server_->Port()); }
  Client ConnectAs(const std::string& name, const ClientOptions& options = {}) const;

  static TestAuthority* authority_;
  TestLog log_;
  std::unique_ptr<Server> server_;
};

// Feeds `queries`, remembers replies, and fails the test if one is wrong or out of order.
struct Conversation {
  explicit Conversation(std::vector<Bytes> q) : queries(std::move(q)) {}
  absl::Status Run(Client& client, const std::string& package = kPackage);

  std::vector<Bytes> queries;
  size_t next = 0;
  size_t replies = 0;
  std::vector<ReplyInfo> infos;
  milliseconds deadline{60'000};
  std::function<void(size_t replies)> after_reply = [](size_t) {};
};

// This program again, in another process: see test_main.cc for what it can be. Killed when this goes.
class HelperProcess {
 public:
  explicit HelperProcess(const std::vector<std::string>& arguments);
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;
  ~HelperProcess();
  // The next line that it prints, or "" if none comes within ten seconds.
  std::string ReadLine();
  // SIGSTOP: alive, and doing nothing.
  void Stop();
  // SIGKILL, and waits for the end.
  void Kill();

 private:
  pid_t pid_ = -1;
  int stdout_ = -1;
};

}  // namespace privdnn
