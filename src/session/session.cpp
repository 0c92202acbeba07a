#include "session/session.hpp"

namespace vestibule::session {

Actor actor_of(const Identified& who, const domain::Source& source, std::string_view client, RequestId request) {
  Actor out{who.subject.user, who.subject.name, who.subject.session, source, std::string(client), request, who.evidence};
  if (is_service(who.subject)) {  // in the log a person stands for what it does
    out.user = who.subject.sponsor.user;
    out.name = who.subject.sponsor.name;
  }
  return out;
}

}  // namespace vestibule::session
