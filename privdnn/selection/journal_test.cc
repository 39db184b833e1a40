#include "privdnn/selection/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>

#include "privdnn/base/file.h"
#include "privdnn/selection/journal_format.h"

namespace privdnn {
namespace {

using ::testing::HasSubstr;

uint64_t Scramble(const Candidate& c, int64_t image) {
  uint64_t state = 0x9E3779B97F4A7C15 * static_cast<uint64_t>(image + 1);
  for (const int64_t i : c.first) state = (state ^ static_cast<uint64_t>(i + 1)) * 0xBF58476D1CE4E5B9;
  for (const int64_t i : c.second) state = (state ^ static_cast<uint64_t>(i + 101)) * 0x94D049BB133111EB;
  return state;
}

// Outcomes and margins that differ with candidate and image, and a count of what was asked for.
class FakeSource : public OutcomeSource {
 public:
  absl::StatusOr<std::vector<Outcome>> Evaluate(std::span<const Candidate> candidates, int64_t begin, int64_t end,
                                                const ProgressFn& progress) const override {
    std::vector<Outcome> outcomes;
    PRIVDNN_RETURN_IF_ERROR(Each(candidates, static_cast<uint64_t>(end - begin), progress, [&](const Candidate& c) {
      Outcome& outcome = outcomes.emplace_back();
      for (int64_t k = begin; k < end; ++k) {
        outcome.separated.push_back(Scramble(c, k) >> 40 & 1);
        outcome.removed.push_back(Scramble(c, k) >> 41 & 1);
      }
    }));
    return outcomes;
  }
  absl::StatusOr<std::vector<std::vector<float>>> Margins(std::span<const Candidate> candidates, View view,
                                                          std::span<const int64_t> images,
                                                          const ProgressFn& progress) const override {
    std::vector<std::vector<float>> margins;
    PRIVDNN_RETURN_IF_ERROR(Each(candidates, images.size(), progress, [&](const Candidate& c) {
      margins.emplace_back();
      for (const int64_t k : images) {
        const auto bits = static_cast<int32_t>(Scramble(c, k) >> (view == View::kRemoved ? 20 : 30));
        margins.back().push_back(static_cast<float>(bits) + 0.5F);
      }
    }));
    return margins;
  }
  mutable int calls = 0;
  mutable std::vector<Candidate> asked;
  int fail_at = 0;

 private:
  template <typename Answer>
  absl::Status Each(std::span<const Candidate> candidates, uint64_t images, const ProgressFn& progress,
                    const Answer& answer) const {
    ++calls;
    if (fail_at == calls) return absl::UnavailableError("the source is gone");
    uint64_t done = 0;
    for (const Candidate& c : candidates) {
      asked.push_back(c);
      answer(c);
      done += images;
      if (!progress(done, candidates.size() * images, "")) return absl::CancelledError("interrupted");
    }
    return absl::OkStatus();
  }
};

bool GoOn(uint64_t, uint64_t, const std::string&) { return true; }

std::vector<Candidate> Pairs(int64_t count) {
  std::vector<Candidate> candidates;
  for (int64_t i = 0; i < count; ++i) candidates.push_back({{i % 5, i % 5 + 2}, {i, i + 1, i + 3}});
  return candidates;
}

void ExpectSame(const std::vector<Outcome>& a, const std::vector<Outcome>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].separated, b[i].separated) << i;
    EXPECT_EQ(a[i].removed, b[i].removed) << i;
  }
}

class JournalTest : public ::testing::Test {
 protected:
  std::vector<Outcome> Plain(std::span<const Candidate> candidates, int64_t begin, int64_t end) const {
    return *FakeSource().Evaluate(candidates, begin, end, GoOn);
  }
  // Fills the file with the outcomes of so many candidates on the images [0, 21).
  void Fill(int64_t count) {
    const FakeSource source;
    const auto journal = Journal::Open(file_, "id", source);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_TRUE(journal->Evaluate(Pairs(count), 0, 21, GoOn).ok());
  }
  // Adds the margins of the first candidate on three images.
  void AddMargins() {
    const FakeSource source;
    const auto journal = Journal::Open(file_, "id", source);
    ASSERT_TRUE(journal->Margins(Pairs(1), View::kRemoved, std::vector<int64_t>{1, 2, 5}, GoOn).ok());
  }
  Bytes Contents() const { return *ReadFile(file_, 1 << 20); }

  TemporaryDirectory directory_ = *TemporaryDirectory::Create();
  std::filesystem::path file_ = directory_.path() / "deep" / "journal";
};

