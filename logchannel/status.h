// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status and Result<T>: how a function of Lockstep says that it did not do
// what it was asked to. An outcome, never an exception and never a crash: a
// broken invariant of our own is FT_CHECK's business (check.h).
//
// A Status that is not ok carries a code for machines, one line that names
// the thing, and one line that names the remedy. Both lines reach the user
// unchanged ("ftctl: MESSAGE; REMEDY"), so they are written for a reader who
// knows the operation, not the code. Part of their words often comes from
// outside; whatever that is, they stay lines (one_line.h). Values are cheap to
// move; thread-safe as values are.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "logchannel/one_line.h"

namespace ft {

enum class Code {
  kOk,
  // The caller asked for something that cannot be: bad file, unknown VM,
  // wrong state. Nothing was changed. ftctl exits with 2.
  kInvalid,
  // Something outside did not answer or refused (peer, storage, engine).
  // Nothing was changed, or what was begun was undone. ftctl exits with 2.
  kUnavailable,
  // Begun and not completed; the message says what state is left behind.
  // ftctl exits with 1.
  kFailed,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status Ok() { return {}; }
  static Status Invalid(const std::string& message,
                        const std::string& remedy = "") {
    return {Code::kInvalid, message, remedy};
  }
  static Status Unavailable(const std::string& message,
                            const std::string& remedy = "") {
    return {Code::kUnavailable, message, remedy};
  }
  static Status Failed(const std::string& message,
                       const std::string& remedy = "") {
    return {Code::kFailed, message, remedy};
  }

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& remedy() const { return remedy_; }
  // "message; remedy", or the message alone.
  std::string ToString() const {
    return remedy_.empty() ? message_ : message_ + "; " + remedy_;
  }

 private:
  Status(Code code, const std::string& message, const std::string& remedy)
      : code_(code), message_(OneLine(message)), remedy_(OneLine(remedy)) {}

  Code code_ = Code::kOk;
  std::string message_;
  std::string remedy_;
};

// A T, or the Status (never ok) that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}         // NOLINT
  Result(Status status) : state_(std::move(status)) {}  // NOLINT

  bool ok() const { return std::holds_alternative<T>(state_); }
  // Only when !ok(); an ok Result yields Status::Ok().
  Status status() const {
    return ok() ? Status::Ok() : std::get<Status>(state_);
  }
  // Only when ok().
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace ft
