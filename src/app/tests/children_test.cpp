#include "app/children.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace vestibule::app {
namespace {

const Household kHousehold{"/var/lib/vestibule", "/etc/vestibule/master.key", "nobody"};

access::AccessPoint point(dialect::Kind kind, std::vector<std::string> command) {
  access::AccessPoint p;
  p.name = "tools";
  p.kind = kind;
  p.spawn.emplace();
  p.spawn->command = std::move(command);
  p.spawn->readable = {"/srv/models"};
  p.spawn->writable = {"/srv/files"};
  p.spawn->environment = {"VESTIBULE_TEST_GIVEN", "VESTIBULE_TEST_UNSET"};
  return p;
}

TEST(Children, AModelServerGetsItsSocket) {
  const process::Options o = child_options(kHousehold, point(dialect::Kind::llamacpp, {"/usr/bin/llama-server", "--host={socket}"}));
  EXPECT_EQ(o.command, (std::vector<std::string>{"/usr/bin/llama-server", "--host=" + o.socket.string()}));
  EXPECT_EQ(o.readable, std::vector<std::filesystem::path>{"/srv/models"});
  EXPECT_EQ(o.writable, std::vector<std::filesystem::path>{"/srv/files"});
  EXPECT_EQ(o.hidden, (std::vector<std::filesystem::path>{"/var/lib/vestibule", "/etc/vestibule/master.key"}));
}

TEST(Children, AToolServerOnStdioGetsThisProgramAsItsBridge) {
  ::setenv("VESTIBULE_TEST_GIVEN", "1", 1);
  ::unsetenv("VESTIBULE_TEST_UNSET");
  const process::Options o = child_options(kHousehold, point(dialect::Kind::mcp, {"/opt/tools/server", "serve", "--", "-y"}));
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  EXPECT_EQ(o.command, (std::vector<std::string>{self, "stdio-bridge", o.socket.string(), "--", "/opt/tools/server", "serve", "--", "-y"}));
  EXPECT_EQ(o.readable, (std::vector<std::filesystem::path>{"/srv/models", "/opt/tools"})) << "its own folder too";
  EXPECT_EQ(o.environment, (std::vector<std::pair<std::string, std::string>>{{"VESTIBULE_TEST_GIVEN", "1"}}));
  EXPECT_EQ(o.user, "nobody");
}

TEST(Children, OnlyAToolServerWithoutASocketIsOnStdio) {
  EXPECT_TRUE(is_stdio(point(dialect::Kind::mcp, {"/opt/server"})));
  EXPECT_FALSE(is_stdio(point(dialect::Kind::mcp, {"/opt/server", "--socket={socket}"})));
  EXPECT_FALSE(is_stdio(point(dialect::Kind::llamacpp, {"/opt/server"})));
  access::AccessPoint none;
  none.kind = dialect::Kind::mcp;
  EXPECT_FALSE(is_stdio(none));
}

}  // namespace
}  // namespace vestibule::app
