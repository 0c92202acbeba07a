#include "factors/webauthn_kind.hpp"

#include <algorithm>

#include "crypto/spki.hpp"
#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kNonceBytes = 32;

Error wrong(Flaw flaw) { return fail(Reason::code_wrong, std::string(name(flaw))); }

Bytes bytes_of(ByteView view) { return {view.begin(), view.end()}; }

std::int64_t milliseconds(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

domain::Traits traits_of(bool user_verified, bool backup_eligible) {
  domain::Traits t = domain::traits_of(FactorKind::webauthn);
  t.user_verified = user_verified;
  t.device_bound = !backup_eligible;  // a synced key lives on other devices too
  return t;
}

}  // namespace

KindInfo WebAuthnKind::describe() const noexcept {
  return {FactorKind::webauthn, domain::traits_of(FactorKind::webauthn), true, true, true};
}

Result<std::vector<CredentialName>> WebAuthnKind::names_of(store::Tx& tx, UserId user) {
  std::vector<CredentialName> out;
  auto rows = tx.query(
      "SELECT credential, transports FROM webauthn_credential JOIN factor ON factor.id = webauthn_credential.factor "
      "WHERE factor.account = $1 AND factor.confirmed = 1 AND factor.disabled = 0 ORDER BY factor.created",
      {user}, [&](const store::Row& row) {
        out.push_back({bytes_of(row.blob(0)), std::string(row.text(1))});
        return true;
      });
  if (!rows) return std::move(rows).error();
  return out;
}

// --- registration

Result<EnrolmentOffer> WebAuthnKind::enrol(store::Tx& tx, const EnrolmentRequest& request) {
  auto present = names_of(tx, request.user);
  if (!present) return std::move(present).error();
  const auto nonce = rng_.take<kNonceBytes>();
  const Digest challenge = webauthn_challenge(nonce, request.binding);
  CreationOptions o;
  o.rp_id = party_->options().rp_id;
  o.rp_name = issuer_;
  o.user_handle = request.user.bytes;
  o.user_name = request.account;
  o.challenge = challenge;
  o.exclude = std::move(*present);
  o.resident = request.wish.resident;
  o.verification = party_->options().verification;
  o.direct_attestation = party_->wants_attestation();
  o.timeout_ms = milliseconds(timeout_);
  EnrolmentOffer offer;
  offer.sealed = keys_.seal(nonce, factor_place(request.id));
  offer.options = write(o);
  return offer;
}

Result<Proved> WebAuthnKind::prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding,
                                   std::string_view answer, Instant now) {
  const auto response = parse_registration(answer);
  if (!response) return wrong(Flaw::response);
  Result<Secret> nonce = keys_.open(enrolment.sealed, factor_place(enrolment.id));
  if (!nonce) return std::move(nonce).error();
  auto registered = party_->verify_registration(*response, webauthn_challenge(nonce->reveal(), binding), now.wall);
  if (!registered) return std::move(registered).error();
  const Credential& c = registered->credential;
  // The one statement that decides whether the id is unused, by whomever (section 7.1, step 26).
  auto put = tx.run(
      "INSERT INTO webauthn_credential (factor, credential, algorithm, public_key, sign_count, aaguid, "
      "backup_eligible, backed_up, transports, format, trust) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
      {enrolment.id, c.id, c.algorithm, c.public_key, c.sign_count, ByteView(c.aaguid), c.backup_eligible ? 1 : 0,
       c.backed_up ? 1 : 0, c.transports, c.format, c.trust});
  if (!put) return std::move(put).error();
  if (*put != 1) return fail(Reason::authenticator_known, std::string(name(Flaw::credential_id)));
  Proved out;
  out.traits = traits_of(registered->user_verified, c.backup_eligible);
  if (c.trust == AttestationTrust::none) {
    // Nothing was signed: the key counts from its first use on. What the session itself shows, somebody
    // with a device in the hand, is possession.
    out.traits = {};
    out.traits.possession = true;
  }
  out.note = c.format + (c.trust == AttestationTrust::anchored ? ", attested" : "") +
             (c.backup_eligible ? ", synced" : ", device-bound") + ", " + text(c.aaguid);
  return out;
}

// --- authentication

Result<Question> WebAuthnKind::begin(store::Tx& tx, const Ask& ask, Instant) {
  auto names = names_of(tx, ask.user);
  if (!names) return std::move(names).error();
  if (names->empty()) return fail(Reason::factor_missing);
  const auto nonce = rng_.take<kNonceBytes>();
  const Digest challenge = webauthn_challenge(nonce, ask.binding);
  RequestOptions o;
  o.rp_id = party_->options().rp_id;
  o.challenge = challenge;
  o.allow = std::move(*names);
  o.verification = party_->options().verification;
  o.timeout_ms = milliseconds(timeout_);
  return Question{Bytes(nonce.begin(), nonce.end()), write(o)};
}

