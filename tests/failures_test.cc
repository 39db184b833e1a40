// What surrounds the program fails: disks, terminals, temporary folders, readers of its output.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_test.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class FailuresTest : public ProcessTest {
 protected:
  static void SetUpTestSuite() {
    ProcessTest::SetUpTestSuite();
    ASSERT_EQ(Run({"encrypt", "--package", Path("m.privdnn"), "--key", Path("m.key"), "--threads", "1"}).exit_code, 0);
  }

  // A line for the shell, in which PRIVDNN is the program.
  static Ended Shell(const std::string& line) {
    const std::string log = Log();
    auto child = *ChildProcess::Start({"/bin/bash", "-c", line}, log, {std::string("PRIVDNN=") + PRIVDNN_PROGRAM});
    const auto end = child.Wait(kPatience);
    if (!end.ok()) return {-1, "", Message(end.status())};
    return {end->exit_code, end->output, *ReadTextFile(log, 1 << 24)};
  }
};

TEST_F(FailuresTest, ProgressThatCannotBeWrittenEndsNothing) {
  const std::string eval = "$PRIVDNN eval --limit 20 --threads 1 --json";
  const Ended usual = Shell(eval);
  ASSERT_EQ(usual.exit_code, 0) << usual.err;
  const double accuracy = Json::parse(usual.out)["accuracy_original"];
  for (const std::string stderr_is : {"2>/dev/full", "2>&-", "2>&- <&-", "2> >(exec true)"}) {
    const Ended ended = Shell(fmt::format("{} {}", eval, stderr_is));
    EXPECT_EQ(ended.exit_code, 0) << stderr_is;
    EXPECT_EQ(Json::parse(ended.out)["accuracy_original"], accuracy) << stderr_is;
  }
  // The file is not what was meant for stderr.
  const std::string out = Path("closed.json");
  EXPECT_EQ(Shell("$PRIVDNN eval --limit 5 --threads 1 --outputs " + out + " 2>&- <&-").exit_code, 0);
  EXPECT_TRUE(Json::accept(*ReadTextFile(out, 1 << 20)));
}

TEST_F(FailuresTest, ResultsThatCannotBeWrittenAreAnError) {
  for (const std::string command : {"version", "--help", "--version", "keygen --help"}) {
    const Ended full = Shell("$PRIVDNN " + command + " >/dev/full");
    EXPECT_EQ(full.exit_code, 1) << command;
    EXPECT_THAT(full.err, HasSubstr("standard output: No space left on device")) << command;
  }
  const Ended reader_gone = Shell("{ sleep 1; $PRIVDNN version; echo $? >&2; } | true");
  EXPECT_THAT(reader_gone.err, StartsWith("141"));  // as any program in a pipe
}

// Answers would be paid for and lost.
TEST_F(FailuresTest, AClosedOutputIsRefusedBeforeTheWork) {
  RunningOwner owner = StartOwner();
  const uint64_t before = Remaining(owner);
  std::string infer;
  for (const std::string& word : Infer(owner.address, {"--limit", "3"})) infer += " " + word;
  for (const std::string& command : {std::string(" version"), infer}) {
    const Ended closed = Shell("$PRIVDNN" + command + " >&-");
    EXPECT_EQ(closed.exit_code, 1) << command;
    EXPECT_THAT(closed.err, HasSubstr("standard output is closed")) << command;
  }
  EXPECT_EQ(Remaining(owner), before);
}

