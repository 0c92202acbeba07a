// Factors that a plug-in judges. It is asked over HTTP, which no write job may wait for: all other writers
// would. So there are two jobs and a call between them. The first charges the attempt and takes the
// question out of the store, so that of many answers at once one is asked about, and nothing that fails
// later gives the charge back; then the plug-in is asked; the second acts on what it said (charge_in() and
// prove_in(), as for every kind), if the session still stands then.
#include <algorithm>

#include "factors/binding.hpp"
#include "factors/external_kind.hpp"
#include "factors/factors.hpp"
#include "factors/rows.hpp"
#include "json/writer.hpp"
#include "net/signal.hpp"

namespace vestibule::factors {
namespace {

constexpr std::int64_t kMaxOpenQuestions = 5;         // of a session: each may cost the plug-in a message
constexpr std::int64_t kMaxOpenOfUser = 20;           // of all its sessions, ended ones too, until they expire
constexpr Duration kConsultedFor = std::chrono::minutes(1);
constexpr std::chrono::milliseconds kTick{500};       // of telling plug-ins who was removed
constexpr int kTicksBetweenTries = 10;

Error failed(std::string why) { return fail(Reason::plugin_failed, std::move(why)); }

}  // namespace

net::Task<Result<PluginReply>> Factors::call_plugin(PluginOperation operation, PluginCall about, Secret answer) {
  ExternalKind::Known* const known = external_->find(about.plugin);
  if (known == nullptr) co_return failed("plug-in " + about.plugin + " is not configured any more");
  const std::optional<Seats::Seat> seat = known->seats.take();
  if (!seat) co_return failed("plug-in " + about.plugin + " has as many requests under way as it may");
  const Plugin& plugin = *known->plugin;
  PluginRequest request{operation, plugin.name, about.factor, about.user, about.account, about.question,
                        about.binding, answer.reveal_text(), clock_.wall()};
  const std::string nonce = base64url(rng_.take<kPluginNonceBytes>());
  std::string body = write_plugin_request(request, nonce);
  std::string signature = sign_plugin_request(plugin.key, body);
  Result<PluginHttpReply> reply = co_await plugin.send(std::move(body), std::move(signature));
  if (!reply) {
    co_return failed("plug-in " + about.plugin + ": " + std::string(info(reply.error().code).code) + ": " + reply.error().detail);
  }
  if (reply->status != 200) co_return failed("plug-in " + about.plugin + " answered with status " + std::to_string(reply->status));
  Result<PluginReply> opened = open_plugin_reply(plugin.key, nonce, reply->signature, reply->body);
  if (!opened) co_return failed("plug-in " + about.plugin + ": " + opened.error().detail);
  co_return opened;
}

// --- questions

// Counted by session, so that whoever knows the password alone uses up what is his and not the owner's; and
// by user, so that he does not sign in again and again to send the owner as many messages as he likes.
Result<void> Factors::room_for_question_in(store::Tx& tx, const Actor& by, Instant now) {
  std::int64_t of_session = 0;
  std::int64_t of_user = 0;
  auto counted = tx.query("SELECT session FROM factor_challenge WHERE account = $1 AND kind = $2 AND expires >= $3",
                          {by.user, FactorKind::external, now.wall}, [&](const store::Row& row) {
                            ++of_user;
                            if (row.id<SessionId>(0) == by.session) ++of_session;
                            return true;
                          });
  if (!counted) return std::move(counted).error();
  if (of_session >= kMaxOpenQuestions || of_user >= kMaxOpenOfUser) {
    return fail(Reason::factor_locked, "too many questions are open: answer one, or wait");
  }
  return {};
}

// A question like others, so that it is counted like others; nobody answers it by its id.
Result<void> Factors::note_enrolment_in(store::Tx& tx, FactorId pending, const Actor& by, WallTime expires, Instant now) {
  auto room = room_for_question_in(tx, by, now);
  if (!room) return room;
  auto put = tx.run(
      "INSERT INTO factor_challenge (id, account, session, kind, purpose, payload, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {ChallengeId::make(rng_), by.user, by.session, FactorKind::external, crypto::sha256(as_bytes(enrolment_purpose(pending))),
       pending, expires});
  if (!put) return std::move(put).error();
  return {};
}

