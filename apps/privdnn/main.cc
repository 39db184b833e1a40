#include "cli/command.h"

int main(int argc, char** argv) { return privdnn::cli::RunProgram(argc, argv); }
