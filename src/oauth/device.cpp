// The device flow (RFC 8628): something without a browser shows a code, and its person goes elsewhere with it.
#include <algorithm>
#include <charconv>

#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

constexpr Duration kDeviceLives = std::chrono::minutes(10);
constexpr Duration kPause = std::chrono::seconds(5);

/// Eight letters without vowels: no words, nothing that looks like a digit; 34 bits (section 6.1).
constexpr std::string_view kLetters = "BCDFGHJKLMNPQRSTVWXZ";

std::string make_user_code(Rng& rng) {
  std::string out;
  while (out.size() < 8) {
    const auto byte = rng.take<1>()[0];
    if (byte < 240) out.push_back(kLetters[byte % kLetters.size()]);
  }
  return out;
}

/// As people type it: in small letters, with a dash or spaces. One spelling, or nothing.
std::string canonical(std::string_view typed) {
  std::string out;
  for (char c : typed) {
    if (c == '-' || c == ' ') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (kLetters.find(c) == std::string_view::npos || out.size() == 8) return {};
    out.push_back(c);
  }
  return out.size() == 8 ? out : std::string();
}

struct Waiting {
  std::string client, client_name, scope, access_point, source, program;
  int level = 0;
  std::int64_t max_age = -1;
  WallTime created{};
};

Result<std::optional<Waiting>> find_waiting(store::Tx& tx, std::string_view code, WallTime now) {
  std::optional<Waiting> out;
  auto found = tx.one(
      "SELECT client, client_name, scope, access_point, level, max_age, source, program, created FROM oauth_device "
      "WHERE user_code = $1 AND state = 0 AND ends > $2",
      {code, now}, [&](const store::Row& row) {
        Waiting w;
        w.client = std::string(row.text(0));
        w.client_name = std::string(row.text(1));
        w.scope = std::string(row.text(2));
        w.access_point = std::string(row.text(3));
        w.level = static_cast<int>(row.integer(4));
        w.max_age = row.integer(5);
        w.source = std::string(row.text(6));
        w.program = std::string(row.text(7));
        w.created = row.time(8);
        out = std::move(w);
      });
  if (!found) return std::move(found).error();
  return out;
}

}  // namespace

Server::Out Server::device(Call& call) {
  Answer<Form> form = co_await read_form(call);
  if (!form) co_return refuse(call, form.failure());
  Answer<Client> client = co_await authenticate(call, *form);
  if (!client) co_return refuse(call, client.failure());
  if (!client->device) co_return refuse(call, {Code::unauthorized_client, "this client has not registered for device_code"});
  Answer<std::string> scope = read_scope(form->get("scope"));
  if (!scope) co_return refuse(call, scope.failure());
  std::string point(kNowhere);
  if (form->has("resource")) {
    const auto resource = resource_at(form->get("resource"));
    if (!resource) co_return refuse(call, {Code::invalid_target, "resource names no access point of this gateway"});
    point = resource->access_point;
  } else if (!has_scope(*scope, "openid")) {
    co_return refuse(call, {Code::invalid_target, "resource says for which access point the token is to be"});
  }
  int level = 0;
  if (form->has("acr_values")) {
    const auto wanted = level_from(form->get("acr_values"));
    if (!wanted) co_return refuse(call, {Code::unmet_authentication_requirements, "acr_values are urn:vestibule:level:1 to 3"});
    level = *wanted;
  }
  std::int64_t max_age = -1;
  if (const std::string_view text = form->get("max_age"); !text.empty()) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), max_age);
    if (ec != std::errc{} || end != text.data() + text.size() || max_age < 0) co_return refuse(call, {Code::invalid_request, "max_age is a number of seconds"});
    level = std::max(level, 2);
  }
  if (!devices_.charge(call.source.text(), rooms_.clock.wall())) {
    Reply busy = refuse(call, {Code::slow_down, "too many devices begin from here"});
    busy.status = 429;
    co_return busy;
  }
  const crypto::Handle handle = rooms_.mint.make(crypto::kDeviceCode, rooms_.rng);
  const std::string user_code = make_user_code(rooms_.rng);
  const std::string from = call.source.text();
  const std::string program(call.program.substr(0, 128));
  auto job = [this, hash = handle.hash, user_code, c = *client, s = *scope, point, level, max_age, from, program](store::Tx& tx) -> Result<void> {
    const WallTime now = rooms_.clock.wall();
    std::int64_t n = 0;
    auto counted = tx.one("SELECT COUNT(*) FROM oauth_device WHERE ends > $1", {now}, [&](const store::Row& row) { n = row.integer(0); });
    if (!counted) return std::move(counted).error();
    if (static_cast<std::size_t>(n) >= options_.max_devices) return fail(Reason::overloaded, "too many devices wait");
    auto put = tx.run(
        "INSERT INTO oauth_device (hash, user_code, client, client_name, scope, access_point, level, max_age, source, program, created, ends, polled, pause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13)",
        {hash, user_code, c.id, c.name, s, point, level, max_age, from, program, now, now + kDeviceLives, kPause});
    if (!put) return std::move(put).error();
    return used_client_in(tx, c.id, now);
  };
  Result<void> put = co_await rooms_.database.write(std::move(job));
  if (!put) co_return refuse(call, ours(put.error()));
  const std::string shown = user_code.substr(0, 4) + "-" + user_code.substr(4);
  json::Writer w;
  w.begin_object().member("device_code", handle.text.reveal_text()).member("user_code", shown);
  w.member("verification_uri", options_.issuer + "/#/device").member("verification_uri_complete", options_.issuer + "/#/device/" + shown);
  w.member("expires_in", std::chrono::duration_cast<std::chrono::seconds>(kDeviceLives).count()).member("interval", 5).end_object();
  Reply reply;
  reply.body = w.take();
  co_return reply;
}

