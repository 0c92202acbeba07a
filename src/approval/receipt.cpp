#include "approval/receipt.hpp"

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
