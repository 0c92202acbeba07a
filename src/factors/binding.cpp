#include "factors/binding.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "json/writer.hpp"

namespace vestibule::factors {

std::string canonical(const Binding& b) {
  const std::size_t space = std::min(b.purpose.find(' '), b.purpose.size());
  const std::string_view object = b.purpose.substr(std::min(space + 1, b.purpose.size()));
  json::Writer w;  // the keys stand in order, and no number is beyond 2^53
  w.begin_object().member("expires", b.expires.time_since_epoch().count());
  w.member("object", object).member("operation", b.purpose.substr(0, space));
  w.member("session", b.session.is_nil() ? std::string() : b.session.text());
  w.member("user", b.user.is_nil() ? std::string() : b.user.text()).end_object();
  return w.take();
}

std::string enrolment_purpose(FactorId factor) { return "factor.enrol " + factor.text(); }

Digest digest(const Binding& binding) { return crypto::sha256(as_bytes(canonical(binding))); }

}  // namespace vestibule::factors
