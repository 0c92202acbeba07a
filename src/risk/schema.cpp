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

Result<void> accept_clock(store::Tx& tx, WallTime now) {
  for (const std::string_view sql :
       {"UPDATE known_network SET last = $1 WHERE last > $1", "UPDATE known_network SET since = $1 WHERE since > $1",
        "UPDATE known_client SET last = $1 WHERE last > $1", "UPDATE known_client SET since = $1 WHERE since > $1"}) {
    auto set = tx.run(sql, {now});
    if (!set) return std::move(set).error();
  }
  return {};
}

}  // namespace vestibule::risk