Result<Question> Factors::begin_external_in(store::Tx& tx, FactorId wanted, const Actor& by, const Digest& binding,
                                            Challenge& c, Instant now) {
  struct Found {
    FactorId id{};
    std::string plugin;
    bool works = false;
  };
  std::vector<Found> found;
  auto rows = tx.query(
      "SELECT id, plugin, locked_until, disabled FROM factor WHERE account = $1 AND kind = $2 AND confirmed = 1",
      {by.user, FactorKind::external}, [&](const store::Row& row) {
        const FactorId id = row.id<FactorId>(0);
        if (!wanted.is_nil() && wanted != id) return true;
        found.push_back({id, std::string(row.text(1)), row.time(2) <= now.wall && row.integer(3) == 0});
        return true;
      });
  if (!rows) return std::move(rows).error();
  if (found.empty()) return fail(Reason::factor_missing);
  if (found.size() > 1) return fail(Reason::invalid_argument, "factor: there are several, so say which");
  if (external_->find(found[0].plugin) == nullptr) return failed("plug-in " + found[0].plugin + " is not configured any more");
  if (!found[0].works) return fail(Reason::factor_locked);
  auto room = room_for_question_in(tx, by, now);
  if (!room) return std::move(room).error();
  c.call = PluginCall{found[0].plugin, found[0].id, by.user, std::string(by.name.view()), c.id, binding};
  record(tx, audit::Kind::sign_in, "plugin.ask", Reason::ok, by, found[0].id.text(), "plug-in " + found[0].plugin, now);
  Question question;
  question.payload.assign(found[0].id.bytes.begin(), found[0].id.bytes.end());
  return question;
}

net::Task<Result<Factors::Challenge>> Factors::ask(Challenge begun) {
  if (!begun.call) co_return begun;
  ExternalKind::Known* const known = external_->find(begun.call->plugin);
  if (known == nullptr) co_return failed("plug-in " + begun.call->plugin + " is not configured any more");
  std::string text;
  if (known->plugin->mode == Plugin::Mode::asks) {
    PluginCall about = *begun.call;
    Secret none;
    Result<PluginReply> said = co_await call_plugin(PluginOperation::begin, std::move(about), std::move(none));
    if (said && !said->yes) said = failed("plug-in " + begun.call->plugin + " asks nothing at present");
    if (!said) {
      auto forget = [id = begun.id](store::Tx& tx) -> Result<std::int64_t> {
        return tx.run("DELETE FROM factor_challenge WHERE id = $1", {id});
      };
      const auto gone = co_await database_.write(std::move(forget));
      static_cast<void>(gone);  // nobody knows its id, and it expires
      co_return std::move(said).error();
    }
    text = std::move(said->text);
  }
  json::Writer w;
  w.begin_object().member("plugin", known->plugin->name).member("label", known->plugin->label).member("text", text).end_object();
  begun.options = w.take();
  co_return begun;
}

// --- answers

Result<bool> Factors::pay_in(store::Tx& tx, const Attempt& attempt, Consulted& out, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  if (!has_first_factor(attempt.by.evidence, attempt.by.user)) return fail(Reason::mfa_required, "the first factor comes first");
  auto taken = take_question_in(tx, attempt, now);
  if (!taken) return std::move(taken).error();
  const FactorId asked = *taken ? FactorId::from((*taken)->payload).value_or(FactorId{}) : FactorId{};
  // Without a question nobody is asked, so nothing is guessed: of many answers at once those that come late
  // must not lock the factor under the first.
  if (asked.is_nil()) {
    out.flaw_ = name(Flaw::challenge);
    return false;
  }
  auto charged = charge_factors(tx, attempt, asked, now, out.locks_);
  if (!charged) return std::move(charged).error();
  out.charged_ = std::move(*charged);
  PluginCall& about = out.about_;
  auto found = tx.one("SELECT plugin FROM factor WHERE id = $1", {asked},
                      [&](const store::Row& row) { about.plugin = row.text(0); });
  if (!found) return std::move(found).error();
  about.factor = asked;
  about.user = attempt.by.user;
  about.account = attempt.by.name.view();
  about.question = attempt.challenge;
  about.binding = digest(Binding{attempt.by.user, attempt.by.session, attempt.purpose, (*taken)->expires});
  if (attempt.answer.size() > kMaxPluginAnswer) {
    out.flaw_ = "too_long";
    return false;
  }
  return true;
}

