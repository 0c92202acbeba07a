#include "app/cli/loopback.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "http/parse.hpp"

namespace vestibule::app::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostAtOnce = 16;  // browsers connect ahead and say nothing
constexpr std::size_t kMostHead = 8192;
constexpr std::chrono::seconds kPatience{10};

constexpr std::string_view kFields =
    "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'; sandbox\r\n"
    "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nConnection: close\r\n";
constexpr std::string_view kDone =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Vestibule</title></head>"
    "<body><h1>Vestibule</h1><p>The terminal has the answer. You can close this page.</p></body></html>";
constexpr std::string_view kNothing =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Vestibule</title></head>"
    "<body><p>Nothing is here.</p></body></html>";

void answer(int fd, std::string_view status, std::string_view page) noexcept {
  std::string text("HTTP/1.1 ");
  text.append(status).append("\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ");
  text.append(std::to_string(page.size())).append("\r\n").append(kFields).append("\r\n").append(page);
  // It fits the socket's buffer; a peer that takes nothing gets nothing.
  static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  ::shutdown(fd, SHUT_WR);
}

struct Visitor {
  int fd;
  Clock::time_point until;
  std::string received{};
};

enum class Heard { more, over };

// One reading of what a visitor sends; `out` is set if it was the answer.
Heard hear(Visitor& v, std::uint16_t port, std::string_view state, std::string_view issuer, std::optional<LoginAnswer>& out) {
  char buffer[2048];
  const ssize_t n = ::recv(v.fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::more;
  if (n <= 0) return Heard::over;
  v.received.append(buffer, static_cast<std::size_t>(n));
  http::RequestParser parser;
  switch (parser.feed(v.received)) {
    case http::ParseState::need_more:
      if (v.received.size() < kMostHead) return Heard::more;
      answer(v.fd, "431 Request Header Fields Too Large", kNothing);
      return Heard::over;
    case http::ParseState::bad: answer(v.fd, "400 Bad Request", kNothing); return Heard::over;
    case http::ParseState::done: break;
  }
  const http::RequestHead& head = parser.head();
  // By another name somebody else's page may ask (DNS rebinding).
  const std::string mine = "127.0.0.1:" + std::to_string(port);
  const auto host = head.headers.find(http::Known::host);
  const bool here = head.method == http::Method::get && host && *host == mine;
  const LoginAnswer read = here ? read_login_answer(head.target, state, issuer) : LoginAnswer{};
  if (read.kind == LoginAnswer::Kind::not_ours) {
    answer(v.fd, "404 Not Found", kNothing);
    return Heard::over;
  }
  answer(v.fd, "200 OK", kDone);
  out = read;
  return Heard::over;
}

}  // namespace

Result<Loopback> Loopback::open() {
  const auto trouble = [] { return fail(Reason::invalid_argument, std::string("cannot listen on 127.0.0.1: ") + std::strerror(errno)); };
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return trouble();
  Loopback out(fd, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 16) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    return trouble();
  }
  out.port_ = ntohs(at.sin_port);
  return out;
}

Loopback::~Loopback() { close(); }

void Loopback::close() noexcept {
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
}

Result<LoginAnswer> Loopback::wait(std::string_view state, std::string_view issuer, std::chrono::seconds limit) {
  const Clock::time_point end = Clock::now() + limit;
  std::vector<Visitor> visitors;
  std::optional<LoginAnswer> out;
  while (!out && Clock::now() < end) {
    std::vector<pollfd> fds{{listener_, POLLIN, 0}};
    for (const Visitor& v : visitors) fds.push_back({v.fd, POLLIN, 0});
    if (::poll(fds.data(), fds.size(), 250) < 0 && errno != EINTR) break;
    for (std::size_t i = visitors.size(); i-- > 0 && !out;) {
      const bool ready = (fds[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
      const Heard heard = ready ? hear(visitors[i], port_, state, issuer, out) : Heard::more;
      if (heard == Heard::more && Clock::now() < visitors[i].until) continue;
      ::close(visitors[i].fd);
      visitors.erase(visitors.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (out || (fds[0].revents & POLLIN) == 0) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    if (visitors.size() == kMostAtOnce) {  // the one that has said nothing for longest
      ::close(visitors.front().fd);
      visitors.erase(visitors.begin());
    }
    visitors.push_back({fd, Clock::now() + kPatience});
  }
  for (const Visitor& v : visitors) ::close(v.fd);
  close();
  if (!out) return fail(Reason::request_timeout, "Nobody answered in the browser in time. Run `vestibule login` again.");
  return std::move(*out);
}

}  // namespace vestibule::app::cli