std::string WebAuthnKind::ask_anybody(ByteView challenge) const {
  RequestOptions o;
  o.rp_id = party_->options().rp_id;
  o.challenge = challenge;
  o.verification = UserVerification::required;
  o.timeout_ms = milliseconds(timeout_);
  return write(o);
}

Result<std::optional<WebAuthnKind::Owner>> WebAuthnKind::owner_of(store::Tx& tx, ByteView credential) {
  std::optional<Owner> out;
  auto found = tx.one(
      "SELECT factor.id, factor.account FROM webauthn_credential JOIN factor ON factor.id = webauthn_credential.factor "
      "WHERE webauthn_credential.credential = $1 AND factor.confirmed = 1",
      {credential}, [&](const store::Row& row) { out = Owner{row.id<FactorId>(0), row.id<UserId>(1)}; });
  if (!found) return std::move(found).error();
  return out;
}

Result<WebAuthnKind::Verified> WebAuthnKind::look(store::Tx& tx, const Owner& owner, const AuthenticationResponse& response,
                                                  ByteView challenge, UserVerification verification, Handle handle) const {
  Verified out;
  Credential& c = out.credential;
  auto found = tx.one(
      "SELECT credential, algorithm, public_key, sign_count, backup_eligible, backed_up FROM webauthn_credential "
      "WHERE factor = $1",
      {owner.factor}, [&](const store::Row& row) {
        c.id = bytes_of(row.blob(0));
        c.algorithm = static_cast<CoseAlg>(row.integer(1));
        c.public_key = bytes_of(row.blob(2));
        c.sign_count = static_cast<std::uint32_t>(row.integer(3));
        c.backup_eligible = row.integer(4) != 0;
        c.backed_up = row.integer(5) != 0;
      });
  if (!found) return std::move(found).error();
  if (!*found || c.id != response.id) return wrong(Flaw::credential);
  auto asserted = party_->verify_assertion(response, c, challenge, verification);
  if (!asserted) return std::move(asserted).error();
  // After the signature, so that a known credential costs what an unknown one costs.
  const bool names_user = response.user_handle.has_value();
  if ((names_user && !std::ranges::equal(*response.user_handle, owner.user.bytes)) ||
      (!names_user && handle == Handle::required)) {
    return wrong(Flaw::user_handle);
  }
  out.asserted = *asserted;
  if (out.asserted.counter_stuck) {
    if (party_->options().sign_count != SignCountPolicy::allow) {
      return fail(Reason::factor_cloned, std::string(name(Flaw::sign_count)));
    }
    out.stuck = true;
  }
  return out;
}

Result<Proved> WebAuthnKind::accept(store::Tx& tx, FactorId factor, const Verified& v, Instant now) {
  auto noted = tx.run("UPDATE webauthn_credential SET sign_count = $2, backed_up = $3 WHERE factor = $1",
                      {factor, std::max(v.asserted.sign_count, v.credential.sign_count), v.asserted.backed_up ? 1 : 0});
  if (!noted) return std::move(noted).error();
  auto used = tx.run("UPDATE factor SET last_used = $2 WHERE id = $1", {factor, now.wall});
  if (!used) return std::move(used).error();
  Proved out{traits_of(v.asserted.user_verified, v.credential.backup_eligible), {}};
  const auto add = [&out](std::string_view words) { out.note.append(out.note.empty() ? "" : "; ").append(words); };
  if (v.stuck) add("the sign counter did not grow");
  if (v.asserted.backed_up != v.credential.backed_up) {
    add(v.asserted.backed_up ? "the key is backed up now" : "the key is no longer backed up");
  }
  return out;
}

Result<Proved> WebAuthnKind::verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                                    Instant now) {
  const auto response = parse_authentication(answer);
  if (!response) return wrong(Flaw::response);
  const Digest challenge = webauthn_challenge(asked.payload, asked.binding);
  auto verified = look(tx, {factor.id, factor.user}, *response, challenge, party_->options().verification, Handle::optional);
  if (!verified) return std::move(verified).error();
  auto accepted = accept(tx, factor.id, *verified, now);
  if (accepted) accepted->statement = statement_of(asked, *response, verified->credential);
  return accepted;
}

std::optional<Statement> WebAuthnKind::statement_of(const Asked& asked, const AuthenticationResponse& response,
                                                    const Credential& credential) const {
  const auto algorithm = static_cast<std::int64_t>(credential.algorithm);
  auto key = crypto::spki_of(algorithm, credential.public_key);
  if (!key) return std::nullopt;  // a key that nobody else could read: it counts as a proof, and binds nothing
  Statement s;
  s.binding = asked.given_for;
  s.nonce = bytes_of(asked.payload);
  s.relying_party = party_->options().rp_id;
  s.credential = credential.id;
  s.algorithm = algorithm;
  s.public_key = std::move(*key);
  s.client_data = response.client_data;
  s.authenticator_data = response.authenticator_data;
  s.signature = response.signature;
  return s;
}

}  // namespace vestibule::factors
