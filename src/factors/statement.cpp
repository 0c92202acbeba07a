#include "factors/statement.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "crypto/spki.hpp"
#include "factors/binding.hpp"
#include "factors/webauthn.hpp"
#include "json/writer.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kMembers = 9;
constexpr std::size_t kBindingMembers = 5;
constexpr std::int64_t kMostExact = (std::int64_t{1} << 53U) - 1;  // what every reader of JSON reads alike

Error wrong(std::string_view what) { return fail(Reason::code_wrong, std::string(what)); }

bool take(const json::Value& value, std::string_view key, std::string& out) {
  auto text = value.get_string(key);
  if (text) out = std::move(*text);
  return text.has_value();
}
bool take(const json::Value& value, std::string_view key, Bytes& out) {
  std::string text;
  auto raw = take(value, key, text) ? unbase64url(text) : std::nullopt;
  if (raw) out = std::move(*raw);
  return raw.has_value();
}

// Read back and written again: one binding has one text.
std::optional<Said> said_by(std::string_view binding) {
  const auto value = json::parse(binding, {.bytes = 4096, .depth = 1, .tokens = 16});
  if (!value || value->members().size() != kBindingMembers) return std::nullopt;
  std::string object, operation, session, user;
  const auto expires = value->get_int("expires");
  if (!expires || *expires < 0 || *expires > kMostExact || !take(*value, "object", object) || !take(*value, "operation", operation) || !take(*value, "session", session) ||
      !take(*value, "user", user)) {
    return std::nullopt;
  }
  const auto by = UserId::parse(user);
  const auto in = SessionId::parse(session);
  if (!by || !in) return std::nullopt;
  Said out;
  out.user = *by;
  out.session = *in;
  out.purpose = operation + " " + object;
  out.expires = WallTime(Duration(*expires));
  if (canonical(Binding{out.user, out.session, out.purpose, out.expires}) != binding) return std::nullopt;
  return out;
}

}  // namespace

std::string canonical(const Statement& s) {
  json::Writer w;  // the keys stand in order
  w.begin_object().member("algorithm", s.algorithm).member("authenticator_data", base64url(s.authenticator_data));
  w.member("binding", s.binding).member("client_data", base64url(s.client_data)).member("credential", base64url(s.credential));
  w.member("nonce", base64url(s.nonce)).member("public_key", base64url(s.public_key));
  w.member("relying_party", s.relying_party).member("signature", base64url(s.signature)).end_object();
  return w.take();
}

Digest digest_of(const Statement& statement) { return crypto::sha256(as_bytes(canonical(statement))); }

std::optional<Statement> statement_from(const json::Value& value) {
  Statement s;
  const auto algorithm = value.get_int("algorithm");
  const bool whole = value.members().size() == kMembers && algorithm && take(value, "authenticator_data", s.authenticator_data) &&
                     take(value, "binding", s.binding) && take(value, "client_data", s.client_data) &&
                     take(value, "credential", s.credential) && take(value, "nonce", s.nonce) &&
                     take(value, "public_key", s.public_key) && take(value, "relying_party", s.relying_party) &&
                     take(value, "signature", s.signature);
  if (!whole) return std::nullopt;
  s.algorithm = *algorithm;
  return s;
}

Result<Said> check(const Statement& s) {
  auto out = said_by(s.binding);
  if (!out) return wrong("binding");
  const auto client = parse_client_data(s.client_data);
  if (!client) return wrong(name(Flaw::client_data));
  if (client->type != "webauthn.get") return wrong(name(Flaw::type));
  if (!std::ranges::equal(client->challenge, webauthn_challenge(s.nonce, crypto::sha256(as_bytes(s.binding))))) {
    return wrong(name(Flaw::challenge));
  }
  if (!is_origin_of(client->origin, s.relying_party)) return wrong(name(Flaw::origin));
  if (client->cross_origin || client->has_top_origin) return wrong(name(Flaw::cross_origin));
  const auto data = parse_authenticator_data(s.authenticator_data);
  if (!data || data->attested) return wrong(name(Flaw::authenticator_data));
  if (!std::ranges::equal(data->rp_id_hash, crypto::sha256(as_bytes(s.relying_party)))) return wrong(name(Flaw::rp_id));
  if (!data->user_present) return wrong(name(Flaw::user_presence));
  if (data->backed_up && !data->backup_eligible) return wrong(name(Flaw::backup_state));
  Bytes message = s.authenticator_data;
  const Digest hash = crypto::sha256(s.client_data);
  message.insert(message.end(), hash.begin(), hash.end());
  if (!crypto::verify_spki(s.algorithm, s.public_key, message, s.signature)) return wrong(name(Flaw::signature));
  out->origin = client->origin;
  out->user_verified = data->user_verified;
  out->backup_eligible = data->backup_eligible;
  return std::move(*out);
}

}  // namespace vestibule::factors