TEST_F(JournalTest, AnswersWithoutAskingAgain) {
  const auto candidates = Pairs(70);
  const FakeSource source;
  {
    const auto journal = Journal::Open(file_, "id", source);
    ASSERT_TRUE(journal.ok()) << journal.status();
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>(0, 8), {8, 33}, {0, 33}}) {
      ExpectSame(*journal->Evaluate(candidates, begin, end, GoOn), Plain(candidates, begin, end));
    }
    EXPECT_EQ(journal->replayed(), 0u);
    EXPECT_EQ(journal->Known(2, 3, 0, 33), 70u);
    EXPECT_EQ(journal->Known(2, 3, 8, 33), 70u);
    EXPECT_EQ(journal->Known(2, 3, 0, 32), 0u);
    EXPECT_EQ(journal->Known(2, 2, 0, 33), 0u);
    EXPECT_EQ(journal->Known(1, 3, 0, 33), 0u);
    EXPECT_GE(source.calls, 6);  // 70 candidates are asked for in pieces
  }
  const FakeSource second;
  const auto journal = Journal::Open(file_, "id", second);
  ASSERT_TRUE(journal.ok()) << journal.status();
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>(0, 33), {0, 8}, {8, 33}}) {
    ExpectSame(*journal->Evaluate(candidates, begin, end, GoOn), Plain(candidates, begin, end));
  }
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(journal->replayed(), 70u * 66);
}

TEST_F(JournalTest, KeepsMarginsByNetworkAndImages) {
  const auto candidates = Pairs(40);
  const std::vector<int64_t> some = {0, 3, 4, 19}, others = {1, 3};
  const auto check = [&](const Journal& journal) {
    for (const View view : {View::kSeparated, View::kRemoved}) {
      for (const auto& images : {some, others}) {
        const auto margins = journal.Margins(candidates, view, images, GoOn);
        ASSERT_TRUE(margins.ok()) << margins.status();
        EXPECT_EQ(*margins, *FakeSource().Margins(candidates, view, images, GoOn));
      }
    }
  };
  {
    const FakeSource source;
    const auto journal = *Journal::Open(file_, "id", source);
    check(journal);
    EXPECT_EQ(source.calls, 4 * 2);
    EXPECT_EQ(journal.replayed(), 0u);
  }
  const FakeSource second;
  const auto journal = *Journal::Open(file_, "id", second);
  check(journal);
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(journal.replayed(), 40u * 2 * 6);
  // Outcomes are something else, and a part of the images too.
  ASSERT_TRUE(journal.Evaluate(candidates, 0, 4, GoOn).ok());
  ASSERT_TRUE(journal.Margins(candidates, View::kRemoved, std::vector<int64_t>{0, 3}, GoOn).ok());
  EXPECT_EQ(second.calls, 4);
  EXPECT_THAT(journal.Margins(candidates, View::kRemoved, std::vector<int64_t>{3, 0}, GoOn).status().message(),
              HasSubstr("not in ascending order"));
}

