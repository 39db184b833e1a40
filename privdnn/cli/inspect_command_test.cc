// The command `inspect`, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/cli/command.h"
#include "privdnn/cli/test_command.h"
#include "privdnn/pipeline/answer_file.h"

namespace privdnn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class InspectCommand : public testing::Test {
 protected:
  // What inspect says of a file with this content.
  absl::StatusOr<CommandOutput> Inspect(const std::string& content) const {
    const std::string path = (directory_.path() / "file").string();
    EXPECT_TRUE(WriteTextFile(path, content).ok());
    return ParseAndRun(AddInspect, {"inspect", path});
  }

  const TemporaryDirectory directory_ = TemporaryDirectory::Create().value();
};

TEST_F(InspectCommand, NestedJsonIsCountedNotShown) {
  const auto nested = [&](size_t depth) {
    return Inspect("{\"a\": " + std::string(depth, '[') + std::string(depth, ']') +
                   ", \"b\": {\"c\": 1, \"d\": 2}, \"e\": 1.5, \"f\": \"text\"}");
  };
  EXPECT_THAT(Message(nested(1'000'000).status()), HasSubstr("nested more than 64 deep"));
  const auto output = nested(40);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["members"], Json::parse(R"(["a", "b", "e", "f"])"));
  EXPECT_THAT(output->text, AllOf(HasSubstr("a  an array of 1\n"), HasSubstr("b  an object of 2\n"),
                                  HasSubstr("e  1.5\n"), HasSubstr("f  \"text\"\n")));
}

TEST_F(InspectCommand, ForeignTextControlsNoTerminal) {
  const auto output = Inspect("{\"\\u001b[31m\": \"\\u009b2J\"}");
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(output->text, AllOf(HasSubstr("\\u001b[31m  \"\\u009b2J\""), Not(HasSubstr("\x1b"))));
}

TEST_F(InspectCommand, TablesAreInputs) {
  const auto output = Inspect("a,b\n1,2\n3,4\n5,6\n");
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json["kind"], "inputs");
  EXPECT_EQ(output->json["count"], 3);
  EXPECT_EQ(output->json["shape"], Json::parse("[2]"));
  EXPECT_THAT(Message(Inspect("1,2\n1,x\n").status()), HasSubstr("line 2: column 2: 'x' is not a number"));
}

TEST_F(InspectCommand, AnswersAreCounted) {
  Bytes file = WriteRecordHeader(kAnswerFormat, "package 12");
  for (const uint8_t body : {1, 2}) {
    const Bytes record = WriteRecord({&body, 1});
    file.insert(file.end(), record.begin(), record.end());
  }
  const auto output = Inspect(std::string(AsStringView(file)));
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->json, Json::parse(R"({"kind": "answers", "identity": "package 12", "records": 2})"));
  EXPECT_THAT(output->text, AllOf(HasSubstr("answers"), HasSubstr("package 12"), HasSubstr("2 records")));
}

}  // namespace
}  // namespace privdnn
