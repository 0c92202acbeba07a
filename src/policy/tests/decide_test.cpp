#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "policy/tests/world.hpp"

// Counts what the decision allocates.
namespace {
std::atomic<std::size_t> allocations{0};
}
void* operator new(std::size_t n) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n) { return operator new(n); }
void* operator new[](std::size_t n, const std::nothrow_t& t) noexcept { return operator new(n, t); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace vestibule::policy {
namespace {

using namespace test;
constexpr auto kDeny = Outcome::deny;
constexpr auto kConfirm = Outcome::confirm;

struct DecisionRow {
  const char* name;
  std::string policy;
  Call call;
  Outcome outcome;
  Reason reason;
  std::string rule;
};

const std::string kOffice = "hours = [\"Mon-Fri 08:00-18:00\"]\nzone = \"Europe/Berlin\"";
const Shown kRecovery{FactorKind::recovery_code};

std::vector<DecisionRow> rows() {
  const auto no = Reason::policy_no_rule;
  const auto ok = Reason::ok;
  return {
      // --- rules as such
      {"no rules", "", {}, kDeny, no, "default"},
      {"bare allow", allow(), {}, kAllow, ok, "a"},
      {"bare deny", deny(), {}, kDeny, Reason::policy_denied, "d"},
      {"deny beats allow", allow() + deny(), {}, kDeny, Reason::policy_denied, "d"},
      {"deny beats allow in the other order", deny() + allow(), {}, kDeny, Reason::policy_denied, "d"},
      {"deny that does not match leaves allow", allow() + deny("model = [\"big\"]"), {}, kAllow, ok, "a"},
      {"of two denies the first by name is named", deny("", "z") + deny("", "b"), {}, kDeny, Reason::policy_denied, "b"},
      {"of two allows the first by name is named", allow("", "z") + allow("", "b"), {}, kAllow, ok, "b"},
      {"the allow that raises is named", allow("", "b") + allow("max_age = \"10m\"", "z"), {}, kAllow, ok, "z"},
      {"an allow that raises nothing is not named", allow("", "b") + allow("max_age = \"1h\"", "z"), {}, kAllow, ok, "b"},
      {"nobody signed in", allow(), {.signed_in = false}, kDeny, no, "default"},
      // --- who
      {"role", allow("who = [\"role:member\"]"), {}, kAllow, ok, "a"},
      {"other role", allow("who = [\"role:auditor\"]"), {}, kDeny, no, "default"},
      {"one of several roles", allow("who = [\"role:x\", \"role:member\"]"), {}, kAllow, ok, "a"},
      {"group", allow("who = [\"group:ml\"]"), {.groups = {"ml"}}, kAllow, ok, "a"},
      {"a group is no role", allow("who = [\"group:member\"]"), {}, kDeny, no, "default"},
      {"a role is no group", allow("who = [\"role:ml\"]"), {.groups = {"ml"}}, kDeny, no, "default"},
      {"user", allow("who = [\"user:alice\"]"), {}, kAllow, ok, "a"},
      {"other user", allow("who = [\"user:bob\"]"), {}, kDeny, no, "default"},
      {"user case counts", allow("who = [\"user:Alice\"]"), {}, kDeny, no, "default"},
      {"user prefix is no match", allow("who = [\"user:alic\"]"), {}, kDeny, no, "default"},
      {"anyone", allow("who = [\"anyone\"]"), {.roles = {}}, kAllow, ok, "a"},
      {"anyone beside others", allow("who = [\"role:x\", \"anyone\"]"), {.roles = {}}, kAllow, ok, "a"},
      {"deny a user whose role is allowed", allow("who = [\"role:member\"]") + deny("who = [\"user:alice\"]"), {}, kDeny, Reason::policy_denied, "d"},
      // --- access point
      {"access point", allow("access_point = [\"demo\"]"), {}, kAllow, ok, "a"},
      {"other access point", allow("access_point = [\"lab\"]"), {}, kDeny, no, "default"},
      {"access point glob", allow("access_point = [\"lab-*\"]"), {.access_point = "lab-7"}, kAllow, ok, "a"},
      {"access point glob misses", allow("access_point = [\"lab-*\"]"), {.access_point = "lab"}, kDeny, no, "default"},
      {"access point case counts", allow("access_point = [\"Demo\"]"), {}, kDeny, no, "default"},
      {"administration is not reached by omission", allow(), {.access_point = "vestibule"}, kDeny, no, "default"},
      {"nor by a star", allow("access_point = [\"*\"]"), {.access_point = "vestibule"}, kDeny, no, "default"},
      {"nor by a prefix", allow("access_point = [\"vest*\"]"), {.access_point = "vestibule"}, kDeny, no, "default"},
      {"but by its name", allow("access_point = [\"vestibule\"]"), {.access_point = "vestibule"}, kAllow, ok, "a"},
      {"also beside a star", allow("access_point = [\"*\", \"vestibule\"]"), {.access_point = "vestibule"}, kAllow, ok, "a"},
      {"the star beside it still works", allow("access_point = [\"*\", \"vestibule\"]"), {}, kAllow, ok, "a"},
      {"a deny reaches the administration by omission", allow("access_point = [\"vestibule\"]") + deny(), {.access_point = "vestibule"}, kDeny, Reason::policy_denied, "d"},
      {"a deny reaches the administration by a prefix", allow("access_point = [\"vestibule\"]") + deny("access_point = [\"v*\"]"), {.access_point = "vestibule"}, kDeny, Reason::policy_denied, "d"},
      // --- operation
      {"operation", allow("operation = [\"chat\"]"), {}, kAllow, ok, "a"},
      {"other operation", allow("operation = [\"embed\"]"), {}, kDeny, no, "default"},
      {"operation star", allow("operation = [\"*\"]"), {.operation = "tools/call:rm"}, kAllow, ok, "a"},
      {"operation family", allow("operation = [\"models.*\"]"), {.operation = "models.list"}, kAllow, ok, "a"},
      {"operation family misses", allow("operation = [\"models.*\"]"), {.operation = "model.load"}, kDeny, no, "default"},
      {"empty operation matches no name", allow("operation = [\"?*\"]"), {.operation = ""}, kDeny, no, "default"},
      {"overlong fact is denied", allow(), {.operation = std::string(kMaxFact + 1, 'x')}, kDeny, no, "default"},
      {"longest fact is read", allow(), {.operation = std::string(kMaxFact, 'x')}, kAllow, ok, "a"},
      // --- model
      {"model glob", allow("model = [\"tiny*\"]"), {}, kAllow, ok, "a"},
      {"model misses", allow("model = [\"tiny*\"]"), {.model = "big-1"}, kDeny, no, "default"},
      {"no model is no match", allow("model = [\"tiny*\"]"), {.model = ""}, kDeny, no, "default"},
      {"no model matches any", allow("model = [\"*\"]"), {.model = ""}, kAllow, ok, "a"},
      {"deny one model", allow() + deny("model = [\"*-405b\"]"), {.model = "llama-405b"}, kDeny, Reason::policy_denied, "d"},
      {"question mark", allow("model = [\"tiny-?\"]"), {}, kAllow, ok, "a"},
      {"question mark needs a character", allow("model = [\"tiny-1?\"]"), {}, kDeny, no, "default"},
      // --- network
      {"network", allow("network = [\"192.0.2.0/24\"]"), {}, kAllow, ok, "a"},
      {"other network", allow("network = [\"10.0.0.0/8\"]"), {}, kDeny, no, "default"},
      {"mapped peer is IPv4", allow("network = [\"10.0.0.0/8\"]"), {.source = "::ffff:10.1.2.3"}, kAllow, ok, "a"},
      {"mapped network is IPv4", allow("network = [\"::ffff:10.0.0.0/104\"]"), {.source = "10.1.2.3"}, kAllow, ok, "a"},
      {"all of IPv6 is not IPv4", allow("network = [\"::/0\"]"), {.source = "10.1.2.3"}, kDeny, no, "default"},
      {"all of IPv4 is not IPv6", allow("network = [\"0.0.0.0/0\"]"), {.source = "2001:db8::1"}, kDeny, no, "default"},
      {"IPv6 network", allow("network = [\"2001:db8::/32\"]"), {.source = "2001:db8:7::1"}, kAllow, ok, "a"},
      {"IPv6 across the word border", allow("network = [\"2001:db8::/66\"]"), {.source = "2001:db8::4000:0:0:1"}, kDeny, no, "default"},
      {"single address", allow("network = [\"192.0.2.7\"]"), {}, kAllow, ok, "a"},
      {"neighbour", allow("network = [\"192.0.2.6\"]"), {}, kDeny, no, "default"},
      {"unix", allow("network = [\"unix\"]"), {.source = "unix"}, kAllow, ok, "a"},
      {"loopback is not unix", allow("network = [\"unix\"]"), {.source = "::1"}, kDeny, no, "default"},
      {"unix is not loopback", allow("network = [\"::1\"]"), {.source = "unix"}, kDeny, no, "default"},
      {"omitted is anywhere", allow(), {.source = "unix"}, kAllow, ok, "a"},
      // --- hours (more in Hours below)
      {"in office hours", allow(kOffice), {}, kAllow, ok, "a"},
      {"in the evening", allow(kOffice), {.when = "2026-11-23T17:00:00Z"}, kDeny, no, "default"},
      {"on Sunday", allow(kOffice), {.when = "2026-11-22T10:00:00Z"}, kDeny, no, "default"},
      {"denied by night", allow() + deny("hours = [\"22:00-06:00\"]\nzone = \"UTC\""), {.when = "2026-11-23T23:00:00Z"}, kDeny, Reason::policy_denied, "d"},
      {"not denied by day", allow() + deny("hours = [\"22:00-06:00\"]\nzone = \"UTC\""), {}, kAllow, ok, "a"},
      // --- matchers are joined by and
      {"all fit", allow("who = [\"role:member\"]\noperation = [\"chat\"]\nmodel = [\"tiny*\"]\nnetwork = [\"192.0.2.0/24\"]"), {}, kAllow, ok, "a"},
      {"one does not", allow("who = [\"role:member\"]\noperation = [\"chat\"]\nmodel = [\"big*\"]\nnetwork = [\"192.0.2.0/24\"]"), {}, kDeny, no, "default"},
      // --- sensitivity and evidence
      {"nothing proved", allow(), {.proofs = {}}, kStepUp, Reason::mfa_required, "a"},
      {"a password alone", allow(), {.proofs = {kPassword}}, kStepUp, Reason::mfa_required, "a"},
      {"a code alone", allow(), {.proofs = {totp()}}, kStepUp, Reason::mfa_required, "a"},
      {"a recovery code is no factor", allow(), {.proofs = {kPassword, kRecovery}}, kStepUp, Reason::mfa_required, "a"},
      {"moderate at the very limit", allow(), {.proofs = {kPassword, totp(1h)}}, kAllow, ok, "a"},
      {"moderate a microsecond later", allow(), {.proofs = {kPassword, totp(1h + 1us)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"low lasts 12 hours", allow(), {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(12h)}}, kAllow, ok, "a"},
      {"low lapses then", allow(), {.sensitivity = Sensitivity::low, .proofs = {kPassword, totp(12h + 1us)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"high asks for level 3", allow(), {.sensitivity = Sensitivity::high}, kStepUp, Reason::mfa_required, "a"},
      {"high with a passkey", allow(), {.sensitivity = Sensitivity::high, .proofs = {passkey(15min)}}, kAllow, ok, "a"},
      {"high lapses after 15 minutes", allow(), {.sensitivity = Sensitivity::high, .proofs = {passkey(15min + 1us)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"critical asks for confirmation", allow(), {.sensitivity = Sensitivity::critical, .proofs = {passkey()}}, kConfirm, Reason::confirmation_required, "a"},
      {"critical steps up first", allow(), {.sensitivity = Sensitivity::critical}, kStepUp, Reason::mfa_required, "a"},
      {"unknown sensitivity is critical", allow(), {.sensitivity = static_cast<Sensitivity>(9), .proofs = {passkey()}}, kConfirm, Reason::confirmation_required, "a"},
      {"an edited table counts", "[sensitivity.moderate]\nmax_age = \"5m\"\n[sensitivity.high]\nmax_age = \"5m\"\n[sensitivity.critical]\nmax_age = \"5m\"\n" + allow(), {.proofs = {kPassword, totp(6min)}}, kStepUp, Reason::mfa_lapsed, "a"},
      // --- rules raise
      {"rule raises the level", allow("level = 3"), {}, kStepUp, Reason::mfa_required, "a"},
      {"rule raises freshness", allow("max_age = \"10m\""), {.proofs = {kPassword, totp(11min)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"rule asks for confirmation", allow("confirm = \"self\""), {}, kConfirm, Reason::confirmation_required, "a"},
      {"rule does not lower freshness", allow("max_age = \"12h\""), {.proofs = {kPassword, totp(2h)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"rule does not lower the level", allow("level = 2"), {.sensitivity = Sensitivity::high}, kStepUp, Reason::mfa_required, "a"},
      {"the strictest of two wins", allow("max_age = \"30m\"", "b") + allow("max_age = \"10m\"", "a"), {.proofs = {kPassword, totp(20min)}}, kStepUp, Reason::mfa_lapsed, "a"},
      {"strictest part by part", allow("max_age = \"10m\"", "b") + allow("confirm = \"self\"", "c"), {}, kConfirm, Reason::confirmation_required, "c"},
      {"a rule that does not match raises nothing", allow() + allow("level = 3\nmodel = [\"big\"]", "b"), {}, kAllow, ok, "a"},
      // --- a clock that was set back
      {"untrusted clock", allow(), {.trusted = false}, kStepUp, Reason::clock_untrusted, "a"},
      {"untrusted and lapsed anyway", allow(), {.proofs = {kPassword, totp(2h)}, .trusted = false}, kStepUp, Reason::mfa_lapsed, "a"},
      {"untrusted and never proved", allow(), {.proofs = {kPassword}, .trusted = false}, kStepUp, Reason::mfa_required, "a"},
      {"untrusted: allowed hours are not known", allow(kOffice), {.trusted = false}, kDeny, Reason::clock_untrusted, "a"},
      {"untrusted: denied hours might be now", allow() + deny(kOffice), {.trusted = false}, kDeny, Reason::clock_untrusted, "d"},
      {"untrusted: denied hours of others are no matter", allow() + deny(kOffice + "\nwho = [\"user:bob\"]"), {.trusted = false}, kStepUp, Reason::clock_untrusted, "a"},
      {"untrusted: a plain deny is named first", allow() + deny(kOffice, "c") + deny(), {.trusted = false}, kDeny, Reason::policy_denied, "d"},
      {"untrusted: another allow without hours serves", allow(kOffice) + allow("", "b"), {.trusted = false}, kStepUp, Reason::clock_untrusted, "b"},
      // --- the default policy
      {"default: member chats", std::string(default_policy_text()), {}, kAllow, ok, "members use models"},
      {"default: member does not load models", std::string(default_policy_text()), {.operation = "model.load"}, kDeny, no, "default"},
      {"default: member does not administrate", std::string(default_policy_text()), {.access_point = "vestibule", .operation = "users.create"}, kDeny, no, "default"},
      {"default: administrator does", std::string(default_policy_text()), {.access_point = "vestibule", .operation = "users.create", .roles = {"administrator"}}, kAllow, ok, "administrators"},
      {"default: auditor reads", std::string(default_policy_text()), {.access_point = "vestibule", .operation = "audit.read", .roles = {"auditor"}}, kAllow, ok, "auditors read"},
      {"default: auditor does not chat", std::string(default_policy_text()), {.roles = {"auditor"}}, kDeny, no, "default"},
      {"default: a stranger to all roles", std::string(default_policy_text()), {.roles = {}}, kDeny, no, "default"},
  };
}

TEST(Decide, Table) {
  const auto table = rows();
  EXPECT_GE(table.size(), 80U);
  for (const DecisionRow& row : table) {
    SCOPED_TRACE(row.name);
    const Policy p = must_parse(row.policy);
    const auto d = Situated(row.call).decide(p);
    EXPECT_EQ(name(d.outcome), name(row.outcome));
    EXPECT_EQ(info(d.reason).code, info(row.reason).code);
    EXPECT_EQ(d.rule.view(), row.rule);
    EXPECT_EQ(d.policy, p.digest());
    if (row.outcome == kDeny || row.outcome == kStepUp) {
      EXPECT_EQ(d.time_left, Duration::zero());
    }
  }
}

TEST(Decide, TimeLeftIsExact) {
  const Policy p = must_parse(allow("max_age = \"10m\""));
  EXPECT_EQ(Situated({.proofs = {kPassword, totp(4min + 3us)}}).decide(p).time_left, 6min - 3us);
  EXPECT_EQ(Situated({.proofs = {kPassword, totp(10min)}}).decide(p).time_left, 0us);
  EXPECT_EQ(Situated({.proofs = {kPassword, totp(9min), totp(1min)}}).decide(p).time_left, 9min);
}

// A session may hold rules, policies may be reordered: the decision and the digest do not move.
TEST(Decide, OrderOfRulesMeansNothing) {
  std::vector<std::string> rules = {
      allow("", "m"), allow("max_age = \"10m\"\noperation = [\"chat\"]", "k"), allow("confirm = \"self\"\nmodel = [\"big*\"]", "q"),
      allow("level = 3\nwho = [\"group:ml\"]", "b"), deny("model = [\"bad\"]", "x"), deny("who = [\"user:bob\"]", "c"),
      allow(kOffice, "o"), deny("network = [\"10.0.0.0/8\"]\noperation = [\"embed\"]", "n")};
  std::vector<Call> calls;
  for (const char* user : {"alice", "bob"}) {
    for (const char* op : {"chat", "embed"}) {
      for (const char* model : {"tiny-1", "big-1", "bad"}) {
        for (const char* source : {"10.0.0.1", "192.0.2.7"}) {
          calls.push_back({.operation = op, .model = model, .user = user, .source = source});
          calls.push_back({.operation = op, .model = model, .user = user, .groups = {"ml"}, .source = source, .proofs = {passkey(12min)}});
        }
      }
    }
  }
  std::string text;
  for (const auto& r : rules) text += r;
  const Policy first = must_parse(text);
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(rules.begin(), rules.end(), random);
    text.clear();
    for (const auto& r : rules) text += r;
    const Policy other = must_parse(text);
    ASSERT_EQ(hex(other.digest()), hex(first.digest()));
    for (const Call& c : calls) {
      const Situated s(c);
      const auto a = s.decide(first);
      const auto b = s.decide(other);
      ASSERT_EQ(a.outcome, b.outcome);
      ASSERT_EQ(a.reason, b.reason);
      ASSERT_EQ(a.need, b.need);
      ASSERT_EQ(a.rule.view(), b.rule.view());
      ASSERT_EQ(a.time_left, b.time_left);
    }
  }
}

TEST(Decide, BothMustAllow) {
  const Policy open = must_parse(allow("", "open"));
  const Policy closed = must_parse(deny("", "closed"));
  const Policy fresh = must_parse(allow("max_age = \"10m\"", "fresh"));
  const Policy careful = must_parse(allow("confirm = \"self\"", "careful"));
  const Policy none = must_parse("");
  struct Case { const char* name; const Policy* active; const Policy* staged; Outcome outcome; Reason reason; const char* rule; };
  const Case table[] = {
      {"nothing staged", &open, nullptr, kAllow, Reason::ok, "open"},
      {"the same staged", &open, &open, kAllow, Reason::ok, "open"},
      {"active denies", &closed, &open, kDeny, Reason::policy_denied, "closed"},
      {"staged denies", &open, &closed, kDeny, Reason::policy_denied, "closed"},
      {"staged has no rule", &open, &none, kDeny, Reason::policy_no_rule, "default"},
      {"active has no rule", &none, &open, kDeny, Reason::policy_no_rule, "default"},
      {"staged is stricter", &open, &fresh, kStepUp, Reason::mfa_lapsed, "fresh"},
      {"active is stricter", &fresh, &open, kStepUp, Reason::mfa_lapsed, "fresh"},
      {"confirmation of the staged", &open, &careful, kConfirm, Reason::confirmation_required, "careful"},
      {"parts of both", &careful, &fresh, kStepUp, Reason::mfa_lapsed, "fresh"},
  };
  const Situated s({.proofs = {kPassword, totp(30min)}});
  for (const Case& c : table) {
    SCOPED_TRACE(c.name);
    const auto d = decide_both(*c.active, c.staged, s.act, s.subject, s.evidence, s.source, s.now, true);
    EXPECT_EQ(d.outcome, c.outcome);
    EXPECT_EQ(info(d.reason).code, info(c.reason).code);
    EXPECT_EQ(d.rule.view(), c.rule);
    EXPECT_EQ(d.policy, c.active->digest());
  }
  const auto d = decide_both(careful, &fresh, s.act, s.subject, s.evidence, s.source, s.now, true);
  EXPECT_EQ(d.need.max_age, 10min);
  EXPECT_EQ(d.need.confirmation, Confirmation::self);
}

std::string fifty_rules() {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    text += rule("rule " + n, i % 10 == 9 ? "deny" : "allow",
                 "who = [\"role:member\", \"group:g" + n + "\"]\naccess_point = [\"lab-" + n + "\", \"demo\"]\noperation = [\"chat\", \"emb*\"]\n" +
                     "model = [\"" + (i == 31 ? std::string("tiny*") : "model-" + n + "-*b") + "\"]\n" +
                     (i % 5 == 0 ? "hours = [\"Mon-Fri 08:00-18:00\"]\nzone = \"America/New_York\"\n" : ""));
  }
  return text;
}

TEST(Decide, AllocatesNothing) {
  const Policy p = must_parse(fifty_rules() + allow(kOffice, "office") + allow("hours = [\"00:00-23:00\"]\nzone = \"UTC\"", "utc"));
  const Situated s({});
  const Situated lapsed({.proofs = {kPassword, totp(2h)}});
  const Policy tools = must_parse(fifty_rules() + allow("tool = [\"transfer\"]\nargument = [\"amount > 100\", \"to.0 domain x.org\"]\nconfirm = \"people\"\npeople = 2\napprovers = [\"role:x\"]", "t") +
                                  allow("tool = [\"*\"]\nconfirm = \"people\"\npeople = 1\napprovers = [\"role:y\"]", "u"));
  const Situated tool({.tool = "transfer", .arguments = R"({"amount":100.5,"to":{"0":"a@x.org"},"note":["x",{"y":null}]})"});
  const std::size_t before = allocations.load();
  for (int i = 0; i < 100; ++i) {
    if (s.decide(p).outcome != kAllow || lapsed.decide(p).outcome != kStepUp) abort();
    if (decide_both(p, &p, s.act, s.subject, s.evidence, s.source, s.now, true).outcome != kAllow) abort();
    if (tool.decide(tools).need.people != 2) abort();
  }
  EXPECT_EQ(allocations.load(), before);
}

TEST(Decide, IsQuick) {
  const Policy p = must_parse(fifty_rules());
  const Situated s({});
  constexpr int kRounds = 200'000;
  std::uint64_t sum = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) sum += static_cast<std::uint64_t>(s.decide(p).outcome);
  const auto each = (std::chrono::steady_clock::now() - start) / kRounds;
  EXPECT_EQ(sum, 0U);
  RecordProperty("ns_per_decision", std::to_string(each.count()));
  std::printf("50 rules: %lld ns a decision\n", static_cast<long long>(each.count()));
  EXPECT_LT(each, 50us) << "far beyond what even an unoptimised build with sanitizers needs";
}

TEST(Decide, AServiceMayWhatItAndItsSponsorMay) {
  const Policy p = must_parse(allow("who = [\"role:member\"]") +
                              allow("who = [\"role:batch\"]\noperation = [\"chat\"]\nlevel = 3\nmandate = true", "b") +
                              deny("who = [\"user:boss\"]\nmodel = [\"big\"]", "c") + deny("who = [\"user:bot\"]\nmodel = [\"huge\"]", "d"));
  const Situated service({.user = "bot", .roles = {"batch"}});
  const auto both = [&](const std::string& sponsor, std::vector<std::string> roles, std::string_view operation, std::string_view model) {
    const Situated s({.user = sponsor, .roles = std::move(roles)});
    domain::Act act = service.act;
    act.operation = operation;
    act.model = model;
    return decide_all(p, nullptr, act, service.subject, &s.subject, service.evidence, service.source, service.now, true);
  };
  EXPECT_EQ(both("alice", {"member"}, "chat", "tiny").outcome, kStepUp);
  EXPECT_EQ(both("alice", {"member"}, "chat", "tiny").need.level, 3) << "the stricter of both";
  EXPECT_FALSE(both("alice", {"member"}, "chat", "tiny").mandatable) << "no rule of the sponsor's says so";
  EXPECT_TRUE(both("alice", {"batch"}, "chat", "tiny").mandatable);
  EXPECT_EQ(both("alice", {"member"}, "embed", "tiny").reason, Reason::policy_no_rule) << "the service may not";
  EXPECT_EQ(both("alice", {}, "chat", "tiny").reason, Reason::policy_no_rule) << "its sponsor may not";
  EXPECT_EQ(both("boss", {"member"}, "chat", "big").reason, Reason::policy_denied);
  EXPECT_EQ(both("alice", {"member"}, "chat", "huge").reason, Reason::policy_denied);
  // While another policy waits, all four must allow.
  const Policy staged = must_parse(allow("who = [\"role:batch\"]"));
  const Situated alice({.user = "alice", .roles = {"member"}});
  EXPECT_EQ(decide_all(p, &staged, service.act, service.subject, &alice.subject, service.evidence, service.source, service.now, true).reason,
            Reason::policy_no_rule);
}

TEST(Decide, AgentsAreNamedLikePeople) {
  const Policy p = must_parse(allow("who = [\"role:member\"]") + deny("who = [\"agent:build\"]\noperation = [\"embed\"]") +
                              deny("who = [\"agent:*\"]\nmodel = [\"big\"]", "e") + allow("who = [\"agent:guest\"]", "g"));
  const auto outcome = [&](std::string_view via, Call call) {
    Situated s(std::move(call));
    s.subject.via = domain::Via(via);
    return s.decide(p).outcome;
  };
  EXPECT_EQ(outcome("", {.operation = "embed"}), Outcome::allow);
  EXPECT_EQ(outcome("agent build", {.operation = "embed"}), Outcome::deny);
  EXPECT_EQ(outcome("agent build", {}), Outcome::allow);
  EXPECT_EQ(outcome("agent builder", {.operation = "embed"}), Outcome::allow);
  EXPECT_EQ(outcome("key build", {.operation = "embed"}), Outcome::allow) << "a key is no agent";
  EXPECT_EQ(outcome("agent x", {.model = "big"}), Outcome::deny);
  EXPECT_EQ(outcome("key x", {.model = "big"}), Outcome::allow);
  EXPECT_EQ(outcome("agent guest", {.roles = {}}), Outcome::allow);
  EXPECT_EQ(outcome("agent other", {.roles = {}}), Outcome::deny);
  EXPECT_EQ(p.principals(), std::vector<std::string>{"role:member"}) << "programs are in nobody's books";
  EXPECT_FALSE(Policy::parse(deny("who = [\"agent:b*\"]"), "p.toml")) << "all, or one by name";
}

}  // namespace
}  // namespace vestibule::policy
