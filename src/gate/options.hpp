#pragma once
// Limits of the gate, and what it is given.

#include <chrono>

#include "approval/confirmations.hpp"
#include "approval/definitions.hpp"
#include "approval/mandates.hpp"
#include "domain/evidence.hpp"
#include "gate/policies.hpp"
#include "quota/share.hpp"
#include "risk/history.hpp"
#include "store/denials.hpp"

namespace vestibule::gate {

struct Options {
  std::chrono::milliseconds durable{5'000};  ///< how long an admission may wait for its record
  bool await_admission = true;               ///< false only to measure what waiting costs
  std::chrono::milliseconds sweep{500};      ///< how often live admissions are looked at
  PolicyTrust trust = PolicyTrust::approval;
  store::Denials* denials = nullptr;         ///< keeps stops that the store refuses; none: memory alone
  risk::History* history = nullptr;          ///< what is usual for people; none: no signals
  quota::Options quotas;
  approval::Mandates* mandates = nullptr;    ///< what was signed ahead for keys that sleep; none: nothing
  approval::Confirmations* confirmations = nullptr;  ///< what people sign call by call; none: such calls are refused
  const approval::Definitions* definitions = nullptr;  ///< which tools sleep because they have changed; none: no tool
  domain::KindSet enrollable = domain::KindSet::every();  ///< of which a policy may demand one by a day
};

}  // namespace vestibule::gate
