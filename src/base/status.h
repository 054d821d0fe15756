// Errors from outside the program: files, flags, prompts.
//
// Three outcomes are never mixed: what comes from outside and is wrong is an `Error` value (here);
// what only a bug of ours can cause is an RW_CHECK (check.h); what does not apply is a recorded
// decision. An Error's message is one line that says what was expected, what was found, where, and
// how to mend it where that is known.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace rw {

struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// Err("{}: expected {}, found {}", where, wanted, found) converts to any Result<T>.
template <class... Args>
tl::unexpected<Error> Err(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace rw

#define RW_CONCAT_INNER(a, b) a##b
#define RW_CONCAT(a, b) RW_CONCAT_INNER(a, b)

// Returns the error of `expr` from the enclosing function, if it has one.
#define RW_TRY(expr)                                                      \
  do {                                                                    \
    if (auto rw_status = (expr); !rw_status)                              \
      return ::tl::unexpected<::rw::Error>(std::move(rw_status).error()); \
  } while (false)

// RW_ASSIGN(auto x, F()) declares x with F's value or returns F's error.
#define RW_ASSIGN(decl, expr) RW_ASSIGN_INNER(RW_CONCAT(rw_result_, __LINE__), decl, expr)
#define RW_ASSIGN_INNER(result, decl, expr)                                     \
  auto result = (expr);                                                         \
  if (!result) return ::tl::unexpected<::rw::Error>(std::move(result).error()); \
  decl = *std::move(result)
