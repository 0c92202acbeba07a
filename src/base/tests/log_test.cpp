#include "base/log.hpp"

#include <gtest/gtest.h>

#include "base/counters.hpp"

namespace vestibule {
namespace {

TEST(Log, ControlCharactersCannotForgeALine) {
  testing::internal::CaptureStderr();
  log::info("hello", {{"name", "eve\nfake line"}, {"n", 7}});
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
  EXPECT_NE(out.find("eve\\x0afake"), std::string::npos);
  EXPECT_NE(out.find("n=7"), std::string::npos);
}

TEST(Counters, AddUpOverSlots) {
  Counter c("vestibule_test_total", "A test.", "kind=\"x\"");
  set_core_slot(1);
  c.add(2);
  set_core_slot(0);
  c.add();
  EXPECT_EQ(c.total(), 3);
  EXPECT_NE(write_prometheus().find("vestibule_test_total{kind=\"x\"} 3"), std::string::npos);
}

}  // namespace
}  // namespace vestibule
