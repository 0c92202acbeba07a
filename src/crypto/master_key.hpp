#pragma once
// Where master keys come from and how they are kept. All of this is start-up or CLI code: one
// thread, blocking I/O. Texts are wiped after reading.
//
// Text form, in a file, a systemd credential or the environment: one line a key,
//   v1 <id> <base64 of 32 bytes>
// id 1 to 4294967295 in plain decimal, ascending; single spaces; LF; the last LF may be missing. No
// comments, no empty lines: what is not understood is refused. The highest id is the active key;
// the others only open what they sealed. At most 64 keys, 8 KiB.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::crypto {

struct MasterKey {
  std::uint32_t id = 0;
  Secret key;  ///< 32 bytes
};
/// Never empty where a function returns it as a success; ids ascend.
using MasterKeys = std::vector<MasterKey>;

inline constexpr std::size_t kMaxMasterKeys = 64;
inline constexpr std::size_t kMaxMasterKeyText = 8192;
inline constexpr const char* kMasterKeyVariable = "VESTIBULE_MASTER_KEY";
inline constexpr const char* kMasterKeyCredential = "vestibule-master-key";

/// Pure. config_invalid names the line, never its content. Refused as well: an all-zero key, the
/// same key under two ids.
[[nodiscard]] Result<MasterKeys> parse_master_keys(std::string_view text);
[[nodiscard]] Secret format_master_keys(const MasterKeys& keys);

/// config_invalid unless it is a regular file (no symbolic link, FIFO or device), owned by the
/// effective user or root, with no permission for group and others; not_found if there is none.
/// Only the last component is checked for being a link: directories above are the operator's.
[[nodiscard]] Result<MasterKeys> load_master_key_file(const std::string& path);

/// From VESTIBULE_MASTER_KEY, if set; nothing if not. The value is overwritten where it stands in
/// the process's own environment block (which /proc/PID/environ shows) and then unset, whether it
/// is valid or not. Call before any thread starts: environ is not thread-safe.
[[nodiscard]] Result<std::optional<MasterKeys>> take_master_key_variable();

/// From $CREDENTIALS_DIRECTORY/vestibule-master-key (systemd LoadCredential= and relatives), if
/// there; nothing if not. Same checks as for a file, but group may read: systemd grants the service
/// its read access by an ACL, whose mask shows as 0440, inside a directory closed to others.
[[nodiscard]] Result<std::optional<MasterKeys>> load_master_key_credential();

/// The one source that is present: variable, credential or file (`path` may be empty: no file). Two
/// at once are config_invalid, as nobody could tell which one sealed what; none is not_found. The
/// variable is wiped in any case.
[[nodiscard]] Result<MasterKeys> load_master_keys(const std::string& path);

/// Writes a new file with one key, id 1: mode 0600, complete or not there at all (written beside,
/// fsynced, linked, directory fsynced). conflict if the path exists: a key is never overwritten.
[[nodiscard]] Result<MasterKeys> create_master_key_file(const std::string& path, Rng& rng);

/// Adds a key with the next id and replaces the file atomically; the new keys. The old ones stay:
/// whoever rotates re-seals every blob before a line is removed.
[[nodiscard]] Result<MasterKeys> add_master_key_version(const std::string& path, Rng& rng);

/// Takes one key out and replaces the file atomically; the keys that are left. conflict for the
/// highest id, which seals; not_found. Whoever calls has seen that nothing is sealed by it any more.
[[nodiscard]] Result<MasterKeys> remove_master_key_version(const std::string& path, std::uint32_t id, Rng& rng);

}  // namespace vestibule::crypto
