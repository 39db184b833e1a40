// `report` as its users run it, and its page in a browser.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>

#include "privdnn/base/events.h"
#include "privdnn/cli/inputs.h"
#include "privdnn/report/html.h"
#include "privdnn/report/privacy_report.h"
#include "privdnn/report/test_results.h"
#include "privdnn/testing/images.h"
#include "process_test.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr char kBrowser[] = "/usr/bin/chromium";

// What a browser made of a page.
struct Shown {
  std::string dom;                   // of the page, after its scripts
  std::vector<std::string> fetched;  // what the page asked for over a network

  // The value of an attribute of the root element, or "".
  std::string Root(const std::string& attribute) const {
    const std::string root = dom.substr(0, dom.find("<head>"));
    const std::string begin = " " + attribute + "=\"";
    const size_t at = root.find(begin);
    return at == std::string::npos
               ? ""
               : root.substr(at + begin.size(), root.find('"', at + begin.size()) - at - begin.size());
  }
};

// The requests in a browser's log that a page began; the browser's own, for updates and the like, have no origin.
std::vector<std::string> FetchedByPages(const std::string& log) {
  Json json = Json::parse(log, nullptr, /*allow_exceptions=*/false);
  // A browser that ends early leaves the list open.
  if (json.is_discarded()) json = Json::parse(log.substr(0, log.rfind("},") + 1) + "]}", nullptr, false);
  if (!json.is_object()) return {"the browser's log can't be read"};
  const Json& start = json["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
  std::vector<std::string> fetched;
  for (const Json& event : json["events"]) {
    const Json params = event.value("params", Json::object());
    if (event["type"] != start || !params.contains("url")) continue;
    if (params.value("initiator", "") != "not an origin") fetched.push_back(params["url"]);
  }
  return fetched;
}

class ReportTest : public ProcessTest {
 protected:
  static std::vector<std::string> Report(std::vector<std::string> more) {
    more.insert(more.begin(), "report");
    more.insert(more.end(), {"--threads", "1"});
    return more;
  }

  static Shown Open(const std::string& page, const std::vector<std::string>& more = {}) {
    if (!std::filesystem::exists(kBrowser)) {
      ADD_FAILURE() << kBrowser << " is not here, and pages can't be tested without it: run scripts/setup.sh";
      return {};
    }
    const std::string log = Log(), net = log + ".net", profile = log + ".profile";
    std::vector<std::string> arguments = {kBrowser,
                                          "--headless",
                                          "--no-sandbox",
                                          "--disable-gpu",
                                          "--no-first-run",
                                          "--disable-background-networking",
                                          "--disable-component-update",
                                          "--no-proxy-server",
                                          "--host-resolver-rules=MAP * ~NOTFOUND",
                                          "--virtual-time-budget=10000",
                                          "--user-data-dir=" + profile,
                                          "--log-net-log=" + net};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--dump-dom", "file://" + page});
    auto child = ChildProcess::Start(arguments, log, {"HOME=" + profile});
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return {};
    const auto end = child->Wait(kPatience);
    EXPECT_TRUE(end.ok() && end->exit_code == 0) << end.status() << *ReadTextFile(log, 1 << 24);
    if (!end.ok()) return {};
    return {end->output, FetchedByPages(*ReadTextFile(net, 1 << 28))};
  }

  static void ExpectAllRendered(const Shown& shown, const std::string& figures) {
    EXPECT_EQ(shown.Root("data-figures"), figures);
    EXPECT_EQ(shown.Root("data-rendered"), figures);
    EXPECT_EQ(shown.Root("data-errors"), "");
    EXPECT_THAT(shown.fetched, IsEmpty());
  }

  static Results Everything() {
    Results results = TestResults({{"plan", TestPlan(1000)},
                                   {"eval", TestEval(99.3, 99.2, 18.5)},
                                   {"extract", TestNoise()},
                                   {"obfuscate-alice", TestObfuscated(99.1, true)},
                                   {"obfuscate-bob", TestObfuscated(99.0, true)},
                                   {"transplant", TestTransplant(20.5, 94)},
                                   {"recover-bob", TestTraining(95.7)},
                                   {"scratch", TestTraining(92.1)},
                                   {"recover", TestTraining(96.9)}});
    results.steps[0].title = "</script><img src=x onerror=\"alert(1)\">";
    return results;
  }
  static std::string Undated(const std::string& name);
  static std::string SmallDataSet();
  static std::map<std::string, std::filesystem::file_time_type> Times(const std::string& work);

  static bool Becomes(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!so() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return so();
  }
  static bool Contains(const std::string& file, const std::string& text) {
    const auto all = ReadTextFile(file, 1 << 24);
    return all.ok() && all->find(text) != std::string::npos;
  }
  static std::vector<std::string> Ending(const std::string& directory, const std::string& extension) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == extension) files.push_back(entry.path().string());
    }
    return files;
  }
  static std::string OfProcess(const std::string& process, const std::string& file) {
    std::ifstream in("/proc/" + process + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::string Parent(const std::string& process) {
    const std::string status = OfProcess(process, "status"), field = "PPid:\t";
    const size_t at = status.find(field) + field.size();
    return status.substr(at, status.find('\n', at) - at);
  }
  // Those whose command lines have this text; ended ones have none, even if nobody waited for them.
  static std::vector<std::string> Processes(const std::string& text) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string process = entry.path().filename().string();
      if (OfProcess(process, "cmdline").find(text) != std::string::npos) found.push_back(process);
    }
    return found;
  }
  // That a step's first event of training has.
  static std::optional<uint64_t> FirstStepOfTraining(const std::string& file) {
    const auto events = EventReader(file).Read();
    if (!events.ok()) return std::nullopt;
    for (const Event& event : *events) {
      const auto* progress = std::get_if<ProgressEvent>(&event);
      if (progress && progress->label == "scratch, 10000 epochs of 500 images") return progress->done;
    }
    return std::nullopt;
  }

  static std::string WritePage(const std::string& name, const std::string& html) {
    EXPECT_TRUE(WriteTextFile(Path(name), html).ok());
    return Path(name);
  }
};