// Whatever spelling, link or option: a file that is read is not replaced, and two results don't go to one file.
TEST_F(FailuresTest, NoFileOfTheCommandLineIsOverwritten) {
  const std::string model = Path("mine.onnx"), link = Path("link.onnx"), selection = Path("mine.json"),
                    package = Path("m.privdnn"), images = PRIVDNN_ASSETS "/lenet5-mnist/t10k-1000-images-idx3-ubyte";
  ASSERT_EQ(Run({"export", "--out", model}).exit_code, 0);
  ASSERT_TRUE(WriteTextFile(selection, R"({"1": [0]})").ok());
  std::filesystem::create_symlink(model, link);
  const std::string before = *ReadTextFile(model, 1 << 24), spelled = Path("./mine.onnx");
  const std::vector<std::string> infer = {"infer", "--package", package, "--owner", "localhost:1", "--tls", Path("")};
  const auto with = [](std::vector<std::string> command, const std::vector<std::string>& more) {
    command.insert(command.end(), more.begin(), more.end());
    return command;
  };
  for (const std::vector<std::string>& command : {
           std::vector<std::string>{"encrypt", model, "--selection", selection, "--package", spelled, "--key",
                                    Path("k")},
           {"encrypt", model, "--selection", selection, "--package", selection, "--key", Path("k")},
           {"encrypt", "--package", Path("one"), "--key", Path("./one")},
           {"eval", model, "--outputs", link},
           {"eval", link, "--outputs", model},
           {"select", model, "--counts", "1,1", "--out", spelled},
           {"obfuscate", model, "--selection", selection, "--user", "alice", "--out", model},
           {"attack", "recover", model, "--selection", selection, "--out", model},
           with(infer, {"--images", images, "--outputs", package}),
           with(infer, {"--images", package, "--scores", Path("s.csv"), "--outputs", Path("./s.csv")}),
           with(infer, {"--images", images, "--resume", package}),
       }) {
    const Ended ended = Run(command);
    EXPECT_EQ(ended.exit_code, 2) << command[0];
    EXPECT_THAT(ended.err, HasSubstr("are the same file")) << command[0];
  }
  const std::string beside = Path("mine.html");
  EXPECT_THAT(Run({"report", model, "--selection", selection, "--out", beside}).err, HasSubstr("would replace"));
  EXPECT_THAT(Run(with(infer, {"--images", images, "--outputs", Path("user.key")})).err, HasSubstr("of --tls"));
  EXPECT_EQ(*ReadTextFile(model, 1 << 24), before);
  for (const char* option : {"--images", "--outputs", "--selection", "--data"}) {
    const Ended empty = Run({"eval", option, ""});
    EXPECT_EQ(empty.exit_code, 2) << option;
    EXPECT_THAT(empty.err, HasSubstr(std::string(option) + ": the name is empty"));
  }
}

// As after `disown`: SIGHUP is ignored, and then the terminal goes.
TEST_F(FailuresTest, WorkOutlivesItsTerminal) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_TRUE(terminal >= 0 && ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0);
  char name[64];
  ASSERT_EQ(::ptsname_r(terminal, name, sizeof name), 0);
  const std::string out = Path("outlived.json");
  auto child = *ChildProcess::Start(
      {"/bin/bash", "-c", fmt::format("trap '' HUP; exec $PRIVDNN eval --threads 1 --json 2>{} >{}", name, out)}, "",
      {std::string("PRIVDNN=") + PRIVDNN_PROGRAM});
  char byte = 0;
  ASSERT_EQ(::read(terminal, &byte, 1), 1);  // it draws
  ::close(terminal);
  const auto end = child.Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_TRUE(Json::accept(*ReadTextFile(out, 1 << 20)));
}

TEST_F(FailuresTest, ATemporaryFolderThatIsNotThereIsNamed) {
  for (const std::string command : {"demo --images 5", "plan --check", "bench infer --images 5"}) {
    const Ended ended = Shell("TMPDIR=/scratch/job-1 $PRIVDNN " + command);
    EXPECT_EQ(ended.exit_code, 1) << command;
    EXPECT_THAT(ended.err, HasSubstr("TMPDIR names /scratch/job-1, which is not a directory")) << command;
  }
}

// With so little OpenBLAS would wait for ever.
TEST_F(FailuresTest, ALimitOnTheAddressSpaceIsNamed) {
  const Ended refused = Shell("ulimit -v 2000000; $PRIVDNN eval --limit 5");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("the address space is limited to 1953 MiB (ulimit -v)"));
  EXPECT_EQ(Shell("ulimit -v 2000000; $PRIVDNN version").exit_code, 0);
}

