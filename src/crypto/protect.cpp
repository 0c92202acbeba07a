#include "crypto/protect.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace vestibule::crypto {
namespace {

Error refused(const char* what) {
  return fail(Reason::internal, std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

Result<void> harden_process() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return refused("PR_SET_DUMPABLE");
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return refused("RLIMIT_CORE");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("PR_SET_NO_NEW_PRIVS");
  return {};
}

}  // namespace vestibule::crypto
