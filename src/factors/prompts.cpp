#include "factors/prompts.hpp"

#include <algorithm>
#include <cstdlib>

#include "factors/numbers.hpp"
#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kMaxClient = 128;
constexpr Duration kKeep = std::chrono::hours(2);  // longer than any window that counts them

// IPv6 sources count by /64: whoever has one has all of it.
std::string sleeper(std::string_view source) {
  auto parsed = domain::Source::parse(source);
  if (!parsed) return std::string(source);  // a Unix socket
  const auto& a = parsed->address;
  const bool v4 = std::all_of(a.begin(), a.begin() + 10, [](std::uint8_t b) { return b == 0; }) && a[10] == 0xFF && a[11] == 0xFF;
  if (!v4) std::fill(parsed->address.begin() + 8, parsed->address.end(), std::uint8_t{0});
  return parsed->text();
}

Result<std::int64_t> count(store::Tx& tx, std::string_view sql, store::Params params) {
  std::int64_t n = 0;
  auto counted = tx.one(sql, params, [&](const store::Row& row) { n = row.integer(0); });
  if (!counted) return moved(counted);
  return n;
}

Result<bool> works_in(store::Tx& tx, FactorId device, UserId user) {
  return tx.one("SELECT 1 FROM factor WHERE id = $1 AND account = $2 AND confirmed = 1 AND disabled = 0", {device, user},
                [](const store::Row&) {});
}

void tell(store::Tx& tx, UserId user) { tx.changed(kPromptTopic, user.bytes); }

}  // namespace

Prompts::Prompts(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
                 const Clock& clock, Rng& rng, PushOptions options)
    : database_(database),
      keys_(keys),
      users_(users),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      digits_key_(keys.derive("push-digits/v1")),
      looks_(std::max(options_.looks, 1)),
      answers_(std::max(options_.looks, 1)) {}

Digest Prompts::hidden(ChallengeId prompt, std::string_view digits) const noexcept {
  return digits_key_.mac({ByteView(prompt.bytes), as_bytes(digits)});
}

// --- of PushKind

Result<void> Prompts::add_device_in(store::Tx& tx, FactorId device, ByteView key, std::string_view subscription) {
  Bytes sealed;
  if (!subscription.empty()) sealed = keys_.seal(as_bytes(subscription), device_place(device));
  const store::Param kept = sealed.empty() ? store::Param(nullptr) : store::Param(sealed);
  auto put = tx.run("INSERT INTO push_device (factor, public_key, subscription) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    {device, key, kept});
  if (!put) return moved(put);
  if (*put != 1) return fail(Reason::authenticator_known, "public_key");
  return {};
}

Result<std::string> Prompts::open_in(store::Tx& tx, const Ask& ask, Match match, Instant now) {
  auto devices = count(tx,
                       "SELECT COUNT(*) FROM push_device JOIN factor ON factor.id = push_device.factor WHERE "
                       "factor.account = $1 AND factor.confirmed = 1 AND factor.disabled = 0",
                       {ask.user});
  if (!devices) return moved(devices);
  if (*devices == 0) return fail(Reason::factor_missing);
  auto denied = count(tx, "SELECT COUNT(*) FROM push_prompt WHERE account = $1 AND state = $2 AND answered > $3",
                      {ask.user, PromptState::not_me, now.wall - options_.lock_window});
  if (!denied) return moved(denied);
  if (*denied >= options_.lock_after) return fail(Reason::push_busy, "the owner said several times that it was not him");
  auto bothered = count(tx, "SELECT COUNT(*) FROM push_prompt WHERE account = $1 AND created > $2 AND state NOT IN ($3, $4)",
                        {ask.user, now.wall - options_.window, PromptState::approved, PromptState::spent});
  if (!bothered) return moved(bothered);
  if (*bothered >= options_.most) return fail(Reason::push_busy, "too many prompts that nobody approved");
  if (match == Match::choose) {
    // Whoever asks again and again hopes for a tired pick: he gets one, and then none for a while.
    auto rests = count(tx, "SELECT COUNT(*) FROM push_prompt WHERE account = $1 AND created > $2 AND state NOT IN ($3, $4)",
                       {ask.user, now.wall - options_.choice_rests, PromptState::approved, PromptState::spent});
    if (!rests) return moved(rests);
    if (*rests > 0) return fail(Reason::push_digits, "a prompt was not approved lately");
  }

  ChallengeId open{};
  SessionId whose{};
  auto found = tx.one("SELECT id, session FROM push_prompt WHERE account = $1 AND state = $2 AND expires >= $3",
                      {ask.user, PromptState::waiting, now.wall}, [&](const store::Row& row) {
                        open = row.id<ChallengeId>(0);
                        whose = row.id<SessionId>(1);
                      });
  if (!found) return moved(found);
  if (*found && whose != ask.by.session) return fail(Reason::push_busy, "another session asks");
  if (*found) {
    auto replaced = tx.run("UPDATE push_prompt SET state = $2 WHERE id = $1", {open, PromptState::withdrawn});
    if (!replaced) return moved(replaced);
    auto gone = tx.run("DELETE FROM factor_challenge WHERE id = $1", {open});
    if (!gone) return moved(gone);
  }
  Choice choice;
  if (match == Match::choose) choice = make_choice(rng_);
  const store::Param choices = match == Match::choose ? store::Param(choice.all) : store::Param(nullptr);
  std::string digits = match == Match::choose ? choice.right : make_digits(rng_);
  const std::size_t space = std::min(ask.purpose.find(' '), ask.purpose.size());
  const std::string_view object = ask.purpose.substr(std::min(space + 1, ask.purpose.size()));
  auto put = tx.run(
      "INSERT INTO push_prompt (id, account, session, source, client, operation, object, digits, created, expires, state, "
      "choices) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {ask.id, ask.user, ask.by.session, ask.by.source.text(), std::string_view(ask.by.client).substr(0, kMaxClient),
       ask.purpose.substr(0, space), object, hidden(ask.id, digits), now.wall, ask.expires, PromptState::waiting,
       choices});
  if (!put) return moved(put);
  const std::string question = ask.id.text();  // a record refers to its texts
  std::string note(ask.purpose);
  if (match == Match::choose) note.append("; one number of three");
  audit::Record r = identity::change_record("push.ask", ask.by, question, note, now);
  r.kind = audit::Kind::sign_in;
  log_.append(tx, r);
  tell(tx, ask.user);
  tx.changed(kBellTopic, ask.user.bytes);
  return digits;
}

