#pragma once
// Prompts on push devices: opened by a question (Factors::begin_in), answered by a device, spent by the
// proof. A prompt belongs to one act of one session; there is one open prompt a user, it lives two
// minutes, takes one answer, and a wrong number declines it. Too many are refused without a sound.
// The number is typed, six digits; or, for what counts for less (ChoiceKind), picked among three.

#include <optional>
#include <string>
#include <vector>

#include "audit/log.hpp"
#include "base/seats.hpp"
#include "crypto/sealed.hpp"
#include "factors/device.hpp"
#include "factors/known_devices.hpp"
#include "identity/users.hpp"
#include "notify/subscription.hpp"
#include "store/database.hpp"

namespace vestibule::factors {

using identity::Actor;

/// What one reads in the store's change feed; keys are users. kPromptTopic: prompts were opened,
/// answered or replaced. kBellTopic: the user's devices are to ring.
inline constexpr std::string_view kPromptTopic = "prompt";
inline constexpr std::string_view kBellTopic = "bell";

struct PushOptions {
  notify::PushHosts hosts{notify::PushHosts::known()};
  Duration lives = std::chrono::minutes(2);
  int most = 5;                             ///< prompts a user that nobody approved, within `window`
  Duration window = std::chrono::minutes(15);
  int lock_after = 3;                       ///< "it was not me" within `lock_window`: no more prompts
  Duration lock_window = std::chrono::hours(1);
  Duration choice_rests = std::chrono::hours(1);  ///< only digits, after a prompt that nobody approved
  Duration source_sleeps = std::chrono::hours(1);  ///< after "it was not me"
  Duration skew = std::chrono::seconds(60); ///< of a device's clock
  int looks = 8;                            ///< devices that look into the store at once
};

/// How a device shows that its owner sees the asking screen.
enum class Match : std::uint8_t { type, choose };

/// Numbers stand in rows: frozen.
enum class PromptState : std::uint8_t {
  waiting = 0,
  approved = 1,
  declined = 2,
  withdrawn = 3,  ///< its session asked anew
  not_me = 4,
  spent = 5,
};

struct Prompt {
  ChallengeId id{};
  std::string operation, object;   ///< the act, as its record will name it
  std::string source, client;      ///< of the session that asks
  WallTime created{}, expires{};
  std::vector<std::string> choices;  ///< three numbers, one of them right; none: digits are typed
};

/// Owned by Factors. Thread-safe. Functions ending in _in belong into a write job.
class Prompts {
 public:
  Prompts(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
          const Clock& clock, Rng& rng, PushOptions options);
  [[nodiscard]] const PushOptions& options() const noexcept { return options_; }

  // --- of PushKind
  /// authenticator_known if another factor has the key.
  Result<void> add_device_in(store::Tx& tx, FactorId device, ByteView key, std::string_view subscription);
  /// What the asking screen shows. factor_missing, push_busy; push_digits: no choice for now.
  Result<std::string> open_in(store::Tx& tx, const Ask& ask, Match match, Instant now);
  /// Whether this device had approved it, and nobody had spent it.
  static Result<bool> spend_in(store::Tx& tx, ChallengeId prompt, UserId user, FactorId device, Instant now);
  /// The session has ended: nobody need answer it any more.
  static Result<void> withdraw_in(store::Tx& tx, SessionId session);
  static Result<void> forget_in(store::Tx& tx, WallTime now);

  // --- of Factors
  [[nodiscard]] KnownDevices& devices() noexcept { return devices_; }

  // --- the asking session
  /// nothing: no such prompt of this session, or it has expired.
  net::Task<Result<std::optional<PromptState>>> state(ChallengeId prompt, UserId user, SessionId session) const;

  // --- devices. credential_unknown for whatever is wrong with who calls; clock_untrusted, overloaded.
  struct Inbox {
    UserId user{};
    std::vector<Prompt> prompts;
    std::string version;                     ///< another one where the prompts are others
  };
  net::Task<Result<Inbox>> inbox(DeviceCall call);
  /// The same, of a device whose call was verified a moment ago.
  net::Task<Result<Inbox>> inbox_again(FactorId device, UserId user) const;
  struct Looked {
    UserId user{};
    SessionId session{};                     ///< that asks
    std::string source;                      ///< from where
    std::string act;                         ///< operation and object
  };
  /// Verifies the signature; writes nothing. not_found: no such prompt of this user.
  net::Task<Result<Looked>> look(DeviceAnswer answer);
  /// What an answer that look() has verified comes to; nothing if the prompt has expired, but for "it was
  /// not me", which is never too late. conflict if there was one already, or the session asked anew. `by`:
  /// the owner, from where the device calls.
  Result<std::optional<PromptState>> answer_in(store::Tx& tx, const DeviceAnswer& answer, const Looked& looked,
                                               const Actor& by, Instant now);

  /// Whether the owner has said of this source, not long ago, that it was not him.
  static Result<bool> sleeps_in(store::Tx& tx, UserId user, const domain::Source& source, Instant now);

  // --- bells
  struct Device {
    FactorId id{};
    notify::Subscription subscription;
  };
  /// Working devices that can be rung.
  net::Task<Result<std::vector<Device>>> to_ring(UserId user) const;
  /// The push service says that the subscription is no more: the device keeps its inbox.
  net::Task<Result<void>> drop_subscription(FactorId device);

 private:
  /// Whose device it is, once its signature over `text` has been verified. Before a seat is taken: who has
  /// no device keeps nobody's from its inbox.
  [[nodiscard]] std::optional<UserId> owner(const DeviceCall& call, std::string_view text) const;
  Result<Inbox> inbox_in(store::Tx& tx, UserId user) const;
  [[nodiscard]] bool in_time(const DeviceCall& call) const noexcept;
  [[nodiscard]] Digest hidden(ChallengeId prompt, std::string_view digits) const noexcept;

  store::Database& database_;
  const crypto::KeyRing& keys_;
  identity::Users& users_;
  audit::Log& log_;
  const Clock& clock_;
  Rng& rng_;
  PushOptions options_;
  crypto::HmacKey digits_key_;
  KnownDevices devices_;  // written by the store's feed alone
  Seats looks_;    // of inboxes
  Seats answers_;  // of their own, so that a flood of looks keeps nobody from saying that it was not him
};

}  // namespace vestibule::factors
