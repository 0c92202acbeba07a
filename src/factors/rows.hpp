#pragma once
// Rows of table `factor` as several files read them. Private to the room.

#include <string>

#include "factors/kind.hpp"

namespace vestibule::factors {

inline Enrolled enrolled_from(const store::Row& row) {
  Enrolled e;
  e.id = row.id<FactorId>(0);
  e.user = row.id<UserId>(1);
  e.parameters = row.integer(2);
  e.last_step = row.integer(3);
  e.drift = row.integer(4);
  const ByteView sealed = row.null(5) ? ByteView{} : row.blob(5);
  e.sealed.assign(sealed.begin(), sealed.end());
  return e;
}

// A factor as its owner knows it.
inline std::string described(FactorKind kind, std::string_view label) {
  std::string out(domain::name(kind));
  if (!label.empty()) out.append(" \"").append(label).append("\"");
  return out;
}

}  // namespace vestibule::factors
