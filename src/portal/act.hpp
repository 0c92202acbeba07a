#pragma once
// Acts that take a factor's code for themselves. Private to the room.

#include <string>
#include <utility>

#include "portal/call.hpp"

namespace vestibule::portal {

/// Charges and consumes the body's `code` and runs act(tx, by) in one write job; `by` holds the proof.
/// A wrong code commits its charge and its record; where the act fails the code stays unused. The
/// caller's session and role are looked at again within the job. `recorded`: how much of the purpose the
/// record shows.
template <class F>
net::Task<std::invoke_result_t<F&, store::Tx&, const session::Actor&>> Portal::prove_and(Call& call,
                                                                                         std::string purpose, F act,
                                                                                         std::size_t recorded) {
  using R = std::invoke_result_t<F&, store::Tx&, const session::Actor&>;
  Result<factors::Attempt> attempt = attempt_of(call, std::move(purpose));
  if (!attempt) co_return std::move(attempt).error();
  attempt->recorded = recorded;
  auto job = [this, &call, by = attempt->by, act = std::move(act)](store::Tx& tx, const domain::Proof& proof) mutable -> R {
    const Reason still = still_entitled(call);
    if (still != Reason::ok) return fail(still);
    by.evidence.add(proof);
    return act(tx, std::as_const(by));
  };
  R done = co_await services_.factors.prove_and(std::move(*attempt), std::move(job));
  co_return std::move(done);
}

}  // namespace vestibule::portal
