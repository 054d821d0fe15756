#include "cli/cli.h"

int main(int argc, char** argv) { return rw::Main(argc, argv); }