Result<bool> Prompts::spend_in(store::Tx& tx, ChallengeId prompt, UserId user, FactorId device, Instant now) {
  auto spent = tx.run(
      "UPDATE push_prompt SET state = $5 WHERE id = $1 AND account = $2 AND answered_by = $3 AND state = $4 AND expires >= $6",
      {prompt, user, device, PromptState::approved, PromptState::spent, now.wall});
  if (!spent) return moved(spent);
  if (*spent == 1) tell(tx, user);
  return *spent == 1;
}

Result<void> Prompts::withdraw_in(store::Tx& tx, SessionId session) {
  auto rows = tx.query("UPDATE push_prompt SET state = $2 WHERE session = $1 AND state = $3 RETURNING account",
                       {session, PromptState::withdrawn, PromptState::waiting}, [&](const store::Row& row) {
                         tell(tx, row.id<UserId>(0));
                         return true;
                       });
  return rows;
}

Result<void> Prompts::forget_in(store::Tx& tx, WallTime now) {
  auto prompts = tx.run("DELETE FROM push_prompt WHERE created < $1", {now - kKeep});
  if (!prompts) return moved(prompts);
  auto sleepers = tx.run("DELETE FROM push_sleeper WHERE until < $1", {now});
  if (!sleepers) return moved(sleepers);
  return {};
}

// --- the asking session

net::Task<Result<std::optional<PromptState>>> Prompts::state(ChallengeId prompt, UserId user, SessionId session) const {
  auto job = [this, prompt, user, session](store::Tx& tx) -> Result<std::optional<PromptState>> {
    std::optional<PromptState> out;
    auto found = tx.one("SELECT state FROM push_prompt WHERE id = $1 AND account = $2 AND session = $3 AND expires >= $4",
                        {prompt, user, session, clock_.wall()},
                        [&](const store::Row& row) { out = static_cast<PromptState>(row.integer(0)); });
    if (!found) return moved(found);
    return out;
  };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

// --- devices

bool Prompts::in_time(const DeviceCall& call) const noexcept {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall().time_since_epoch()).count();
  const auto skew = std::chrono::duration_cast<std::chrono::milliseconds>(options_.skew).count();
  return call.time >= now - skew && call.time <= now + skew;
}

std::optional<UserId> Prompts::owner(const DeviceCall& call, std::string_view text) const {
  const auto known = devices_.find(call.device);
  if (!known || !crypto::verify_p256(known->key, as_bytes(text), call.signature)) return std::nullopt;
  return known->user;
}

