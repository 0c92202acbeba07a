#pragma once
// The right to go on with one act, and what keeps an eye on it.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "approval/mandates.hpp"
#include "domain/act.hpp"
#include "domain/evidence.hpp"
#include "domain/signals.hpp"
#include "quota/share.hpp"
#include "session/session.hpp"

namespace vestibule::gate {

/// Something that goes on because of an admission and can be cut. Used on its core only.
class Live {
 public:
  virtual ~Live() = default;
  /// Ends it now, so that no client takes it for a clean end. Called once at most. Must not destroy
  /// the admission.
  virtual void cut(Reason reason) noexcept = 0;
  /// False if the caller has gone away.
  virtual bool caller_present() noexcept = 0;
};

class Gate;

/// How an admitted act ended; filled in as it goes.
struct Completion {
  Reason reason = Reason::internal;
  std::uint16_t status = 0;
  std::uint64_t reply_bytes = 0;
  std::uint32_t input_tokens = 0;
  std::uint32_t output_tokens = 0;
  BootTime first_byte{};  ///< of the reply, as answered() has it; the epoch: none came
};

/// The right to go on with one act. Its destructor records the completion. On one core.
class Admission {
 public:
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  Admission(Admission&&) noexcept;
  ~Admission();

  [[nodiscard]] const domain::Decision& decision() const noexcept { return state_->decision; }
  [[nodiscard]] Completion& completion() noexcept { return state_->completion; }
  /// The reply begins, now.
  void answered(int status) noexcept;
  /// From now on revocation, stops, tightened policy and `limit` cut it.
  void watch(Live& live, std::chrono::milliseconds limit) noexcept;
  void unwatch() noexcept { state_->live = nullptr; }
  /// The act is what carries a call of this tool: what stops or denies the tool cuts it too.
  void carries(std::string_view tool) { state_->carried = tool; }

 private:
  friend class Gate;
  struct State {
    Gate* gate = nullptr;
    State* prev = nullptr;
    State* next = nullptr;
    Live* live = nullptr;
    BootTime ends{};
    domain::Decision decision;
    Completion completion;
    Instant admitted{};
    domain::Subject subject;
    domain::Evidence evidence;
    domain::Signals signals;
    session::HandleKey handle{};
    std::optional<approval::Drawn> drawn;  // it was admitted under a mandate
    domain::Source source;
    RequestId request;
    quota::Grant quota;
    domain::Act act;         // its views point into the strings below
    std::string access_point, operation, model, client, tool;
    std::string carried;     // the tool that is called by what this act carries
    std::uint64_t policy_generation = 0;
  };
  explicit Admission(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
  std::unique_ptr<State> state_;
};

}  // namespace vestibule::gate