// A page without the day it was made on, which may end between two runs.
std::string ReportTest::Undated(const std::string& name) {
  std::string page = *ReadTextFile(Path(name + ".html"), 1 << 24);
  const std::string made = Json::parse(*ReadTextFile(Path(name + ".json"), 1 << 24))["facts"]["made"];
  const std::string day = made.substr(0, std::string("2026-01-01").size());
  EXPECT_THAT(page, HasSubstr(day));
  for (size_t at = page.find(day); at != std::string::npos; at = page.find(day, at)) page.erase(at, day.size());
  return page;
}

TEST_F(ReportTest, IsOnePageOfWhatItsStepsFound) {
  ExpectFails(Report({"--csv", Path("csv")}), "--csv: ");  // before any step runs
  std::filesystem::create_directory(Path("csv"));
  const std::vector<std::string> command =
      Report({"--selection", "1:all", "--effort", "quick", "--scratch-epochs", "2", "--recover-epochs", "1",
              "--image-budget", "50", "--out", Path("page.html"), "--csv", Path("csv")});
  const Ended first = Run(command);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("of a user's own determined every encrypted kernel exactly (0 coefficients"),
                               HasSubstr("The budget of 50 images does not prevent it")));
  const Json json = Json::parse(*ReadTextFile(Path("page.json"), 1 << 24));
  std::vector<std::string> names;
  for (const auto& [name, step] : json["steps"].items()) {
    if (step["result"].is_object()) names.push_back(name);
  }
  EXPECT_THAT(names, ElementsAre("plan", "eval", "extract", "invert", "scratch", "recover", "recover-frozen"));
  EXPECT_THAT(json["steps"]["transplant"]["reason"].get<std::string>(), HasSubstr("With --data-set or --data it runs"));
  const Json noise = json["steps"]["extract"]["result"]["noise"];
  ASSERT_EQ(noise.size(), 2u);
  EXPECT_NEAR(noise[1]["shares_of_deviation"][0].get<double>(), 0.1, 1e-9);
  // Single neurons' replies have no room for errors as large as the outputs.
  const Json left_out = json["steps"]["extract"]["result"]["noise_left_out"];
  ASSERT_EQ(left_out.size(), 1u);
  EXPECT_THAT(left_out[0]["reason"].get<std::string>(), HasSubstr("a quarter of the plaintext modulus"));
  EXPECT_THAT(json["steps"]["recover"]["command"].get<std::string>(),
              AllOf(StartsWith("privdnn attack recover --selection 1:all"), HasSubstr("--epochs 1")));
  for (const char* file : {"accuracy.csv", "extraction.csv", "inversion.csv", "inversion.png"}) {
    EXPECT_TRUE(std::filesystem::exists(Path("csv/") + file)) << file;
  }
  // Ten plots and a picture.
  ExpectAllRendered(Open(Path("page.html")), "11");

  // Nothing runs twice, and the page is the same.
  const std::string page = Undated("page");
  const auto log = std::filesystem::last_write_time(Path("page.html.work/invert.log"));
  const Ended second = Run(command);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(std::filesystem::last_write_time(Path("page.html.work/invert.log")), log);
  EXPECT_EQ(Undated("page"), page);

  // What a step has no result for is said, with the reason.
  auto other = command;
  other.insert(other.end(), {"--skip", "invert,extract"});
  const Ended third = Run(other);
  ASSERT_EQ(third.exit_code, 0) << third.err;
  EXPECT_THAT(third.out, AllOf(HasSubstr("no result: kernels from replies: Not run: left out by --skip."),
                               Not(HasSubstr("determined every")), Not(HasSubstr("queries"))));
  ExpectAllRendered(Open(Path("page.html")), "6");
}