Result<Prompts::Inbox> Prompts::inbox_in(store::Tx& tx, UserId user) const {
  Inbox out;
  out.user = user;
  crypto::Sha256 version;
  auto rows = tx.query(
      "SELECT id, operation, object, source, client, created, expires, choices FROM push_prompt "
      "WHERE account = $1 AND state = $2 AND expires >= $3 ORDER BY created",
      {user, PromptState::waiting, clock_.wall()}, [&](const store::Row& row) {
        Prompt p;
        p.id = row.id<ChallengeId>(0);
        p.operation = row.text(1);
        p.object = row.text(2);
        p.source = row.text(3);
        p.client = row.text(4);
        p.created = row.time(5);
        p.expires = row.time(6);
        if (!row.null(7)) p.choices = choices_of(row.text(7));
        version.update(p.id.bytes);
        out.prompts.push_back(std::move(p));
        return true;
      });
  if (!rows) return moved(rows);
  const Digest d = version.finish();
  out.version = base64url(ByteView(d).first(9));
  return out;
}

net::Task<Result<Prompts::Inbox>> Prompts::inbox(DeviceCall call) {
  if (!clock_.trusted()) co_return fail(Reason::clock_untrusted);
  if (!in_time(call)) co_return fail(Reason::credential_unknown, "the device's clock is off");
  const std::optional<UserId> user = owner(call, inbox_text(call));
  if (!user) co_return fail(Reason::credential_unknown);
  const std::optional<Seats::Seat> seat = looks_.take();
  if (!seat) co_return fail(Reason::overloaded, "too many devices at once");
  Result<Inbox> out = co_await inbox_again(call.device, *user);
  co_return out;
}

net::Task<Result<Prompts::Inbox>> Prompts::inbox_again(FactorId device, UserId user) const {
  auto job = [this, device, user](store::Tx& tx) -> Result<Inbox> {
    auto works = works_in(tx, device, user);
    if (!works) return moved(works);
    if (!*works) return fail(Reason::credential_unknown);
    return inbox_in(tx, user);
  };
  Result<Inbox> out = co_await database_.read(std::move(job));
  if (out && users_.standing(user) != identity::Users::Standing::good) co_return fail(Reason::credential_unknown);
  co_return out;
}

net::Task<Result<Prompts::Looked>> Prompts::look(DeviceAnswer answer) {
  if (!clock_.trusted()) co_return fail(Reason::clock_untrusted);
  if (!in_time(answer.call)) co_return fail(Reason::credential_unknown, "the device's clock is off");
  const std::optional<UserId> user = owner(answer.call, answer_text(answer));
  if (!user) co_return fail(Reason::credential_unknown);
  const std::optional<Seats::Seat> seat = answers_.take();
  if (!seat) co_return fail(Reason::overloaded, "too many devices at once");
  auto job = [u = *user, a = std::move(answer)](store::Tx& tx) -> Result<Looked> {
    auto works = works_in(tx, a.call.device, u);
    if (!works) return moved(works);
    if (!*works) return fail(Reason::credential_unknown);
    Looked out;
    out.user = u;
    auto found = tx.one("SELECT session, source, operation, object FROM push_prompt WHERE id = $1 AND account = $2",
                        {a.prompt, u}, [&](const store::Row& row) {
                          out.session = row.id<SessionId>(0);
                          out.source = row.text(1);
                          out.act = row.text(2);
                          if (!row.text(3).empty()) out.act.append(" ").append(row.text(3));
                        });
    if (!found) return moved(found);
    if (!*found) return fail(Reason::not_found, "no such prompt");
    return out;
  };
  Result<Looked> out = co_await database_.read(std::move(job));
  if (out && users_.standing(out->user) != identity::Users::Standing::good) co_return fail(Reason::credential_unknown);
  co_return out;
}

