// Ceremonies made by an independent implementation (vectors/generate.py), right ones and ones with one
// thing wrong: each of those is refused for its own reason.
#include "factors/webauthn.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "factors/binding.hpp"
#include "factors/cbor.hpp"
#include "json/canonical.hpp"
#include "json/value.hpp"

namespace vestibule::factors {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Vectors {
 public:
  Vectors() {
    auto parsed = json::parse(read_file("src/factors/tests/vectors/webauthn.json"));
    EXPECT_TRUE(parsed);
    if (parsed) root_ = std::move(*parsed);
    challenge = unbase64url(text("challenge")).value();
    now = WallTime(std::chrono::seconds(root_.get_int("now").value_or(0)));
    WebAuthnOptions o;
    o.origins = {"http://localhost:8422", "https://portal.localhost"};
    o.anchors = text("anchors");
    add("any", o);
    o.verification = UserVerification::required;
    add("uv", o);
    o.attestation = AttestationPolicy::hardware;
    add("hardware", o);
    o.attestation = AttestationPolicy::listed;
    Aaguid listed{};
    std::ranges::copy(unhex(text("aaguid")).value(), listed.begin());
    o.aaguids = {listed};
    add("listed", o);
  }
  [[nodiscard]] std::span<const json::Value> cases() const { return root_.find("cases")->items(); }
  [[nodiscard]] const RelyingParty& party(const json::Value& c) const {
    return *parties_.at(c.get_string("party").value_or("any"));
  }

  Bytes challenge;
  WallTime now;

