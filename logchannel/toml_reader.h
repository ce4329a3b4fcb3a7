// SPDX-License-Identifier: GPL-2.0-or-later
//
// TableReader: one TOML table read key by key, so that everything the
// operator wrote is either understood or refused by name and line.
//
//     TableReader top(file.root());
//     top.Require("host", &config.host);
//     top.Read("log_port", &config.log_port, 1, 65535);
//     if (Status s = top.Finish(); !s.ok()) return s;
//
// A missing optional key leaves the default that *out had. The first mistake
// is kept and every later call does nothing, so a caller reads on and asks
// once, at Finish(). Finish() also refuses the keys that nobody read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "logchannel/status.h"

namespace toml {
inline namespace v3 {
class table;
class node;
}  // namespace v3
}  // namespace toml

namespace ft {

class TableReader;

// A parsed TOML file and the name it has in error lines.
class TomlFile {
 public:
  // Reads and parses `path`; Invalid names the file and the line.
  static Result<TomlFile> Read(const std::string& path);
  // Parses `text`; `name` stands for the file in errors.
  static Result<TomlFile> Parse(std::string_view text, std::string name);

  TomlFile(TomlFile&&) noexcept;
  TomlFile& operator=(TomlFile&&) noexcept;
  ~TomlFile();

  // The file must outlive the reader.
  TableReader root() const;

 private:
  TomlFile(std::string name, std::unique_ptr<toml::table> table);

  std::string name_;
  std::unique_ptr<toml::table> table_;
};

class TableReader {
 public:
  // `path` is the table's own name in errors ("" for the root, "nic[0]").
  TableReader(const toml::table& table, std::string file, std::string path);

  // Whether the key is there. Does not count as reading it.
  bool Has(const char* key) const;
  // Optional keys: *out keeps its value when the key is absent. A string has
  // no control character but tabs: names, paths and command lines would end
  // early at a NUL.
  void Read(const char* key, std::string* out);
  template <typename Integer>
  void Read(const char* key, Integer* out, int64_t min, int64_t max) {
    int64_t value = static_cast<int64_t>(*out);
    ReadInteger(key, &value, min, max);
    *out = static_cast<Integer>(value);
  }
  void Read(const char* key, bool* out);
  // [first, last] with min <= first <= last <= max.
  void ReadRange(const char* key, uint16_t* first, uint16_t* last, int64_t min,
                 int64_t max);
  // As Read, but absence (or an empty string) is a mistake.
  void Require(const char* key, std::string* out);

  // A list of strings, of one at least.
  void RequireList(const char* key, std::vector<std::string>* out);

  // Sub-tables of `[key.NAME]`, each with its NAME; empty when absent.
  std::vector<std::pair<std::string, TableReader>> Tables(const char* key);
  // The one sub-table `[key]`; none when absent.
  std::vector<TableReader> Table(const char* key);
  // Elements of `[[key]]`; empty when absent.
  std::vector<TableReader> Array(const char* key);

  // "FILE:LINE" of a key (of the table when the key is absent): for a
  // caller's own refusals.
  std::string Where(const char* key) const;
  // Keeps `status` as the first mistake unless there is one already.
  void Fail(Status status);
  // The first mistake, else a refusal of the first key that nobody read.
  Status Finish();

 private:
  const toml::node* Take(const char* key);
  void ReadInteger(const char* key, int64_t* out, int64_t min, int64_t max);
  bool CheckText(const char* key, const std::string& text);
  void WrongType(const char* key, const toml::node& node,
                 const std::string& wanted);
  std::string Qualified(std::string_view key) const;

  const toml::table* table_;
  std::string file_;
  std::string path_;
  std::vector<std::string> known_;
  Status first_mistake_;
};

}  // namespace ft
