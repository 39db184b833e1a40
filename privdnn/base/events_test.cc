#include "privdnn/base/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <thread>

#include "privdnn/base/file.h"

namespace privdnn {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Texts that hold everything that separates fields and lines.
const std::vector<Event> kEvents = {ProgressEvent{"training\t2\\n", 1, 20, ""},
                                    ProgressEvent{"", UINT64_MAX, UINT64_MAX, "two\nlines\\"},
                                    ErrorEvent{"a \\ and\ta tab,\nand the end\n"}};

class Events : public testing::Test {
 protected:
  std::string Written(const std::vector<Event>& events) const {
    const auto writer = EventWriter::Open(file_);
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (const Event& event : events) writer->Write(event);
    return *ReadTextFile(file_, 1 << 24);
  }

  const TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  const std::filesystem::path file_ = directory_.path() / "events";
};

TEST_F(Events, ArePrintableLines) {
  EXPECT_EQ(Written({ProgressEvent{"training", 1, 20, "loss\t0.5"}, ErrorEvent{"stopped\nhere"}}),
            "privdnn-events 1\nprogress\ttraining\t1\t20\tloss\\t0.5\nerror\tstopped\\nhere\n");
}

TEST_F(Events, AreReadAsTheyWereWritten) {
  EventReader reader(file_);
  EXPECT_THAT(*reader.Read(), IsEmpty());  // there is no file yet
  Written(kEvents);
  EXPECT_EQ(*reader.Read(), kEvents);
  EXPECT_THAT(*reader.Read(), IsEmpty());
  // Another writer goes on at the end.
  Written({ErrorEvent{"more"}});
  EXPECT_EQ(*reader.Read(), std::vector<Event>{ErrorEvent{"more"}});
}

TEST_F(Events, OfATotalOfNothingAreLeftOut) {
  EXPECT_EQ(Written({ProgressEvent{"a", 0, 0, ""}}), "privdnn-events 1\n");
}

TEST_F(Events, LongTextsAreCutToWhatReadersTake) {
  Written({ErrorEvent{std::string(100'000, '\n')}, ProgressEvent{std::string(9000, 'a'), 1, 1, "b"}});
  EXPECT_EQ(*EventReader(file_).Read(), (std::vector<Event>{ErrorEvent{std::string(8192, '\n')},
                                                            ProgressEvent{std::string(8192, 'a'), 1, 1, "b"}}));
}

// Every truncation gives the events whose lines are whole, and the rest completes the others.
TEST_F(Events, ALineCountsWhenItIsComplete) {
  const std::string all = Written(kEvents);
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    EventParser parser;
    auto events = parser.Feed(all.substr(0, cut));
    ASSERT_TRUE(events.ok()) << cut << events.status();
    const auto lines = static_cast<size_t>(std::ranges::count(all.substr(0, cut), '\n'));
    EXPECT_EQ(events->size(), lines > 1 ? lines - 1 : 0) << cut;
    const auto rest = parser.Feed(all.substr(cut));
    ASSERT_TRUE(rest.ok()) << cut << rest.status();
    events->insert(events->end(), rest->begin(), rest->end());
    EXPECT_EQ(*events, kEvents) << cut;
  }
}

TEST_F(Events, DamagedLinesAreErrorsThatStay) {
  const std::string begin = "privdnn-events 1\nerror\tfirst\n";
  for (const char* line :
       {"", "error", "error\ta\tb", "errors\ta", "error\t\\x", "error\t\\", "progress\ta\t1\t2", "progress\ta\t1\t0\t",
        "progress\ta\t-1\t2\t", "progress\ta\t1x\t2\t", "progress\ta\t\t2\t", "progress\ta\t1\t18446744073709551616\t",
        "progress\ta\t1\t2\t\tb", " error\ta", "error\ta\r\t"}) {
    EventParser parser;
    const absl::Status status = parser.Feed(begin + line + "\nerror\tlast\n").status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << line;
    EXPECT_THAT(Message(status), HasSubstr("line 3 is no event")) << line;
    EXPECT_EQ(parser.Feed("error\tlast\n").status(), status) << line;
  }
  EventParser parser;
  EXPECT_TRUE(parser.Feed(begin + "error\t" + std::string(40'000, 'a')).ok());
  EXPECT_THAT(Message(parser.Feed(std::string(20'000, 'a')).status()), HasSubstr("line 3 is longer than"));
}

// A flipped bit changes a text, a number or a line, and is an error or another event; it never ends the program.
TEST_F(Events, FlippedBitsAreReadOrRefused) {
  const std::string all = Written(kEvents);
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * all.size(); ++bit) {
    std::string damaged = all;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EventParser parser;
    const auto events = parser.Feed(damaged);
    refused += !events.ok();
    if (bit < 8 * std::string_view("privdnn-events 1\n").size()) {
      EXPECT_TRUE(!events.ok() || events->empty()) << bit;
    } else if (events.ok()) {
      EXPECT_NE(*events, kEvents) << bit;
    }
  }
  EXPECT_GT(refused, all.size());
}

TEST_F(Events, OfAnotherVersionAreNeitherReadNorWritten) {
  ASSERT_TRUE(WriteTextFile(file_, "privdnn-events 2\nerror\ta\n").ok());
  const absl::Status read = EventReader(file_).Read().status(), written = EventWriter::Open(file_).status();
  for (const absl::Status& status : {read, written}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(Message(status), HasSubstr("first line is not 'privdnn-events 1'"));
    EXPECT_THAT(Message(status), HasSubstr(file_.string()));
  }
  EXPECT_EQ(*ReadTextFile(file_, 100), "privdnn-events 2\nerror\ta\n");
}

TEST_F(Events, OfSeveralWritersDoNotMix) {
  constexpr uint64_t kEach = 500;
  std::vector<std::thread> writers;
  for (const std::string label : {"a", "b", "c"}) {
    writers.emplace_back([&, label] {
      const auto writer = *EventWriter::Open(file_);
      for (uint64_t i = 1; i <= kEach; ++i) writer.Write(ProgressEvent{label, i, kEach, std::string(i % 100, 'x')});
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto events = EventReader(file_).Read();
  ASSERT_TRUE(events.ok()) << events.status();
  std::map<std::string, uint64_t> done;
  for (const Event& event : *events) {
    const auto& p = std::get<ProgressEvent>(event);
    EXPECT_EQ(p, (ProgressEvent{p.label, ++done[p.label], kEach, std::string(p.done % 100, 'x')}));
  }
  EXPECT_EQ(done, (std::map<std::string, uint64_t>{{"a", kEach}, {"b", kEach}, {"c", kEach}}));
}

TEST_F(Events, GoWhereTheEnvironmentSays) {
  ::unsetenv(kEventsVariable);
  EXPECT_FALSE(EventWriter::FromEnvironment()->has_value());
  ::setenv(kEventsVariable, file_.c_str(), 1);
  (*EventWriter::FromEnvironment())->Write(ErrorEvent{"here"});
  ::setenv(kEventsVariable, (directory_.path() / "no" / "file").c_str(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(EventWriter::FromEnvironment().status()));
  ::unsetenv(kEventsVariable);
  EXPECT_EQ(*EventReader(file_).Read(), std::vector<Event>{ErrorEvent{"here"}});
}

}  // namespace
}  // namespace privdnn
