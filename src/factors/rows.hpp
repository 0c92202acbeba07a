#pragma once
// Rows of table `factor` as several files read them. Private to the room.

#include <optional>
#include <string>

#include "crypto/hash.hpp"
#include "factors/attempt.hpp"

namespace vestibule::factors {

inline Enrolled enrolled_from(const store::Row& row) {
  Enrolled e;
  e.id = row.id<FactorId>(0);
  e.user = row.id<UserId>(1);
  e.parameters = row.integer(2);
  e.last_step = row.integer(3);
  e.drift = row.integer(4);
  const ByteView sealed = row.null(5) ? ByteView{} : row.blob(5);
  e.sealed.assign(sealed.begin(), sealed.end());
  return e;
}

/// The question that an attempt answers, taken out of the store: by its session, for its act, once.
struct OpenQuestion {
  Bytes payload;
  WallTime expires{};
};
inline Result<std::optional<OpenQuestion>> take_question_in(store::Tx& tx, const Attempt& a, Instant now) {
  OpenQuestion q;
  auto taken = tx.one(
      "DELETE FROM factor_challenge WHERE id = $1 AND account = $2 AND session = $3 AND kind = $4 AND purpose = $5 "
      "AND expires >= $6 RETURNING payload, expires",
      {a.challenge, a.by.user, a.by.session, a.kind, crypto::sha256(as_bytes(a.purpose)), now.wall},
      [&](const store::Row& row) {
        const ByteView kept = row.blob(0);
        q.payload.assign(kept.begin(), kept.end());
        q.expires = row.time(1);
      });
  if (!taken) return std::move(taken).error();
  if (!*taken) return std::optional<OpenQuestion>{};
  return std::optional<OpenQuestion>(std::move(q));
}

// A factor as its owner knows it.
inline std::string described(FactorKind kind, std::string_view label) {
  std::string out(domain::name(kind));
  if (!label.empty()) out.append(" \"").append(label).append("\"");
  return out;
}

}  // namespace vestibule::factors