TEST_F(JournalTest, AsksOnceForWhatIsMissing) {
  Fill(40);
  const FakeSource source;
  const auto journal = *Journal::Open(file_, "id", source);
  std::vector<Candidate> candidates = Pairs(43);
  candidates.push_back(candidates[42]);
  candidates.push_back(candidates[41]);
  candidates.push_back({});
  std::vector<std::pair<uint64_t, uint64_t>> reports;
  const auto outcomes = journal.Evaluate(candidates, 0, 21, [&](uint64_t done, uint64_t total, const std::string&) {
    reports.emplace_back(done, total);
    return true;
  });
  ExpectSame(*outcomes, Plain(candidates, 0, 21));
  EXPECT_EQ(source.asked, (std::vector<Candidate>{candidates[40], candidates[41], candidates[42], {}}));
  EXPECT_EQ(journal.replayed(), 40u * 21);
  EXPECT_EQ(reports.front(), std::pair(uint64_t{40 * 21}, uint64_t{46 * 21}));
  EXPECT_EQ(reports.back(), std::pair(uint64_t{46 * 21}, uint64_t{46 * 21}));
  EXPECT_TRUE(std::is_sorted(reports.begin(), reports.end()));
  // Another range of images is another question.
  ExpectSame(*journal.Evaluate(candidates, 0, 20, GoOn), Plain(candidates, 0, 20));
  EXPECT_EQ(journal.replayed(), 40u * 21);
  EXPECT_TRUE(journal.Evaluate({}, 0, 20, GoOn)->empty());
  EXPECT_EQ(journal.Evaluate(candidates, 5, 5, GoOn).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(JournalTest, KeepsWhatIsKnownWhenStopped) {
  const auto candidates = Pairs(100);
  FakeSource source;
  {
    const auto journal = Journal::Open(file_, "id", source);
    const auto stopped = journal->Evaluate(candidates, 0, 21, [&](uint64_t done, uint64_t, const std::string&) {
      return done <= 70 * 21;  // in the third piece
    });
    EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(ParseJournal(Contents(), "j")->outcomes.size(), 64u);
    // Stopped before the source is asked.
    source.calls = 0;
    const auto at_once =
        journal->Evaluate(candidates, 0, 21, [](uint64_t, uint64_t, const std::string&) { return false; });
    EXPECT_EQ(at_once.status().code(), absl::StatusCode::kCancelled);
    EXPECT_EQ(source.calls, 0);
    // A source that fails loses no more.
    source.fail_at = 2;
    EXPECT_THAT(Message(journal->Evaluate(candidates, 0, 21, GoOn).status()), HasSubstr("the source is gone"));
  }
  source.asked.clear();
  const auto journal = *Journal::Open(file_, "id", source);
  ExpectSame(*journal.Evaluate(candidates, 0, 21, GoOn), Plain(candidates, 0, 21));
  EXPECT_EQ(source.asked.size(), 4u);
}

// Killed at any byte: whole records stay, and the next run completes the file.
TEST_F(JournalTest, LosesOnlyTheRecordThatIsCutOff) {
  Fill(3);
  const Bytes whole = Contents();
  const size_t header = WriteJournalHeader("id").size(), record = (whole.size() - header) / 3;
  ASSERT_EQ(whole.size(), header + 3 * record);
  for (size_t size = 0; size < whole.size(); ++size) {
    const size_t records = size < header ? 0 : (size - header) / record;
    const auto content = ParseJournal(std::span(whole).first(size), "j");
    ASSERT_EQ(content.ok(), size >= header) << size;
    if (content.ok()) {
      EXPECT_EQ(content->outcomes.size(), records) << size;
      EXPECT_EQ(content->whole, header + records * record) << size;
    }
    // Not all on the disk, which takes its time.
    if (size % 9 != 0 && size != header && size != whole.size() - 1) continue;
    ASSERT_TRUE(WriteFile(file_, std::span(whole).first(size)).ok());
    const FakeSource source;
    const auto journal = Journal::Open(file_, "id", source);
    ASSERT_TRUE(journal.ok()) << size << " " << journal.status();
    EXPECT_EQ(Contents().size(), header + records * record) << size;
    ExpectSame(*journal->Evaluate(Pairs(3), 0, 21, GoOn), Plain(Pairs(3), 0, 21));
    EXPECT_EQ(source.asked.size(), 3 - records) << size;
    EXPECT_EQ(Contents(), whole) << size;
  }
}

TEST_F(JournalTest, RefusesEveryDamagedBit) {
  Fill(1);
  AddMargins();
  Bytes bytes = Contents();
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const auto flip = static_cast<uint8_t>(1 << bit % 8);
    bytes[bit / 8] ^= flip;
    const auto content = ParseJournal(bytes, "j");
    EXPECT_EQ(content.status().code(), absl::StatusCode::kDataLoss) << bit << " " << content.status();
    EXPECT_THAT(Message(content.status()), HasSubstr("j: "));
    bytes[bit / 8] ^= flip;
  }
  bytes.back() ^= 1;
  ASSERT_TRUE(WriteFile(file_, bytes).ok());
  const FakeSource source;
  const absl::Status status = Journal::Open(file_, "id", source).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), HasSubstr(file_.string() + ": record 1 at byte"));
  EXPECT_EQ(Contents(), bytes);  // which stays for those who want to look at it
  ASSERT_TRUE(WriteTextFile(file_, "something else altogether, longer than a header").ok());
  EXPECT_THAT(Message(Journal::Open(file_, "id", source).status()), HasSubstr("field 'magic' at byte 0"));
}

