#include "privdnn/cli/command.h"

int main(int argc, char** argv) { return privdnn::RunProgram(argc, argv); }
