#pragma once
// audit; policy suggest, which reads the log.

#include <cstdint>
#include <optional>
#include <string>

#include "app/cli/context.hpp"

namespace vestibule::app::cli {

struct AuditListOptions {
  std::string user, access_point, operation, reason, request, kind, since, until;
  std::optional<std::uint64_t> from_seq, to_seq;
  std::uint64_t limit = 50;
  bool oldest = false;
};
int audit_list(Context& ctx, const AuditListOptions& o);
/// Rules on tools, drafted from the tool calls of the log.
int policy_suggest(Context& ctx, const std::string& since);
struct AuditVerifyOptions {
  std::string checkpoints, database, vkey;
};
int audit_verify(Context& ctx, const AuditVerifyOptions& o);
int audit_export(Context& ctx, const std::string& file);
struct AuditProveOptions {
  std::optional<std::uint64_t> seq;
  std::string check, vkey;
};
int audit_prove(Context& ctx, const AuditProveOptions& o);
int audit_erase(Context& ctx, const std::string& user);

}  // namespace vestibule::app::cli
