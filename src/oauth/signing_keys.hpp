#pragma once
// The keys that ID tokens are signed with. Of each algorithm in use there are up to three: the one that
// signs, the next one, which is published ahead so that nobody meets a key that he has not seen, and the one
// before, for what it has signed.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "crypto/jose.hpp"
#include "crypto/sealed.hpp"
#include "store/database.hpp"

namespace vestibule::oauth {

/// Thread-safe. Written by the store's feed; a signature takes a lock for as long as a pointer is copied.
class SigningKeys {
 public:
  SigningKeys(store::Database& database, const crypto::KeyRing& ring) : database_(database), ring_(ring) {}

  /// Before Database::start().
  Result<void> load();
  /// After it: whatever the first start needs. Blocking.
  Result<void> make_first(WallTime now);
  /// A signing key and the next one of this algorithm, if there is none yet. RSA takes a while: `made` are
  /// keys from elsewhere than the writer thread.
  Result<void> add_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, WallTime now) const;
  /// The next ones sign from now on, `made` are the next but one.
  Result<void> rotate_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, WallTime now) const;

  [[nodiscard]] bool has(crypto::JwsAlg alg) const;
  [[nodiscard]] std::vector<crypto::JwsAlg> algs() const;
  /// RFC 7517 section 5.
  [[nodiscard]] std::string jwks() const;
  [[nodiscard]] Result<std::string> sign(crypto::JwsAlg alg, std::string_view payload) const;

 private:
  enum class State : std::uint8_t { next = 1, signs = 2, before = 3 };  // frozen: stands in rows
  struct Key {
    crypto::JwsAlg alg{};
    State state{};
    std::string open;
    std::shared_ptr<const crypto::JwsKey> key;
  };
  using Keys = std::vector<Key>;
  Result<Keys> read(store::Tx& tx) const;
  Result<void> put_in(store::Tx& tx, const crypto::JwsKey& key, State state, WallTime now) const;
  [[nodiscard]] std::shared_ptr<const Keys> keys() const;

  store::Database& database_;
  const crypto::KeyRing& ring_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Keys> keys_ = std::make_shared<const Keys>();
};

}  // namespace vestibule::oauth
