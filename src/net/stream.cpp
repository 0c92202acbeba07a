#include "net/stream.hpp"

#include <boost/asio/error.hpp>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/secret.hpp"

namespace vestibule::net {
namespace {

ErrorCode last_error() { return {errno, boost::system::system_category()}; }

constexpr int kInARow = 4;

// A TLS stream that ends without close_notify may have been cut: never a clean end.
ErrorCode truncated() { return asio::error::connection_reset; }

}  // namespace

Pieces::Pieces(std::string_view a, std::string_view b, std::string_view c, std::string_view d) noexcept {
  for (const std::string_view piece : {a, b, c, d}) {
    if (!piece.empty()) iov_[count_++] = {const_cast<char*>(piece.data()), piece.size()};
  }
}

void Pieces::advance(std::size_t n) noexcept {
  while (n > 0) {
    iovec& at = iov_[first_];
    const std::size_t step = std::min(n, at.iov_len);
    at.iov_base = static_cast<char*>(at.iov_base) + step;
    at.iov_len -= step;
    n -= step;
    if (at.iov_len == 0) ++first_;
  }
}

Stream::Stream(Core& core, Socket socket) : core_(core), io_(core.poller(), std::move(socket)), timer_(*this) {}

Stream::~Stream() {
  if (ssl_ != nullptr) SSL_free(ssl_);
}

ErrorCode Stream::ended() const noexcept {
  return timed_out_ ? ErrorCode(asio::error::timed_out) : ErrorCode(asio::error::operation_aborted);
}

bool Stream::dried_up() noexcept {
  io_.drained();
  return io_.readable();
}

Watched::Wait Stream::wait_to_read() noexcept {
  if (std::exchange(in_a_row_, 0) >= kInARow) return io_.next_turn();
  if (tls_read_writes_) return io_.wait_writable();
  return io_.wait_readable();
}

Task<ErrorCode> Stream::wait_to_write() {
  set_deadline(write_limit_);
  const bool open = co_await io_.wait_writable();
  if (!open) co_return ended();
  clear_deadline();
  co_return ErrorCode{};
}

Task<ErrorCode> Stream::handshake(TlsContext context, std::string_view server_name) {
  ssl_ = SSL_new(context.get());
  if (ssl_ == nullptr || SSL_set_fd(ssl_, io_.fd()) != 1) co_return truncated();
  const bool client = !server_name.empty();
  if (client) {
    const std::string name(server_name);
    // the macro SSL_set_tlsext_host_name() without its C cast
    SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name.c_str()));
    SSL_set1_host(ssl_, name.c_str());
    SSL_set_connect_state(ssl_);
  } else {
    SSL_set_accept_state(ssl_);
  }
  for (;;) {
    ERR_clear_error();
    const int r = SSL_do_handshake(ssl_);
    if (r == 1) {
      if (!client) certificate_ = peer_certificate(*ssl_);
      co_return ErrorCode{};
    }
    const int why = SSL_get_error(ssl_, r);
    bool open = false;
    if (why == SSL_ERROR_WANT_READ) {
      if (dried_up()) co_return truncated();
      open = co_await io_.wait_readable();
    } else if (why == SSL_ERROR_WANT_WRITE) {
      open = co_await io_.wait_writable();
    } else {
      co_return truncated();
    }
    if (!open) co_return ended();
  }
}

std::optional<IoResult> Stream::try_read(std::span<char> buffer) noexcept {
  if (!io_.is_open()) return IoResult{ended(), 0};
  if (in_a_row_ >= kInARow) return std::nullopt;  // the others' turn
  if (ssl_ != nullptr) return try_tls_read(buffer);
  if (!io_.readable()) return std::nullopt;
  ++in_a_row_;
  for (;;) {
    const ssize_t n = ::recv(io_.fd(), buffer.data(), buffer.size(), 0);
    if (n > 0) {
      if (static_cast<std::size_t>(n) < buffer.size()) io_.drained();
      return IoResult{{}, static_cast<std::size_t>(n)};
    }
    if (n == 0) return IoResult{asio::error::eof, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return IoResult{last_error(), 0};
    if (dried_up()) return IoResult{asio::error::connection_reset, 0};
    return std::nullopt;
  }
}

std::optional<IoResult> Stream::try_tls_read(std::span<char> buffer) noexcept {
  if (!io_.readable() && SSL_pending(ssl_) == 0 && !tls_read_writes_) return std::nullopt;
  tls_read_writes_ = false;
  ++in_a_row_;
  ERR_clear_error();
  std::size_t n = 0;
  if (SSL_read_ex(ssl_, buffer.data(), buffer.size(), &n) == 1) return IoResult{{}, n};
  switch (SSL_get_error(ssl_, 0)) {
    case SSL_ERROR_WANT_READ:
      if (dried_up()) return IoResult{truncated(), 0};
      return std::nullopt;
    case SSL_ERROR_WANT_WRITE: tls_read_writes_ = true; return std::nullopt;
    case SSL_ERROR_ZERO_RETURN: return IoResult{asio::error::eof, 0};
    default: return IoResult{truncated(), 0};
  }
}

Task<IoResult> Stream::read_some(std::span<char> buffer) {
  for (;;) {
    const std::optional<IoResult> r = try_read(buffer);
    if (r) co_return *r;
    co_await wait_to_read();
  }
}

Task<ErrorCode> Stream::tls_write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!io_.is_open()) co_return ended();
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n) == 1) {
      bytes.remove_prefix(n);
      continue;
    }
    switch (SSL_get_error(ssl_, 0)) {
      case SSL_ERROR_WANT_READ: {
        if (dried_up()) co_return truncated();
        const bool open = co_await io_.wait_readable();
        if (!open) co_return ended();
        break;
      }
      case SSL_ERROR_WANT_WRITE: {
        const ErrorCode ec = co_await wait_to_write();
        if (ec) co_return ec;
        break;
      }
      default: co_return truncated();
    }
  }
  co_return ErrorCode{};
}

