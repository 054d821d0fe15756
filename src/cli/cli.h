// The command line. Only this folder reads argv or the environment.
#pragma once

namespace rw {

// Runs `ropewalk ARGS...`. 0: done; 1: a check failed (verify, tokenize --check); 2: the input or a
// flag is wrong, said in one line on stderr.
int Main(int argc, char** argv);

}  // namespace rw
