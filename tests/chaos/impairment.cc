// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/impairment.h"

#include <boost/json.hpp>
#include <stdexcept>

namespace ft::chaos {
namespace json = boost::json;

namespace {

// One list of fields for both directions.
template <typename T, typename Visit>
requires std::same_as<std::remove_const_t<T>, Impairment>
void VisitFields(T& i, Visit visit) {
  visit("delay_ms", i.delay_ms);
  visit("jitter_ms", i.jitter_ms);
  visit("loss", i.loss);
  visit("duplicate", i.duplicate);
  visit("reorder", i.reorder);
  visit("cut", i.cut);
  visit("mbit_per_s", i.mbit_per_s);
  visit("queue_ms", i.queue_ms);
}

template <typename T, typename Visit>
requires std::same_as<std::remove_const_t<T>, LinkCounts>
void VisitFields(T& c, Visit visit) {
  visit("received", c.received);
  visit("forwarded", c.forwarded);
  visit("lost", c.lost);
  visit("cut", c.cut);
  visit("duplicated", c.duplicated);
  visit("reordered", c.reordered);
  visit("overflowed", c.overflowed);
  visit("corrupted", c.corrupted);
  visit("truncated", c.truncated);
}

template <typename T>
std::string Serialized(const T& value) {
  json::object object;
  VisitFields(value, [&](const char* name, const auto& field) {
    object[name] = field;
  });
  return json::serialize(object);
}

template <typename T>
T Parsed(const std::string& text) {
  T value;
  size_t known = 0;
  try {
    const json::object object = json::parse(text).as_object();
    VisitFields(value, [&](const char* name, auto& field) {
      field = json::value_to<std::remove_reference_t<decltype(field)>>(
          object.at(name));
      ++known;
    });
    if (known == object.size()) return value;
  } catch (const std::exception& error) {
    throw std::runtime_error("not of a link: " + text + ": " + error.what());
  }
  throw std::runtime_error("not of a link: " + text + ": an unknown field");
}

}  // namespace

std::string ToJson(const Impairment& impairment) {
  return Serialized(impairment);
}

std::string ToJson(const LinkCounts& counts) { return Serialized(counts); }

Impairment ImpairmentFromJson(const std::string& text) {
  const Impairment i = Parsed<Impairment>(text);
  for (const double probability : {i.loss, i.duplicate, i.reorder}) {
    if (!(probability >= 0 && probability <= 1)) {
      throw std::runtime_error("a probability of a link is 0 to 1: " + text);
    }
  }
  for (const double amount :
       {i.delay_ms, i.jitter_ms, i.mbit_per_s, i.queue_ms}) {
    if (!(amount >= 0 && amount <= 1e6)) {
      throw std::runtime_error("a time or rate of a link is 0 to 1e6: " + text);
    }
  }
  return i;
}

LinkCounts LinkCountsFromJson(const std::string& text) {
  return Parsed<LinkCounts>(text);
}

}  // namespace ft::chaos
