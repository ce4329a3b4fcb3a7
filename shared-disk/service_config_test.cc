// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/service_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ft::shared_disk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kGood[] = R"(
listen = "10.0.0.5:10809"
state_dir = "/var/lib/lockstep-disks"

[disks.vm1-root]
path = "/dev/vg0/vm1:root"
vm = "vm1"
)";

std::string Refusal(const std::string& text) {
  auto config = ParseServiceConfig(text, "disks.toml");
  return config.ok() ? "accepted" : config.status().ToString();
}

std::string Replaced(const std::string& what, const std::string& with) {
  std::string text = kGood;
  const size_t at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(ServiceConfig, BecomesNbdkitsCommand) {
  auto config = ParseServiceConfig(kGood, "disks.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  config->plugin = "/usr/lib/plugin.so";
  EXPECT_THAT(
      NbdkitCommand(*config),
      ElementsAre("/usr/bin/nbdkit", "--foreground", "--log=stderr",
                  "--threads=1", "--ipaddr", "10.0.0.5", "--port", "10809",
                  "/usr/lib/plugin.so", "state=/var/lib/lockstep-disks",
                  "disk=vm1-root:vm1:/dev/vg0/vm1:root"));
  config->listen = "/run/disks.sock";
  EXPECT_THAT(NbdkitCommand(*config),
              testing::IsSupersetOf({"--unix", "/run/disks.sock"}));
}

TEST(ServiceConfig, ExampleInTheDocsIsOne) {
  auto config =
      LoadServiceConfig(FT_SOURCE_DIR "/docs/disk-service.example.toml");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  ASSERT_EQ(config->service.disks.size(), 1u);
  EXPECT_EQ(config->service.disks[0].vm, "vm1");
}

TEST(ServiceConfig, MistakesAreOneLineEach) {
  EXPECT_THAT(Refusal(Replaced("listen", "lisen")), HasSubstr("disks.toml"));
  EXPECT_THAT(Refusal(Replaced("\"10.0.0.5:10809\"", "\"10.0.0.5\"")),
              HasSubstr("nobody can listen at \"10.0.0.5\""));
  EXPECT_THAT(Refusal(Replaced("10809", "70000")), HasSubstr("nobody can"));
  EXPECT_THAT(Refusal(Replaced("10809", "1o809")), HasSubstr("nobody can"));
  EXPECT_THAT(Refusal(Replaced("\"/var", "\"var")),
              HasSubstr("is no absolute path"));
  EXPECT_THAT(Refusal(Replaced("\"/dev", "\"dev")),
              HasSubstr("disk vm1-root: \"dev/vg0/vm1:root\" is no absolute"));
  EXPECT_THAT(Refusal(Replaced("vm = \"vm1\"", "vm = \"../vm1\"")),
              HasSubstr("is no name of a VM"));
  EXPECT_THAT(Refusal(Replaced("vm = \"vm1\"", "")), HasSubstr("vm"));
  EXPECT_THAT(Refusal(Replaced("vm1-root", "record")),
              HasSubstr("no name for a disk"));
  EXPECT_THAT(Refusal(Replaced("vm1-root", "\"a:b\"")),
              HasSubstr("no name for a disk"));
  EXPECT_THAT(Refusal(Replaced("path", "size = 3\npath")), HasSubstr("size"));
  EXPECT_THAT(Refusal(std::string(kGood) +
                      "[disks.b]\npath = \"/dev/vg0/vm1:root\"\nvm = \"vm2\""),
              HasSubstr("is there twice"));
}

}  // namespace
}  // namespace ft::shared_disk