net::Task<Attempt> Factors::consult(Attempt attempt) {
  if (attempt.kind != FactorKind::external) co_return attempt;
  Consulted out;
  out.session_ = attempt.by.session;
  out.purpose_ = attempt.purpose;
  out.about_.user = attempt.by.user;
  out.at_ = clock_.now();
  auto pay = [this, &attempt, &out](store::Tx& tx) { return pay_in(tx, attempt, out, clock_.now()); };
  const Result<bool> paid = co_await database_.write(pay);
  if (!paid) {
    out.refusal_ = paid.error();
  } else if (*paid) {
    PluginCall about = out.about_;
    Secret answer = attempt.answer.clone();
    const Result<PluginReply> said = co_await call_plugin(PluginOperation::verify, std::move(about), std::move(answer));
    if (!said) out.refusal_ = said.error();
    if (said) out.yes_ = said->yes;
    // A right answer is as new whatever becomes of the act. Without a word from the plug-in nobody learnt
    // whether it was right: the guess is not one, or a service that is down would lock its people out.
    if (!said || said->yes) {
      auto settle = [&out](store::Tx& tx) -> Result<std::int64_t> {
        if (out.yes_) return tx.run("UPDATE factor SET failures = 0, locked_until = 0, disabled = 0 WHERE id = $1", {out.about_.factor});
        return tx.run(out.locks_ ? "UPDATE factor SET failures = failures - 1, locked_until = 0, disabled = 0 WHERE id = $1 AND failures > 0"
                                 : "UPDATE factor SET failures = failures - 1 WHERE id = $1 AND failures > 0",
                      {out.about_.factor});
      };
      const auto settled = co_await database_.write(settle);
      static_cast<void>(settled);  // the charge stands: closed when in doubt
    }
    if (const auto* known = external_->find(out.about_.plugin)) out.traits_ = known->plugin->traits;
  }
  attempt.consulted = std::move(out);
  co_return attempt;
}

Result<void> Factors::check_consulted(const std::optional<Consulted>& said, const Actor& by, std::string_view purpose,
                                      Instant now) const {
  if (!said) return fail(Reason::internal, "a plug-in is asked between jobs, never within one");
  if (said->refusal_.code != Reason::ok) return said->refusal_;
  const bool same = said->about_.user == by.user && said->session_ == by.session && said->purpose_ == purpose;
  if (!same || now.boot - said->at_.boot > kConsultedFor) return fail(Reason::conflict, "the act changed while the plug-in was asked");
  return {};
}

Result<Proved> Factors::said_in(store::Tx& tx, const Consulted& said, FactorId factor, Instant now) const {
  if (!said.yes_ || said.about_.factor != factor) return fail(Reason::code_wrong, said.flaw_);
  auto used = tx.run("UPDATE factor SET last_used = $2 WHERE id = $1", {factor, now.wall});
  if (!used) return std::move(used).error();
  return Proved{said.traits_, "plug-in " + said.about_.plugin};
}

// --- enrolment

net::Task<Result<PendingEnrolment>> Factors::ask(PendingEnrolment begun) {
  if (!begun.call) co_return begun;
  PluginCall about = *begun.call;
  Secret none;
  Result<PluginReply> said = co_await call_plugin(PluginOperation::enrol, std::move(about), std::move(none));
  if (said && !said->yes) said = failed("plug-in " + begun.call->plugin + " enrols nobody at present");
  if (!said) {
    auto forget = [id = begun.id, user = begun.call->user](store::Tx& tx) -> Result<std::int64_t> {
      auto question = tx.run("DELETE FROM factor_challenge WHERE account = $1 AND purpose = $2",
                             {user, crypto::sha256(as_bytes(enrolment_purpose(id)))});
      if (!question) return question;
      return tx.run("DELETE FROM factor WHERE id = $1 AND confirmed = 0", {id});
    };
    const auto gone = co_await database_.write(std::move(forget));
    static_cast<void>(gone);  // it counts for nothing, and expires
    co_return std::move(said).error();
  }
  begun.text = std::move(said->text);
  co_return begun;
}

