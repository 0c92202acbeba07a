#pragma once
// What a target holds to be true of every input: otherwise the input is kept as a find.
#include <cstdlib>

inline void require(bool holds) {
  if (!holds) std::abort();
}
