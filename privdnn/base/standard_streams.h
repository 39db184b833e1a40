// What programs write on stdout and stderr. Results go to stdout and must arrive; progress and logs go to stderr and
// may be lost, because a terminal that has gone or a full disk must not end the work that they tell of.
#pragma once

#include <string_view>

#include "privdnn/base/status.h"

namespace privdnn {

// Opens /dev/null in place of each of stdin, stdout and stderr that is closed, so that no file gets its number and is
// then written to by mistake. In place of stdout it can be read only: what is written there is lost, and that is an
// error.
void OpenStandardStreams();
// Whether stdout can be written to.
bool StdoutIsOpen();

// Writes on stderr. Drops what can't be written.
void WriteStderr(std::string_view text);
// Writes on stdout, behind what stdio has buffered for it. Fails with FailedPrecondition if not all of it can be
// written, and with Cancelled if the reader of a pipe has gone. A program that calls it ignores SIGPIPE.
absl::Status WriteStdout(std::string_view text);

}  // namespace privdnn
