// People's side: what is shown, who may sign, signing, declining. The statement that changes the stage decides.
#include <algorithm>
#include <tuple>

#include "approval/confirmation_rows.hpp"
#include "approval/proofs.hpp"
#include "approval/receipt.hpp"
#include "approval/requests.hpp"
#include "identity/eligible.hpp"
#include "identity/tending.hpp"

namespace vestibule::approval {
namespace {

constexpr std::size_t kMostJustification = 500;  // bytes

std::string select_confirmation(std::string_view where) { return std::string(kConfirmationColumns) + std::string(where); }

Bytes joined(std::span<const Confirmation> list) {
  Bytes out;
  for (const Confirmation& c : list) out.insert(out.end(), c.digest.begin(), c.digest.end());
  return out;
}

/// Words of a person, for the record and for the next one who signs.
Result<std::string> justified(std::string_view text) {
  if (text.size() > kMostJustification || !is_utf8(text)) return fail(Reason::invalid_argument, "justification: at most 500 bytes of text");
  return std::string(text);
}

}  // namespace

Result<void> Confirmations::signatures_in(store::Tx& tx, Confirmation& c) const {
  return tx.query(
      "SELECT confirmation_signature.account, account.name, proofs, at, statement FROM confirmation_signature LEFT JOIN account ON account.id = "
      "confirmation_signature.account WHERE confirmation = $1 ORDER BY at, confirmation_signature.account",
      {c.id}, [&](const store::Row& row) {
        Signature s;
        s.user = row.id<UserId>(0);
        if (!row.null(1)) s.user_name = row.text(1);
        s.at = row.time(3);
        for (const domain::Proof& p : unpacked(row.blob(2), s.at)) {
          if (p.traits.possession) s.kind = p.kind;
        }
        s.bound = !row.text(4).empty();
        c.signatures.push_back(std::move(s));
        return true;
      });
}

Result<std::optional<Confirmation>> Confirmations::read_in(store::Tx& tx, ConfirmationId id) const {
  std::optional<ConfirmationRow> row;
  auto found = tx.one(select_confirmation("id = $1"), {id}, [&](const store::Row& r) { row = confirmation_from(r); });
  if (!found) return moved(found);
  if (!row) return std::optional<Confirmation>();
  auto opened = unseal(keys_, *row);
  if (!opened) return moved(opened);
  Confirmation& c = row->confirmation;
  auto before = tx.one("SELECT MAX(settled) FROM confirmation WHERE call_group = $1 AND stage = 2 AND id <> $2", {row->group, id}, [&](const store::Row& r) {
    if (!r.null(0)) c.ran_before = r.time(0);
  });
  if (!before) return moved(before);
  auto by = signatures_in(tx, c);
  if (!by) return moved(by);
  return std::optional<Confirmation>(std::move(c));
}

Result<std::string> Confirmations::why_not_in(store::Tx& tx, UserId account, const domain::Requirement& need, UserId person) const {
  if (need.confirmation != domain::Confirmation::people) {
    auto his = identity::tends_in(tx, person, account);
    if (!his) return moved(his);
    return std::string(*his ? "" : "it is for the one in whose name it was asked");
  }
  auto approver = identity::account_in(tx, person);
  if (!approver) return moved(approver);
  if (!*approver) return std::string("there is no such account");
  const identity::User& u = **approver;
  domain::Subject signer;
  signer.user = u.id;
  signer.name = u.name;
  signer.roles = u.roles;
  signer.groups = u.groups;
  if (!need.approvers.anybody() && !need.approvers.admits(signer)) return "it takes " + need.approvers.text();
  return identity::why_no_second(tx, u, account, options_.wait, clock_.wall());
}

Result<std::string> Confirmations::why_not_in(store::Tx& tx, const Confirmation& c, UserId person) const {
  return why_not_in(tx, c.account, c.need, person);
}

// His own, or his to sign. Whoever may not sign for others hears nothing of them.
Result<bool> Confirmations::sees_in(store::Tx& tx, const Confirmation& c, UserId person) const {
  auto his = identity::tends_in(tx, person, c.account);
  if (!his || *his) return his;
  if (c.need.confirmation != domain::Confirmation::people) return false;
  auto why = why_not_in(tx, c, person);
  if (!why) return moved(why);
  return why->empty();
}

net::Task<Result<std::vector<Confirmation>>> Confirmations::list(UserId person) const {
  using Out = std::vector<Confirmation>;
  auto job = [this, person](store::Tx& tx) -> Result<Out> {
    std::vector<ConfirmationId> ids;
    auto accounts = identity::tended_in(tx, person);
    if (!accounts) return moved(accounts);
    accounts->push_back(person);
    const WallTime now = clock_.wall();
    const auto add = [&](const store::Row& row) {
      ids.push_back(row.id<ConfirmationId>(0));
      return true;
    };
    for (const UserId account : *accounts) {
      auto own = tx.query("SELECT id FROM confirmation WHERE account = $1 AND stage = 0 AND expires > $2", {account, now}, add);
      if (!own) return moved(own);
    }
    // Of others' first whether they are his to sign; then what they say.
    std::vector<Confirmation> others;
    auto asked = tx.query("SELECT id, account, need FROM confirmation WHERE people > 0 AND stage = 0 AND expires > $1", {now}, [&](const store::Row& row) {
      Confirmation& c = others.emplace_back();
      c.id = row.id<ConfirmationId>(0);
      c.account = row.id<UserId>(1);
      c.need = unpacked_need(row.blob(2));
      return true;
    });
    if (!asked) return moved(asked);
    for (const Confirmation& c : others) {
      auto sees = sees_in(tx, c, person);
      if (!sees) return moved(sees);
      if (*sees) ids.push_back(c.id);
    }
    Out out;
    for (const ConfirmationId id : ids) {
      if (std::ranges::any_of(out, [&](const Confirmation& c) { return c.id == id; })) continue;
      auto one = read_in(tx, id);
      if (!one) return moved(one);
      if (*one) out.push_back(std::move(**one));
    }
    std::ranges::sort(out, [](const Confirmation& a, const Confirmation& b) { return std::tie(a.created, a.id.bytes) < std::tie(b.created, b.id.bytes); });
    return out;
  };
  Result<Out> out = co_await database_.read(std::move(job));
  co_return out;
}

Result<Confirmation> Confirmations::seen_in(store::Tx& tx, UserId person, ConfirmationId id) const {
  auto one = read_in(tx, id);
  if (!one) return moved(one);
  if (!*one) return fail(Reason::not_found, "no such call");
  auto sees = sees_in(tx, **one, person);
  if (!sees) return moved(sees);
  if (!*sees) return fail(Reason::not_found, "no such call");
  return std::move(**one);
}

net::Task<Result<Confirmation>> Confirmations::look(UserId person, ConfirmationId id) const {
  auto job = [this, person, id](store::Tx& tx) { return seen_in(tx, person, id); };
  Result<Confirmation> out = co_await database_.read(std::move(job));
  co_return out;
}

Result<std::vector<Confirmation>> Confirmations::waiting_in(store::Tx& tx, UserId person, std::span<const ConfirmationId> ids, Instant now) const {
  if (ids.empty() || ids.size() > kMostAtOnce) return fail(Reason::invalid_argument, "ids: from 1 to 24");
  std::vector<Confirmation> out;
  for (const ConfirmationId id : ids) {
    if (std::ranges::any_of(out, [&](const Confirmation& c) { return c.id == id; })) return fail(Reason::invalid_argument, "ids: one of them twice");
    auto one = seen_in(tx, person, id);
    if (!one) return moved(one);
    if (one->expires <= now.wall) return fail(Reason::confirmation_expired);
    if (one->stage != Stage::waiting) return fail(Reason::conflict, "it was answered");
    out.push_back(std::move(*one));
  }
  return out;
}

Result<void> Confirmations::sign_in(store::Tx& tx, std::span<const Confirmation> list, const Actor& by, const factors::Given& given,
                                    std::string_view justification, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  const domain::Proof& proof = given.proof;
  domain::Evidence evidence;
  for (const domain::Proof& p : by.evidence) {
    if (p.traits.knowledge) evidence.add(p);
  }
  evidence.add(proof);
  auto words = justified(justification);
  if (!words) return moved(words);
  const Bytes proofs = packed(evidence);
  const Bytes together = joined(list);
  const std::string statement = given.statement ? factors::canonical(*given.statement) : std::string();
  for (const Confirmation& c : list) {
    auto why = why_not_in(tx, c, by.user);
    if (!why) return moved(why);
    if (!why->empty()) return fail(Reason::not_eligible, *why);
    if (!proof.traits.possession || !c.need.kinds.has(proof.kind)) return fail(Reason::mfa_required, "this kind of factor does not count for it");
    if (c.need.bound && statement.empty()) {
      return fail(Reason::mfa_required, "this takes a factor that signs the call itself: a passkey or a security key");
    }
    if (c.need.apart && !proof.traits.device_bound) {
      return fail(Reason::mfa_required, "this takes a security key, or a passkey that is bound to its device");
    }
    if (!reaches(evidence, now.wall, c.need)) {
      return fail(Reason::mfa_required, "this factor does not reach level " + std::to_string(c.need.level));
    }
    if (c.need.justification && words->empty()) return fail(Reason::invalid_argument, "justification: say why");
    const std::string note = confirmation_note(c.digest, given);
    auto put = tx.run(
        "INSERT INTO confirmation_signature (confirmation, account, factor, proofs, at, note, statement, signed_list) VALUES ($1, $2, $3, $4, $5, "
        "$6, $7, $8) ON CONFLICT DO NOTHING",
        {c.id, by.user, proof.factor, proofs, now.wall, note, statement, together});
    if (!put) return moved(put);
    if (*put != 1) return fail(Reason::conflict, "you have confirmed it already");
    const int wanted = c.need.confirmation == domain::Confirmation::people ? std::max<int>(c.need.people, 1) : 1;
    auto signed_now = tx.run(
        "UPDATE confirmation SET justification = CASE WHEN $3 = '' THEN justification ELSE $3 END, stage = CASE WHEN (SELECT COUNT(*) FROM "
        "confirmation_signature WHERE confirmation = $1) >= $4 THEN 1 ELSE 0 END WHERE id = $1 AND stage = 0 AND expires > $2",
        {c.id, now.wall, *words, wanted});
    if (!signed_now) return moved(signed_now);
    if (*signed_now != 1) return fail(Reason::conflict, "it was answered, or has expired");
    Actor self = by;
    self.evidence.add(proof);
    record(tx, kConfirm, self, c, note, now, audit::Log::Cover::at_once);  // for its receipt
    auto told = tell_in(tx, c.account, c.need);
    if (!told) return moved(told);
  }
  return {};
}

net::Task<Result<void>> Confirmations::withdraw(ConfirmationId id, Actor by) {
  auto job = [this, id, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    auto one = read_in(tx, id);
    if (!one) return moved(one);
    if (!*one) return fail(Reason::not_found, "no such call");
    auto gone = tx.run(
        "DELETE FROM confirmation_signature WHERE confirmation = $1 AND account = $2 AND EXISTS (SELECT 1 FROM confirmation WHERE id = $1 AND stage IN "
        "(0, 1))",
        {id, by.user});
    if (!gone) return moved(gone);
    if (*gone != 1) return fail(Reason::conflict, "there is nothing of yours to withdraw, or it was used");
    auto back = tx.run("UPDATE confirmation SET stage = 0 WHERE id = $1 AND stage = 1", {id});
    if (!back) return moved(back);
    record(tx, "tools.withdraw", by, **one, {}, now);
    return tell_in(tx, (*one)->account, (*one)->need);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<void>> Confirmations::refuse(ConfirmationId id, Refusal how, Actor by) {
  auto job = [this, id, how, by](store::Tx& tx) -> Result<void> {
    const Instant now = clock_.now();
    std::optional<ConfirmationRow> row;
    auto found = tx.one(select_confirmation("id = $1"), {id}, [&](const store::Row& r) { row = confirmation_from(r); });
    if (!found) return moved(found);
    if (!row) return fail(Reason::not_found, "no such call");
    const Confirmation& c = row->confirmation;
    auto his = identity::tends_in(tx, by.user, c.account);
    if (!his) return moved(his);
    auto sees = sees_in(tx, c, by.user);
    if (!sees) return moved(sees);
    if (!*sees) return fail(Reason::not_found, "no such call");
    if (how != Refusal::decline && !*his) return fail(Reason::not_eligible, "its owner alone can say that");
    const bool disowned = how == Refusal::not_me;
    auto decided = tx.run("UPDATE confirmation SET stage = $2, settled = $3 WHERE id = $1 AND stage IN (0, 1)",
                          {id, disowned ? Stage::not_me : Stage::declined, now.wall});
    if (!decided) return moved(decided);
    // What ran, ran; that it was somebody else can be said all the same.
    if (*decided != 1 && how == Refusal::decline) return fail(Reason::conflict, "it was answered");
    if (how != Refusal::decline) {
      auto asleep = sleep_in(tx, *row, how, by, now);
      if (!asleep) return asleep;
    }
    record(tx, how == Refusal::decline ? "tools.decline" : how == Refusal::sleep ? "tools.sleep" : "tools.not_me", by, c, {}, now);
    return tell_in(tx, c.account, c.need);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

// Nothing more of this credential from there, for a while; and all that waits of it goes.
Result<void> Confirmations::sleep_in(store::Tx& tx, const ConfirmationRow& row, Refusal how, const Actor& by, Instant now) {
  const Confirmation& c = row.confirmation;
  auto over = tx.run("UPDATE confirmation SET stage = $4, settled = $5 WHERE account = $1 AND credential = $2 AND source_key = $3 AND stage IN (0, 1)",
                     {c.account, c.credential, row.source_key, how == Refusal::not_me ? Stage::not_me : Stage::declined, now.wall});
  if (!over) return moved(over);
  // Who says that it was not he does not know which of his credentials are out of his hands.
  auto carried = tx.run("UPDATE confirmation SET carried = $4 WHERE account = $1 AND (credential = $2 OR $5 = 1) AND source_key = $3 AND carried IN (0, 2) AND also <> ''",
                        {c.account, c.credential, row.source_key, kNeverCarried, how == Refusal::not_me ? 1 : 0});
  if (!carried) return moved(carried);
  auto refused = tx.run(
      "INSERT INTO approval_refusal (account, credential, source_key, until) VALUES ($1, $2, $3, $4) ON CONFLICT (account, credential, "
      "source_key) DO UPDATE SET until = $4",
      {c.account, c.credential, row.source_key, now.wall + options_.refuses});
  if (!refused) return moved(refused);
  if (options_.shut_in) {
    auto shut = options_.shut_in(tx, c.credential, row.source_key);
    if (!shut) return shut;
  }
  auto heard = identity::changed_for_in(tx, kApprovalTopic, c.account);
  if (!heard || how != Refusal::not_me) return heard;
  const std::string text = "Somebody asked for a tool call in the name of " + std::string(by.name.view()) +
                           ", who said that it was not so. The credential opens nothing there for an hour; revoke it if you cannot tell who has it.";
  return users_.notify_in(tx, c.account, identity::NoticeKind::not_me, text, now.wall);
}

}  // namespace vestibule::approval
