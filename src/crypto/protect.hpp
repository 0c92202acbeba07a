#pragma once
// What the process gives up for good, so that its memory stays its own.

#include "base/result.hpp"

namespace vestibule::crypto {

/// Not dumpable (no core file, no ptrace or /proc/PID/mem by the same user; /proc/PID files then
/// belong to root), core file limit 0, no new privileges (inherited by children: setuid programs
/// gain nothing). Call first of all in main(), before a secret is read; again after a change of
/// user, which resets the first. `internal` with the system's error if the kernel refuses: the
/// caller then does not start. Memory is not locked: swap is the operator's (encrypt it).
[[nodiscard]] Result<void> harden_process();

}  // namespace vestibule::crypto
