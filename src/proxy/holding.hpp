#pragma once
// A call that lacks a proof waits, in silence, until its owner has given it. Whatever wakes it is a hint: who
// asks, and whether he may, is found out from the beginning.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "approval/confirmations.hpp"
#include "approval/holds.hpp"
#include "approval/requests.hpp"
#include "gate/gate.hpp"
#include "wire/exchange.hpp"

namespace vestibule::proxy {

/// Owned by app, outlives the proxies.
struct Holding {
  approval::Requests& requests;
  approval::Holds& holds;
  std::string page;  ///< where a browser approves: "https://portal.example.org/approve"; empty: no portal
  approval::Confirmations* confirmations = nullptr;  ///< of tool calls; null: what needs one is refused
  std::string confirm_page{};  ///< where a browser confirms one; empty: no portal
};

/// For as long as somebody waits: the exchange tells him when its caller has gone.
class Told {
 public:
  Told(wire::Exchange& exchange, net::Signal& signal) : exchange_(exchange) { exchange_.tell_when_gone(&signal); }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() { exchange_.tell_when_gone(nullptr); }

 private:
  wire::Exchange& exchange_;
};

/// What an approval of this caller's is bound to besides the credential.
[[nodiscard]] std::string source_key_of(const gate::Caller& caller);

/// Who waits. The references are the request's own, which outlives the wait.
struct Waiting {
  wire::Exchange& exchange;
  gate::Caller& caller;
  const domain::Act& act;
  std::chrono::steady_clock::time_point end;                ///< until then; a time that is over: not at all
  std::function<Result<session::Identified>()> identify;    ///< anew
};

/// How long the caller wants to wait at most, by its field Prefer (RFC 7240: `wait=N`, whole seconds): a
/// program that asks its person by itself says 0. Nothing: it does not say. Pure.
[[nodiscard]] std::optional<std::chrono::seconds> preferred_wait(std::string_view prefer) noexcept;

/// Is this what a person's proof would help against?
[[nodiscard]] bool helps(Reason reason) noexcept;

/// Asks the owner of what the call showed, and waits. Nothing: the caller, identified anew, may be decided
/// about from the beginning. Otherwise what it is to be told: `refusal` with the way to the owner's approval,
/// or what has come in between; client_gone: nobody is there to be told anything.
net::Task<std::optional<domain::Refusal>> hold(const Holding& holding, gate::Gate& gate, Waiting waiting,
                                               domain::Refusal refusal);

}  // namespace vestibule::proxy
