#include "identity/rows.hpp"

#include <unordered_map>

namespace vestibule::identity {

User user_from(const store::Row& row) {
  User u;
  u.id = row.id<UserId>(0);
  u.name = domain::UserName(row.text(1));
  u.display = row.text(2);
  u.has_password = row.integer(3) != 0;
  u.disabled = row.integer(4) != 0;
  u.version = row.integer(5);
  u.created = row.time(6);
  u.created_by = row.id<UserId>(7);
  u.roles_changed = row.time(8);
  u.factors_reset = row.time(9);
  u.reset_by = row.id<UserId>(10);
  u.password_changed = row.time(11);
  u.service = row.integer(12) != 0;
  u.sponsor = row.id<UserId>(13);
  return u;
}

void add_label(User& u, std::int64_t kind, std::string_view label) {
  (kind == 1 ? u.roles : u.groups).push_back(domain::intern(label));
}

Result<std::vector<User>> read_all(store::Tx& tx) {
  std::vector<User> out;
  std::unordered_map<UserId, std::size_t> where;
  auto users = tx.query(std::string(kColumns) + " ORDER BY name", {}, [&](const store::Row& row) {
    where.emplace(row.id<UserId>(0), out.size());
    out.push_back(user_from(row));
    return true;
  });
  if (!users) return std::move(users).error();
  auto labels = tx.query("SELECT account, kind, label FROM account_label ORDER BY label", {},
                         [&](const store::Row& row) {
                           const auto at = where.find(row.id<UserId>(0));
                           if (at != where.end()) add_label(out[at->second], row.integer(1), row.text(2));
                           return true;
                         });
  if (!labels) return std::move(labels).error();
  return out;
}

Result<std::vector<User>> read_administrators(store::Tx& tx) {
  std::vector<User> out;
  auto listed = tx.query(std::string(kColumns) + " WHERE id IN (SELECT account FROM account_label WHERE kind = 1 AND label = $1) "
                         "ORDER BY name", {domain::role::administrator}, [&](const store::Row& row) {
                           add_label(out.emplace_back(user_from(row)), 1, domain::role::administrator);
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  return out;
}

Result<std::size_t> count_administrators(store::Tx& tx) {
  std::size_t n = 0;
  auto found = tx.one("SELECT COUNT(*) FROM account_label WHERE kind = 1 AND label = $1", {domain::role::administrator},
                      [&](const store::Row& row) { n = static_cast<std::size_t>(row.integer(0)); });
  if (!found) return std::move(found).error();
  return n;
}

}  // namespace vestibule::identity
