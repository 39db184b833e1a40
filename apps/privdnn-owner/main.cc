#include "privdnn/cli/owner_program.h"

int main(int argc, char** argv) { return privdnn::RunPrivdnnOwner(argc, argv); }
