// Commands that play owner and user themselves: whether a plan holds, and what they leave behind when they are stopped.
#include <stdlib.h>

#include <fstream>

#include "privdnn/base/file.h"
#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class TwoParties : public ProcessTest {
 protected:
  // The program's temporary files go where nobody else's are.
  static void SetUpTestSuite() {
    ProcessTest::SetUpTestSuite();
    std::filesystem::create_directory(Temporary());
    ::setenv("TMPDIR", Temporary().c_str(), 1);
  }
  static void TearDownTestSuite() {
    ::unsetenv("TMPDIR");
    ProcessTest::TearDownTestSuite();
  }
  static std::string Temporary() { return Path("temporary"); }

  static std::vector<std::string> LeftBehind() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Temporary())) names.push_back(entry.path().string());
    return names;
  }
  // Command lines that name one of the program's temporary files: its owner, its user.
  static std::vector<std::string> StillRunning() {
    std::vector<std::string> lines;
    std::error_code ignored;  // processes end meanwhile
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
      std::ifstream file(entry.path() / "cmdline");
      std::string line((std::istreambuf_iterator<char>(file)), {});
      if (line.find(Temporary() + "/") != std::string::npos) lines.push_back(std::move(line));
    }
    return lines;
  }
  // A file that the program makes in its temporary directory on its way. False if it takes too long.
  static bool WaitForFile(const std::filesystem::path& inside) {
    for (const auto end = std::chrono::steady_clock::now() + kPatience; std::chrono::steady_clock::now() < end;) {
      for (const std::string& directory : LeftBehind()) {
        if (std::filesystem::exists(directory / inside)) return true;
      }
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  // Stops a command by `signal`, `later` than when it has made `file`.
  static void ExpectStopsInOrder(const std::vector<std::string>& arguments, const std::filesystem::path& file,
                                 std::chrono::milliseconds later, int signal) {
    SCOPED_TRACE(arguments[0] + ", signal " + std::to_string(signal) + ", behind " + file.string());
    const std::string log = Log();
    ChildProcess program = *ChildProcess::Start(Command(arguments), log);
    ASSERT_TRUE(WaitForFile(file));
    std::this_thread::sleep_for(later);
    program.Signal(signal);
    const auto end = program.Wait(20s);
    ASSERT_TRUE(end.ok()) << "it goes on: " << end.status();
    EXPECT_EQ(end->exit_code, 1);
    EXPECT_EQ(end->signal, 0);
    EXPECT_THAT(*ReadTextFile(log, 1 << 20), HasSubstr("interrupted"));
    EXPECT_THAT(LeftBehind(), IsEmpty());
    EXPECT_THAT(StillRunning(), IsEmpty());
  }
};

TEST_F(TwoParties, NothingStaysWhenACommandIsStopped) {
  const std::vector<std::string> bench = {"bench", "infer", "--images", "1000", "--repeats", "900"};
  const std::vector<std::string> check = {"plan", "--check", "--check-images", "1000", "--repeats", "900"};
  for (const int signal : {SIGINT, SIGTERM}) {
    ExpectStopsInOrder({"demo"}, "", 0ms, signal);                   // as soon as there is a directory
    ExpectStopsInOrder(bench, "owner/budgets.sqlite", 0ms, signal);  // the owner starts
    ExpectStopsInOrder(check, "owner/budgets.sqlite", 2s, signal);   // the user runs
  }
  // Nor when it isn't stopped.
  EXPECT_EQ(Run({"demo", "--images", "1"}).exit_code, 0);
  EXPECT_THAT(LeftBehind(), IsEmpty());
}

// Whoever is killed can't tidy up; the next one does, but leaves alone what is in use.
TEST_F(TwoParties, KeysOfAKilledCommandGoWithTheNextOne) {
  const std::vector<std::string> bench = {"bench", "infer", "--images", "1000", "--repeats", "900"};
  ChildProcess killed = *ChildProcess::Start(Command(bench), Log());
  ASSERT_TRUE(WaitForFile("owner/model.key"));
  const std::string abandoned = LeftBehind().at(0);
  ChildProcess alive = *ChildProcess::Start(Command(bench), Log());
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       LeftBehind().size() < 2 && std::chrono::steady_clock::now() < end;) {
    std::this_thread::sleep_for(1ms);
  }
  ASSERT_EQ(LeftBehind().size(), 2u);
  killed.Signal(SIGKILL);
  EXPECT_EQ(killed.Wait(kPatience)->signal, SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(abandoned + "/owner/model.key"));
  EXPECT_EQ(Run({"demo", "--images", "1"}).exit_code, 0);
  EXPECT_EQ(LeftBehind().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(abandoned));
  alive.Signal(SIGTERM);
  EXPECT_EQ(alive.Wait(kPatience)->exit_code, 1);
  EXPECT_THAT(LeftBehind(), IsEmpty());
  // In a step of a report the directory lies in another one.
  std::filesystem::create_directories(Temporary() + "/privdnn.step/privdnn.inner/owner");
  ASSERT_TRUE(WriteTextFile(Temporary() + "/privdnn.step/privdnn.inner/lock", "").ok());
  EXPECT_EQ(Run({"demo", "--images", "1"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_empty(Temporary() + "/privdnn.step"));
  // The next report does it, too, although its steps look elsewhere. Who holds the inner one keeps the outer one.
  const std::string step = Temporary() + "/privdnn.step", inner = step + "/privdnn.inner";
  std::filesystem::create_directories(inner + "/owner");
  ASSERT_TRUE(WriteTextFile(step + "/lock", "").ok());
  const std::vector<std::string> report = {"report", "--out", Path("r.html"), "--work", "/dev/null/none"};
  {
    const auto held = AppendFile::Open(inner + "/lock");
    ASSERT_TRUE(held.ok());
    EXPECT_EQ(Run(report).exit_code, 1);
    EXPECT_TRUE(std::filesystem::exists(inner + "/owner"));
  }
  EXPECT_EQ(Run(report).exit_code, 1);
  EXPECT_THAT(LeftBehind(), IsEmpty());
}

TEST_F(TwoParties, PlansHoldToTheByte) {
  for (const std::string selection : {"1:0;2:0,5", "1:1;2:3;3:0-4;5:all"}) {
    SCOPED_TRACE(selection);
    const Ended check =
        Run({"plan", "--check", "--check-images", "1,3", "--repeats", "2", "--selection", selection, "--json"});
    ASSERT_EQ(check.exit_code, 0) << check.err;
    const Json json = Json::parse(check.out);
    EXPECT_EQ(json["passed"], true);
    ASSERT_EQ(json["checks"].size(), 2u);
    const Json plan = Json::parse(Run({"plan", "--selection", selection, "--json"}).out);
    EXPECT_EQ(json["plan"]["package_bytes"], plan["package_bytes"]);
    for (size_t i = 0; i < 2; ++i) {
      const Json& one = json["checks"][i];
      EXPECT_EQ(one["images"], i == 0 ? 1 : 3);
      EXPECT_EQ(one["integer_mismatches"], 0);
      for (const char* field : {"package_bytes", "bytes_up", "bytes_down"}) {
        EXPECT_EQ(one[field]["predicted"], one[field]["measured"]) << field;
        EXPECT_GT(one[field]["measured"], 0) << field;
      }
      for (const char* field :
           {"user_encrypted_ms_per_image", "owner_ms_per_image", "peak_rss_bytes_user", "peak_rss_bytes_owner"}) {
        EXPECT_GT(one[field]["measured"].get<double>(), 0) << field;
      }
    }
    EXPECT_EQ(json["checks"][0]["package_bytes"]["measured"], plan["package_bytes"]);
  }
  ExpectFails({"plan", "--check", "--check-images", "1001"}, "there are 1000 images, 1001 were asked for");
  EXPECT_EQ(Run({"plan", "--check-images", "1"}).exit_code, 2);  // without --check
}

}  // namespace
}  // namespace privdnn
