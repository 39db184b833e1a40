// Errors as values. Every error that input can cause is an absl::Status whose message gives the offending value and the
// limit; our own bugs are assertions. Macros exist only to propagate a status.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace privdnn {

template <typename... Args>
absl::Status InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status FailedPrecondition(fmt::format_string<Args...> format, Args&&... args) {
  return absl::FailedPreconditionError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return absl::NotFoundError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status DataLoss(fmt::format_string<Args...> format, Args&&... args) {
  return absl::DataLossError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return absl::ResourceExhaustedError(fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
absl::Status Unavailable(fmt::format_string<Args...> format, Args&&... args) {
  return absl::UnavailableError(fmt::format(format, std::forward<Args>(args)...));
}

// Returns the message of a status as a std::string (absl::string_view is not std::string_view in Debian's build of
// abseil).
inline std::string Message(const absl::Status& status) { return std::string(status.message()); }

// Returns the same error with `where` before its message: "assets/model.onnx: node Conv_0: ...".
inline absl::Status Annotate(const absl::Status& status, const std::string& where) {
  if (status.ok()) return status;
  return absl::Status(status.code(), where + ": " + Message(status));
}

}  // namespace privdnn

#define PRIVDNN_RETURN_IF_ERROR(expr)                \
  do {                                               \
    absl::Status privdnn_status = (expr);            \
    if (!privdnn_status.ok()) return privdnn_status; \
  } while (false)

#define PRIVDNN_CONCAT_INNER(a, b) a##b
#define PRIVDNN_CONCAT(a, b) PRIVDNN_CONCAT_INNER(a, b)
// PRIVDNN_ASSIGN_OR_RETURN(auto x, F()): x = value of F(), or return F's error.
#define PRIVDNN_ASSIGN_OR_RETURN(lhs, expr) \
  PRIVDNN_ASSIGN_OR_RETURN_IMPL(PRIVDNN_CONCAT(privdnn_statusor_, __LINE__), lhs, expr)
#define PRIVDNN_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return std::move(tmp).status();      \
  lhs = *std::move(tmp)
