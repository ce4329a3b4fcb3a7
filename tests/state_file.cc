// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/state_file.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ft {

namespace json = boost::json;

Status WriteStateFile(const json::object& state, const std::string& path) {
  const std::string next = path + ".new";
  std::ofstream file(next);
  file << json::serialize(state) << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(next, path, error);
  if (file && !error) return Status::Ok();
  return Status::Failed(path + " cannot be written");
}

Result<json::value> ReadStateFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Status::Invalid("there is no " + path);
  std::stringstream text;
  text << file.rdbuf();
  boost::system::error_code error;
  json::value state = json::parse(text.str(), error);
  if (error) return Status::Invalid(path + ": " + error.message());
  return state;
}

}  // namespace ft
