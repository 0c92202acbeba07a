#include "domain/act.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace vestibule::domain {

std::string_view name(Sensitivity s) noexcept {
  switch (s) {
    case Sensitivity::low: return "low";
    case Sensitivity::moderate: return "moderate";
    case Sensitivity::high: return "high";
    case Sensitivity::critical: return "critical";
  }
  return "critical";
}

std::optional<Sensitivity> sensitivity_from(std::string_view text) noexcept {
  for (const auto s : {Sensitivity::low, Sensitivity::moderate, Sensitivity::high, Sensitivity::critical}) {
    if (name(s) == text) return s;
  }
  return std::nullopt;
}

std::string_view name(Outcome o) noexcept {
  switch (o) {
    case Outcome::allow: return "allow";
    case Outcome::step_up: return "step_up";
    case Outcome::confirm: return "confirm";
    case Outcome::deny: return "deny";
  }
  return "deny";
}

namespace {
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

std::string Source::text() const {
  if (local) return "unix";
  char out[INET6_ADDRSTRLEN] = "";
  if (std::equal(kMapped.begin(), kMapped.end(), address.begin())) {
    inet_ntop(AF_INET, address.data() + 12, out, sizeof out);
  } else {
    inet_ntop(AF_INET6, address.data(), out, sizeof out);
  }
  return out;
}

std::optional<Source> Source::parse(std::string_view text) {
  Source s;
  if (text == "unix") {
    s.address[15] = 1;
    s.local = true;
    return s;
  }
  const std::string z(text);
  if (inet_pton(AF_INET6, z.c_str(), s.address.data()) == 1) return s;
  std::copy(kMapped.begin(), kMapped.end(), s.address.begin());
  if (inet_pton(AF_INET, z.c_str(), s.address.data() + 12) == 1) return s;
  return std::nullopt;
}

Requirement stricter(const Requirement& a, const Requirement& b) noexcept {
  Requirement r;
  r.level = std::max(a.level, b.level);
  r.max_age = std::min(a.max_age, b.max_age);
  r.confirmation = std::max(a.confirmation, b.confirmation);
  r.people = std::max(a.people, b.people);
  r.justification = a.justification || b.justification;
  r.bound = a.bound || b.bound;
  r.apart = a.apart || b.apart;
  r.kinds = a.kinds & b.kinds;
  r.approvers = a.approvers.with(b.approvers);
  return r;
}

std::string acr(int level) { return "urn:vestibule:level:" + std::to_string(level); }

std::string www_authenticate(const Refusal& refusal) {
  const ReasonInfo& i = info(refusal.reason);
  if (i.status != 401) return {};
  std::string out = "Bearer realm=\"vestibule\"";
  if (i.oauth.empty()) return out;
  out.append(", error=\"").append(i.oauth).append("\", error_description=\"");
  for (const char c : i.text) {
    // RFC 6750 section 3: no quote, no backslash, printable ASCII only
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') out.push_back(c);
  }
  out.push_back('"');
  if (i.oauth == "insufficient_user_authentication") {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(refusal.need.max_age);
    out.append(", acr_values=\"").append(acr(refusal.need.level)).append("\", max_age=\"");
    out.append(std::to_string(seconds.count())).append("\"");
  }
  return out;
}

}  // namespace vestibule::domain
