// Clients come: they register themselves (RFC 7591), or an administrator registers them.
#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

struct ClientTag { static constexpr std::string_view prefix = "client_"; };
using ClientId = Id<ClientTag>;

}  // namespace

Result<Server::Registered> Server::put_client(store::Tx& tx, Client client, std::string_view by) {
  Registered out;
  client.id = ClientId::make(rooms_.rng).text();
  client.created = rooms_.clock.wall();
  if (client.auth == ClientAuth::basic || client.auth == ClientAuth::post) {
    crypto::Handle secret = rooms_.mint.make(crypto::kClientSecret, rooms_.rng);
    client.secret = secret.hash;
    out.secret = std::move(secret.text);
  }
  out.id = client.id;
  auto put = put_client_in(tx, client, by);
  if (!put) return std::move(put).error();
  return out;
}

Server::Out Server::register_client(Call& call) {
  if (options_.registration == Options::Registration::closed) co_return refuse(call, {Code::access_denied, "an administrator registers clients here"});
  const http::RequestHead& head = call.exchange.head();
  const auto type = head.headers.find(http::Known::content_type);
  if (!type || head.headers.count(http::Known::content_type) != 1 || !type->starts_with("application/json") || head.parts.has_query) {
    co_return refuse(call, {Code::invalid_client_metadata, "Content-Type is application/json"});
  }
  if (!registrations_.charge(call.source.text(), rooms_.clock.wall())) {
    Reply busy = refuse(call, {Code::temporarily_unavailable, "too many registrations from here: wait an hour"});
    busy.status = 429;
    co_return busy;
  }
  Result<std::string_view> text = co_await call.exchange.read_whole(kMaxClientMetadata);
  if (!text) co_return refuse(call, {Code::invalid_client_metadata, "the metadata is too long or did not arrive"});
  Answer<Client> client = parse_client(*text, Origin::registered);
  if (!client) co_return refuse(call, client.failure());
  if (client->id_token_alg == crypto::JwsAlg::rs256 && !signing_.has(crypto::JwsAlg::rs256)) {
    std::vector<crypto::JwsAlg> algs = {crypto::JwsAlg::rs256, crypto::JwsAlg::rs256};
    Result<std::vector<crypto::JwsKey>> made = co_await make_keys(std::move(algs));
    if (!made) co_return refuse(call, ours(made.error()));
    auto add = [this, keys = &*made](store::Tx& tx) { return signing_.add_in(tx, *keys, rooms_.clock.wall()); };
    Result<void> added = co_await rooms_.database.write(std::move(add));
    if (!added) co_return refuse(call, ours(added.error()));
  }
  const session::Actor by = call.actor();
  auto job = [this, c = *client, by](store::Tx& tx) -> Result<Registered> {
    auto room = make_room_in(tx, options_.max_clients);
    if (!room) return std::move(room).error();
    auto put = put_client(tx, c, "");
    if (!put) return put;
    record(tx, "client.register", by, put->id, c.name, rooms_.clock.now());
    return put;
  };
  Result<Registered> put = co_await rooms_.database.write(std::move(job));
  if (!put) co_return refuse(call, ours(put.error()));
  json::Writer w;
  w.begin_object().member("client_id", put->id).member("client_id_issued_at", seconds(rooms_.clock.wall()));
  if (!put->secret.empty()) w.member("client_secret", put->secret.reveal_text()).member("client_secret_expires_at", 0);
  write_client(w, *client);
  w.end_object();
  Reply reply{201, w.take()};
  co_return reply;
}

Result<Server::Registered> Server::add_client_in(store::Tx& tx, std::string_view metadata, const session::Actor& by) {
  Answer<Client> client = parse_client(metadata, Origin::administrator);
  if (!client) return fail(Reason::invalid_argument, std::string(client.failure().why));
  if (!signing_.has(client->id_token_alg)) return fail(Reason::invalid_argument, "id_token_signed_response_alg is ES256 here");
  auto put = put_client(tx, *client, by.name.view());
  if (!put) return put;
  record(tx, "client.add", by, put->id, client->name, rooms_.clock.now());
  return put;
}

Result<void> Server::remove_client_in(store::Tx& tx, std::string_view id, const session::Actor& by) {
  const Instant now = rooms_.clock.now();
  std::vector<SessionId> families;
  auto listed = tx.query("SELECT session FROM oauth_family WHERE client = $1", {id}, [&](const store::Row& row) {
    families.push_back(row.id<SessionId>(0));
    return true;
  });
  if (!listed) return listed;
  auto gone = oauth::remove_client_in(tx, id);
  if (!gone) return std::move(gone).error();
  if (!*gone && families.empty()) return fail(Reason::not_found);
  for (const SessionId family : families) {
    auto ended = rooms_.sessions.end_family_in(tx, family, by, "its client was removed", Reason::session_revoked, now);
    if (!ended) return ended;
  }
  for (const std::string_view sql : {"DELETE FROM oauth_family WHERE client = $1", "DELETE FROM oauth_code WHERE client = $1", "DELETE FROM oauth_device WHERE client = $1"}) {
    auto cleared = tx.run(sql, {id});
    if (!cleared) return std::move(cleared).error();
  }
  record(tx, "client.remove", by, id, {}, now);
  return {};
}

net::Task<Result<std::vector<ListedClient>>> Server::clients() {
  auto job = [](store::Tx& tx) { return list_clients_in(tx); };
  Result<std::vector<ListedClient>> all = co_await rooms_.database.read(std::move(job));
  co_return all;
}

net::Task<Result<std::vector<crypto::JwsKey>>> Server::make_keys(std::vector<crypto::JwsAlg> algs) {
  auto make = [algs = std::move(algs)]() -> Result<std::vector<crypto::JwsKey>> {
    std::vector<crypto::JwsKey> out;
    for (const crypto::JwsAlg alg : algs) {
      Result<crypto::JwsKey> key = crypto::JwsKey::generate(alg);
      if (!key) return std::move(key).error();
      out.push_back(std::move(*key));
    }
    return out;
  };
  auto made = co_await rooms_.pool.run(std::move(make));
  if (!made) co_return std::move(made).error();
  co_return std::move(*made);
}

Result<void> Server::rotate_keys_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, const session::Actor& by) {
  const Instant now = rooms_.clock.now();
  auto rotated = signing_.rotate_in(tx, made, now.wall);
  if (!rotated) return rotated;
  record(tx, "oauth.keys.rotate", by, {}, {}, now);
  return {};
}

}  // namespace vestibule::oauth
