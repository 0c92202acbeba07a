#pragma once
// Proofs, their ages, and the level they add up to. The level is derived when it is asked for and
// never stored (lessons: a stored level goes stale).

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"

namespace vestibule::domain {

enum class FactorKind : std::uint8_t {
  password = 1,
  totp = 2,
  recovery_code = 3,
  webauthn = 4,
  hotp = 5,
  push = 6,
  external = 7,
  push_choice = 8,  ///< a push device, by one number of three
};
[[nodiscard]] std::string_view name(FactorKind kind) noexcept;  ///< frozen: stands in audit records
[[nodiscard]] std::optional<FactorKind> factor_kind_from(std::string_view name) noexcept;
/// The kind of the factor that gives proofs of this kind: itself, but for push_choice.
[[nodiscard]] FactorKind enrolled_as(FactorKind kind) noexcept;

/// What a proof shows (NIST SP 800-63B-4). A set of flags.
struct Traits {
  bool knowledge : 1 = false;
  bool possession : 1 = false;
  bool user_verified : 1 = false;
  bool phishing_resistant : 1 = false;
  bool device_bound : 1 = false;
};
/// What every proof of this kind shows; a WebAuthn proof may show more, as its flags say.
[[nodiscard]] Traits traits_of(FactorKind kind) noexcept;

/// Which kinds count for something. A plain value.
class KindSet {
 public:
  constexpr KindSet() noexcept = default;  ///< none
  static constexpr KindSet every() noexcept { return KindSet(0xffff); }
  /// What counts where nothing else is said: every kind but push_choice, which is a guess in three and
  /// counts only where a policy names it.
  static constexpr KindSet ordinary() noexcept { return KindSet(static_cast<std::uint16_t>(0xffffU & ~bit(FactorKind::push_choice))); }
  constexpr void add(FactorKind kind) noexcept { bits_ = static_cast<std::uint16_t>(bits_ | bit(kind)); }
  [[nodiscard]] constexpr bool has(FactorKind kind) const noexcept { return (bits_ & bit(kind)) != 0; }
  [[nodiscard]] constexpr bool within(KindSet o) const noexcept { return (bits_ & ~o.bits_) == 0; }
  friend constexpr KindSet operator&(KindSet a, KindSet b) noexcept {
    return KindSet(static_cast<std::uint16_t>(a.bits_ & b.bits_));
  }
  bool operator==(const KindSet&) const = default;

 private:
  explicit constexpr KindSet(std::uint16_t bits) noexcept : bits_(bits) {}
  static constexpr unsigned bit(FactorKind kind) noexcept {
    return static_cast<unsigned>(kind) < 16 ? 1U << static_cast<unsigned>(kind) : 0U;
  }
  std::uint16_t bits_ = 0;
};
/// Second factors that count toward a level, the phishing-resistant ones first.
[[nodiscard]] std::vector<FactorKind> second_factors();

/// One successful verification of one factor.
struct Proof {
  static constexpr BootTime no_boot = BootTime::min();
  FactorKind kind{};
  Traits traits{};
  FactorId factor{};
  WallTime wall{};
  BootTime boot = no_boot;  ///< no_boot once the machine has restarted since
};

/// Promise 3: the greater of boot-time and wall-clock elapsed; a wall clock set back before the
/// proof does not make it younger than the boot clock says, and is never negative.
[[nodiscard]] Duration age(const Proof& proof, const Instant& now) noexcept;

/// A session's proofs: the latest one of each enrolled factor, and the latest of a kind that is not
/// ordinary beside them: what counts for less displaces nothing.
class Evidence {
 public:
  static constexpr std::size_t capacity = 8;
  /// Adds a proof, replacing the one like it; when full, the oldest gives way.
  void add(const Proof& proof) noexcept;
  void remove(FactorId factor) noexcept;
  [[nodiscard]] const Proof* begin() const noexcept { return proofs_.data(); }
  [[nodiscard]] const Proof* end() const noexcept { return proofs_.data() + proofs_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return proofs_.size(); }
  [[nodiscard]] bool empty() const noexcept { return proofs_.empty(); }

 private:
  boost::container::static_vector<Proof, capacity> proofs_;  // a copy moves those alone that are there
};

/// 0 nothing, 1 one kind of factor, 2 two different kinds, 3 phishing-resistant, user-verified and
/// device-bound besides. Something you know counts for as long as the session lives; everything
/// else only while its age is at most `max_age`. A recovery code never counts: it opens factor
/// management and nothing else. With `trusted` false (clock set back) only what is known counts.
/// Proofs of kinds outside `counts` are as if they had not been given.
[[nodiscard]] int level(const Evidence& evidence, const Instant& now, bool trusted, Duration max_age,
                        KindSet counts = KindSet::ordinary()) noexcept;

/// Time until level(...) falls below `wanted`, or zero if it is below already.
[[nodiscard]] Duration time_left(const Evidence& evidence, const Instant& now, bool trusted,
                                 Duration max_age, int wanted, KindSet counts = KindSet::ordinary()) noexcept;

}  // namespace vestibule::domain
