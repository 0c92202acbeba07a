#include "crypto/master_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace vestibule::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kKeyText = 44;  // base64 of 32 bytes

class File {
 public:
  explicit File(int fd) noexcept : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

std::string because(const std::string& path, std::string_view what, int error) {
  return path + ": " + std::string(what) + ": " + std::strerror(error);
}

/// Up to `limit` bytes; one more tells that there are more.
Result<Secret> read_all(const File& file, const std::string& path, std::size_t limit) {
  Bytes buffer(limit + 1);
  std::size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got = ::read(file.fd(), buffer.data() + have, buffer.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      wipe(buffer.data(), buffer.size());
      return fail(Reason::internal, because(path, "read", error));
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  Secret text(as_text(ByteView(buffer).first(have)));
  wipe(buffer.data(), buffer.size());
  if (have > limit) return fail(Reason::config_invalid, path + ": too large for a key file");
  return text;
}

Result<MasterKeys> load(const std::string& path, mode_t forbidden) {
  // O_NONBLOCK: a FIFO must be refused, not waited for.
  const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) {
    const int error = errno;
    if (error == ENOENT) return fail(Reason::not_found, path + ": no master key file");
    if (error == ELOOP)
      return fail(Reason::config_invalid, path + ": is a symbolic link: name the file itself");
    return fail(Reason::config_invalid, because(path, "open", error));
  }
  struct stat st {};
  if (::fstat(file.fd(), &st) != 0) return fail(Reason::internal, because(path, "stat", errno));
  if (!S_ISREG(st.st_mode)) return fail(Reason::config_invalid, path + ": not a regular file");
  if (st.st_uid != ::geteuid() && st.st_uid != 0)
    return fail(Reason::config_invalid, path + ": owned by neither root nor the gateway's user");
  if ((st.st_mode & forbidden) != 0)
    return fail(Reason::config_invalid, path + ": open to others: run chmod 600 on it");
  const auto text = read_all(file, path, kMaxMasterKeyText);
  if (!text) return text.error();
  auto keys = parse_master_keys(text->reveal_text());
  if (!keys) return fail(Reason::config_invalid, path + ": " + keys.error().detail);
  return keys;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_directory(const std::string& path) {
  const std::string directory = directory_of(path);
  const File dir(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.fd()) != 0)
    return fail(Reason::internal, because(directory, "fsync", errno));
  return {};
}

/// A complete and durable file beside `path`, under a name that is returned.
Result<std::string> write_beside(const std::string& path, const MasterKeys& keys, Rng& rng) {
  const std::string name = path + "." + hex(rng.take<8>()) + ".new";
  const Secret text = format_master_keys(keys);
  const File file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(Reason::internal, because(name, "create", errno));
  int error = 0;
  if (::fchmod(file.fd(), 0600) != 0) error = errno;  // whatever the umask
  for (ByteView rest = text.reveal(); error == 0 && !rest.empty();) {
    const ssize_t put = ::write(file.fd(), rest.data(), rest.size());
    if (put >= 0) {
      rest = rest.subspan(static_cast<std::size_t>(put));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && ::fsync(file.fd()) != 0) error = errno;
  if (error != 0) {
    ::unlink(name.c_str());
    return fail(Reason::internal, because(name, "write", error));
  }
  return name;
}

MasterKey new_key(std::uint32_t id, Rng& rng) {
  Bytes raw(kKeySize);
  rng.fill(raw);
  return MasterKey{id, Secret(std::move(raw))};
}

/// One line without its end; nothing if it is not understood.
std::optional<MasterKey> parse_line(std::string_view line) {
  if (!line.starts_with("v1 ")) return std::nullopt;
  line.remove_prefix(3);
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line[0] == '0') return std::nullopt;
  MasterKey out;
  const char* const end = line.data() + space;
  const auto [stop, error] = std::from_chars(line.data(), end, out.id);
  if (error != std::errc{} || stop != end) return std::nullopt;
  line.remove_prefix(space + 1);
  if (line.size() != kKeyText) return std::nullopt;
  auto raw = unbase64(line);
  if (!raw) return std::nullopt;
  out.key = Secret(std::move(*raw));
  if (out.key.size() != kKeySize) return std::nullopt;
  return out;
}

}  // namespace

