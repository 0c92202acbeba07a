// Receipts made by an independent implementation (clients/vectors/generate.py), right ones and ones with one thing
// wrong; the libraries for Node and Python are held to the same file.
#include "approval/receipt.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "audit/opened.hpp"
#include "crypto/hash.hpp"
#include "json/canonical.hpp"
#include "json/value.hpp"

namespace vestibule::approval {
namespace {

using json::Value;

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// "<name>+<hash>+<base64 of 1 | key>"
audit::LogKey key_of(const std::string& vkey) {
  const std::size_t first = vkey.find('+');
  Bytes key = unbase64(vkey.substr(vkey.find('+', first + 1) + 1)).value_or(Bytes(1));
  key.erase(key.begin());
  return {vkey.substr(0, first), key};
}

struct Vectors {
  Value all = json::parse(read_file("clients/vectors/receipts.json")).value_or(Value());
  std::vector<audit::LogKey> keys;
  Vectors() {
    for (const Value& k : all.find("log_keys")->items()) keys.push_back(key_of(*k.as_string()));
  }
  ReceiptExpectations expected(const Value& v) const {
    const Value& e = *v.find("expect");
    ReceiptExpectations out;
    out.logs = keys;
    const auto text = [&](const char* key) -> std::optional<std::string> {
      const auto t = e.get_string(key);
      return t ? std::optional(*t) : std::nullopt;
    };
    out.tool = text("tool");
    out.access_point = text("access_point");
    out.relying_party = text("relying_party");
    if (const Value* a = e.find("arguments")) out.arguments = a->dump();
    if (const Value* o = e.find("origins")) {
      for (const Value& origin : o->items()) out.origins.push_back(*origin.as_string());
    }
    if (const auto now = e.get_int("now")) out.now = WallTime(std::chrono::seconds(*now));
    if (const auto age = e.get_int("max_age")) out.max_age = std::chrono::seconds(*age);
    out.unbound = e.get_bool("unbound").value_or(false);
    out.dispatched = e.get_bool("dispatched").value_or(false);
    return out;
  }
  const Value& named(std::string_view name) const {
    for (const Value& v : all.find("vectors")->items()) {
      if (v.get_string("name").value_or("") == name) return v;
    }
    ADD_FAILURE() << "no vector " << name;
    return all;
  }
};
const Vectors& vectors() {
  static const Vectors v;
  return v;
}

std::string verdict(const Result<ReceiptSummary>& r) { return r ? "ok" : r.error().detail.substr(0, r.error().detail.find(':')); }

TEST(Receipt, EveryVectorHasItsVerdict) {
  std::set<std::string> codes;
  std::size_t bad = 0;
  for (const Value& v : vectors().all.find("vectors")->items()) {
    const std::string name = *v.get_string("name");
    const std::string wanted = *v.get_string("verdict");
    const std::string receipt = *v.get_string("receipt") + std::string(static_cast<std::size_t>(v.get_int("spaces").value_or(0)), ' ');
    const auto r = check_receipt(receipt, vectors().expected(v));
    EXPECT_EQ(verdict(r), wanted) << name << (r ? "" : ": " + r.error().detail);
    codes.insert(wanted);
    if (wanted != "ok") ++bad;
  }
  EXPECT_GE(bad, 60U);
  EXPECT_GE(codes.size(), 28U);
}

TEST(Receipt, TellsWhoConfirmedWhatAndWhere) {
  const Value& v = vectors().named("good: two people, with two kinds of key");
  const auto r = check_receipt(*v.get_string("receipt"), vectors().expected(v));
  ASSERT_TRUE(r) << r.error().detail;
  EXPECT_EQ(r->tool, "transfer");
  EXPECT_EQ(r->arguments, R"({"amount":250,"to":"alice"})");
  EXPECT_EQ(r->user, "maria");
  ASSERT_EQ(r->confirmed.size(), 2U);
  EXPECT_EQ(r->confirmed[0].user, "bob");
  EXPECT_EQ(r->confirmed[1].user, "dora");
  EXPECT_EQ(r->confirmed[1].kind, "webauthn");
  EXPECT_TRUE(r->confirmed[0].bound && r->confirmed[0].user_verified && r->confirmed[0].device_bound);
  EXPECT_EQ(r->confirmed[0].log, "vestibule.local/audit");
  EXPECT_EQ(r->confirmed[0].record, 3U);
  ASSERT_TRUE(r->dispatched);
  EXPECT_EQ(r->dispatched->record, 5U);
}

TEST(Receipt, ASyncedKeyAndACodeAreCalledSo) {
  const Value& synced = vectors().named("good: a synced passkey that did not verify its user");
  const auto r = check_receipt(*synced.get_string("receipt"), vectors().expected(synced));
  ASSERT_TRUE(r) << r.error().detail;
  EXPECT_FALSE(r->confirmed[0].device_bound || r->confirmed[0].user_verified);
  const Value& code = vectors().named("good: a code, where that is enough");
  const auto c = check_receipt(*code.get_string("receipt"), vectors().expected(code));
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_FALSE(c->confirmed[0].bound);
  EXPECT_EQ(c->confirmed[0].kind, "totp");
}

// Whoever cuts it, or turns one bit of it, has no receipt any more.
TEST(Receipt, NothingOfItCanBeChanged) {
  const Value& v = vectors().named("good: by a security key");
  const std::string whole = *v.get_string("receipt");
  const ReceiptExpectations expected = vectors().expected(v);
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    EXPECT_FALSE(check_receipt(std::string_view(whole).substr(0, at), expected)) << at;
    std::string turned = whole;
    turned[at] = static_cast<char>(turned[at] ^ 1);
    EXPECT_FALSE(check_receipt(turned, expected)) << at << " " << whole.substr(at, 20);
  }
}

TEST(Receipt, IsWrittenAsItIsRead) {
  const Value& v = vectors().named("good: the second of a list of three");
  const std::string text = *v.get_string("receipt");
  const Value parsed = *json::parse(text);
  Receipt r;
  r.action = *parsed.get_string("action");
  for (const Value& c : parsed.find("confirmed")->items()) {
    ConfirmedBy by{c.find("log")->dump(), {}, c.find("statement")->dump()};
    for (const Value& d : c.find("actions")->items()) {
      const auto raw = unhex(*d.as_string());
      std::ranges::copy(*raw, by.actions.emplace_back().begin());
    }
    r.confirmed.push_back(std::move(by));
  }
  r.dispatched = parsed.find("dispatched")->dump();
  EXPECT_EQ(write_receipt(r).value_or(""), text);
  r.confirmed[0].record = "{";
  EXPECT_FALSE(write_receipt(r));
}

TEST(Receipt, NotesNameTheActionTheFactorAndWhatWasSigned) {
  factors::Given given;
  given.proof.kind = domain::FactorKind::totp;
  given.proof.factor = *FactorId::from(Bytes(16, 1));
  const Digest action = crypto::sha256(as_bytes("x"));
  EXPECT_EQ(confirmation_note(action, given), "action " + hex(action) + " by totp " + given.proof.factor.text());
  given.proof.kind = domain::FactorKind::webauthn;
  given.statement.emplace();
  EXPECT_EQ(confirmation_note(action, given), "action " + hex(action) + " by webauthn " + given.proof.factor.text() +
                                                  "; statement " + hex(factors::digest_of(*given.statement)));
  EXPECT_LT(confirmation_note(action, given).size(), 512U) << "what a record holds of a note";
  EXPECT_EQ(dispatch_note(action), "action " + hex(action));
}

}  // namespace
}  // namespace vestibule::approval
