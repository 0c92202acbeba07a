#pragma once
// What Users has judged of a password, to be handed back to it in a write job. Nobody else can make one.

#include <string>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "domain/evidence.hpp"

namespace vestibule::identity {

/// A password that passed the rules and was hashed: what a write job stores. Made by prepare().
class PreparedPassword {
 public:
  PreparedPassword(PreparedPassword&&) = default;
  PreparedPassword& operator=(PreparedPassword&&) = default;

 private:
  friend class Users;
  PreparedPassword(std::string name, std::string hash) : name_(std::move(name)), hash_(std::move(hash)) {}
  std::string name_, hash_;
};

/// The right password was given: what opening a session needs. Only verify_password() makes one.
class Verified {
 public:
  [[nodiscard]] UserId user() const noexcept { return user_; }
  [[nodiscard]] const domain::Proof& proof() const noexcept { return proof_; }

 private:
  friend class Users;
  UserId user_{};
  domain::Proof proof_{};
  Digest name_key_{}, source_key_{};
  bool charged_name_ = false;
  std::string rehash_;  // empty, or the password hashed at today's cost
  std::int64_t version_ = 0;
};

}  // namespace vestibule::identity