Result<MasterKeys> parse_master_keys(std::string_view text) {
  if (text.empty()) return fail(Reason::config_invalid, "no master key in it");
  if (text.size() > kMaxMasterKeyText) return fail(Reason::config_invalid, "too large");
  MasterKeys keys;
  static constexpr std::array<std::uint8_t, kKeySize> kZero{};
  while (!text.empty()) {
    const std::string where = "line " + std::to_string(keys.size() + 1);
    if (keys.size() == kMaxMasterKeys)
      return fail(Reason::config_invalid, where + ": too many keys");
    const std::size_t end = text.find('\n');
    auto key = parse_line(text.substr(0, end));
    if (!key) return fail(Reason::config_invalid, where + ": not `v1 <id> <base64 of 32 bytes>`");
    if (!keys.empty() && key->id <= keys.back().id)
      return fail(Reason::config_invalid, where + ": ids do not ascend");
    if (key->key.equals(kZero))
      return fail(Reason::config_invalid, where + ": the key is all zero");
    for (const MasterKey& other : keys) {
      if (other.key.equals(key->key.reveal()))
        return fail(Reason::config_invalid,
                    where + ": the same key as id " + std::to_string(other.id));
    }
    keys.push_back(std::move(*key));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return keys;
}

Secret format_master_keys(const MasterKeys& keys) {
  Bytes out;
  // Reserved whole: a vector that grows would leave copies behind that nobody wipes.
  out.reserve(keys.size() * (3 + 10 + 1 + kKeyText + 1));
  for (const MasterKey& k : keys) {
    const std::string head = "v1 " + std::to_string(k.id) + ' ';
    std::string key = base64(k.key.reveal());
    out.insert(out.end(), head.begin(), head.end());
    out.insert(out.end(), key.begin(), key.end());
    out.push_back('\n');
    wipe(key);
  }
  return Secret(std::move(out));
}

Result<MasterKeys> load_master_key_file(const std::string& path) { return load(path, 0077); }

Result<std::optional<MasterKeys>> take_master_key_variable() {
  const std::string assignment = std::string(kMasterKeyVariable) + '=';
  std::optional<Secret> text;
  bool twice = false;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, assignment.c_str(), assignment.size()) != 0) continue;
    char* const value = *entry + assignment.size();
    const std::size_t size = std::strlen(value);
    twice = twice || text.has_value();
    text.emplace(std::string_view(value, size));
    wipe(value, size);
  }
  if (!text) return std::optional<MasterKeys>();
  if (::unsetenv(kMasterKeyVariable) != 0)
    return fail(Reason::internal, "unsetenv of the master key failed");
  if (twice) return fail(Reason::config_invalid, std::string(kMasterKeyVariable) + " is set twice");
  auto keys = parse_master_keys(text->reveal_text());
  if (!keys)
    return fail(Reason::config_invalid,
                std::string(kMasterKeyVariable) + ": " + keys.error().detail);
  return std::optional<MasterKeys>(std::move(*keys));
}

Result<std::optional<MasterKeys>> load_master_key_credential() {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0') return std::optional<MasterKeys>();
  auto keys = load(std::string(directory) + '/' + kMasterKeyCredential, 0037);
  if (keys) return std::optional<MasterKeys>(std::move(*keys));
  if (keys.error().code == Reason::not_found) return std::optional<MasterKeys>();
  return std::move(keys).error();
}

Result<MasterKeys> load_master_keys(const std::string& path) {
  auto variable = take_master_key_variable();  // first: it is wiped whatever comes after
  if (!variable) return std::move(variable).error();
  auto credential = load_master_key_credential();
  if (!credential) return std::move(credential).error();
  std::optional<MasterKeys> file;
  if (!path.empty()) {
    auto loaded = load_master_key_file(path);
    if (loaded) {
      file.emplace(std::move(*loaded));
    } else if (loaded.error().code != Reason::not_found) {
      return std::move(loaded).error();
    }
  }
  std::optional<MasterKeys> found;
  std::string names;
  int sources = 0;
  const auto consider = [&](std::optional<MasterKeys>& source, const std::string& name) {
    if (!source) return;
    ++sources;
    names += (names.empty() ? "" : " and ") + name;
    found = std::move(source);
  };
  consider(*variable, std::string("the variable ") + kMasterKeyVariable);
  consider(*credential, std::string("the systemd credential ") + kMasterKeyCredential);
  consider(file, "the file " + path);
  if (sources > 1)
    return fail(Reason::config_invalid, "master keys come from " + names + ": keep one of them");
  if (!found)
    return fail(Reason::not_found,
                "no master key: none in the environment, in systemd's credentials or in the file " +
                    path);
  return std::move(*found);
}

Result<MasterKeys> create_master_key_file(const std::string& path, Rng& rng) {
  MasterKeys keys;
  keys.push_back(new_key(1, rng));
  const auto beside = write_beside(path, keys, rng);
  if (!beside) return beside.error();
  // link() refuses to replace, unlike rename().
  const int linked = ::link(beside->c_str(), path.c_str()) == 0 ? 0 : errno;
  ::unlink(beside->c_str());
  if (linked == EEXIST) return fail(Reason::conflict, path + ": exists already");
  if (linked != 0) return fail(Reason::internal, because(path, "link", linked));
  if (auto synced = sync_directory(path); !synced) return std::move(synced).error();
  return keys;
}

namespace {

/// Puts the keys in the place of the file, complete or not at all.
Result<void> replace_file(const std::string& path, const MasterKeys& keys, Rng& rng) {
  const auto beside = write_beside(path, keys, rng);
  if (!beside) return beside.error();
  if (::rename(beside->c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(beside->c_str());
    return fail(Reason::internal, because(path, "rename", error));
  }
  return sync_directory(path);
}

}  // namespace

Result<MasterKeys> add_master_key_version(const std::string& path, Rng& rng) {
  auto keys = load_master_key_file(path);
  if (!keys) return keys;
  if (keys->back().id == std::numeric_limits<std::uint32_t>::max() ||
      keys->size() == kMaxMasterKeys)
    return fail(Reason::conflict, path + ": no room for another key: remove those out of use");
  keys->push_back(new_key(keys->back().id + 1, rng));
  if (auto replaced = replace_file(path, *keys, rng); !replaced) return std::move(replaced).error();
  return keys;
}

Result<MasterKeys> remove_master_key_version(const std::string& path, std::uint32_t id, Rng& rng) {
  auto keys = load_master_key_file(path);
  if (!keys) return keys;
  if (keys->back().id == id)
    return fail(Reason::conflict, path + ": key " + std::to_string(id) + " seals at present");
  if (std::erase_if(*keys, [id](const MasterKey& k) { return k.id == id; }) == 0)
    return fail(Reason::not_found, path + ": no key " + std::to_string(id));
  if (auto replaced = replace_file(path, *keys, rng); !replaced) return std::move(replaced).error();
  return keys;
}

}  // namespace vestibule::crypto
