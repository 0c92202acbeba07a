#include "approval/receipt.hpp"

#include <limits>

#include "audit/log.hpp"
#include "domain/act.hpp"
#include "factors/statement.hpp"
#include "json/canonical.hpp"
#include "json/writer.hpp"

namespace vestibule::approval {

std::string confirmation_note(const Digest& action, const factors::Given& given) {
  std::string note = "action " + hex(action) + " by ";
  note.append(domain::name(given.proof.kind)).append(" ").append(given.proof.factor.text());
  if (given.statement) note.append("; statement ").append(hex(factors::digest_of(*given.statement)));
  return note;
}

std::string dispatch_note(const Digest& action) { return "action " + hex(action); }

Result<RecordsOf> records_of(store::Tx& tx, const Digest& action, WallTime since) {
  RecordsOf out;
  const std::string confirmed = dispatch_note(action) + " by ";
  const std::string dispatched = dispatch_note(action);
  audit::Filter filter;
  filter.since = since;
  filter.limit = std::numeric_limits<std::size_t>::max();
  filter.newest_first = false;
  filter.reason = info(Reason::ok).code;
  filter.operation = kConfirm;
  auto listed = audit::list(tx, filter, [&](const audit::Entry& e) {
    if (e.note.starts_with(confirmed)) out.confirmed.push_back(e.seq);
    return true;
  });
  if (!listed) return std::move(listed).error();
  filter.operation = domain::kToolCall;
  filter.kind = audit::Kind::admission;
  listed = audit::list(tx, filter, [&](const audit::Entry& e) {
    if (e.note == dispatched) out.dispatched = e.seq;
    return !out.dispatched;
  });
  if (!listed) return std::move(listed).error();
  return out;
}

Result<std::string> write_receipt(const Receipt& r) {
  json::Writer w;
  w.begin_object().member("action", r.action).key("confirmed").begin_array();
  for (const ConfirmedBy& c : r.confirmed) {
    w.begin_object();
    if (!c.statement.empty()) {
      w.key("actions").begin_array();
      for (const Digest& d : c.actions) w.value(hex(d));
      w.end_array().key("statement").raw(c.statement);
    }
    w.key("log").raw(c.record).end_object();
  }
  w.end_array();
  if (!r.dispatched.empty()) w.key("dispatched").raw(r.dispatched);
  w.member("format", "vestibule-receipt/v1").end_object();
  return json::canonicalize(w.text());
}

}  // namespace vestibule::approval
