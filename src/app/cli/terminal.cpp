#include "app/cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "app/files.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::size_t kMaxLine = std::size_t{64} << 10U;

class Tty {
 public:
  Tty() : fd_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (fd_ >= 0 && ::tcgetattr(fd_, &before_) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  ~Tty() {
    if (fd_ < 0) return;
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
    ::close(fd_);
  }
  Tty(const Tty&) = delete;
  Tty& operator=(const Tty&) = delete;

  [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
  // Nothing is echoed, and Ctrl-C comes as a character: the terminal is never left mute.
  void mute() {
    termios t = before_;
    t.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    changed_ = ::tcsetattr(fd_, TCSAFLUSH, &t) == 0;
  }
  [[nodiscard]] bool muted() const noexcept { return changed_; }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  [[nodiscard]] bool read(char& c) const {
    ssize_t n = 0;
    do {
      n = ::read(fd_, &c, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
  }

 private:
  int fd_;
  termios before_{};
  bool changed_ = false;
};

// A line being typed: fixed memory, so that growing leaves no copies behind.
class Line {
 public:
  Line() { bytes_.reserve(kMaxLine); }
  ~Line() { wipe(bytes_.data(), bytes_.size()); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  void add(char c) {
    if (bytes_.size() < kMaxLine) bytes_.push_back(c);
  }
  // The last character, which in UTF-8 may be several bytes.
  void erase() {
    while (!bytes_.empty()) {
      const auto last = static_cast<unsigned char>(bytes_.back());
      bytes_.pop_back();
      if ((last & 0xC0U) != 0x80U) break;
    }
  }
  void clear() { bytes_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] Secret secret() {
    if (!bytes_.empty() && bytes_.back() == '\r') bytes_.pop_back();
    return Secret(std::string_view(bytes_));
  }

 private:
  std::string bytes_;
};

Error gave_up() { return fail(Reason::invalid_argument, "no answer was given"); }

}  // namespace

bool can_ask() noexcept { return Tty().ok(); }
bool stdin_is_terminal() noexcept { return ::isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() noexcept { return ::isatty(STDOUT_FILENO) == 1; }

bool colours() noexcept {
  const char* no = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return stdout_is_terminal() && (no == nullptr || *no == '\0') && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::size_t terminal_columns() noexcept {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

Result<Secret> ask(std::string_view question, Echo echo, std::string_view hint_for_scripts) {
  std::fflush(stdout);
  Tty tty;
  if (!tty.ok()) {
    return fail(Reason::invalid_argument,
                "there is no terminal to ask \"" + std::string(question) + "\" on: " + std::string(hint_for_scripts));
  }
  Line line;
  if (echo == Echo::off) {
    tty.mute();
    if (!tty.muted()) return fail(Reason::internal, "the terminal does not stop showing what is typed");
  }
  tty.write(question);
  tty.write(" ");
  for (char c = 0; tty.read(c);) {
    if (c == '\n' || c == '\r') {
      if (tty.muted()) tty.write("\n");
      return line.secret();
    }
    if (!tty.muted()) {
      line.add(c);
      continue;
    }
    switch (c) {
      case 0x03:
        tty.write("\n");
        return gave_up();
      case 0x04:
        if (!line.empty()) break;
        tty.write("\n");
        return gave_up();
      case 0x08:
      case 0x7F: line.erase(); break;
      case 0x15: line.clear(); break;
      default: line.add(c);
    }
  }
  tty.write("\n");
  return gave_up();
}

Result<void> ask_yes(std::string_view question) {
  const Result<Secret> answer = ask(question, Echo::on, "give --yes");
  if (!answer) return answer.error();
  if (answer->reveal_text() != "yes") return fail(Reason::conflict, "nothing was changed");
  return {};
}

std::optional<Secret> read_line() {
  Line line;
  bool any = false;
  for (;;) {
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    any = true;
    if (c == '\n') break;
    line.add(c);
  }
  if (!any) return std::nullopt;
  return line.secret();
}

Result<Secret> read_all(std::size_t most) {
  Bytes bytes;
  bytes.reserve(most + 1);
  for (;;) {
    const std::size_t size = bytes.size();
    if (size > most) {
      wipe(bytes.data(), bytes.size());
      return fail(Reason::invalid_argument, "standard input is too long: at most " + std::to_string(most) + " bytes");
    }
    bytes.resize(std::min(size + 4096, most + 1));
    const ssize_t n = ::read(STDIN_FILENO, bytes.data() + size, bytes.size() - size);
    bytes.resize(size + (n > 0 ? static_cast<std::size_t>(n) : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Reason::invalid_argument, "cannot read standard input");
    if (n == 0) return Secret(std::move(bytes));
  }
}

Result<std::string> read_given(const std::string& file, std::size_t most) {
  if (file != "-") return read_file(file, Reason::invalid_argument);
  Result<Secret> all = read_all(most);
  if (!all) return std::move(all).error();
  return std::string(all->reveal_text());
}

void out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}
void err(std::string_view text) {
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
}
void warn(std::string_view text) { err("vestibule: " + std::string(text) + "\n"); }

void print(const Table& table) {
  out(colours() ? table.text("\x1b[1m", "\x1b[0m") : table.text());
}

}  // namespace vestibule::app::cli
