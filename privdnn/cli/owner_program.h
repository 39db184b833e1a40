// The program `privdnn-owner`: what an owner's server needs, without LibTorch, ONNX and image formats.
#pragma once

namespace privdnn {

// Returns the exit code: 0 ok, 1 failed, 2 wrong usage.
int RunPrivdnnOwner(int argc, char** argv);

}  // namespace privdnn
