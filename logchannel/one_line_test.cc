// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/one_line.h"

#include <gtest/gtest.h>

#include "logchannel/status.h"

namespace ft {
namespace {

TEST(OneLine, TextStaysAsItIs) {
  for (const char* text :
       {"", "vm1: kernel /k", "\xc2\xa0", "\xc3\xa9", "\xdf\xbf",
        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(OneLine(text), text);
  }
}

TEST(OneLine, ControlCharactersAreNotShown) {
  EXPECT_EQ(OneLine("a\nb\r\tc\x7f"), "a?b??c?");
  EXPECT_EQ(OneLine(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(OneLine("\x1b[2J"), "?[2J");
  EXPECT_EQ(OneLine("\xc2\x9b"
                    "2J"),
            "?2J");  // the same in one character
}

TEST(OneLine, WhatIsNotUtf8IsNotShown) {
  EXPECT_EQ(OneLine("\xff\xfe"), "??");
  EXPECT_EQ(OneLine("\x80"), "?");
  EXPECT_EQ(OneLine("\xc3"), "?");       // cut short
  EXPECT_EQ(OneLine("\xe2\x82"), "??");  // the same
  EXPECT_EQ(OneLine("\xe2\x82z"), "??z");
  EXPECT_EQ(OneLine("\xc0\xaf"), "??");            // overlong '/'
  EXPECT_EQ(OneLine("\xe0\x9f\xbf"), "???");       // overlong
  EXPECT_EQ(OneLine("\xf0\x8f\xbf\xbf"), "????");  // overlong
  EXPECT_EQ(OneLine("\xed\xa0\x80"), "???");       // a surrogate
  EXPECT_EQ(OneLine("\xf4\x90\x80\x80"), "????");  // past U+10FFFF
}

TEST(HasControlCharacter, SeesAllButTabs) {
  EXPECT_FALSE(HasControlCharacter(""));
  EXPECT_FALSE(HasControlCharacter("console=ttyS0\tpanic=1 \xc3\xa9"));
  for (const std::string& bad : {std::string("a\0b", 3), std::string("a\n"),
                                 std::string("\x1f"), std::string("a\x7f")}) {
    EXPECT_TRUE(HasControlCharacter(bad)) << bad;
  }
}

TEST(Status, IsOneLineWhateverItsWordsAreMadeOf) {
  const Status status = Status::Invalid("vm\n1", "see \x1b[2J\xff");
  EXPECT_EQ(status.message(), "vm?1");
  EXPECT_EQ(status.remedy(), "see ?[2J?");
}

}  // namespace
}  // namespace ft
