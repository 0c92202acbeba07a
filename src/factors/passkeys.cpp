// Signing in by a passkey alone. Strangers come here, so: a question keeps no row, a wrong answer writes
// none, nothing is charged to anybody, and every refusal reads the same.
#include "factors/passkeys.hpp"

#include "factors/binding.hpp"
#include "factors/webauthn_kind.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kExpiryBytes = 8;
constexpr std::size_t kNonceBytes = 32;
constexpr std::size_t kBodyBytes = kExpiryBytes + kNonceBytes;
constexpr std::string_view kPurpose = "sign_in.passkey";

Digest challenge_of(ByteView nonce, WallTime expires) {
  return webauthn_challenge(nonce, digest(Binding{UserId{}, SessionId{}, kPurpose, expires}));
}

Error refused(Flaw flaw) { return fail(Reason::signin_failed, std::string(name(flaw))); }

// Every wrong answer reads alike; what is our own fault does not.
Error uniform(Error error) {
  if (error.code == Reason::code_wrong) error.code = Reason::signin_failed;
  return error;
}

}  // namespace

Factors::PasskeyQuestion Factors::ask_passkey() {
  PasskeyQuestion out;
  out.expires = clock_.wall() + options_.challenge_ttl;
  Bytes body;
  const auto stamp = static_cast<std::uint64_t>(out.expires.time_since_epoch().count());
  for (int shift = 56; shift >= 0; shift -= 8) body.push_back(static_cast<std::uint8_t>(stamp >> shift));
  const auto nonce = rng_.take<kNonceBytes>();
  body.insert(body.end(), nonce.begin(), nonce.end());
  const Digest mac = passkey_key_.mac(body);
  body.insert(body.end(), mac.begin(), mac.end());
  out.challenge = base64url(body);
  out.options = webauthn_->ask_anybody(challenge_of(nonce, out.expires));
  return out;
}

std::optional<Factors::OpenPasskey> Factors::open_passkey(std::string_view text) const {
  if (text.size() > 4 * kBodyBytes) return std::nullopt;
  const auto raw = unbase64url(text);
  if (!raw || raw->size() != kBodyBytes + std::tuple_size_v<Digest>) return std::nullopt;
  const ByteView body = ByteView(*raw).first(kBodyBytes);
  if (!passkey_key_.verify(body, ByteView(*raw).subspan(kBodyBytes))) return std::nullopt;
  OpenPasskey out;
  std::uint64_t stamp = 0;
  for (const std::uint8_t b : body.first(kExpiryBytes)) stamp = stamp << 8U | b;
  out.expires = WallTime(Duration(static_cast<std::int64_t>(stamp)));
  out.nonce.assign(body.begin() + kExpiryBytes, body.end());
  out.challenge = challenge_of(out.nonce, out.expires);
  return out;
}

net::Task<Result<void>> Factors::look_at_passkey(std::string challenge, std::string answer) {
  if (!clock_.trusted()) co_return fail(Reason::clock_untrusted);
  const auto open = open_passkey(challenge);
  if (!open || !open->is_open(clock_.wall())) co_return refused(Flaw::challenge);
  auto response = parse_authentication(answer);
  if (!response) co_return refused(Flaw::response);
  const std::optional<Seats::Seat> seat = passkey_looks_.take();
  if (!seat) co_return fail(Reason::overloaded, "too many sign-ins by passkey at once");
  auto job = [this, signed_over = open->challenge, r = std::move(*response)](store::Tx& tx) -> Result<void> {
    auto owner = WebAuthnKind::owner_of(tx, r.id);
    if (!owner) return std::move(owner).error();
    if (!*owner) {
      webauthn_->party().spend_like_verifying(r, signed_over);
      return refused(Flaw::credential);
    }
    auto looked = webauthn_->look(tx, **owner, r, signed_over, UserVerification::required, WebAuthnKind::Handle::required);
    // A copied key is the job's to deal with.
    if (!looked && looked.error().code != Reason::factor_cloned) return uniform(std::move(looked).error());
    return {};
  };
  auto looked = co_await database_.read(std::move(job));
  co_return looked;
}

Result<Factors::PasskeyProof> Factors::prove_passkey_in(store::Tx& tx, std::string_view challenge, std::string_view answer,
                                                        Actor by, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  const auto open = open_passkey(challenge);
  if (!open || !open->is_open(now.wall)) return refused(Flaw::challenge);
  const auto response = parse_authentication(answer);
  if (!response) return refused(Flaw::response);
  auto owner = WebAuthnKind::owner_of(tx, response->id);
  if (!owner) return std::move(owner).error();
  if (!*owner) return refused(Flaw::credential);
  bool closed = false;
  auto restored = tx.one("SELECT 1 FROM passkey_used WHERE nonce = $1 AND expires >= $2",
                         {as_bytes(kPasskeysRestored), open->expires}, [&](const store::Row&) { closed = true; });
  if (!restored) return std::move(restored).error();
  if (closed) return refused(Flaw::challenge);
  bool works = false;
  // Not locked_until: that is for those who know the password and miss, and must not keep the owner out.
  auto standing = tx.one("SELECT 1 FROM factor WHERE id = $1 AND disabled = 0",
                         {(*owner)->factor}, [&](const store::Row&) { works = true; });
  if (!standing) return std::move(standing).error();
  if (!works) return refused(Flaw::credential);
  by.user = (*owner)->user;
  users_.read(by.user, [&](const identity::User& u) { by.name = u.name; });
  const std::string note = "for " + std::string(kPurpose);
  auto looked = webauthn_->look(tx, **owner, *response, open->challenge, UserVerification::required, WebAuthnKind::Handle::required);
  if (!looked && looked.error().code != Reason::factor_cloned) return uniform(std::move(looked).error());
  // Single use: the one statement that decides. A copied key uses its question up too.
  auto used = tx.run("INSERT INTO passkey_used (nonce, expires) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING",
                     {open->nonce, open->expires});
  if (!used) return std::move(used).error();
  if (*used != 1) return refused(Flaw::challenge);
  if (!looked) {
    record(tx, audit::Kind::sign_in, "factor.prove", Reason::factor_cloned, by, (*owner)->factor.text(), note, now);
    auto handled = cloned_in(tx, (*owner)->factor, by, now);
    if (!handled) return std::move(handled).error();
    return std::move(looked).error();
  }
  auto proved = WebAuthnKind::accept(tx, (*owner)->factor, *looked, now);
  if (!proved) return std::move(proved).error();
  PasskeyProof out{(*owner)->user, {FactorKind::webauthn, proved->traits, (*owner)->factor, now.wall, now.boot}};
  by.evidence.add(out.proof);
  record(tx, audit::Kind::sign_in, "factor.prove", Reason::ok, by, (*owner)->factor.text(),
         proved->note.empty() ? note : note + "; " + proved->note, now);
  auto told = tell(tx, by, Event::proved, now);
  if (!told) return std::move(told).error();
  return out;
}

}  // namespace vestibule::factors
