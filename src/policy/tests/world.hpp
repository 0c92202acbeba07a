#pragma once
// A person at a place at a time, for the tests of this room.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace vestibule::policy::test {

using namespace std::chrono_literals;
using domain::Confirmation;
using domain::FactorKind;
using domain::Outcome;
using domain::Sensitivity;
using domain::Signal;
using domain::Signals;

constexpr auto kAllow = Outcome::allow;
constexpr auto kStepUp = Outcome::step_up;

inline WallTime at(const std::string& text) {  // "2026-11-23T10:00:00Z"
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%dZ", &y, &mo, &d, &h, &mi, &s) != 6) ADD_FAILURE() << text;
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(static_cast<unsigned>(mo)), std::chrono::day(static_cast<unsigned>(d))};
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(h) + std::chrono::minutes(mi) + std::chrono::seconds(s);
}

struct Shown {
  FactorKind kind;
  Duration age = 0us;
  enum class As { itself, passkey } as = As::itself;
};
inline const Shown kPassword{FactorKind::password};
inline Shown totp(Duration age = 0us) { return {FactorKind::totp, age}; }
inline Shown hotp(Duration age = 0us) { return {FactorKind::hotp, age}; }
inline Shown key(Duration age = 0us) { return {FactorKind::webauthn, age, Shown::As::passkey}; }
inline Shown passkey(Duration age = 0us) { return {FactorKind::totp, age, Shown::As::passkey}; }

struct Call {
  std::string access_point = "demo";
  std::string operation = "chat";
  std::string model = "tiny-1";
  Sensitivity sensitivity = Sensitivity::moderate;
  std::string user = "alice";
  std::vector<std::string> roles = {"member"};
  std::vector<std::string> groups = {};
  std::string source = "192.0.2.7";
  std::vector<Shown> proofs = {kPassword, totp()};
  std::string when = "2026-11-23T10:00:00Z";  // a Monday
  bool trusted = true;
  bool signed_in = true;
  domain::Signals signals = {};
  std::string tool = {};  // given: a call of this tool
  std::string arguments = "{}";
};

/// Everything that decide() takes, made of a Call.
struct Situated {
  std::shared_ptr<const Call> call;  // what the act's views look at
  domain::Act act;
  domain::Subject subject;
  domain::Evidence evidence;
  domain::Source source;
  Instant now{};
  bool trusted = true;
  domain::Signals signals;

  explicit Situated(Call made)
      : call(std::make_shared<const Call>(std::move(made))), now{at(call->when), BootTime(1'000'000s)}, trusted(call->trusted), signals(call->signals) {
    const Call& c = *call;
    act.access_point = c.access_point;
    act.operation = c.operation;
    act.model = c.model;
    act.sensitivity = c.sensitivity;
    act.tool = c.tool;
    if (!c.tool.empty()) {
      act.operation = domain::kToolCall;
      act.arguments = c.arguments;
    }
    if (c.signed_in) subject.user.bytes[0] = 1;
    subject.name = domain::UserName(c.user);
    for (const auto& r : c.roles) subject.roles.push_back(domain::intern(r));
    for (const auto& g : c.groups) subject.groups.push_back(domain::intern(g));
    std::uint8_t n = 1;
    for (const Shown& s : c.proofs) {
      domain::Proof p{s.kind, domain::traits_of(s.kind), {}, now.wall - s.age, now.boot - s.age};
      if (s.as == Shown::As::passkey) p.traits = {false, true, true, true, true};
      p.factor.bytes[0] = n++;
      evidence.add(p);
    }
    const auto parsed = domain::Source::parse(c.source);
    if (parsed) source = *parsed; else ADD_FAILURE() << c.source;
  }
  [[nodiscard]] domain::Decision decide(const Policy& p) const {
    return p.decide(act, subject, evidence, source, now, trusted, signals);
  }
};

inline Policy must_parse(const std::string& text) {
  auto r = Policy::parse(text, "policy.toml");
  if (!r) {
    ADD_FAILURE() << r.text() << "---\n" << text;
    r = Policy::parse("", "empty");
  }
  return *r.policy;
}
inline std::string rule(const std::string& name, const std::string& effect, const std::string& rest = "") {
  return "[[rule]]\nname = \"" + name + "\"\neffect = \"" + effect + "\"\n" + rest + "\n";
}
inline std::string flow(const std::string& factors, const std::string& rest = "", const std::string& name = "f") {
  return "[[flow]]\nname = \"" + name + "\"\nfactors = [" + factors + "]\n" + rest + "\n";
}
inline std::string on_signal(domain::Signal s, const std::string& rest) {
  return "[signal." + std::string(domain::name(s)) + "]\n" + rest + "\n";
}
inline std::string allow(const std::string& rest = "", const std::string& name = "a") { return rule(name, "allow", rest); }
inline std::string deny(const std::string& rest = "", const std::string& name = "d") { return rule(name, "deny", rest); }

}  // namespace vestibule::policy::test