namespace {

constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;

// A short head and its body go as one: several pieces cost the kernel more than the copy costs here.
ssize_t send_pieces(int fd, std::span<iovec> pieces) noexcept {
  if (pieces.size() == 1) return ::send(fd, pieces[0].iov_base, pieces[0].iov_len, kSendFlags);
  std::array<char, 4096> joined;
  std::size_t size = 0;
  for (const iovec& v : pieces) size += v.iov_len;
  if (size > joined.size()) {
    msghdr msg{};
    msg.msg_iov = pieces.data();
    msg.msg_iovlen = pieces.size();
    return ::sendmsg(fd, &msg, kSendFlags);
  }
  char* to = joined.data();
  for (const iovec& v : pieces) to = std::copy_n(static_cast<const char*>(v.iov_base), v.iov_len, to);
  const ssize_t n = ::send(fd, joined.data(), size, kSendFlags);
  const int why = errno;
  wipe(joined.data(), size);  // it may hold a credential
  errno = why;
  return n;
}

}  // namespace

// The socket mostly takes everything at once, so the call is made here and now.
std::optional<ErrorCode> Stream::try_write(Pieces& pieces) noexcept {
  if (ssl_ != nullptr) return std::nullopt;
  while (!pieces.empty()) {
    if (!io_.is_open()) return ended();
    const ssize_t n = send_pieces(io_.fd(), pieces.left());
    if (n >= 0) {
      pieces.advance(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      if (errno != EAGAIN && errno != EWOULDBLOCK) return last_error();
      return std::nullopt;
    }
  }
  return ErrorCode{};
}

Task<ErrorCode> Stream::write(Pieces pieces) {
  if (ssl_ != nullptr) {
    std::size_t size = 0;
    for (const iovec& v : pieces.left()) size += v.iov_len;
    // One record where it is small: head and first body bytes together.
    std::string joined;
    if (size <= 16384) {
      joined.reserve(size);
      for (const iovec& v : pieces.left()) joined.append(static_cast<const char*>(v.iov_base), v.iov_len);
      co_return co_await tls_write(joined);
    }
    for (const iovec& v : pieces.left()) {
      const ErrorCode ec = co_await tls_write({static_cast<const char*>(v.iov_base), v.iov_len});
      if (ec) co_return ec;
    }
    co_return ErrorCode{};
  }
  for (;;) {
    const std::optional<ErrorCode> done = try_write(pieces);
    if (done) co_return *done;
    const ErrorCode ec = co_await wait_to_write();
    if (ec) co_return ec;
  }
}

bool Stream::quiet() noexcept {
  if (peer_gone()) return false;
  if (ssl_ != nullptr && SSL_pending(ssl_) > 0) return false;
  if (io_.up_to_date() && !io_.readable()) return true;
  char byte = 0;
  const ssize_t n = ::recv(io_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return false;
  io_.drained();
  return true;
}

Peer Stream::peer() const noexcept {
  Peer p;
  sockaddr_storage sa{};
  socklen_t size = sizeof sa;
  if (::getpeername(io_.fd(), reinterpret_cast<sockaddr*>(&sa), &size) != 0) return p;
  if (sa.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(sa);
    p.address[10] = p.address[11] = 0xff;
    std::memcpy(p.address.data() + 12, &in.sin_addr, 4);
    p.port = ntohs(in.sin_port);
  } else if (sa.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(sa);
    std::memcpy(p.address.data(), &in.sin6_addr, 16);
    p.port = ntohs(in.sin6_port);
  } else {
    p.address[15] = 1;
    p.local = true;
    ucred cred{};
    socklen_t cred_size = sizeof cred;
    if (::getsockopt(io_.fd(), SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) == 0) p.uid = cred.uid;
  }
  return p;
}

void Stream::shutdown_send() noexcept {
  if (!io_.is_open()) return;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  ::shutdown(io_.fd(), SHUT_WR);
}

void Stream::reset() noexcept {
  if (io_.is_open()) {
    const linger now{1, 0};
    ::setsockopt(io_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Stream::close() noexcept {
  timer_.disarm();
  io_.close();
}

}  // namespace vestibule::net
