#include "privdnn/cli/launcher.h"

int main(int argc, char** argv) { return privdnn::LaunchPrivdnn(argc, argv); }
