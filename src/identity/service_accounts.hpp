#pragma once
// Service accounts: names under which programs work. One has roles and credentials, no password, no factor
// and no session; a person answers for it (the sponsor), others stand in for him (deputies), each from when
// he has accepted with a factor proved for a text that says what he takes on. It may do what its sponsor may
// do as well, and sleeps while he is not there.

#include <string>
#include <string_view>
#include <vector>

#include "identity/tending.hpp"
#include "identity/users.hpp"

namespace vestibule::identity {

inline constexpr std::size_t kMaxServices = 32;  ///< that a person is the sponsor of, or was asked to be
inline constexpr std::size_t kMaxDeputies = 8;   ///< of a service, with those who were asked

struct ServicePart {
  UserId person{};
  std::string name;
  Part part{};
  WallTime offered{}, accepted{};  ///< accepted zero: not yet
};

struct Service {
  UserId id{};
  std::string name, display;
  std::vector<std::string> roles;
  WallTime created{};
  Users::Standing standing{};
  std::vector<ServicePart> parts;  ///< the sponsor first

  /// The accepted one; null: nobody.
  [[nodiscard]] const ServicePart* sponsor() const noexcept;
  [[nodiscard]] const ServicePart* part_of(UserId person, Part part) const noexcept;
};

/// All that `person` takes on by accepting a part, for him to read; what he signs is the hash of this text.
[[nodiscard]] std::string duty_text(const Service& service, Part part, std::string_view person);
/// What factors are bound to: an operation, a space, an object that says all of it.
[[nodiscard]] std::string accept_purpose(const Service& service, Part part, std::string_view person);
[[nodiscard]] std::string take_over_purpose(const Service& service, std::string_view person);

/// Owned by app, made after Users. Thread-safe; functions ending in _in belong into a write job of whoever
/// proved a factor for that very act, or, where it only takes away, of whoever may.
class ServiceAccounts {
 public:
  ServiceAccounts(store::Database& database, Users& users, audit::Log& log, const Clock& clock, Rng& rng)
      : database_(database), users_(users), log_(log), clock_(clock), rng_(rng) {}

  struct Create {
    std::string name, display;
    std::vector<std::string> roles{std::string(domain::role::member)};
    UserId sponsor{};  ///< `by` himself: the act's own proof is his acceptance
  };
  [[nodiscard]] static std::string create_purpose(const Create& what, std::string_view sponsor);
  /// user_exists (the name is taken, be it a person's), invalid_argument, conflict.
  Result<UserId> create_in(store::Tx& tx, const Create& what, const Actor& by);
  /// By the sponsor, for a deputy; by an administrator (the caller looks), for a new sponsor. not_found: it is
  /// not his; conflict.
  Result<void> offer_in(store::Tx& tx, UserId service, UserId person, Part part, const Actor& by);
  /// `purpose`: what `by` has proved a factor for. not_found: nobody has asked him; conflict: it is no longer
  /// what the text said.
  Result<void> accept_in(store::Tx& tx, UserId service, Part part, std::string_view purpose, const Actor& by);
  /// By a deputy, once the sponsor has left. conflict: he has not.
  Result<void> take_over_in(store::Tx& tx, UserId service, std::string_view purpose, const Actor& by);
  /// Whatever part he has or was offered: by himself, the sponsor, or an administrator (the caller looks).
  Result<void> dismiss_in(store::Tx& tx, UserId service, UserId person, const Actor& by);
  net::Task<Result<void>> dismiss(UserId service, UserId person, Actor by);

  /// Those in which a person has a part or is offered one; nil: all.
  net::Task<Result<std::vector<Service>>> list(UserId person) const;
  /// not_found for none, and for a person's account.
  net::Task<Result<Service>> look(std::string name) const;
  Result<Service> look_in(store::Tx& tx, UserId service) const;

 private:
  Result<User> person_in(store::Tx& tx, UserId person) const;
  Result<void> tell_in(store::Tx& tx, const Service& about, NoticeKind kind, std::string_view text, UserId but) const;
  void record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object, std::string_view note) const;

  store::Database& database_;
  Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
};

}  // namespace vestibule::identity
