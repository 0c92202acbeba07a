#pragma once
// Who it is that asks for a change, and what the audit record says of that. Plain values.

#include <string>
#include <string_view>

#include "audit/record.hpp"
#include "base/packed.hpp"
#include "domain/act.hpp"
#include "domain/evidence.hpp"
#include "domain/subject.hpp"

namespace vestibule::identity {

/// Who asks, for the audit record. `evidence` is what the record will name.
struct Actor {
  UserId user{};
  domain::UserName name;
  SessionId session{};
  domain::Source source{};
  std::string client;            ///< User-Agent
  RequestId request{};
  domain::Evidence evidence;
};

/// The record of what `by` has changed: an act on the access point `vestibule` that was allowed. Its
/// views are those of the arguments.
[[nodiscard]] audit::Record change_record(std::string_view operation, const Actor& by, std::string_view object,
                                          std::string_view note, Instant now);

/// For sentences: the name, or "the gateway" where nobody has an account yet.
[[nodiscard]] std::string who(const Actor& by);

/// For what must outlive the process: who asked, as the record will name it. Of the evidence the
/// kinds and wall times are kept; boot times mean nothing after a restart.
void pack(Packer& out, const Actor& actor);
/// Refuses what pack() does not write. Look at done() of the reader.
[[nodiscard]] Actor unpack_actor(Unpacker& in);

}  // namespace vestibule::identity
