#pragma once
// Hardware tokens in stock: what administrators do with them. Whoever enrols one takes it out (HotpKind).

#include <string>
#include <string_view>
#include <vector>

#include "audit/log.hpp"
#include "crypto/sealed.hpp"
#include "identity/actor.hpp"
#include "net/task.hpp"
#include "store/database.hpp"

namespace vestibule::factors {

/// Owned by Factors. Thread-safe. Functions ending in _in belong into a write job.
class TokenStock {
 public:
  TokenStock(store::Database& database, const crypto::KeyRing& keys, audit::Log& log)
      : database_(database), keys_(keys), log_(log) {}

  /// Lines as in token_csv.hpp, all or nothing; gives how many. invalid_argument; conflict if a serial is
  /// known already: a token has one counter only.
  Result<std::int64_t> import_in(store::Tx& tx, std::string_view csv, const identity::Actor& by, Instant now);
  /// One that nobody holds: not_found, conflict.
  Result<void> remove_in(store::Tx& tx, std::string_view serial, const identity::Actor& by, Instant now);
  struct Token {
    std::string serial;
    int digits = 6;
    WallTime imported{};
    UserId holder{};                      ///< nil: in stock
  };
  net::Task<Result<std::vector<Token>>> list() const;

 private:
  store::Database& database_;
  const crypto::KeyRing& keys_;
  audit::Log& log_;
};

}  // namespace vestibule::factors