TEST_F(ReportTest, CtrlCLosesNothingAndAKillEndsTheStep) {
  const std::string tmp = Path("long.tmp"), work = Path("long.html.work/");
  std::filesystem::create_directory(tmp);
  const auto start = [&] {
    const std::string events = work + "scratch.events";
    std::error_code ignored;
    std::filesystem::remove(events, ignored);
    ChildProcess report =
        *ChildProcess::Start(Command(Report({"--skip", "invert,extract,recover,recover-frozen", "--scratch-epochs",
                                             "10000", "--out", Path("long.html")})),
                             Log(), {"TMPDIR=" + tmp}, ChildProcess::Group::kOwn);
    EXPECT_TRUE(Becomes([&] { return FirstStepOfTraining(events).has_value(); })) << "no training";
    return report;
  };
  // As a terminal sends it, to the whole group.
  ChildProcess interrupted = start();
  EXPECT_EQ(FirstStepOfTraining(work + "scratch.events"), 1);
  EXPECT_THAT(Processes(work), SizeIs(1));
  interrupted.SignalGroup(SIGINT);
  const auto end = interrupted.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_THAT(Processes(work), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(tmp));
  const std::vector<std::string> states = Ending(work, ".state");
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(Path("long.html")));

  // Training goes on from there, and what was done before isn't done again.
  const auto plan = std::filesystem::last_write_time(work + "plan.json");
  const auto state = std::filesystem::last_write_time(states[0]);
  ChildProcess killed = start();
  EXPECT_GT(FirstStepOfTraining(work + "scratch.events"), 1);
  EXPECT_EQ(std::filesystem::last_write_time(work + "plan.json"), plan);
  EXPECT_THAT(Processes(work), SizeIs(1));
  killed.Signal(SIGKILL);
  EXPECT_EQ(killed.Wait(kPatience)->signal, SIGKILL);
  EXPECT_TRUE(Becomes([&] { return Processes(work).empty(); })) << "the step goes on without its report";
  EXPECT_THAT(Ending(work, ".state"), ElementsAre(states[0]));
  EXPECT_GT(std::filesystem::last_write_time(states[0]), state);
}

TEST_F(ReportTest, CtrlCLeavesNoKeysOfAnOwner) {
  const std::string tmp = Path("keys.tmp"), work = Path("keys.html.work/");
  std::filesystem::create_directory(tmp);
  ChildProcess report = *ChildProcess::Start(Command(Report({"--skip", "invert,scratch,recover,recover-frozen",
                                                             "--effort", "quick", "--out", Path("keys.html")})),
                                             Log(), {"TMPDIR=" + tmp}, ChildProcess::Group::kOwn);
  ASSERT_TRUE(Becomes([&] { return Contains(work + "extract.log", "listening on"); })) << "no owner";
  EXPECT_FALSE(std::filesystem::is_empty(tmp));
  report.SignalGroup(SIGINT);
  const auto end = report.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_TRUE(std::filesystem::is_empty(tmp));
  EXPECT_THAT(Processes(tmp), IsEmpty());
  // It ended of itself.
  EXPECT_TRUE(Contains(work + "extract.log", " error "));
}

