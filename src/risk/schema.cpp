#include <array>

#include "risk/history.hpp"

namespace vestibule::risk {
namespace {

constexpr std::array kMigrations{
    store::Migration{"risk", 1, R"(
CREATE TABLE known_network (
  account BYTES NOT NULL,
  network BIGINT NOT NULL,
  since BIGINT NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (account, network)
);
CREATE TABLE known_client (
  account BYTES NOT NULL,
  family TEXT NOT NULL,
  since BIGINT NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (account, family)
)
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace vestibule::risk
