// The program `privdnn`, with every command.
#pragma once

namespace privdnn {

// Returns the exit code: 0 ok, 1 failed, 2 wrong usage.
int RunPrivdnn(int argc, char** argv);

}  // namespace privdnn