// `privdnn` is two files, of which one may be lost.
TEST_F(FailuresTest, AProgramWithoutItsOtherHalfSaysSo) {
  const Ended help = Shell("$PRIVDNN --help");
  for (const char* command : {"keygen", "serve", "infer", "train", "report"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
  }
  const Ended alone = Shell(fmt::format("cp $PRIVDNN {0} && {0} eval", Path("alone")));
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_THAT(alone.err, HasSubstr("it belongs to this program, which has been moved without it"));
}

TEST_F(FailuresTest, AKilledRunGoesOn) {
  RunningOwner owner = StartOwner();
  const std::vector<std::string> infer =
      Infer(owner.address, {"--limit", "300", "--batch", "2", "--json", "--resume", Path("answers")});
  const uint64_t before = Remaining(owner);
  {
    ChildProcess killed = StartAndWaitForACharge(owner, infer, Log());
    killed.Signal(SIGKILL);
    EXPECT_EQ(killed.Wait(kPatience)->signal, SIGKILL);
  }
  const Ended ended = Run(infer), again = Run(infer);
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(Json::parse(ended.out)["predictions"].size(), 300u);
  EXPECT_EQ(Json::parse(again.out)["predictions"], Json::parse(ended.out)["predictions"]);
  EXPECT_THAT(again.err, HasSubstr("300 images are answered in "));
  // Four messages were lost at most, and four more were on their way.
  EXPECT_GE(Remaining(owner), before - 300 - 16);
}

TEST_F(FailuresTest, ImagesOfAnEarlierRunAreLeftOut) {
  RunningOwner owner = StartOwner();
  const auto predictions = [&](const std::vector<std::string>& more) {
    const Ended ended = Run(Infer(owner.address, more));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return Json::parse(ended.out)["predictions"].get<std::vector<int>>();
  };
  const std::vector<int> all = predictions({"--limit", "12", "--json"});
  EXPECT_EQ(predictions({"--skip", "7", "--limit", "5", "--json"}), std::vector<int>(all.begin() + 7, all.end()));
  ExpectFails(Infer(owner.address, {"--skip", "1000"}), "--skip 1000: there are 1000 images");
}

TEST_F(FailuresTest, FilesAreCheckedBeforeTheWork) {
  RunningOwner owner = StartOwner();
  const uint64_t before = Remaining(owner);
  ExpectFails(Infer(owner.address, {"--limit", "3", "--outputs", "/proc/nope/o.i64"}), "/proc/nope does not exist");
  EXPECT_EQ(Remaining(owner), before);
  const std::string nowhere = Path("nowhere/file");
  for (const std::vector<std::string>& command : {
           std::vector<std::string>{"eval", "--outputs", nowhere},
           {"select", "--counts", "1,1", "--out", nowhere},
           {"select", "--counts", "1,1", "--checkpoint", nowhere},
           {"select", "--counts", "1,1", "--method", "exhaustive", "--all-results", nowhere},
           {"train", "--data", Path(""), "--out", nowhere},
           {"train", "--data", Path(""), "--out", Path("net.onnx"), "--checkpoint", nowhere},
           {"obfuscate", "--user", "alice", "--data", Path(""), "--out", nowhere},
           {"attack", "invert", "--out", nowhere},
           {"attack", "scratch", "--data", Path(""), "--out", nowhere},
           {"encrypt", "--package", nowhere, "--key", Path("other.key")},
           {"encrypt", "--package", Path("other.privdnn"), "--key", nowhere},
           {"report", "--out", nowhere},
           {"demo", "--out", nowhere},
           {"export", "--out", nowhere},
       }) {
    ExpectFails(command, "nowhere does not exist");
  }
  EXPECT_FALSE(std::filesystem::exists(Path("nowhere")));
}

// The disk fills between the check and the end of the work.
TEST_F(FailuresTest, WhatWasPaidForIsPrintedIfItsFileCannotBeWritten) {
  RunningOwner owner = StartOwner();
  std::string infer;
  for (const std::string& word : Infer(owner.address, {"--limit", "20", "--json", "--outputs", Path("full.i64")})) {
    infer += " " + word;
  }
  const Ended ended = Shell("ulimit -f 8; exec $PRIVDNN" + infer);
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.err, HasSubstr("full.i64"));
  EXPECT_EQ(Json::parse(ended.out)["predictions"].size(), 20u);
  EXPECT_FALSE(std::filesystem::exists(Path("full.i64")));
}

}  // namespace
}  // namespace privdnn
