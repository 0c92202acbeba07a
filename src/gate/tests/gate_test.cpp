#include <gtest/gtest.h>
TEST(Gate, Placeholder) {}
