// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/toml_reader.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

// Compiled here and nowhere else, without exceptions: a bad file is an
// outcome.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace ft::host {
namespace {

std::string TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a decimal number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

// ---- TomlFile ----

TomlFile::TomlFile(std::string name, std::unique_ptr<toml::table> table)
    : name_(std::move(name)), table_(std::move(table)) {}
TomlFile::TomlFile(TomlFile&&) noexcept = default;
TomlFile& TomlFile::operator=(TomlFile&&) noexcept = default;
TomlFile::~TomlFile() = default;

Result<TomlFile> TomlFile::Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    return Status::Invalid(fmt::format("cannot read {}", path),
                           "check the path and its permissions");
  }
  return Parse(text.str(), path);
}

Result<TomlFile> TomlFile::Parse(std::string_view text, std::string name) {
  toml::parse_result result = toml::parse(text, name);
  if (!result) {
    const toml::parse_error& error = result.error();
    return Status::Invalid(
        fmt::format("{}:{}: {}", name, error.source().begin.line,
                    error.description()),
        "correct the TOML on that line");
  }
  auto table = std::make_unique<toml::table>(std::move(result).table());
  return TomlFile(std::move(name), std::move(table));
}

TableReader TomlFile::root() const { return TableReader(*table_, name_, ""); }

// ---- TableReader ----

TableReader::TableReader(const toml::table& table, std::string file,
                         std::string path)
    : table_(&table), file_(std::move(file)), path_(std::move(path)) {}

