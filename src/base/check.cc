#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace rw::internal {

void CheckFailed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "ropewalk: internal error at %s:%d: expected %s%s%s\n", file, line,
               condition, message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

}  // namespace rw::internal