// Records with right checksums that nobody writes.
TEST_F(JournalTest, RefusesForgedRecords) {
  const Bytes packed = PackOutcome({{1, 0, 1}, {0, 0, 1}});
  const auto parse = [&](std::initializer_list<Bytes> records) {
    Bytes bytes = WriteJournalHeader("id");
    for (const Bytes& record : records) bytes.insert(bytes.end(), record.begin(), record.end());
    return ParseJournal(bytes, "j").status();
  };
  const Bytes good = WriteJournalRecord({{{1}, {2}}, 0, 3}, packed);
  EXPECT_TRUE(parse({good}).ok());
  std::vector<std::pair<Bytes, std::string>> bad = {
      {good, "an earlier record has the same"},
      {WriteJournalRecord({{{1, 1}, {2}}, 0, 3}, packed), "'first neurons' at byte 32: 1 after 1 does not ascend"},
      {WriteJournalRecord({{{}, {3, 2}}, 0, 3}, packed), "2 after 3 does not ascend"},
      {WriteJournalRecord({{}, 3, 3}, packed), "images 3 to 3"},
      {WriteJournalRecord({{}, -1, 3}, packed), "images 18446744073709551615 to 3"},
      {WriteJournalRecord({{}, 0, -1}, packed), "images 0 to 18446744073709551615"},
      {WriteJournalRecord({{}, 0, INT64_MAX}, packed), "1 bytes for 9223372036854775807 images"},
      {WriteJournalRecord({{}, 0, 5}, packed), "1 bytes for 5 images"},
      {WriteJournalRecord({{}, 0, 2}, Bytes{0, 0}), "2 bytes for 2 images"},
      {WriteJournalRecord({{}, 0, 3}, Bytes{64}), "surplus bits are not zero"},
      {WriteJournalRecord({{}, 0, 1}, Bytes{}), "0 bytes for 1 images"},
  };
  const std::vector<float> margins = {0.5F, -2};
  const Bytes good_margins = WriteJournalRecord({{{1}, {2}}, View::kRemoved, {0, 7}}, margins);
  EXPECT_TRUE(parse({good, good_margins, WriteJournalRecord({{{1}, {2}}, View::kSeparated, {0, 7}}, margins)}).ok());
  EXPECT_THAT(Message(parse({good, good_margins, good_margins})), HasSubstr("an earlier record has the same"));
  const float infinite = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto forged = [&](int view, std::vector<int64_t> images, const std::vector<float>& values) {
    return WriteJournalRecord({{{1}, {2}}, static_cast<View>(view), std::move(images)}, values);
  };
  bad.insert(bad.end(), {
                            {forged(2, {0, 7}, margins), "'network' at byte 4: is 2, must be 0 to 1"},
                            {forged(0, {}, {}), "no images"},
                            {forged(0, {7, 7}, margins), "image 7 of 4294967296, or not in ascending order"},
                            {forged(0, {7, 6}, margins), "not in ascending order"},
                            {forged(0, {0, 7}, {1}), "'margins'"},
                            {forged(0, {0, 7}, {1, 2, 3}), "4 trailing bytes"},
                            {forged(0, {0, 7}, {1, 0}), "0 is none"},
                            {forged(0, {0, 7}, {1, nan}), "nan is none"},
                            {forged(0, {0, 7}, {-infinite, 1}), "-inf is none"},
                        });
  for (const auto& [record, problem] : bad) {
    const absl::Status status = parse({good, record});
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << problem;
    EXPECT_THAT(Message(status), HasSubstr("j: record 1 at byte 79")) << problem;
    EXPECT_THAT(Message(status), HasSubstr(problem));
  }
}

TEST_F(JournalTest, RefusesAnotherIdentityAndAnotherUser) {
  Fill(1);
  const Bytes before = Contents();
  const FakeSource source;
  for (const char* identity : {"", "i", "ie", "id2"}) {
    const auto journal = Journal::Open(file_, identity, source);
    EXPECT_EQ(journal.status().code(), absl::StatusCode::kFailedPrecondition) << identity;
    EXPECT_THAT(Message(journal.status()), HasSubstr("of another model, other images or other options"));
  }
  EXPECT_EQ(Contents(), before);
  EXPECT_THAT(Message(Journal::Open(file_, std::string(1025, 'x'), source).status()), HasSubstr("at most 1024"));
  const auto open = Journal::Open(file_, "id", source);
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_THAT(Message(Journal::Open(file_, "id", source).status()), HasSubstr("in use by another run"));
}

// The format, byte by byte: a change needs another version.
TEST(JournalFormat, KnownAnswer) {
  Bytes bytes = WriteJournalHeader("id");
  const Bytes record = WriteJournalRecord({{{0, 3}, {5}}, 10, 15}, PackOutcome({{1, 0, 1, 1, 0}, {0, 0, 1, 0, 1}}));
  bytes.insert(bytes.end(), record.begin(), record.end());
  const std::vector<float> margins = {1.5F, -0.25F};
  const Bytes second = WriteJournalRecord({{{0}, {}}, View::kRemoved, {4, 300}}, margins);
  bytes.insert(bytes.end(), second.begin(), second.end());
  EXPECT_EQ(
      HexEncode(bytes),
      "5056444e4e4a4e4c02000000020000006964d6ba0b74167f020e2a0000005dada114000000000a000000000000000f00000000000000"
      "02000000000000000300000001000000050000008d024bc1bc8b25ab07cc28000000cddd981001000000010000000200000004000000"
      "2c0100000100000000000000000000000000c03f000080beeda6447dab2f702f");
  const auto content = ParseJournal(bytes, "j");
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->identity, "id");
  const Outcome outcome = UnpackOutcome(content->outcomes.at({{{0, 3}, {5}}, 10, 15}), 5);
  EXPECT_EQ(outcome.separated, (std::vector<uint8_t>{1, 0, 1, 1, 0}));
  EXPECT_EQ(outcome.removed, (std::vector<uint8_t>{0, 0, 1, 0, 1}));
  EXPECT_EQ(content->margins.at({{{0}, {}}, View::kRemoved, {4, 300}}), margins);
}

}  // namespace
}  // namespace privdnn
