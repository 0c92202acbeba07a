#include "approval/mandate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/hash.hpp"

namespace vestibule::approval {
namespace {

bool printable(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string listed(const std::vector<std::string>& entries) {
  std::string out;
  for (const std::string& e : entries) out.append(out.empty() ? "" : ", ").append(e == "*" ? "* (every one)" : e);
  return out;
}

Error wrong(std::string_view part, std::string_view why) {
  return fail(Reason::invalid_argument, std::string(part) + ": " + std::string(why));
}

}  // namespace

Result<MandateTerms> MandateTerms::check(MandateForm f, WallTime now) {
  if (f.name.empty() || f.name.size() > kMaxMandateName || !printable(f.name) || f.name.front() == ' ' || f.name.back() == ' ') {
    return wrong("name", fmt::format("needs 1 to {} printable ASCII characters, no space at its ends", kMaxMandateName));
  }
  // What is left open would be signed unread.
  if (f.scope.access_points.empty()) return wrong("access_points", "name them");
  if (f.scope.operations.empty()) return wrong("operations", "name them");
  if (f.scope.networks.empty()) return wrong("networks", "name those from which the workload calls");
  if (!f.scope.hours.empty() || !f.scope.zone.empty()) return wrong("hours", "a mandate has one window, and no hours");
  if (f.calls < 1 || f.calls > kMostCalls) return wrong("calls", fmt::format("from 1 to {}", kMostCalls));
  if (f.tokens < 0 || f.tokens > kMostTokens) return wrong("tokens", fmt::format("from 1 to {}, or left out", kMostTokens));
  if (f.max_body < 0) return wrong("max_body", "a number of bytes");
  if (f.starts >= f.ends) return wrong("ends", "lies before the beginning");
  if (f.ends - f.starts > kLongestWindow) return wrong("ends", "a window is 24 hours long at most, and does not recur");
  if (f.ends <= now) return wrong("ends", "lies in the past");
  if (f.starts > now + kFarthestStart) return wrong("starts", "within a week: nobody knows what will be right then");
  auto scope = policy::Scope::compile(f.scope);
  if (!scope) return std::move(scope).error();
  MandateTerms out;
  out.scope_ = std::move(*scope);
  f.scope = out.scope_.form();  // in one spelling, so that the text has one
  out.form_ = std::move(f);
  return out;
}

std::string MandateTerms::text(std::string_view owner) const {
  const MandateForm& f = form_;
  std::string out = fmt::format("Mandate \"{}\" of {}\n", f.name, owner);
  out += fmt::format("For: {}, and nobody else, unattended\n", f.credential_name);
  out += fmt::format("From {} until {}, once\n", rfc3339(f.starts), rfc3339(f.ends));
  out += fmt::format("At the access points: {}\n", listed(f.scope.access_points));
  out += fmt::format("Doing: {}\n", listed(f.scope.operations));
  out += fmt::format("With the models: {}\n", f.scope.models.empty() ? "* (every one)" : listed(f.scope.models));
  out += fmt::format("Calling from: {}\n", listed(f.scope.networks));
  out += fmt::format("At most {} calls", f.calls);
  out += f.tokens > 0 ? fmt::format(", {} tokens in all", f.tokens) : std::string(", tokens not counted");
  out += f.max_body > 0 ? fmt::format(", {} bytes sent a call\n", f.max_body) : std::string(", bytes a call not limited\n");
  return out;
}

std::string MandateTerms::purpose(std::string_view owner) const {
  return "mandates.sign " + hex(crypto::sha256(as_bytes(text(owner))));
}

std::string outside(const MandateTerms& terms, const domain::Act& act, const domain::Source& source, WallTime now,
                    policy::Known known) {
  const MandateForm& f = terms.form();
  if (now < f.starts) return "it begins at " + rfc3339(f.starts);
  if (now >= f.ends) return "it ended at " + rfc3339(f.ends);
  if (!act.tool.empty()) return "it does not cover tool calls";
  if (!terms.scope().permits(act, source, now, known)) return "it does not cover this";
  if (known == policy::Known::whole && f.max_body > 0 && act.body_bytes > static_cast<std::uint64_t>(f.max_body)) {
    return fmt::format("it allows {} bytes a call", f.max_body);
  }
  return {};
}

}  // namespace vestibule::approval
