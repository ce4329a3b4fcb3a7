// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operator: somebody at the machine, as a child process. At random moments,
// up to 40 ms apart, keys are pressed, mouse and tablet moved, buttons
// clicked (QMP's input-send-event), or bytes typed on the serial port. The
// moments are the point: each is an event at an instruction of its own.
//
// A seed says what is done, not when the engine takes notice of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/replay/forked_child.h"

namespace ft::torture {

class Operator {
 public:
  // Types and moves for as long as this object lives; `qmp_path` is a QMP
  // socket of the engine that nobody else uses.
  static Operator AtKeyboardAndMice(const std::string& qmp_path, uint64_t seed);
  // Clicks, a thousand times a second, for as long as this object lives.
  static Operator Clicking(const std::string& qmp_path);
  // Types `kilobytes` on the serial port's socket and falls silent.
  static Operator AtSerialPort(const std::string& path, int kilobytes,
                               uint64_t seed);

  // False when nobody answered at the path.
  bool hired() const { return child_ != nullptr; }
  // What a guest that got every byte prints: FNV-1a, 16 hex digits. Empty
  // for keyboard and mice.
  const std::string& typed() const { return typed_; }

 private:
  using Child = std::unique_ptr<replay::ForkedChild>;
  Operator(Child child, std::string typed);

  Child child_;
  std::string typed_;
};

}  // namespace ft::torture
