// Receipts out of the store: what was signed, and the log's records of it.
#include <algorithm>

#include "approval/confirmation_rows.hpp"
#include "approval/receipt.hpp"
#include "domain/act.hpp"

namespace vestibule::approval {
namespace {

Result<std::string> opened(store::Tx& tx, audit::Kind kind, std::string_view operation, std::string_view note, WallTime at) {
  auto seq = audit::find_noted(tx, kind, operation, note, at);
  if (!seq) return std::move(seq).error();
  return audit::prove_opened(tx, *seq);
}

}  // namespace

Result<std::string> Confirmations::receipt_in(store::Tx& tx, const Confirmation& c) const {
  if (c.signatures.empty()) return fail(Reason::not_found, "nobody has confirmed it");
  struct One {
    WallTime at{};
    std::string note, statement;
    std::vector<Digest> actions;
  };
  std::vector<One> all;
  auto read = tx.query("SELECT at, note, statement, signed_list FROM confirmation_signature WHERE confirmation = $1 ORDER BY at, account", {c.id},
                       [&](const store::Row& row) {
                         One& one = all.emplace_back(One{row.time(0), std::string(row.text(1)), std::string(row.text(2)), {}});
                         const ByteView list = row.blob(3);
                         for (std::size_t i = 0; i + sizeof(Digest) <= list.size(); i += sizeof(Digest)) {
                           one.actions.push_back(digest_from(list.subspan(i, sizeof(Digest))));
                         }
                         return true;
                       });
  if (!read) return moved(read);
  Receipt out;
  out.action = c.action;
  for (One& one : all) {
    auto record = opened(tx, audit::Kind::change, kConfirm, one.note, one.at);
    if (!record) return record;
    if (one.statement.empty()) one.actions.clear();
    out.confirmed.push_back({std::move(*record), std::move(one.actions), std::move(one.statement)});
  }
  if (c.stage == Stage::dispatched) {
    WallTime when{};
    auto found = tx.one("SELECT settled FROM confirmation WHERE id = $1", {c.id}, [&](const store::Row& row) { when = row.time(0); });
    if (!found) return moved(found);
    auto record = opened(tx, audit::Kind::admission, domain::kToolCall, dispatch_note(c.digest), when);
    if (!record) return record;
    out.dispatched = std::move(*record);
  }
  return write_receipt(out);
}

net::Task<Result<std::string>> Confirmations::receipt(UserId person, ConfirmationId id) const {
  auto job = [this, person, id](store::Tx& tx) -> Result<std::string> {
    auto one = read_in(tx, id);
    if (!one) return moved(one);
    if (!*one) return fail(Reason::not_found, "no such call");
    auto sees = sees_in(tx, **one, person);
    if (!sees) return moved(sees);
    const bool has_signed = std::ranges::any_of((*one)->signatures, [&](const Signature& s) { return s.user == person; });
    if (!*sees && !has_signed) return fail(Reason::not_found, "no such call");
    return receipt_in(tx, **one);
  };
  Result<std::string> out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<std::string>> Confirmations::receipt(ConfirmationId id) const {
  auto job = [this, id](store::Tx& tx) -> Result<std::string> {
    auto one = read_in(tx, id);
    if (!one) return moved(one);
    if (!*one) return fail(Reason::not_found, "no such call");
    return receipt_in(tx, **one);
  };
  Result<std::string> out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::approval
