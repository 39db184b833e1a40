// The program `privdnn-owner`: what an owner's server needs, without LibTorch, ONNX and image formats.
#pragma once

#include <vector>

#include "privdnn/cli/command.h"

namespace privdnn {

std::vector<AddCommandFn> OwnerCommands();
// Returns the exit code: 0 ok, 1 failed, 2 wrong usage.
int RunPrivdnnOwner(int argc, char** argv);

}  // namespace privdnn
