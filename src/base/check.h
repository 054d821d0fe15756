// RW_CHECK states what only a bug of ours could break. Always on; aborts with the place and why.
#pragma once

#include <fmt/format.h>

#include <string>

namespace rw::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& message);
}  // namespace rw::internal

// RW_CHECK(i < n, "index {} of {}", i, n): the message is optional and formatted only on failure.
#define RW_CHECK(condition, ...)                                              \
  do {                                                                        \
    if (!(condition)) [[unlikely]]                                            \
      ::rw::internal::CheckFailed(__FILE__, __LINE__, #condition,             \
                                  ::rw::internal::CheckMessage(__VA_ARGS__)); \
  } while (false)

namespace rw::internal {
inline std::string CheckMessage() { return {}; }
template <class... Args>
std::string CheckMessage(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace rw::internal
