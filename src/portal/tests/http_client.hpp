#pragma once
// A small blocking client of HTTP/1.1 on Unix sockets: says what came, and whether all of it did.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "json/value.hpp"

namespace vestibule::testing {

using namespace std::chrono_literals;

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> fields;  // lower-case names
  std::string body;
  bool whole = false;  // the body came to its proper end
  json::Value json;

  /// Reads to the connection's end, and closes it.
  static HttpReply of(int fd);

  /// The reason of an error, "ok" of a success.
  [[nodiscard]] std::string code() const {
    const json::Value* const error = json.find("error");
    if (error == nullptr) return status >= 200 && status < 300 ? "ok" : "?";
    return error->get_string("code").value_or("?");
  }
  [[nodiscard]] std::string detail() const {
    const json::Value* const error = json.find("error");
    return error == nullptr ? "" : error->get_string("detail").value_or("");
  }
  [[nodiscard]] std::string text(std::string_view key) const { return json.get_string(key).value_or("?"); }
};

inline HttpReply HttpReply::of(int fd) {
  std::string in;
  char buffer[16384];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) in.append(buffer, static_cast<std::size_t>(n));
  ::close(fd);
  HttpReply out;
  const std::size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos || in.size() < 12) return out;
  out.status = std::stoi(in.substr(9, 3));
  std::size_t at = in.find("\r\n") + 2;
  while (at < end + 2) {
    const std::size_t eol = in.find("\r\n", at);
    const std::string line = in.substr(at, eol - at);
    const std::size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    if (colon != std::string::npos) out.fields[name] = line.substr(colon + 2);
    at = eol + 2;
  }
  std::string rest = in.substr(end + 4);
  if (out.fields["transfer-encoding"] == "chunked") {
    std::size_t p = 0;
    for (;;) {
      const std::size_t eol = rest.find("\r\n", p);
      if (eol == std::string::npos) break;
      const std::size_t size = std::stoul(rest.substr(p, eol - p), nullptr, 16);
      if (size == 0) {
        out.whole = true;
        break;
      }
      out.body += rest.substr(eol + 2, size);
      p = eol + 2 + size + 2;
    }
  } else {
    out.body = std::move(rest);
    out.whole = std::to_string(out.body.size()) == out.fields["content-length"];
  }
  if (auto json = json::parse(out.body)) out.json = std::move(*json);
  return out;
}

/// A whole request as most tests send it; `more`: further header lines.
inline std::string request_text(std::string_view method, std::string_view target, std::string_view body, std::string_view handle,
                                std::string_view more) {
  std::string raw(method);
  raw.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: test/1\r\n");
  if (!handle.empty()) raw.append("Authorization: Bearer ").append(handle).append("\r\n");
  if (!body.empty()) {
    if (more.find("Content-Type") == std::string_view::npos) raw.append("Content-Type: application/json\r\n");
    raw.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  raw.append(more).append("\r\n").append(body);
  return raw;
}

/// A connection to this Unix socket on which `raw` has been sent.
inline int sent(const std::string& path, const std::string& raw) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un sa{};
  sa.sun_family = AF_UNIX;
  path.copy(sa.sun_path, sizeof sa.sun_path - 1);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0) ADD_FAILURE() << "connect";
  std::size_t done = 0;
  while (done < raw.size()) {
    const ssize_t n = ::send(fd, raw.data() + done, raw.size() - done, MSG_NOSIGNAL);
    if (n <= 0) break;  // refused before the body's end: the reply is there all the same
    done += static_cast<std::size_t>(n);
  }
  return fd;
}

/// A reply that goes on: read as it comes.
class Follower {
 public:
  explicit Follower(int fd) : fd_(fd) {}
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;
  ~Follower() { ::close(fd_); }

  /// Reads until this has come; false after `limit`.
  bool until(std::string_view text, std::chrono::milliseconds limit = 5s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (in_.find(text) == std::string::npos) {
      if (!read_some(end)) return false;
    }
    return true;
  }
  /// The connection has been closed, at most `limit` from now.
  bool ended(std::chrono::milliseconds limit = 5s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (read_some(end)) {
    }
    return over_;
  }
  [[nodiscard]] const std::string& text() const noexcept { return in_; }
  void forget() { in_.clear(); }
  [[nodiscard]] std::string field(std::string_view name) const {
    std::string lower = in_.substr(0, in_.find("\r\n\r\n"));
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    const std::size_t at = lower.find("\r\n" + std::string(name) + ": ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 4;
    return in_.substr(from, lower.find("\r\n", from) - from);
  }

 private:
  bool read_some(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd p{fd_, POLLIN, 0};
    if (over_ || left.count() <= 0 || ::poll(&p, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[16384];
    const ssize_t n = ::read(fd_, buffer, sizeof buffer);
    if (n <= 0) {
      over_ = true;
      return false;
    }
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  bool over_ = false;
  std::string in_;
};

}  // namespace vestibule::testing