Result<std::optional<PromptState>> Prompts::answer_in(store::Tx& tx, const DeviceAnswer& a, const Looked& looked,
                                                      const Actor& by, Instant now) {
  // Removed or disabled since it was looked at.
  auto works = works_in(tx, a.call.device, looked.user);
  if (!works) return moved(works);
  if (!*works) return fail(Reason::credential_unknown);
  PromptState state{};
  WallTime expires{};
  Bytes digits;
  auto found = tx.one("SELECT state, expires, digits FROM push_prompt WHERE id = $1 AND account = $2", {a.prompt, looked.user},
                      [&](const store::Row& row) {
                        state = static_cast<PromptState>(row.integer(0));
                        expires = row.time(1);
                        const ByteView blob = row.blob(2);
                        digits.assign(blob.begin(), blob.end());
                      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::not_found, "no such prompt");
  // "It was not me" also counts when nobody waits any more.
  const bool denies = a.verdict == Verdict::not_me;
  const bool open = state == PromptState::waiting || (denies && state == PromptState::withdrawn);
  if (!open) return fail(Reason::conflict, "it was answered, or withdrawn");
  if (!denies && expires < now.wall) return std::optional<PromptState>();

  PromptState becomes = PromptState::declined;
  Reason reason = Reason::ok;
  switch (a.verdict) {
    case Verdict::approve:
      if (equal_constant_time(hidden(a.prompt, a.digits), digits)) {
        becomes = PromptState::approved;
      } else {
        reason = Reason::code_wrong;
      }
      break;
    case Verdict::decline: break;
    case Verdict::not_me:
      becomes = PromptState::not_me;
      reason = Reason::push_not_me;
      break;
  }
  // The statement that decides: whatever was read above, one answer counts.
  auto decided = tx.run("UPDATE push_prompt SET state = $3, answered = $4, answered_by = $5 WHERE id = $1 AND account = $2 AND state = $6",
                        {a.prompt, looked.user, becomes, now.wall, a.call.device, state});
  if (!decided) return moved(decided);
  if (*decided != 1) return fail(Reason::conflict);
  std::string note = std::string(name(a.verdict)) + " " + looked.act + " of " + looked.session.text() + " at " + looked.source;
  if (denies) {
    auto sleeps = tx.run(
        "INSERT INTO push_sleeper (account, source, until) VALUES ($1, $2, $3) ON CONFLICT (account, source) DO UPDATE SET until = $3",
        {looked.user, sleeper(looked.source), now.wall + options_.source_sleeps});
    if (!sleeps) return moved(sleeps);
    auto begun = tx.run("DELETE FROM factor_challenge WHERE session = $1", {looked.session});
    if (!begun) return moved(begun);
    note.append("; its source sleeps");
    auto told = users_.notify_in(tx, looked.user, identity::NoticeKind::not_me,
                                 "Somebody who knows your password asked one of your devices from " + looked.source +
                                     ", and you said that it was not you. That session has ended. Change your password.",
                                 now.wall);
    if (!told) return moved(told);
  }
  const std::string prompt = a.prompt.text();
  audit::Record r = identity::change_record("push.answer", by, prompt, note, now);
  r.kind = audit::Kind::sign_in;
  r.outcome = reason == Reason::ok ? domain::Outcome::allow : domain::Outcome::deny;
  r.reason = reason;
  log_.append(tx, r);
  tell(tx, looked.user);
  return std::optional(becomes);
}

Result<bool> Prompts::sleeps_in(store::Tx& tx, UserId user, const domain::Source& source, Instant now) {
  return tx.one("SELECT 1 FROM push_sleeper WHERE account = $1 AND source = $2 AND until > $3",
                {user, sleeper(source.text()), now.wall}, [](const store::Row&) {});
}

// --- bells

net::Task<Result<std::vector<Prompts::Device>>> Prompts::to_ring(UserId user) const {
  auto job = [this, user](store::Tx& tx) -> Result<std::vector<Device>> {
    std::vector<Device> out;
    auto rows = tx.query(
        "SELECT factor.id, push_device.subscription FROM push_device JOIN factor ON factor.id = push_device.factor "
        "WHERE factor.account = $1 AND factor.confirmed = 1 AND factor.disabled = 0 AND push_device.subscription IS NOT NULL",
        {user}, [&](const store::Row& row) {
          const FactorId id = row.id<FactorId>(0);
          const Result<Secret> text = keys_.open(row.blob(1), device_place(id));
          const auto subscription = text ? notify::parse_subscription(text->reveal_text()) : std::nullopt;
          if (subscription) out.push_back({id, *subscription});
          return true;
        });
    if (!rows) return moved(rows);
    return out;
  };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<void>> Prompts::drop_subscription(FactorId device) {
  auto job = [device](store::Tx& tx) -> Result<void> {
    auto dropped = tx.run("UPDATE push_device SET subscription = NULL WHERE factor = $1", {device});
    if (!dropped) return moved(dropped);
    return {};
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::factors
