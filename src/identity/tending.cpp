#include "identity/tending.hpp"

#include <algorithm>

namespace vestibule::identity {
namespace {

Result<std::vector<UserId>> ids(store::Tx& tx, std::string_view sql, UserId id) {
  std::vector<UserId> out;
  auto found = tx.query(sql, {id}, [&](const store::Row& row) {
    const UserId one = row.id<UserId>(0);
    if (std::ranges::find(out, one) == out.end()) out.push_back(one);
    return true;
  });
  if (!found) return std::move(found).error();
  return out;
}

}  // namespace

std::string_view name(Part part) noexcept {
  switch (part) {
    case Part::sponsor: return "sponsor";
    case Part::deputy: return "deputy";
  }
  return "";
}

std::optional<Part> part_from(std::string_view text) noexcept {
  for (const Part p : {Part::sponsor, Part::deputy}) {
    if (name(p) == text) return p;
  }
  return std::nullopt;
}

Result<std::vector<UserId>> tenders_in(store::Tx& tx, UserId account) {
  auto service = tx.one("SELECT 1 FROM service WHERE account = $1", {account}, [](const store::Row&) {});
  if (!service) return std::move(service).error();
  if (!*service) return std::vector<UserId>{account};
  return ids(tx, "SELECT person FROM service_part WHERE service = $1 AND accepted > 0 ORDER BY part, accepted, person", account);
}

Result<bool> tends_in(store::Tx& tx, UserId person, UserId account) {
  auto people = tenders_in(tx, account);
  if (!people) return std::move(people).error();
  return !person.is_nil() && std::ranges::find(*people, person) != people->end();
}

Result<std::vector<UserId>> tended_in(store::Tx& tx, UserId person) {
  return ids(tx, "SELECT service FROM service_part WHERE person = $1 AND accepted > 0 ORDER BY service", person);
}

Result<std::vector<UserId>> sponsored_in(store::Tx& tx, UserId person) {
  return ids(tx, "SELECT service FROM service_part WHERE person = $1 AND part = 1 AND accepted > 0 ORDER BY service", person);
}

Result<UserId> sponsor_in(store::Tx& tx, UserId service) {
  UserId out;
  auto found = tx.one("SELECT person FROM service_part WHERE service = $1 AND part = 1 AND accepted > 0", {service},
                      [&](const store::Row& row) { out = row.id<UserId>(0); });
  if (!found) return std::move(found).error();
  return out;
}

Result<void> changed_for_in(store::Tx& tx, std::string_view topic, UserId account) {
  tx.changed(topic, account.bytes);
  auto people = tenders_in(tx, account);
  if (!people) return std::move(people).error();
  for (const UserId person : *people) {
    if (person != account) tx.changed(topic, person.bytes);
  }
  return {};
}

}  // namespace vestibule::identity
