#include "privdnn/base/standard_streams.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace privdnn {
namespace {

// Puts something else in a stream's place, and the stream back at the end.
class Replaced {
 public:
  Replaced(int stream, int with) : stream_(stream), saved_(::fcntl(stream, F_DUPFD_CLOEXEC, 10)) {
    if (with < 0) {
      ::close(stream);
    } else {
      ::dup2(with, stream);
      ::close(with);
    }
  }
  ~Replaced() {
    ::dup2(saved_, stream_);
    ::close(saved_);
  }

 private:
  int stream_, saved_;
};

std::string ReadAll(int fd) {
  std::string text(4096, '\0');
  const ssize_t size = ::read(fd, text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

TEST(StandardStreams, WritesWhatItCanAndDropsTheRest) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    const Replaced stderr_is(STDERR_FILENO, ends[1]);
    WriteStderr("one\n");
    WriteStderr("two\n");
  }
  EXPECT_EQ(ReadAll(ends[0]), "one\ntwo\n");
  ::close(ends[0]);
  const Replaced full(STDERR_FILENO, ::open("/dev/full", O_WRONLY));
  WriteStderr("lost\n");
}

TEST(StandardStreams, SaysWhyAResultDidNotArrive) {
  absl::Status full, gone;
  {
    const Replaced stdout_is(STDOUT_FILENO, ::open("/dev/full", O_WRONLY));
    full = WriteStdout("result\n");
  }
  EXPECT_EQ(full, absl::FailedPreconditionError("standard output: No space left on device"));
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  {
    const Replaced stdout_is(STDOUT_FILENO, ends[1]);
    gone = WriteStdout("result\n");
  }
  std::signal(SIGPIPE, before);
  EXPECT_TRUE(absl::IsCancelled(gone)) << gone;
}

TEST(StandardStreams, NoFileGetsTheNumberOfAClosedStream) {
  const Replaced closed(STDERR_FILENO, -1);
  OpenStandardStreams();
  const int file = ::open("/dev/null", O_RDONLY);
  EXPECT_GT(file, STDERR_FILENO);
  ::close(file);
  EXPECT_EQ(::write(STDERR_FILENO, "x", 1), 1);
}

}  // namespace
}  // namespace privdnn
