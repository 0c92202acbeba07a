#include "app/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace vestibule::app {

Result<std::string> read_file(const std::filesystem::path& file, Reason otherwise) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(otherwise, "cannot read " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

Result<void> make_private_directory(const std::filesystem::path& dir) {
  std::error_code ec;
  std::filesystem::create_directories(dir.parent_path(), ec);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Reason::config_invalid, "cannot make the data directory " + dir.string() + ": " + std::strerror(errno));
  }
  struct stat st {};
  if (::lstat(dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    return fail(Reason::config_invalid, dir.string() + " is not a directory");
  }
  if (st.st_uid != ::geteuid()) {
    return fail(Reason::config_invalid, "the data directory " + dir.string() + " belongs to another user");
  }
  if ((st.st_mode & 077U) != 0 && ::chmod(dir.c_str(), 0700) != 0) {
    return fail(Reason::config_invalid, "the data directory " + dir.string() + " is open to others: chmod 700 it");
  }
  return {};
}

Result<void> write_private(const std::filesystem::path& file, std::string_view text) {
  const std::string temporary = file.string() + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(Reason::internal, "cannot write " + temporary + ": " + std::strerror(errno));
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::fsync(fd);
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), file.c_str()) != 0) {
    return fail(Reason::internal, "cannot write " + file.string() + ": " + std::strerror(errno));
  }
  return {};
}

}  // namespace vestibule::app
