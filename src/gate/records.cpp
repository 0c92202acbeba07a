#include "gate/records.hpp"

#include "crypto/hash.hpp"
#include "policy/policy.hpp"

namespace vestibule::gate {

Digest digest_of(std::string_view body) noexcept { return crypto::sha256(as_bytes(body)); }

void fill(audit::Record& r, const domain::Act& act, const domain::Subject& subject, const domain::Source& source,
          std::string_view client, RequestId request) {
  r.request = request;
  r.access_point = act.access_point;
  r.operation = act.operation;
  r.model = act.model;
  r.body_bytes = act.body_bytes;
  r.body_digest = act.body_digest;
  // What a service does stands under the name of who answers for it; the object says which service.
  r.user = is_service(subject) ? subject.sponsor.user : subject.user;
  r.user_name = is_service(subject) ? subject.sponsor.name.view() : subject.name.view();
  r.session = subject.session;
  // Of a tool call: which tool; by what it was asked stands beside it.
  r.object = act.tool.empty() ? subject.via.view() : act.tool;
  if (!act.tool.empty()) r.note = subject.via.view();
  r.source = source;
  r.client = client;
}

domain::Refusal refusal(Reason reason, const domain::Decision& d, const Caller& caller, const domain::Act& act) {
  domain::Refusal out;
  out.reason = reason;
  out.need = d.need;
  out.request = caller.request;
  out.access_point = act.access_point;
  out.hint = reason == d.reason ? policy::why(d) : std::string();
  if (info(reason).status == 503) out.retry_after_s = 1;
  return out;
}

}  // namespace vestibule::gate
