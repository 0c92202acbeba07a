#pragma once
// A kind of factor that is added by configuration: a service of the operator's own, asked over HTTP.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crypto/hash.hpp"
#include "factors/plugin_message.hpp"
#include "net/task.hpp"

namespace vestibule::factors {

/// What came back, whatever it is: nothing of it is believed before its signature is.
struct PluginHttpReply {
  int status = 0;
  std::string signature;     ///< of the field Vestibule-Signature
  std::string body;
};

inline constexpr int kPluginRequests = 32;  ///< under way, of one plug-in; beyond, who comes is refused

/// One plug-in, as configured. What its proofs are worth is the operator's word, never the plug-in's.
struct Plugin {
  enum class Mode : std::uint8_t {
    typed,  ///< the person has something to type without being asked
    asks,   ///< the plug-in is told first, and sends or shows the person something (begin)
  };
  std::string name;          ///< frozen: stands in the rows of what was enrolled with it
  std::string label;         ///< for people
  domain::Traits traits;     ///< possession at least
  Mode mode = Mode::typed;
  crypto::HmacKey key;       ///< shared with it; both directions, each with its own label
  /// Sends one request, within the plug-in's time limit. On any core.
  std::function<net::Task<Result<PluginHttpReply>>(std::string body, std::string signature)> send;
  int at_once = kPluginRequests;
};

/// What a plug-in is to be asked about, once the job that provides for it has committed.
struct PluginCall {
  std::string plugin;
  FactorId factor{};
  UserId user{};
  std::string account;
  ChallengeId question{};
  Digest binding{};
};

/// What a plug-in said about an answer, before the job that acts on it: a job must not wait for it.
/// Factors alone makes one; it is good for one act of one session, for a moment.
class Consulted {
 public:
  Consulted(Consulted&&) = default;
  Consulted& operator=(Consulted&&) = default;

 private:
  friend class Factors;
  Consulted() = default;
  Error refusal_{Reason::ok, {}};     // why it was not asked, or gave no answer
  std::vector<FactorId> charged_;
  PluginCall about_;
  SessionId session_{};
  std::string purpose_;
  domain::Traits traits_{};
  Instant at_{};                      // when it was asked
  bool locks_ = false;
  bool yes_ = false;
  std::string flaw_;
};

}  // namespace vestibule::factors
