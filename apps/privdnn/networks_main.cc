#include "privdnn/cli/program.h"

int main(int argc, char** argv) { return privdnn::RunPrivdnn(argc, argv); }