TEST_F(ReportTest, ASecondCtrlCEndsAStepThatDoesNot) {
  const std::string tmp = Path("twice.tmp"), work = Path("twice.html.work/");
  std::filesystem::create_directory(tmp);
  ChildProcess report = *ChildProcess::Start(Command(Report({"--skip", "invert,scratch,recover,recover-frozen",
                                                             "--effort", "quick", "--out", Path("twice.html")})),
                                             Log(), {"TMPDIR=" + tmp}, ChildProcess::Group::kOwn);
  ASSERT_TRUE(Becomes([&] { return Contains(work + "extract.log", "listening on"); })) << "no owner";
  const std::vector<std::string> owner = Processes(tmp);
  ASSERT_THAT(owner, SizeIs(1));
  const std::string step = Parent(owner[0]);
  ASSERT_THAT(OfProcess(step, "cmdline"), HasSubstr("extract"));
  ASSERT_EQ(::kill(std::stoi(step), SIGSTOP), 0);
  report.SignalGroup(SIGINT);
  EXPECT_FALSE(report.Wait(std::chrono::seconds(2)).ok()) << "it didn't wait for its step";
  const auto second = std::chrono::steady_clock::now();
  report.SignalGroup(SIGINT);
  const auto end = report.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - second, std::chrono::seconds(4));
  EXPECT_TRUE(Becomes([&] { return Processes(tmp).empty() && OfProcess(step, "cmdline").empty(); }));
  EXPECT_TRUE(std::filesystem::is_empty(tmp));
}

// The embedded images as a data set of so many for training, the others for tests.
std::string ReportTest::SmallDataSet() {
  const ImageSet images = ImageInput().Load().value();
  for (const auto& [prefix, set] : {std::pair("train", images.Head(600)), {"t10k", images.Slice(600, 1000)}}) {
    const std::string stem = Path("data/mnist/") + prefix;
    PutFile(stem + "-images-idx3-ubyte", WriteIdxImages(set));
    PutFile(stem + "-labels-idx1-ubyte", WriteIdxLabels(set));
  }
  return Path("data");
}

TEST_F(ReportTest, UsersNetworksGoWithTheReport) {
  namespace fs = std::filesystem;
  const std::string work = Path("users.html.work/"), networks = work + "networks";
  const auto command = [data = SmallDataSet()](const std::string& recover_epochs) {
    return Report({"--data", data, "--skip", "extract,invert,scratch,recover,recover-frozen", "--samples", "100",
                   "--recover-epochs", recover_epochs, "--obfuscation-epochs", "100", "--out", Path("users.html")});
  };
  ChildProcess interrupted = *ChildProcess::Start(Command(command("2")), Log(), {}, ChildProcess::Group::kOwn);
  ASSERT_TRUE(Becomes([&] { return Contains(work + "obfuscate-bob.log", "epoch 1 of 100"); })) << "no training";
  interrupted.SignalGroup(SIGINT);
  EXPECT_EQ(interrupted.Wait(kPatience)->exit_code, 1);
  EXPECT_EQ(fs::status(networks).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(networks + "/alice.onnx").permissions(), fs::perms::owner_read | fs::perms::owner_write);

  // It goes on with alice's network.
  const auto alice = Times(work).at("obfuscate-alice");
  const Ended first = Run(command("2"));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(Times(work).at("obfuscate-alice"), alice);
  EXPECT_FALSE(fs::exists(networks));
  EXPECT_THAT(first.out, AllOf(HasSubstr("Networks of their own for two users (obfuscation; 600 images, 100 epochs)"),
                               HasSubstr("from random neurons A_rec")));
  const Json steps = Json::parse(*ReadTextFile(Path("users.json"), 1 << 24))["steps"];
  EXPECT_THAT(steps["transplant"]["command"].get<std::string>(),
              StartsWith("privdnn attack transplant " + networks + "/alice.onnx " + networks + "/bob.onnx"));

  // What is there isn't made again, and what was made of networks that are gone is made of others.
  const auto made = Times(work);
  ASSERT_EQ(Run(command("2")).exit_code, 0);
  EXPECT_EQ(Times(work), made);
  ASSERT_EQ(Run(command("3")).exit_code, 0);
  const auto anew = Times(work);
  for (const char* step : {"obfuscate-alice", "obfuscate-bob", "transplant", "recover-bob"}) {
    EXPECT_NE(anew.at(step), made.at(step)) << step;
  }
  EXPECT_EQ(anew.at("plan"), made.at("plan"));
  EXPECT_FALSE(fs::exists(networks));
}

