// API keys: one's own, and for administrators everybody's.

#include <algorithm>

#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr std::int64_t kLongestKey = 366LL * 24 * 3600;

void value_key(json::Writer& w, const session::KeyInfo& k, std::string_view owner) {
  w.begin_object().member("id", k.id.text()).member("user", k.user.text()).member("owner", owner).member("name", k.name);
  w.key("scope").raw(k.scope.text());
  if (!k.jwk.empty()) w.key("jwk").raw(k.jwk);
  member_time(w, "created", k.created);
  member_time(w, "ends", k.ends);
  member_time(w, "last_use", k.last_use.value_or(WallTime{}));
  w.member("last_source", k.last_source);
  w.key("unlocks").begin_array();
  for (const session::KeyUnlock& u : k.unlocks) {
    w.begin_object().member("source", u.source).member("access_point", u.access_point);
    member_time(w, "made", u.made);
    member_time(w, "ends", u.ends);
    w.end_object();
  }
  w.end_array().end_object();
}

}  // namespace

net::Task<Result<Reply>> Portal::list_keys(Call& call) {
  Result<UserId> asked = UserId{};
  std::string user(call.query_text("user"));
  // Of a service that one acts for, as one's own; of others by role.
  Result<identity::Service> service = fail(Reason::not_found);
  if (!user.empty() && call.query_text("all").empty()) service = co_await service_of(call, std::move(user));
  asked = service ? Result<UserId>(service->id) : whose(call);
  if (!asked) co_return asked.error();
  Result<std::vector<session::KeyInfo>> found = co_await services_.sessions.keys(*asked);
  if (!found) co_return std::move(found).error();
  json::Writer w = writer();
  w.begin_object().key("keys").begin_array();
  for (const session::KeyInfo& k : *found) {
    std::string owner;
    services_.users.read(k.user, [&](const identity::User& u) { owner = u.name.view(); });
    value_key(w, k, owner);
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::create_key(Call& call) {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  session::KeyWish wish;
  wish.name = call.body.text("name");
  wish.scope = call.body.has("scope") ? std::string(call.body.text("scope")) : "{}";
  if (const auto ttl = call.body.integer("ttl_s")) {
    if (*ttl < 1 || *ttl > kLongestKey) co_return fail(Reason::invalid_argument, "ttl_s: a minute to a year");
    wish.ttl = std::chrono::seconds(*ttl);
  }
  wish.jwk = call.body.text("jwk");
  if (call.body.has("service")) {
    std::string name(call.body.text("service"));
    Result<identity::Service> service = co_await service_of(call, std::move(name));
    if (!service) co_return std::move(service).error();
    wish.service = service->id;
    wish.service_name = service->name;
  }
  Result<session::CreatedKey> made =
      co_await services_.sessions.create_key(call.caller.who, std::move(wish), std::move(*answer), call.actor());
  if (!made) co_return std::move(made).error();
  json::Writer w = writer();
  w.begin_object().member("id", made->id.text());
  if (!made->text.empty()) w.member("key", made->text.reveal_text());
  member_time(w, "ends", made->ends);
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::unlock_key(Call& call) {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  const auto id = session::KeyId::parse(call.param);
  if (!id) co_return fail(Reason::not_found, "no such key");
  session::UnlockWish wish;
  const auto source = session::SourceKey::parse(call.body.text("source"));
  if (!source) co_return fail(Reason::invalid_argument, "source: an address, an IPv6 network of /64, \"unix\", or the thumbprint of a key");
  wish.source = *source;
  const std::int64_t lasts = *call.body.integer("lasts_s");
  if (lasts < 1 || lasts > kLongestKey) co_return fail(Reason::invalid_argument, "lasts_s: at most twelve hours");
  wish.lasts = std::chrono::seconds(lasts);
  wish.access_point = call.body.text("access_point");
  if (!wish.access_point.empty()) {
    const auto catalogue = services_.catalogue();
    const auto& points = catalogue->points();
    const bool there = std::ranges::any_of(points, [&](const auto& p) { return p.name == wish.access_point; });
    if (!there) co_return fail(Reason::invalid_argument, "access_point: there is none of this name");
  }
  Result<session::KeyInfo> key = co_await services_.sessions.tended_key(call.caller.who.subject.user, *id);
  if (!key) co_return std::move(key).error();
  wish.credential = key->handle;
  // As the caller wrote it: the challenge was begun for these very words.
  wish.purpose = "key.unlock " + id->text() + " " + std::string(call.body.text("source")) + " " + std::to_string(lasts) + " " +
                 (wish.access_point.empty() ? "*" : wish.access_point);
  Result<WallTime> ends =
      co_await services_.sessions.unlock(call.caller.who, std::move(wish), std::move(*answer), call.actor());
  if (!ends) co_return std::move(ends).error();
  json::Writer w = writer();
  w.begin_object().member("source", source->text());
  member_time(w, "ends", *ends);
  w.end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::sleep_key(Call& call) {
  const auto id = session::KeyId::parse(call.param);
  if (!id) co_return fail(Reason::not_found, "no such key");
  Result<void> done = co_await services_.sessions.sleep_key(call.caller.who, *id, call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::revoke_key(Call& call) {
  const auto id = session::KeyId::parse(call.param);
  if (!id) co_return fail(Reason::not_found, "no such key");
  Result<session::KeyInfo> key = co_await services_.sessions.tended_key(call.caller.who.subject.user, *id);
  if (!key && key.error().code != Reason::not_found) co_return std::move(key).error();
  if (!key) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
    key = co_await services_.sessions.key(*id);
    if (!key) co_return std::move(key).error();
  }
  const auto gone = co_await services_.sessions.revoke(session::Revocation::of_handle(key->handle), call.actor());
  json::Writer w = writer();
  w.begin_object().member("durable", gone.durable).end_object();
  co_return Reply{200, w.take(), false};
}

// Whoever holds a key may give it up. What he sends is answered alike whether it is one or not.
net::Task<Result<Reply>> Portal::found_key(Call& call) {
  Secret key = call.body.secret("key");
  co_await services_.sessions.found_key(std::move(key), call.actor());
  co_return Reply{};
}

}  // namespace vestibule::portal
