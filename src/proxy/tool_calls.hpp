#pragma once
// Decides about the tool calls of a reply that is held back: policy, and where it asks for that, people.

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dialect/inspect.hpp"
#include "gate/gate.hpp"
#include "proxy/holding.hpp"
#include "wire/exchange.hpp"

namespace vestibule::proxy {

/// The reply whose calls are decided about. The references are the request's own, which outlives the wait.
struct Calling {
  wire::Exchange& exchange;
  gate::Caller& caller;
  const domain::Act& act;                                 ///< that was admitted, and has brought the calls
  std::chrono::steady_clock::time_point end;              ///< until then people are waited for
  std::function<Result<session::Identified>()> identify;  ///< anew
  std::function<Reason()> standing;                       ///< of the admission
  /// Called before the first wait, and again whenever `tell_every` has gone by; may be empty.
  std::function<net::Task<>()> tell;
  std::chrono::milliseconds tell_every{15'000};
  std::function<void(net::Signal*)> tell_when_cut;        ///< the signal is told when the admission is cut
  /// Where a call that is let out here may be made once more. May be empty: nowhere.
  std::function<std::optional<approval::ToolPlace>(std::string_view tool)> also{};
  /// Whether what was confirmed there, where a model's reply brought it, is good for this tool here. May be empty: nothing is.
  /// Outlives the request, and is asked on another thread.
  std::function<bool(const approval::ToolPlace& from, std::string_view tool)> carried{};
};

/// The call as an act of its own; its views are of both.
[[nodiscard]] domain::Act act_of(const domain::Act& carrier, const dialect::ToolCall& call);

/// One ruling a call, in their order. What is released is recorded durably as let out, and each confirmation
/// used: whatever becomes of the reply, it runs once at most. client_gone: nobody is there to be told anything;
/// or the reason for which the whole reply is cut.
net::Task<Result<std::vector<dialect::Ruling>>> rule(const Holding* holding, gate::Gate& gate, Calling calling,
                                                     std::span<const dialect::ToolCall> calls);

}  // namespace vestibule::proxy