// When each step's log was last written.
std::map<std::string, std::filesystem::file_time_type> ReportTest::Times(const std::string& work) {
  std::map<std::string, std::filesystem::file_time_type> times;
  for (const std::string& log : Ending(work, ".log")) {
    times[std::filesystem::path(log).stem()] = std::filesystem::last_write_time(log);
  }
  return times;
}

TEST_F(ReportTest, ResultsOfOtherPicturesOrProgramsAreMadeAnew) {
  const std::string work = Path("anew.html.work/");
  std::vector<std::string> command = Command(
      Report({"--skip", "extract,scratch,recover,recover-frozen", "--effort", "quick", "--out", Path("anew.html")}));
  const auto run = [&] {
    auto child = *ChildProcess::Start(command, Log());
    EXPECT_EQ(child.Wait(kPatience)->exit_code, 0);
    return Times(work);
  };
  const auto first = run();
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(run(), first);

  // Another run's picture.
  ASSERT_TRUE(WriteTextFile(work + "invert.png", "not this").ok());
  const auto second = run();
  EXPECT_EQ(second.at("plan"), first.at("plan"));
  EXPECT_NE(second.at("invert"), first.at("invert"));
  EXPECT_NE(*ReadTextFile(work + "invert.png", 1 << 24), "not this");

  // Another build: `privdnn` and, where it expects it, the program that does the work.
  const std::filesystem::path build = std::filesystem::path(command[0]).parent_path(), other = Path("other-build");
  const char* const networks = "libexec/privdnn/privdnn-networks";
  std::filesystem::create_directories((other / networks).parent_path());
  std::filesystem::copy_file(command[0], other / "privdnn");
  std::filesystem::copy_file(build / networks, other / networks);
  std::ofstream(other / networks, std::ios::app) << "another";
  command[0] = other / "privdnn";
  const auto third = run();
  for (const auto& [step, time] : third) EXPECT_NE(time, second.at(step)) << step;
}

TEST_F(ReportTest, RefusesInWords) {
  ExpectWrongUsage(Report({PRIVDNN_ASSETS "/lenet5-mnist/model.onnx", "--out", Path("no.html")}),
                   "--selection is needed");
  ExpectWrongUsage(Report({"--out", Path("no.json")}), "that is where the report's JSON would be");
  // More weights than rings can hold: without a plan there is no report.
  ExpectFails(Report({"--selection", "3:all", "--image-budget", "1000000000000000000", "--out", Path("no.html")}),
              "privdnn plan --selection 3:all");
  EXPECT_EQ(Run(Report({"--skip", "plan"})).exit_code, 2);
}

TEST_F(ReportTest, EveryFigureIsDrawnInLightAndDark) {
  const std::string page = WritePage("all.html", RenderHtml(Describe(Everything())));
  const Shown light = Open(page), dark = Open(page, {"--blink-settings=preferredColorScheme=0"});
  ExpectAllRendered(light, "11");
  ExpectAllRendered(dark, "11");
  // A title there is markup.
  EXPECT_THAT(light.dom, AllOf(HasSubstr("&lt;img src=x"), Not(HasSubstr("<img src=x"))));
}

TEST_F(ReportTest, ABrowserNoticesFiguresWithoutData) {
  Document document = Describe(Everything());
  for (Section& s : document.sections) {
    if (s.id != "accuracy") continue;
    for (auto& row : s.figures[0].table.rows) row[1] = nullptr;
  }
  const Shown shown = Open(WritePage("empty.html", RenderHtml(document)));
  EXPECT_EQ(shown.Root("data-figures"), "11");
  EXPECT_EQ(shown.Root("data-rendered"), "10");
  EXPECT_EQ(shown.Root("data-errors"), "figure accuracy is empty");
}

TEST_F(ReportTest, ABrowserNoticesWhatAPageFetches) {
  const std::string image = "<img src=\"http://outside.example/x.png\">";
  const Shown bare = Open(WritePage("bare.html", "<html><head></head><body>" + image + "</body></html>"));
  EXPECT_THAT(bare.fetched, ElementsAre("http://outside.example/x.png"));
  // The report's own policy stops it.
  std::string html = RenderHtml(Describe(Everything()));
  html.insert(html.find("<main>"), image);
  const Shown stopped = Open(WritePage("stopped.html", html));
  EXPECT_THAT(stopped.fetched, IsEmpty());
  EXPECT_THAT(stopped.dom, HasSubstr("outside.example"));
}

}  // namespace
}  // namespace privdnn
