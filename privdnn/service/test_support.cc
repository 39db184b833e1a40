#include "privdnn/service/test_support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

namespace privdnn {

Bytes FakeQuery(uint8_t images, size_t size) {
  Bytes query(size);
  for (size_t i = 0; i < size; ++i) query[i] = static_cast<uint8_t>(i * 7 + i / 251);
  query[0] = images;
  return query;
}

Bytes FakeReply(const Bytes& query) { return Bytes(query.rbegin(), query.rend()); }

absl::StatusOr<Charge> FakePeek(std::span<const uint8_t> query) {
  if (query.empty() || query[0] == 0xff) return InvalidArgument("query: field 'images' at byte 0: malformed");
  return Charge{0, query[0]};
}

namespace {

class FakeSession final : public Session {
 public:
  explicit FakeSession(const FakeHosted& functions) : functions_(functions) {}
  absl::StatusOr<BudgetEvents> Peek(std::span<const uint8_t> query) const override {
    PRIVDNN_ASSIGN_OR_RETURN(const Charge charge, functions_.peek(query));
    return BudgetEvents{.reserve = charge, .commit = true};
  }
  absl::StatusOr<Bytes> Step(std::span<const uint8_t> query) override { return functions_.answer(query); }

 private:
  const FakeHosted& functions_;
};

class FakeHost final : public HostedPackage {
 public:
  explicit FakeHost(const FakeHosted& functions) : HostedPackage(functions.info), functions_(functions) {}
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() const override {
    return std::make_unique<FakeSession>(functions_);
  }

 private:
  const FakeHosted functions_;
};

}  // namespace

std::shared_ptr<const HostedPackage> FakeHosted::Host() const { return std::make_shared<FakeHost>(*this); }

FakeHosted FakePackage(const std::string& id, uint64_t budget, milliseconds delay) {
  return {.info = {.id = id, .user = {}, .image_budget = budget}, .peek = FakePeek, .answer = [delay](auto query) {
            if (delay.count() > 0) std::this_thread::sleep_for(delay);
            return absl::StatusOr<Bytes>(FakeReply(Bytes(query.begin(), query.end())));
          }};
}

TestAuthority::TestAuthority() {
  EXPECT_TRUE(CreateAuthority(path()).ok());
  EXPECT_TRUE(IssueOwner(path(), {}).ok());
  EXPECT_TRUE(IssueUser(path(), "alice").ok());
  EXPECT_TRUE(IssueUser(path(), "bob").ok());
}

TlsFiles TestAuthority::Tls(const std::string& name) const {
  auto files = LoadTlsFiles(path(), name);
  EXPECT_TRUE(files.ok()) << files.status();
  return files.value_or(TlsFiles());
}

namespace {

// spdlog's ostream sink with a lock that readers can take too.
class SharedSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  SharedSink(std::shared_ptr<std::ostringstream> stream, std::shared_ptr<std::mutex> mutex)
      : stream_(std::move(stream)), shared_mutex_(std::move(mutex)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::scoped_lock lock(*shared_mutex_);
    *stream_ << std::string_view(message.payload.data(), message.payload.size()) << '\n';
  }
  void flush_() override {}
  std::shared_ptr<std::ostringstream> stream_;
  std::shared_ptr<std::mutex> shared_mutex_;
};

}  // namespace

TestLog::TestLog() : stream_(std::make_shared<std::ostringstream>()), mutex_(std::make_shared<std::mutex>()) {
  logger_ = std::make_shared<spdlog::logger>("test", std::make_shared<SharedSink>(stream_, mutex_));
}

std::string TestLog::text() const {
  const std::scoped_lock lock(*mutex_);
  return stream_->str();
}

bool TestLog::WaitFor(const std::string& part) const {
  for (int i = 0; i < 1000; ++i) {
    if (text().find(part) != std::string::npos) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

TestAuthority* ServiceTest::authority_ = nullptr;
void ServiceTest::SetUpTestSuite() { authority_ = new TestAuthority(); }
void ServiceTest::TearDownTestSuite() {
  delete authority_;
  authority_ = nullptr;
}

ServerOptions ServiceTest::Options(const std::vector<FakeHosted>& packages) const {
  ServerOptions options;
  options.tls = authority_->Tls("owner");
  for (const FakeHosted& package : packages) options.packages.push_back(package.Host());
  options.ledger = *OpenSqliteLedger(":memory:");
  options.logger = log_.logger();
  return options;
}

void ServiceTest::StartServer(ServerOptions options) {
  auto server = Server::Start(std::move(options));
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

Client ServiceTest::ConnectAs(const std::string& name, const ClientOptions& options) const {
  auto client = Client::Connect(Address(), authority_->Tls(name), options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

absl::Status Conversation::Run(Client& client, const std::string& package) {
  return client.Evaluate(
      package,
      [this]() -> absl::StatusOr<std::optional<Bytes>> {
        if (next == queries.size()) return std::nullopt;
        return queries[next++];
      },
      [this](uint64_t sequence, Bytes reply, const ReplyInfo& info) {
        EXPECT_EQ(sequence, replies);
        EXPECT_EQ(reply, FakeReply(queries[replies]));
        infos.push_back(info);
        after_reply(++replies);
        return absl::OkStatus();
      },
      deadline);
}

HelperProcess::HelperProcess(const std::vector<std::string>& arguments) {
  int output[2];
  EXPECT_EQ(::pipe2(output, O_CLOEXEC), 0);
  stdout_ = output[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::vector<std::string> words = {"/proc/self/exe"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(output[1]);
}

HelperProcess::~HelperProcess() {
  Kill();
  ::close(stdout_);
}

std::string HelperProcess::ReadLine() {
  std::string line;
  for (char c = 0;;) {
    pollfd waiting{.fd = stdout_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 10'000) != 1 || ::read(stdout_, &c, 1) != 1) return "";
    if (c == '\n') return line;
    line += c;
  }
}

void HelperProcess::Stop() { ::kill(pid_, SIGSTOP); }

void HelperProcess::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace privdnn
