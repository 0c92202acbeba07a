#pragma once
// Where a request comes from, as decisions know it.

#include "domain/act.hpp"
#include "net/stream.hpp"

namespace vestibule::gate {

[[nodiscard]] inline domain::Source source_of(const net::Peer& peer) noexcept {
  domain::Source s;
  s.address = peer.address;
  s.local = peer.local;
  return s;
}

}  // namespace vestibule::gate
