// Clients as rows.
#include "oauth/rows.hpp"

namespace vestibule::oauth {
namespace {

std::optional<Client> client_of(const store::Row& row) {
  const auto origin = static_cast<Origin>(row.integer(1));
  auto read = parse_client(row.text(2), origin);
  if (!read) return std::nullopt;
  Client c = std::move(*read);
  c.id = std::string(row.text(0));
  if (!row.null(3)) c.secret = digest_from(row.blob(3));
  c.created = row.time(4);
  const bool secret = c.auth == ClientAuth::basic || c.auth == ClientAuth::post;
  if (secret && !c.secret) return std::nullopt;
  return c;
}

}  // namespace

Result<void> put_client_in(store::Tx& tx, const Client& c, std::string_view by) {
  json::Writer w;
  w.begin_object();
  write_client(w, c);
  w.end_object();
  const std::string metadata = w.take();
  auto put = c.secret ? tx.run("INSERT INTO oauth_client (id, origin, metadata, secret, created, last_used, by_name) VALUES ($1, $2, $3, $4, $5, 0, $6)",
                               {c.id, c.origin, metadata, *c.secret, c.created, by})
                      : tx.run("INSERT INTO oauth_client (id, origin, metadata, secret, created, last_used, by_name) VALUES ($1, $2, $3, NULL, $4, 0, $5)",
                               {c.id, c.origin, metadata, c.created, by});
  if (!put) return std::move(put).error();
  return {};
}

Result<std::optional<Client>> find_client_in(store::Tx& tx, std::string_view id) {
  std::optional<Client> out;
  auto found = tx.one("SELECT id, origin, metadata, secret, created FROM oauth_client WHERE id = $1", {id},
                      [&](const store::Row& row) { out = client_of(row); });
  if (!found) return std::move(found).error();
  return out;
}

Result<void> used_client_in(store::Tx& tx, std::string_view id, WallTime now) {
  auto used = tx.run("UPDATE oauth_client SET last_used = $2 WHERE id = $1", {id, now});
  if (!used) return std::move(used).error();
  return {};
}

Result<std::vector<ListedClient>> list_clients_in(store::Tx& tx) {
  std::vector<ListedClient> out;
  auto listed = tx.query("SELECT id, origin, metadata, secret, created, last_used, by_name FROM oauth_client ORDER BY created, id", {},
                         [&](const store::Row& row) {
                           if (auto c = client_of(row)) out.push_back({std::move(*c), row.time(5), std::string(row.text(6))});
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  return out;
}

Result<bool> remove_client_in(store::Tx& tx, std::string_view id) {
  auto gone = tx.run("DELETE FROM oauth_client WHERE id = $1", {id});
  if (!gone) return std::move(gone).error();
  return *gone == 1;
}

Result<void> make_room_in(store::Tx& tx, std::size_t most) {
  std::int64_t n = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM oauth_client WHERE origin = $1", {Origin::registered},
                        [&](const store::Row& row) { n = row.integer(0); });
  if (!counted) return std::move(counted).error();
  if (static_cast<std::size_t>(n) < most) return {};
  auto gone = tx.run(
      "DELETE FROM oauth_client WHERE id IN (SELECT id FROM oauth_client WHERE origin = $1 AND last_used = 0 "
      "ORDER BY created, id LIMIT $2)",
      {Origin::registered, n + 1 - static_cast<std::int64_t>(most)});
  if (!gone) return std::move(gone).error();
  if (*gone == 0) return fail(Reason::overloaded, "as many clients as there may be have registered and are in use");
  return {};
}

}  // namespace vestibule::oauth
