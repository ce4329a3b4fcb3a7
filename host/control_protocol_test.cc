// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/control_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ft::host {
namespace {

using ::testing::HasSubstr;

TEST(LineReader, CutsLinesWhateverTheChunks) {
  LineReader reader;
  reader.Add("{\"a\"");
  EXPECT_FALSE(reader.Next()->has_value());
  reader.Add(":1}\n{}\n{");
  EXPECT_EQ(**reader.Next(), "{\"a\":1}");
  EXPECT_EQ(**reader.Next(), "{}");
  EXPECT_FALSE(reader.Next()->has_value());
}

TEST(LineReader, RefusesALineOverTheLimit) {
  LineReader reader;
  reader.Add(std::string(kRequestBytesMax, 'x'));
  EXPECT_TRUE(reader.Next().ok());
  reader.Add("x");
  auto line = reader.Next();
  ASSERT_FALSE(line.ok());
  EXPECT_EQ(line.status().code(), Code::kInvalid);
}

TEST(ParseRequest, RefusesGarbage) {
  for (const char* line :
       {"", "x", "[]", "{", "7", "null", "{}", "{\"verb\":7}",
        "{\"verb\":\"\"}", "{\"verb\":\"a\"} trailing", "\xff\xfe"}) {
    auto request = ParseRequest(line);
    ASSERT_FALSE(request.ok()) << line;
    EXPECT_EQ(request.status().code(), Code::kInvalid);
  }
  std::string deep(5000, '[');
  EXPECT_FALSE(ParseRequest("{\"verb\":" + deep).ok());
}

TEST(ParseRequest, MembersOfAnotherTypeAreMissing) {
  auto request = ParseRequest("{\"verb\":\"status\",\"vm\":3,\"n\":\"x\"}");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(TextOf(*request, "verb"), "status");
  EXPECT_EQ(TextOf(*request, "vm"), "");
  EXPECT_EQ(IntegerOf(*request, "n", 9), 9);
}

TEST(ParseRequest, FlagIsTrueOnlyWhenItSaysSo) {
  auto request = ParseRequest(R"({"verb":"x","a":true,"b":"true","c":1})");
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(FlagOf(*request, "a"));
  for (const char* key : {"b", "c", "d"}) EXPECT_FALSE(FlagOf(*request, key));
}

TEST(Format, IsOneLineEach) {
  std::string line = FormatError(Status::Invalid("a\nb", "c"));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_THAT(line, HasSubstr("\"code\":\"invalid\""));
  EXPECT_EQ(FormatProgress("cloning", "x"),
            "{\"progress\":\"cloning\",\"text\":\"x\"}\n");
  EXPECT_EQ(FormatResult({}), "{\"result\":{}}\n");
}

TEST(Code, NamesComeBack) {
  for (Code code : {Code::kInvalid, Code::kUnavailable, Code::kFailed}) {
    EXPECT_EQ(CodeFromName(CodeName(code)), code);
  }
}

TEST(IntegerWithin, RefusesWhatIsOutOfRangeByKeyAndEnds) {
  const boost::json::object request{{"a", 7}, {"b", INT64_MAX}, {"c", "7"}};
  EXPECT_EQ(*IntegerWithin(request, "a", 1, 7, 7), 7);
  EXPECT_EQ(*IntegerWithin(request, "c", 5, 1, 7), 5);
  EXPECT_EQ(*IntegerWithin(request, "missing", 5, 1, 7), 5);
  EXPECT_EQ(IntegerWithin(request, "a", 1, 8, 9).status().ToString(),
            "a is 7; give 8 to 9");
  EXPECT_EQ(IntegerWithin(request, "b", 1, 1, 3600).status().ToString(),
            "b is 9223372036854775807; give 1 to 3600");
}

}  // namespace
}  // namespace ft::host
