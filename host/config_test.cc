// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ft::host {
namespace {

using ::testing::HasSubstr;

constexpr char kLeast[] =
    "host = \"hostA\"\nengine = \"/opt/bin/qemu\"\nshared_dir = \"/srv\"\n";

// Out of line: g++ 12 warns about what it inlines from literal + literal.
std::string With(const char* lines) {
  std::string text = kLeast;
  text.append(lines);
  return text;
}

std::string Refusal(const std::string& text) {
  auto config = ParseConfig(text, "ftd.toml");
  EXPECT_FALSE(config.ok()) << text;
  EXPECT_EQ(config.status().code(), Code::kInvalid);
  return config.status().ToString();
}

TEST(Config, LeastFileTakesDefaults) {
  auto config = ParseConfig(kLeast, "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->host, "hostA");
  EXPECT_EQ(config->log_port, 7600);
  EXPECT_EQ(config->clone_port_last, 7619);
  EXPECT_EQ(config->timeouts.silence_ms, 500u);
  EXPECT_EQ(config->socket_path(), "/run/lockstep/ftd.sock");
  EXPECT_EQ(config->engine_share, "/opt/share");
}

TEST(Config, ExampleInDocsParses) {
  auto config = LoadConfig(FT_SOURCE_DIR "/docs/ftd.example.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->hosts.at("hostB").address, "10.0.0.2");
}

TEST(Config, HostsAndTimeoutsAreRead) {
  auto config = ParseConfig(With("clone_ports = [100, 101]\n"
                                 "[hosts.hostB]\naddress = \"10.0.0.2\"\n"
                                 "log_port = 1234\n"
                                 "[timeouts]\nheartbeat_ms = 20\n"),
                            "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->hosts.at("hostB").log_port, 1234);
  EXPECT_EQ(config->timeouts.heartbeat_ms, 20u);
  EXPECT_EQ(config->clone_port_first, 100);
}

TEST(Config, EngineSilenceIsReadAndAtLeastTenBeats) {
  auto config =
      ParseConfig(With("[timeouts]\nengine_silence_ms = 700\n"), "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->timeouts.engine_silence_ms, 700u);
  EXPECT_THAT(Refusal(With("[timeouts]\nheartbeat_ms = 100\n"
                           "engine_silence_ms = 900\n")),
              HasSubstr("less than ten beats of 100 ms"));
}

TEST(Config, CompressionIsReadAndOnlyWhatIsKnown) {
  auto config =
      ParseConfig(With("[log]\ncompression = \"none\"\n"), "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->compression, Compression::kNone);
  EXPECT_THAT(Refusal(With("[log]\ncompression = \"gzip\"\n")),
              HasSubstr("ftd.toml:5: compression \"gzip\" is not known; write "
                        "\"zstd\" or \"none\""));
}

TEST(Config, UnknownKeyIsRefusedByNameAndLine) {
  std::string line = Refusal(With("colour = \"x\"\n"));
  EXPECT_THAT(line, HasSubstr("ftd.toml:4: unknown key colour"));
  EXPECT_THAT(Refusal(With("[timeouts]\nsilence = 1\n")),
              HasSubstr("ftd.toml:5: unknown key timeouts.silence"));
  EXPECT_THAT(Refusal(With("[hosts.b]\naddress = \"1\"\nport = 2\n")),
              HasSubstr("hosts.b.port"));
}

TEST(Config, WrongTypeIsRefusedByNameAndLine) {
  EXPECT_THAT(Refusal(With("log_port = \"7600\"\n")),
              HasSubstr("ftd.toml:4: log_port is a string"));
  EXPECT_THAT(Refusal("host = 3\n"), HasSubstr("host is an integer"));
  EXPECT_THAT(Refusal(With("hosts = 3\n")), HasSubstr("hosts is an integer"));
  EXPECT_THAT(Refusal(With("clone_ports = [9, 8]\n")),
              HasSubstr("clone_ports"));
}

TEST(Config, MissingAndImpossibleValuesAreRefused) {
  EXPECT_THAT(Refusal("host = \"a\"\n"), HasSubstr("engine is missing"));
  EXPECT_THAT(Refusal("engine = \"/e\"\nshared_dir = \"/s\"\n"),
              HasSubstr("host is missing"));
  EXPECT_THAT(Refusal(With("log_port = 70000\n")),
              HasSubstr("log_port is 70000"));
  EXPECT_THAT(Refusal(With("run_dir = \"run\"\n")),
              HasSubstr("not an absolute path"));
  EXPECT_THAT(Refusal(With("[hosts.hostA]\naddress = \"1\"\n")),
              HasSubstr("this host itself"));
  EXPECT_THAT(Refusal(With("[timeouts]\nsilence_ms = 100\n")),
              HasSubstr("three beats"));
  EXPECT_THAT(Refusal(With("log_port = 7612\n")), HasSubstr("clone_ports"));
}

TEST(Config, BrokenTomlNamesTheLine) {
  EXPECT_THAT(Refusal("host = \"a\"\nengine = \n"), HasSubstr("ftd.toml:2"));
}

TEST(Config, MissingFileIsNamed) {
  auto config = LoadConfig("/nowhere/ftd.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.status().message(), HasSubstr("/nowhere/ftd.toml"));
}

TEST(Config, NamesBecomeFileNames) {
  EXPECT_TRUE(IsValidName("vm-1.a_B"));
  for (const char* bad : {"", ".", "../x", "a/b", "-x", "a b", "a\n"}) {
    EXPECT_FALSE(IsValidName(bad)) << bad;
  }
  EXPECT_FALSE(IsValidName(std::string(64, 'a')));
}

}  // namespace
}  // namespace ft::host
