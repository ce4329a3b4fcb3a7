// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "host/temp_dir_for_test.h"

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

TEST(Config, ReplicaRateIsRead) {
  EXPECT_EQ(ParseConfig(kLeast, "ftd.toml")->replica_mib_per_s, 0u);
  auto config = ParseConfig(With("replica_mib_per_s = 50\n"), "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->replica_mib_per_s, 50u);
  EXPECT_THAT(Refusal(With("replica_mib_per_s = -1\n")),
              HasSubstr("replica_mib_per_s is -1"));
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

std::string WithStore(const char* lines) {
  std::string text = "host = \"hostA\"\nengine = \"/opt/bin/qemu\"\n";
  text.append(lines);
  return text;
}

fencing::StoreOptions StoreOf(const char* lines) {
  auto config = ParseConfig(WithStore(lines), "ftd.toml");
  EXPECT_TRUE(config.ok()) << config.status().ToString();
  return config.ok() ? config->store : fencing::StoreOptions();
}

TEST(Config, StoreIsASharedDirectoryOrATable) {
  using Backend = fencing::StoreOptions::Backend;
  EXPECT_EQ(StoreOf("shared_dir = \"/srv\"\n").shared_dir, "/srv");
  EXPECT_EQ(StoreOf("[fencing]\nbackend = \"file\"\nshared_dir = \"/s\"\n")
                .shared_dir,
            "/s");
  EXPECT_EQ(
      StoreOf("[fencing]\nbackend = \"nbd\"\naddress = \"a:1\"\n").address,
      "a:1");
  const auto lun = StoreOf(
      "[fencing]\nbackend = \"iscsi\"\nurl = \"iscsi://san/iqn.x/1\"\n"
      "chap_user = \"ftd\"\nchap_password_file = \"/etc/ft/password\"\n");
  EXPECT_EQ(lun.backend, Backend::kIscsi);
  EXPECT_EQ(lun.iscsi.url, "iscsi://san/iqn.x/1");
  EXPECT_EQ(lun.iscsi.initiator, "iqn.2026-11.local.lockstep:hostA");
  EXPECT_EQ(lun.iscsi_password_file, "/etc/ft/password");
  const auto etcd = StoreOf(
      "[fencing]\nbackend = \"etcd\"\nendpoints = [\"https://a:2379\", "
      "\"https://b:2379\"]\nca = \"/ca\"\ncert = \"/c\"\nkey = \"/k\"\n");
  EXPECT_EQ(etcd.backend, Backend::kEtcd);
  EXPECT_EQ(etcd.etcd.endpoints.size(), 2u);
  EXPECT_EQ(etcd.etcd.prefix, "/lockstep/");
  EXPECT_EQ(etcd.etcd.key, "/k");
}

TEST(Config, StoreIsOneAndWhole) {
  const std::pair<const char*, const char*> refusals[] = {
      {"", "shared_dir is missing; add shared_dir"},
      {"shared_dir = \"\"\n", "shared_dir is missing; add shared_dir"},
      {"shared_dir = \"srv\"\n", "not an absolute path"},
      {"shared_dir = \"/s\"\n[fencing]\nbackend = \"file\"\n",
       "ftd.toml:3: shared_dir and [fencing] both choose a store"},
      {"[fencing]\n", "fencing.backend is missing"},
      {"[fencing]\nbackend = \"floppy\"\n", "no backend \"floppy\""},
      {"[fencing]\nbackend = \"file\"\n", "fencing.shared_dir is missing"},
      {"[fencing]\nbackend = \"nbd\"\n", "fencing.address is missing"},
      {"[fencing]\nbackend = \"iscsi\"\n", "fencing.url is missing"},
      {"[fencing]\nbackend = \"iscsi\"\nurl = \"iscsi://a\"\n",
       "ftd.toml:5: 'iscsi://a' is not the URL of a LUN"},
      {"[fencing]\nbackend = \"iscsi\"\nurl = \"iscsi://a/b/1\"\n"
       "chap_user = \"x\"\n",
       "chap_password_file is missing beside chap_user"},
      {"[fencing]\nbackend = \"etcd\"\n", "fencing.endpoints is missing"},
      {"[fencing]\nbackend = \"etcd\"\nendpoints = \"http://a\"\n",
       "fencing.endpoints is no list of strings"},
      {"[fencing]\nbackend = \"etcd\"\nendpoints = [\"a:2379\"]\n",
       "'a:2379' is not an endpoint of etcd"},
      {"[fencing]\nbackend = \"file\"\nshared_dir = \"/s\"\n"
       "url = \"iscsi://a/b/1\"\n",
       "ftd.toml:6: unknown key fencing.url; remove it, or use one of "
       "backend, shared_dir"},
  };
  for (const auto& [lines, words] : refusals) {
    EXPECT_THAT(Refusal(WithStore(lines)), HasSubstr(words));
  }
}

TEST(Config, BrokenTomlNamesTheLine) {
  EXPECT_THAT(Refusal("host = \"a\"\nengine = \n"), HasSubstr("ftd.toml:2"));
  for (const char* bad :
       {"[=", "[[=", "[]", "[[]]", "[a.=", "[", "a = {=1}", "a = [",
        "a = 1\u03f9", "=", ".", "a.", "\"", "'''", "\"\"\""}) {
    EXPECT_THAT(Refusal(std::string("host = \"a\"\n") + bad),
                HasSubstr("ftd.toml:2: "))
        << bad;
  }
}

// A path would end at its NUL, a name would be two lines of a log.
TEST(Config, ControlCharactersAreRefusedByLine) {
  for (const char* bad : {"\\u0000", "\\n", "\\u001b[2J", "\\u007f"}) {
    const std::string line = std::string("listen = \"10.0.0.1") + bad + "\"\n";
    EXPECT_EQ(Refusal(With(line.c_str())),
              "ftd.toml:4: listen has a control character; write it without");
  }
  EXPECT_EQ(Refusal(With("[hosts.\"a\\nb\"]\naddress = \"x\"\n")),
            "ftd.toml:5: \"a?b\" cannot be a host's name; use letters, digits, "
            "'-', '_' and '.', beginning with a letter or digit");
}

// Nobody can follow it; the default firmware directory is still a path.
TEST(Config, EngineInALoopHasItsShareBeside) {
  TempDir dir;
  std::filesystem::create_symlink("loop", dir / "loop");
  const std::string text = "host = \"a\"\nshared_dir = \"/srv\"\nengine = \"" +
                           (dir / "loop") + "/bin/qemu\"\n";
  auto config = ParseConfig(text, "ftd.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->engine_share, dir / "loop/share");
}

// Each part of a key is a table in a table; 64 KiB may come by the control
// socket.
TEST(Config, BottomlessKeysAreRefused) {
  std::string key = "a";
  while (key.size() < 65000) key += ".a";
  for (const std::string& text :
       {key + " = 1\n", "[" + key + "]\n", "b = { " + key + " = 1 }\n"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("ftd.toml:1: more than 64 dots"));
  }
  const std::string ruler = "  # " + std::string(100, '.') + "\n" + kLeast;
  EXPECT_TRUE(ParseConfig(ruler, "ftd.toml").ok());
  std::string nested = "1";
  for (int i = 0; i < 17; ++i) nested = "{ a = " + nested + " }";
  EXPECT_THAT(Refusal("a = " + nested + "\n"), HasSubstr("ftd.toml:1: "));
}

TEST(Config, MissingFileIsNamed) {
  auto config = LoadConfig("/nowhere/ftd.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.status().message(), HasSubstr("/nowhere/ftd.toml"));
}

TEST(Config, NamesBecomeFileNames) {
  EXPECT_TRUE(IsValidName("vm-1.a_B"));
  for (const char* bad : {"", ".", "../x", "a/b", "-x", "_x", "a b", "a\n"}) {
    EXPECT_FALSE(IsValidName(bad)) << bad;
  }
  EXPECT_FALSE(IsValidName(std::string(64, 'a')));
}

}  // namespace
}  // namespace ft::host
