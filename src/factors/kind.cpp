#include "factors/kind.hpp"

namespace vestibule::factors {

Result<EnrolmentOffer> Kind::enrol(store::Tx&, const EnrolmentRequest&) {
  return fail(Reason::invalid_argument, "this kind is not enrolled");
}

Result<Proved> Kind::prove(store::Tx&, const Enrolled&, const Digest&, std::string_view, Instant) {
  return fail(Reason::internal, "this kind confirms nothing within a job");
}

Result<Question> Kind::begin(store::Tx&, const Ask&, Instant) {
  return fail(Reason::invalid_argument, "this kind answers no question");
}

Result<Proved> Kind::verify(store::Tx&, const Enrolled&, const Asked&, std::string_view, Instant) {
  return fail(Reason::internal, "this kind verifies nothing within a job");
}

}  // namespace vestibule::factors
