// What clients ask of people, and which clients there are.
#include "crypto/hash.hpp"
#include "oauth/server.hpp"
#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

Reply asked(const oauth::Asked& a) {
  json::Writer w = writer();
  w.begin_object().member("client", a.client).member("client_id", a.client_id).member("origin", oauth::name(a.origin));
  w.member("redirect", a.redirect).member("access_point", a.access_point).member("scope", a.scope);
  w.member("level", a.level).member("enough", a.enough);
  member_time(w, "until", a.until);
  w.member("source", a.source).member("program", a.program).end_object();
  return Reply{200, w.take(), false};
}

Reply goes_to(const std::string& url) {
  json::Writer w = writer();
  w.begin_object().member("redirect", url).end_object();
  return Reply{200, w.take(), false};
}

}  // namespace

net::Task<Result<Reply>> Portal::look_at_consent(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::string request(call.body.text("request"));
  Result<oauth::Asked> a = co_await services_.oauth->look(std::move(request), call.caller.who);
  if (!a) co_return std::move(a).error();
  co_return asked(*a);
}

net::Task<Result<Reply>> Portal::allow_consent(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::string request(call.body.text("request"));
  session::Actor by = call.actor();
  Result<std::string> url = co_await services_.oauth->allow(std::move(request), call.caller.who, std::move(by));
  if (!url) co_return std::move(url).error();
  Reply reply = goes_to(*url);
  wipe(*url);  // it holds a code
  co_return reply;
}

net::Task<Result<Reply>> Portal::decline_consent(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::string request(call.body.text("request"));
  session::Actor by = call.actor();
  Result<std::string> url = co_await services_.oauth->decline(std::move(request), call.caller.who, std::move(by));
  if (!url) co_return std::move(url).error();
  co_return goes_to(*url);
}

net::Task<Result<Reply>> Portal::look_at_device(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::string code(call.body.text("user_code"));
  Result<oauth::Asked> a = co_await services_.oauth->look_device(std::move(code), call.caller.who);
  if (!a) co_return std::move(a).error();
  co_return asked(*a);
}

net::Task<Result<Reply>> Portal::allow_device(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  const std::string code(call.body.text("user_code"));
  auto act = [this, code, who = call.caller.who](store::Tx& tx, const session::Actor& by) {
    return services_.oauth->allow_device_in(tx, code, who, by);
  };
  Result<void> done = co_await prove_and(call, "device.allow " + code, std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::decline_device(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::string code(call.body.text("user_code"));
  session::Actor by = call.actor();
  Result<void> done = co_await services_.oauth->decline_device(std::move(code), call.caller.who, std::move(by));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::list_clients(Call&) {
  Result<std::vector<oauth::ListedClient>> clients = std::vector<oauth::ListedClient>();
  if (services_.oauth != nullptr) clients = co_await services_.oauth->clients();
  if (!clients) co_return std::move(clients).error();
  json::Writer w = writer();
  w.begin_object().key("clients").begin_array();
  for (const oauth::ListedClient& c : *clients) {
    w.begin_object().member("client_id", c.client.id).member("origin", oauth::name(c.client.origin)).member("by", c.by);
    member_time(w, "created", c.client.created);
    member_time(w, "last_used", c.last_used);
    oauth::write_client(w, c.client);
    w.end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::add_client(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  const std::string metadata(call.body.text("metadata"));
  auto act = [this, metadata](store::Tx& tx, const session::Actor& by) { return services_.oauth->add_client_in(tx, metadata, by); };
  const std::string purpose = "clients.add " + hex(crypto::sha256(as_bytes(metadata)));
  Result<oauth::Server::Registered> added = co_await prove_and(call, purpose, std::move(act));
  if (!added) co_return std::move(added).error();
  json::Writer w = writer();
  w.begin_object().member("client_id", added->id);
  if (!added->secret.empty()) w.member("client_secret", added->secret.reveal_text());
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::remove_client(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  const std::string id(call.body.text("client"));
  auto act = [this, id](store::Tx& tx, const session::Actor& by) { return services_.oauth->remove_client_in(tx, id, by); };
  Result<void> done = co_await prove_and(call, "clients.remove " + id, std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::rotate_signing_keys(Call& call) {
  if (services_.oauth == nullptr) co_return fail(Reason::not_found);
  std::vector<crypto::JwsAlg> algs = services_.oauth->signing_algs();
  Result<std::vector<crypto::JwsKey>> made = co_await services_.oauth->make_keys(std::move(algs));
  if (!made) co_return std::move(made).error();
  auto act = [this, keys = &*made](store::Tx& tx, const session::Actor& by) { return services_.oauth->rotate_keys_in(tx, *keys, by); };
  Result<void> done = co_await prove_and(call, "oauth.keys.rotate", std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
