#pragma once
// What `vestibule login` keeps of access points: for each a token that renews itself, in a file that nobody else
// can read or in the system's keyring. What is kept where is said once, at the login, and never changed silently.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/authority.hpp"
#include "base/secret.hpp"

namespace vestibule::app::cli {

enum class Keep { file, keyring };
[[nodiscard]] std::string_view name(Keep keep) noexcept;

/// One login, without its secrets.
struct Login {
  std::string resource, access_point, user, issuer, token, revoke;  ///< as in Authority
  Keep keep = Keep::file;
  std::string ca_file{};  ///< authorities for its issuer; empty: the system's
};

/// The state directory's view of them. Not for two threads; two processes wait for each other at renewed().
class Logins {
 public:
  explicit Logins(std::filesystem::path directory) : directory_(std::move(directory)) {}
  /// In the order of their addresses. One that is damaged, or that others could read, is an error.
  [[nodiscard]] Result<std::vector<Login>> list() const;
  [[nodiscard]] Result<void> save(const Login& login, const Tokens& tokens) const;
  /// credential_missing if it has none; errors of the keyring.
  [[nodiscard]] Result<Tokens> tokens(const Login& login) const;
  /// What is kept of it, wherever that is.
  [[nodiscard]] Result<void> drop(const Login& login) const;

  /// Held while tokens are renewed: a refresh token that two processes used would end everything.
  class Lock {
   public:
    explicit Lock(int fd) noexcept : fd_(fd) {}
    Lock(Lock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Lock& operator=(Lock&&) = delete;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();

   private:
    int fd_;
  };
  [[nodiscard]] Result<Lock> lock() const;

 private:
  [[nodiscard]] std::filesystem::path file(std::string_view resource) const;
  std::filesystem::path directory_;
};

/// The login that a command means: the one of `wanted`, a name or an address; without it the only one. Nothing
/// if there is none of it; conflict if there are several.
[[nodiscard]] Result<std::optional<Login>> login_for(const Logins& logins, std::string_view wanted);

/// Its token, with more than a minute to live: renewed where it has not. An error says why it cannot be and what
/// helps.
[[nodiscard]] Result<Tokens> renewed(const Login& login);
/// The same for a program that the person runs: a token of its own, as this agent. `operations` and `models`
/// narrow it, as lists with spaces between.
struct AgentTokenWish {
  std::string agent, operations, models;
};
[[nodiscard]] Result<Tokens> renewed_as(const Login& login, const AgentTokenWish& wish);
/// Ends a token of it, or with its refresh token everything.
[[nodiscard]] Result<void> revoke(const Login& login, const Secret& token);

/// The sentence that says why, with the command that renews this login in it.
[[nodiscard]] Error explained(const Login& login, const Error& error);

}  // namespace vestibule::app::cli
