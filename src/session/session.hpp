#pragma once
// What is known of a session and handed on: values without a life of their own.

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "domain/evidence.hpp"
#include "domain/inline_text.hpp"
#include "factors/attempt.hpp"
#include "identity/actor.hpp"
#include "session/source_key.hpp"

namespace vestibule::session {

using factors::FactorKind;
using identity::Actor;

/// Which door a handle opens. Never both.
enum class Audience : std::uint8_t {
  control = 1,  ///< vs_: portal and CLI
  access = 2,   ///< vt_ and vk_: access points
};

/// Names a handle without being one.
using HandleKey = Digest;
struct HandleHash {
  std::size_t operator()(const HandleKey& key) const noexcept {
    std::size_t h = 0;
    std::memcpy(&h, key.data(), sizeof h);
    return h;
  }
};

struct Flags {
  bool enrol_grant : 1 = false;        ///< may enrol the first second factor
  bool factor_management : 1 = false;  ///< a recovery code was used, Options::granted ago at most: may enrol one new factor
  bool pending : 1 = false;            ///< no second factor proved yet in this session
  bool key : 1 = false;                ///< an API key: no session, and evidence by unlocks alone
  bool scoped : 1 = false;             ///< the credential has limits of its own: Sessions::permits()
};

/// Where and for what a credential is shown. The view lives as long as the request.
struct Presented {
  domain::Source source{};
  SourceKey key{};                  ///< of the source, or of the key that the request was proved to be signed with
  std::string_view access_point{};  ///< empty: none
  [[nodiscard]] static Presented at(const domain::Source& source, std::string_view access_point) noexcept {
    return {source, SourceKey::of(source), access_point};
  }
};

/// Who alone may show a token: whoever proves with each request that he has this (RFC 7800, `cnf`).
struct Holder {
  enum class Kind : std::uint8_t {
    key,          ///< RFC 9449: the key that signs DPoP proofs, by its RFC 7638 thumbprint
    certificate,  ///< RFC 8705 section 3: the client's certificate, by SHA-256 of its DER
  };
  Kind kind = Kind::key;
  Digest digest{};
  bool operator==(const Holder&) const = default;
};

/// What a token (OAuth) is bound to besides its account. A plain copy.
struct Bound {
  domain::InlineText<32> access_point;  ///< the only one that it opens; empty: any
  std::optional<Holder> holder;
};

/// A copy of what a decision needs. No heap memory with at most 8 roles and 8 groups.
struct Identified {
  domain::Subject subject;
  domain::Evidence evidence;
  WallTime session_ends{};
  HandleKey handle{};
  HandleKey credential{};  ///< what unlocks and mandates are for: the handle, or the key that a token was got with
  Flags flags;
  Bound bound;
};

/// Whom the caller is to the audit log.
[[nodiscard]] Actor actor_of(const Identified& who, const domain::Source& source, std::string_view client,
                             RequestId request);

/// What proves a factor for one act. A bare code is TOTP's.
struct Answer {
  Answer(Secret code) : text(std::move(code)) {}
  Answer(FactorKind k, Secret t, factors::ChallengeId c) : kind(k), text(std::move(t)), challenge(c) {}
  FactorKind kind = FactorKind::totp;
  Secret text;
  factors::ChallengeId challenge{};      ///< for kinds that answer questions
  std::optional<factors::Consulted> consulted{};
};

struct SignedIn {
  SessionId session{};
  UserId user{};
  Secret handle;                         ///< vs_...
  WallTime ends{};                       ///< of the session as it stands
  std::vector<FactorKind> second;        ///< strong kinds enrolled; empty: none
  std::optional<FactorKind> preferred;   ///< what the user finished his last sign-in with, or asked for
  bool pending = true;                   ///< a second factor is still to be proved
};

struct IssuedToken {
  Secret handle;                         ///< vt_...
  WallTime ends{};
};

/// A session of its own for what a client was allowed by a person (OAuth: a token family). It opens access
/// points alone.
struct FamilyWish {
  SessionId parent{};        ///< the session whose owner consented
  UserId user{};
  std::string client;        ///< what it is called
  std::string access_point;  ///< the only one that it opens
  std::optional<Digest> key;
};

struct SessionInfo {
  SessionId id{};
  UserId user{};
  WallTime created{}, last_seen{}, ends{};
  std::string source, client;
  domain::Evidence evidence;
  Flags flags;
  int tokens = 0;
  std::vector<std::string> agents;       ///< programs that it was handed on to
};

}  // namespace vestibule::session