net::Task<Result<Asked>> Server::look_device(std::string typed, session::Identified who) {
  const Instant now = rooms_.clock.now();
  const std::string person = who.subject.user.text();
  if (!guesses_.charge(person, now.wall)) co_return fail(Reason::factor_locked, "too many wrong codes");
  std::string code = canonical(typed);
  auto job = [code, now](store::Tx& tx) { return find_waiting(tx, code, now.wall); };
  Result<std::optional<Waiting>> found = co_await rooms_.database.read(std::move(job));
  if (!found) co_return std::move(found).error();
  if (!*found) co_return fail(Reason::not_found, "no device shows this code now");
  guesses_.refund(person);
  const Waiting& w = **found;
  Asked out;
  out.client = w.client_name;
  out.client_id = w.client;
  if (w.access_point != kNowhere) out.access_point = w.access_point;
  out.scope = w.scope;
  out.level = w.level;
  out.enough = suffices(who.evidence, w.level, w.max_age, w.created, now);
  out.until = who.session_ends;
  out.source = w.source;
  out.program = w.program;
  co_return out;
}

Result<void> Server::allow_device_in(store::Tx& tx, std::string_view typed, const session::Identified& who, const session::Actor& by) {
  const Instant now = rooms_.clock.now();
  if (!guesses_.charge(who.subject.user.text(), now.wall)) return fail(Reason::factor_locked, "too many wrong codes");
  const std::string code = canonical(typed);
  auto found = find_waiting(tx, code, now.wall);
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::not_found, "no device shows this code now");
  guesses_.refund(who.subject.user.text());
  if (who.flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
  auto evidence = rooms_.sessions.evidence_in(tx, who.subject.session, now);
  if (!evidence) return std::move(evidence).error();
  const Waiting& w = **found;
  if (!suffices(*evidence, w.level, w.max_age, w.created, now)) return fail(Reason::mfa_lapsed, "the client asks for a fresher proof");
  auto allowed = tx.run("UPDATE oauth_device SET state = 1, parent = $2, account = $3 WHERE user_code = $1 AND state = 0",
                        {code, who.subject.session, who.subject.user});
  if (!allowed) return std::move(allowed).error();
  if (*allowed != 1) return fail(Reason::conflict);
  const std::string note = w.access_point + " for a device at " + w.source;
  record(tx, "client.consent", by, w.client, note, now);
  return {};
}

net::Task<Result<void>> Server::decline_device(std::string typed, session::Identified who, session::Actor by) {
  if (!guesses_.charge(who.subject.user.text(), rooms_.clock.wall())) co_return fail(Reason::factor_locked, "too many wrong codes");
  std::string code = canonical(typed);
  auto job = [this, code, by](store::Tx& tx) -> Result<void> {
    const Instant now = rooms_.clock.now();
    auto found = find_waiting(tx, code, now.wall);
    if (!found) return std::move(found).error();
    if (!*found) return fail(Reason::not_found, "no device shows this code now");
    auto declined = tx.run("UPDATE oauth_device SET state = 2 WHERE user_code = $1 AND state = 0", {code});
    if (!declined) return std::move(declined).error();
    record(tx, "client.decline", by, (*found)->client, (*found)->access_point, now);
    return {};
  };
  Result<void> done = co_await rooms_.database.write(std::move(job));
  if (done) guesses_.refund(who.subject.user.text());
  co_return done;
}

}  // namespace vestibule::oauth