std::string TableReader::Qualified(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

std::string TableReader::Where(const char* key) const {
  const toml::node* node = table_->get(key);
  const toml::source_region& source =
      node != nullptr ? node->source() : table_->source();
  return fmt::format("{}:{}", file_, source.begin.line);
}

void TableReader::Fail(Status status) {
  if (first_mistake_.ok()) first_mistake_ = std::move(status);
}

bool TableReader::Has(const char* key) const {
  return table_->get(key) != nullptr;
}

const toml::node* TableReader::Take(const char* key) {
  known_.emplace_back(key);
  return first_mistake_.ok() ? table_->get(key) : nullptr;
}

void TableReader::WrongType(const char* key, const toml::node& node,
                            const std::string& wanted) {
  Fail(Status::Invalid(
      fmt::format("{}: {} is {}", Where(key), Qualified(key), TypeName(node)),
      fmt::format("write {}", wanted)));
}

void TableReader::Read(const char* key, std::string* out) {
  const toml::node* node = Take(key);
  if (node == nullptr) return;
  if (auto value = node->value_exact<std::string>()) {
    *out = *value;
  } else {
    WrongType(key, *node, "a string in double quotes");
  }
}

void TableReader::Read(const char* key, bool* out) {
  const toml::node* node = Take(key);
  if (node == nullptr) return;
  if (auto value = node->value_exact<bool>()) {
    *out = *value;
  } else {
    WrongType(key, *node, "true or false");
  }
}

void TableReader::ReadInteger(const char* key, int64_t* out, int64_t min,
                              int64_t max) {
  const toml::node* node = Take(key);
  if (node == nullptr) return;
  std::string wanted = fmt::format("an integer from {} to {}", min, max);
  auto value = node->value_exact<int64_t>();
  if (!value) return WrongType(key, *node, wanted);
  if (*value < min || *value > max) {
    return Fail(Status::Invalid(
        fmt::format("{}: {} is {}", Where(key), Qualified(key), *value),
        fmt::format("write {}", wanted)));
  }
  *out = *value;
}

void TableReader::ReadRange(const char* key, uint16_t* first, uint16_t* last,
                            int64_t min, int64_t max) {
  const toml::node* node = Take(key);
  if (node == nullptr) return;
  std::string wanted =
      fmt::format("[first, last] with {} <= first <= last <= {}", min, max);
  const toml::array* array = node->as_array();
  if (array == nullptr) return WrongType(key, *node, wanted);
  std::vector<int64_t> values;
  for (const toml::node& element : *array) {
    values.push_back(element.value_exact<int64_t>().value_or(min - 1));
  }
  if (values.size() != 2 || values[0] < min || values[1] > max ||
      values[0] > values[1]) {
    return Fail(Status::Invalid(
        fmt::format("{}: {} is no such range", Where(key), Qualified(key)),
        fmt::format("write {}", wanted)));
  }
  *first = static_cast<uint16_t>(values[0]);
  *last = static_cast<uint16_t>(values[1]);
}

void TableReader::Require(const char* key, std::string* out) {
  Read(key, out);
  if (!out->empty()) return;
  Fail(Status::Invalid(
      fmt::format("{}: {} is missing", Where(key), Qualified(key)),
      fmt::format("add {} = \"...\"", key)));
}

void TableReader::RequireList(const char* key, std::vector<std::string>* out) {
  const toml::node* node = Take(key);
  const toml::array* array = node != nullptr ? node->as_array() : nullptr;
  if (array == nullptr || array->empty() ||
      !array->is_homogeneous(toml::node_type::string)) {
    return Fail(Status::Invalid(
        fmt::format("{}: {} is {}", Where(key), Qualified(key),
                    node == nullptr ? "missing" : "no list of strings"),
        fmt::format("write {} = [\"...\"]", key)));
  }
  for (const toml::node& element : *array) {
    out->push_back(element.value_or(std::string()));
  }
}

std::vector<std::pair<std::string, TableReader>> TableReader::Tables(
    const char* key) {
  std::vector<std::pair<std::string, TableReader>> tables;
  const toml::node* node = Take(key);
  if (node == nullptr) return tables;
  std::string wanted = fmt::format("[{}.NAME] and keys below it", key);
  const toml::table* outer = node->as_table();
  if (outer == nullptr) {
    WrongType(key, *node, wanted);
    return tables;
  }
  for (const auto& [name, inner] : *outer) {
    std::string path = fmt::format("{}.{}", Qualified(key), name.str());
    if (const toml::table* table = inner.as_table()) {
      tables.emplace_back(std::string(name.str()),
                          TableReader(*table, file_, path));
    } else {
      Fail(Status::Invalid(
          fmt::format("{}:{}: {} is {}", file_, inner.source().begin.line, path,
                      TypeName(inner)),
          fmt::format("write {}", wanted)));
    }
  }
  return tables;
}

std::vector<TableReader> TableReader::Table(const char* key) {
  std::vector<TableReader> tables;
  const toml::node* node = Take(key);
  if (node == nullptr) return tables;
  if (const toml::table* table = node->as_table()) {
    tables.emplace_back(*table, file_, Qualified(key));
  } else {
    WrongType(key, *node, fmt::format("[{}] and keys below it", key));
  }
  return tables;
}

std::vector<TableReader> TableReader::Array(const char* key) {
  std::vector<TableReader> tables;
  const toml::node* node = Take(key);
  if (node == nullptr) return tables;
  const toml::array* array = node->as_array();
  bool all_tables = array != nullptr && !array->empty() &&
                    array->is_homogeneous(toml::node_type::table);
  if (!all_tables) {
    WrongType(key, *node, fmt::format("[[{}]] and keys below it", key));
    return tables;
  }
  for (size_t i = 0; i < array->size(); ++i) {
    tables.emplace_back(*array->get(i)->as_table(), file_,
                        fmt::format("{}[{}]", Qualified(key), i));
  }
  return tables;
}

Status TableReader::Finish() {
  if (!first_mistake_.ok()) return first_mistake_;
  for (const auto& [key, node] : *table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    std::vector<std::string> keys = known_;
    std::ranges::sort(keys);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    return Status::Invalid(
        fmt::format("{}:{}: unknown key {}", file_, node.source().begin.line,
                    Qualified(key.str())),
        fmt::format("remove it, or use one of {}", fmt::join(keys, ", ")));
  }
  return Status::Ok();
}

}  // namespace ft::host