 private:
  [[nodiscard]] std::string text(std::string_view key) const { return root_.get_string(key).value_or(""); }
  void add(const std::string& name, const WebAuthnOptions& o) {
    auto made = RelyingParty::make(o);
    ASSERT_TRUE(made) << made.error().detail;
    parties_[name] = std::move(*made);
  }
  json::Value root_;
  std::map<std::string, std::unique_ptr<RelyingParty>> parties_;
};

const Vectors& vectors() {
  static const Vectors v;
  return v;
}

// The flaw's name, or "ok".
template <class T>
std::string verdict(const Result<T>& r) {
  return r ? "ok" : r.error().detail;
}

TEST(WebAuthnVectors, EachCeremonyIsJudgedForItsOwnReason) {
  std::map<std::string, Credential> registered;
  std::map<std::string, int> refused;
  int right = 0;
  for (const json::Value& c : vectors().cases()) {
    const std::string title = *c.get_string("name");
    const std::string expected = *c.get_string("expect");
    const std::string response = *c.get_string("response");
    SCOPED_TRACE(title);
    expected == "ok" ? ++right : ++refused[expected];
    if (*c.get_string("ceremony") == "registration") {
      const auto parsed = parse_registration(response);
      if (!parsed) {
        EXPECT_EQ("response", expected);
        continue;
      }
      auto r = vectors().party(c).verify_registration(*parsed, vectors().challenge, vectors().now);
      EXPECT_EQ(verdict(r), expected);
      if (!r) {
        const bool by_policy = expected == "trust" || expected == "aaguid" || expected == "synced_key" || expected == "attestation_format";
        EXPECT_EQ(r.error().code, by_policy ? Reason::authenticator_refused : Reason::code_wrong);
        continue;
      }
      const Credential& k = r->credential;
      if (c.find("trust") != nullptr) {
        EXPECT_EQ(static_cast<int>(k.trust), *c.get_int("trust"));
      }
      if (c.find("algorithm") != nullptr) {
        EXPECT_EQ(static_cast<std::int64_t>(k.algorithm), *c.get_int("algorithm"));
      }
      if (c.find("count") != nullptr) {
        EXPECT_EQ(k.sign_count, *c.get_int("count"));
      }
      if (c.find("uv") != nullptr) {
        EXPECT_EQ(r->user_verified, *c.get_bool("uv"));
      }
      if (c.find("transports") != nullptr) {
        EXPECT_EQ(k.transports, *c.get_string("transports"));
      }
      EXPECT_EQ(k.backup_eligible, c.find("synced") != nullptr || title == "tampered synced");
      registered[title] = k;
    } else {
      const auto parsed = parse_authentication(response);
      if (!parsed) {
        EXPECT_EQ("response", expected);
        continue;
      }
      const auto key = registered.find(*c.get_string("of"));
      ASSERT_NE(key, registered.end());
      const RelyingParty& party = vectors().party(c);
      auto r = party.verify_assertion(*parsed, key->second, vectors().challenge, party.options().verification);
      EXPECT_EQ(verdict(r), expected);
      if (!r) continue;
      EXPECT_EQ(r->counter_stuck, c.get_bool("stuck").value_or(false));
      if (c.find("uv") != nullptr) {
        EXPECT_EQ(r->user_verified, *c.get_bool("uv"));
      }
      if (c.find("count") != nullptr) {
        EXPECT_EQ(r->sign_count, *c.get_int("count"));
      }
    }
  }
  EXPECT_GE(right, 38);
  EXPECT_GE(refused.size(), 20U) << "kinds of flaws";
  int all = 0;
  for (const auto& [flaw, n] : refused) all += n;
  EXPECT_GE(all, 120);
}

TEST(WebAuthnVectors, NothingThatIsSignedMayChangeByABit) {
  // The first good key of each algorithm: every bit of authenticator data and client data counts.
  std::map<std::string, Credential> registered;
  int walked = 0;
  for (const json::Value& c : vectors().cases()) {
    const std::string title = *c.get_string("name");
    if (title == "ES256 self" || title == "EdDSA self") {
      const auto r = parse_registration(*c.get_string("response"));
      registered[title] = vectors().party(c).verify_registration(*r, vectors().challenge, vectors().now)->credential;
    }
    if (title != "ES256 self: used" && title != "EdDSA self: used") continue;
    const auto good = parse_authentication(*c.get_string("response"));
    const Credential& key = registered.at(*c.get_string("of"));
    const RelyingParty& party = vectors().party(c);
    const auto verify = [&](const AuthenticationResponse& r) {
      return party.verify_assertion(r, key, vectors().challenge, UserVerification::preferred).has_value();
    };
    ASSERT_TRUE(verify(*good));
    for (auto member : {&AuthenticationResponse::client_data, &AuthenticationResponse::authenticator_data}) {
      for (std::size_t i = 0; i < ((*good).*member).size() * 8; ++i) {
        AuthenticationResponse changed = *good;
        (changed.*member)[i / 8] ^= static_cast<std::uint8_t>(1U << (i % 8));
        EXPECT_FALSE(verify(changed)) << title << " bit " << i;
        ++walked;
      }
    }
  }
  EXPECT_GT(walked, 2000);
}

TEST(WebAuthn, TheChallengeIsWhatTheDesignSays) {
  // SHA-256("vestibule/webauthn/v1" || nonce || SHA-256(canonical binding)), computed by hashlib.
  Binding b;
  b.user = *UserId::from(Bytes(16, 1));
  b.session = *SessionId::from(Bytes(16, 2));
  b.purpose = "users.create bob \"x\" member";
  b.expires = WallTime(std::chrono::microseconds(1'800'000'000'000'001));
  const std::string text = canonical(b);
  EXPECT_EQ(text, R"({"expires":1800000000000001,"object":"bob \"x\" member","operation":"users.create",)"
                  R"("session":"ses_aibaeaqcaibaeaqcaibaeaqcai","user":"usr_aeaqcaibaeaqcaibaeaqcaibae"})");
  EXPECT_EQ(json::canonicalize(text).value_or(""), text) << "RFC 8785";
  EXPECT_EQ(hex(webauthn_challenge(Bytes(32, 3), digest(b))), "cfef921c51d4d983c967b47224b736ae6ee5bcd25486d3701b35e3d33e3506f9");
  Binding other = b;
  other.purpose = "users.create bob";
  EXPECT_NE(digest(other), digest(b));
  other = b;
  other.session = SessionId{};
  EXPECT_NE(digest(other), digest(b));
  other = b;
  other.expires += std::chrono::microseconds(1);
  EXPECT_NE(digest(other), digest(b));
}

TEST(WebAuthn, ConfigurationsThatMeanNothingAreRefused) {
  struct Row {
    const char* name;
    std::string rp_id;
    std::vector<std::string> origins;
    bool good;
  };
  const Row rows[] = {
      {"localhost", "localhost", {"http://localhost:8422"}, true},
      {"a name below", "example.org", {"https://portal.example.org", "https://example.org:8443"}, true},
      {"plain HTTP elsewhere", "example.org", {"http://portal.example.org"}, false},
      {"another domain", "example.org", {"https://portal.example.com"}, false},
      {"a suffix that is no label", "example.org", {"https://evilexample.org"}, false},
      {"a path", "localhost", {"http://localhost:8422/"}, false},
      {"capitals", "localhost", {"http://LOCALHOST"}, false},
      {"the default port", "localhost", {"http://localhost:80"}, false},
      {"no scheme", "localhost", {"localhost"}, false},
      {"a user", "localhost", {"http://me@localhost"}, false},
      {"none", "localhost", {}, false},
  };
  for (const Row& row : rows) {
    WebAuthnOptions o;
    o.rp_id = row.rp_id;
    o.origins = row.origins;
    EXPECT_EQ(RelyingParty::make(o).has_value(), row.good) << row.name;
  }
  WebAuthnOptions o;
  o.attestation = AttestationPolicy::listed;
  EXPECT_FALSE(RelyingParty::make(o)) << "listed, but no list and no anchors";
  o.attestation = AttestationPolicy::any;
  o.anchors = "no certificate";
  EXPECT_FALSE(RelyingParty::make(o));
  o.anchors = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(RelyingParty::make(o));
}

TEST(WebAuthn, OptionsAreWhatBrowsersTake) {
  CreationOptions o;
  o.rp_id = "localhost";
  o.rp_name = "Vestibule";
  const Bytes user(16, 1);
  const Bytes challenge(32, 2);
  o.user_handle = user;
  o.user_name = "alice";
  o.challenge = challenge;
  o.exclude = {{Bytes{1, 2, 3}, "usb,nfc"}};
  o.timeout_ms = 300000;
  EXPECT_EQ(write(o),
            R"({"rp":{"id":"localhost","name":"Vestibule"},"user":{"id":"AQEBAQEBAQEBAQEBAQEBAQ","name":"alice","displayName":"alice"},)"
            R"("challenge":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","pubKeyCredParams":[{"type":"public-key","alg":-8},)"
            R"({"type":"public-key","alg":-7},{"type":"public-key","alg":-35},{"type":"public-key","alg":-257}],"timeout":300000,)"
            R"("excludeCredentials":[{"type":"public-key","id":"AQID","transports":["usb","nfc"]}],"authenticatorSelection":)"
            R"({"residentKey":"preferred","requireResidentKey":false,"userVerification":"preferred"},"attestation":"none",)"
            R"("extensions":{"credProps":true}})");
  RequestOptions r;
  r.rp_id = "localhost";
  r.challenge = challenge;
  r.verification = UserVerification::required;
  r.timeout_ms = 1;
  EXPECT_EQ(write(r), R"({"challenge":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","timeout":1,"rpId":"localhost",)"
                      R"("allowCredentials":[],"userVerification":"required"})");
}

TEST(Cbor, TakesTheShortestFormOnlyAndNothingBeyondItsInput) {
  struct Row {
    const char* name;
    const char* bytes;
    bool good;
  };
  const Row rows[] = {{"zero", "00", true},
                      {"23", "17", true},
                      {"24", "1818", true},
                      {"23 in two bytes", "1817", false},
                      {"255 in three bytes", "1900ff", false},
                      {"65535 in five bytes", "1a0000ffff", false},
                      {"2^32 - 1 in nine bytes", "1b00000000ffffffff", false},
                      {"2^32", "1b0000000100000000", true},
                      {"a number cut short", "19ff", false},
                      {"text beyond the end", "6261", false},
                      {"a length near 2^64", "5bffffffffffffffff", false},
                      {"text that is not UTF-8", "61ff", false},
                      {"an array longer than its input", "9a7fffffff", false},
                      {"a map whose count overflows", "bbffffffffffffffff", false},
                      {"indefinite bytes", "5f4101ff", false},
                      {"a tag", "c000", false},
                      {"a float", "f93c00", false},
                      {"undefined", "f7", false},
                      {"null", "f6", true},
                      {"true", "f5", true},
                      {"a map", "a2016161026162", true},
                      {"a key twice", "a2016161016162", false},
                      {"a key twice in an inner map", "a101a2010001f5", false},
                      {"eight deep", "818181818181818100", true},
                      {"nine deep", "81818181818181818100", false},
                      {"nothing", "", false}};
  for (const Row& row : rows) {
    const Bytes raw = unhex(row.bytes).value();
    CborReader reader(raw);
    const auto whole = reader.whole();
    EXPECT_EQ(whole.has_value() && reader.at_end(), row.good) << row.name;
  }
  const Bytes kept = unhex("3903e7").value();
  CborReader reader(kept);
  EXPECT_EQ(reader.next()->integer(), -1000);
}

TEST(Aaguid, HasOneSpelling) {
  const auto a = parse_aaguid("ee882879-721c-4913-9775-3dfcce97072a");
  ASSERT_TRUE(a);
  EXPECT_EQ(text(*a), "ee882879-721c-4913-9775-3dfcce97072a");
  EXPECT_EQ(parse_aaguid("EE882879-721C-4913-9775-3DFCCE97072A"), a);
  for (const char* bad : {"", "ee882879721c491397753dfcce97072a", "ee882879-721c-4913-9775-3dfcce97072", "ee882879-721c-4913-9775-3dfcce97072g",
                          "ee88287-9721c-4913-9775-3dfcce97072a", "{e882879-721c-4913-9775-3dfcce97072}"}) {
    EXPECT_FALSE(parse_aaguid(bad)) << bad;
  }
}

}  // namespace
}  // namespace vestibule::factors
