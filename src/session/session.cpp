#include "session/session.hpp"

namespace vestibule::session {

Actor actor_of(const Identified& who, const domain::Source& source, std::string_view client, RequestId request) {
  return Actor{who.subject.user, who.subject.name, who.subject.session, source,
               std::string(client), request, who.evidence};
}

}  // namespace vestibule::session