net::Task<Result<bool>> Factors::needs_plugin(UserId user, FactorId pending) const {
  auto look = [user, pending](store::Tx& tx) -> Result<bool> {
    bool external = false;
    auto found = tx.one("SELECT kind FROM factor WHERE id = $1 AND account = $2 AND confirmed = 0", {pending, user},
                        [&](const store::Row& row) { external = static_cast<FactorKind>(row.integer(0)) == FactorKind::external; });
    if (!found) return std::move(found).error();
    return external;
  };
  auto found = co_await database_.read(std::move(look));
  co_return found;
}

Result<PluginCall> Factors::confirmation_in(store::Tx& tx, UserId user, FactorId pending, const Actor& by) const {
  PluginCall about{{}, pending, user, std::string(by.name.view()), {}, {}};
  WallTime expires{};
  auto found = tx.one("SELECT plugin, expires FROM factor WHERE id = $1 AND account = $2 AND confirmed = 0", {pending, user},
                      [&](const store::Row& row) {
                        about.plugin = row.text(0);
                        expires = row.time(1);
                      });
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::not_found, "no such enrolment, or it has expired");
  const std::string purpose = enrolment_purpose(pending);
  about.binding = digest(Binding{user, by.session, purpose, expires});
  return about;
}

net::Task<Consulted> Factors::consult_enrolment(PluginCall about, Secret answer, Actor by) {
  Consulted out;
  out.session_ = by.session;
  out.purpose_ = enrolment_purpose(about.factor);
  out.at_ = clock_.now();
  out.about_ = about;
  if (const auto* known = external_->find(about.plugin)) out.traits_ = known->plugin->traits;
  if (answer.size() > kMaxPluginAnswer) {
    out.flaw_ = "too_long";
    co_return out;
  }
  const Result<PluginReply> said = co_await call_plugin(PluginOperation::confirm, std::move(about), std::move(answer));
  if (!said) out.refusal_ = said.error();
  if (said) out.yes_ = said->yes;
  co_return out;
}

// --- removal: plug-ins hear of it in the end, and no removal waits for them

net::Task<bool> Factors::tell_of_removals() {
  bool told = false;
  // Each by itself: one that does not answer keeps none of the others from hearing.
  for (const auto& known : external_->all()) {
    std::vector<PluginCall> gone;
    auto look = [&gone, &plugin = known->plugin->name](store::Tx& tx) -> Result<void> {
      auto rows = tx.query("SELECT factor, account FROM plugin_removal WHERE plugin = $1 LIMIT 16", {plugin}, [&](const store::Row& row) {
        gone.push_back({plugin, row.id<FactorId>(0), row.id<UserId>(1), {}, {}, {}});
        return true;
      });
      if (!rows) return std::move(rows).error();
      return {};
    };
    const Result<void> looked = co_await database_.read(look);
    if (!looked) co_return told;
    for (const PluginCall& g : gone) {
      if (stopping_.load()) co_return told;
      PluginCall about = g;
      Secret none;
      const Result<PluginReply> heard = co_await call_plugin(PluginOperation::remove, std::move(about), std::move(none));
      if (!heard) break;  // nor will it hear of the next
      auto forget = [id = g.factor](store::Tx& tx) -> Result<std::int64_t> {
        return tx.run("DELETE FROM plugin_removal WHERE factor = $1", {id});
      };
      const auto forgotten = co_await database_.write(std::move(forget));
      told = told || forgotten.has_value();  // else it is told again: a plug-in may hear of it twice
    }
  }
  co_return told;
}

net::Task<> Factors::tell_plugins(net::Core& core) {
  for (int tick = 0; !stopping_.load(); ++tick) {
    co_await net::sleep_for(core, kTick);
    if (tick % kTicksBetweenTries != 0 || external_->all().empty()) continue;
    const bool told = co_await tell_of_removals();
    static_cast<void>(told);
  }
}

}  // namespace vestibule::factors
