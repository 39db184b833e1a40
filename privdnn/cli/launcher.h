// `privdnn` is two programs. Loading LibTorch and the 300 libraries that come with it takes about a second, so the one
// that people start is linked without it. It has the commands of `privdnn-owner` itself; for any other it becomes
// `privdnn-networks`, which has all.
#pragma once

namespace privdnn {

// Runs the command, or replaces this process. Returns the exit code: 0 ok, 1 failed, 2 wrong usage.
int LaunchPrivdnn(int argc, char** argv);

}  // namespace privdnn
