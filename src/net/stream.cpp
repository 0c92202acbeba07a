#include "net/stream.hpp"

#include <boost/asio/error.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vestibule::net {
namespace {

ErrorCode last_error() { return {errno, boost::system::system_category()}; }

// A TLS stream that ends without close_notify may have been cut: never a clean end.
ErrorCode truncated() { return asio::error::connection_reset; }

}  // namespace

Stream::Stream(Core& core, Socket socket) : core_(core), socket_(std::move(socket)), timer_(*this) {
  ErrorCode ignored;
  socket_.native_non_blocking(true, ignored);
}

Stream::~Stream() {
  if (ssl_ != nullptr) SSL_free(ssl_);
}

void Stream::set_deadline(std::chrono::milliseconds after) noexcept {
  core_.deadlines().arm(timer_, after);
}

Task<ErrorCode> Stream::wait(Socket::wait_type what) {
  auto [ec] = co_await socket_.async_wait(what, use_task);
  if (timed_out_) ec = asio::error::timed_out;
  co_return ec;
}

Task<ErrorCode> Stream::wait_to_write() {
  set_deadline(write_limit_);
  const ErrorCode ec = co_await wait(Socket::wait_write);
  if (!ec) clear_deadline();
  co_return ec;
}

Task<ErrorCode> Stream::handshake(TlsContext context, std::string_view server_name) {
  ssl_ = SSL_new(context.get());
  if (ssl_ == nullptr || SSL_set_fd(ssl_, socket_.native_handle()) != 1) co_return truncated();
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
    if (r == 1) co_return ErrorCode{};
    const int why = SSL_get_error(ssl_, r);
    ErrorCode ec;
    if (why == SSL_ERROR_WANT_READ) {
      ec = co_await wait(Socket::wait_read);
    } else if (why == SSL_ERROR_WANT_WRITE) {
      ec = co_await wait(Socket::wait_write);
    } else {
      co_return truncated();
    }
    if (ec) co_return ec;
    if (!socket_.is_open()) co_return asio::error::operation_aborted;
  }
}

Task<IoResult> Stream::read_some(std::span<char> buffer) {
  if (ssl_ != nullptr) {
    IoResult r = co_await tls_read(buffer);
    co_return r;
  }
  auto [ec, n] = co_await socket_.async_read_some(asio::buffer(buffer.data(), buffer.size()), use_task);
  if (timed_out_) ec = asio::error::timed_out;
  co_return IoResult{ec, n};
}

Task<IoResult> Stream::tls_read(std::span<char> buffer) {
  for (;;) {
    if (!socket_.is_open()) co_return IoResult{timed_out_ ? ErrorCode(asio::error::timed_out) : ErrorCode(asio::error::operation_aborted), 0};
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_read_ex(ssl_, buffer.data(), buffer.size(), &n) == 1) co_return IoResult{{}, n};
    ErrorCode ec;
    switch (SSL_get_error(ssl_, 0)) {
      case SSL_ERROR_WANT_READ: ec = co_await wait(Socket::wait_read); break;
      case SSL_ERROR_WANT_WRITE: ec = co_await wait(Socket::wait_write); break;
      case SSL_ERROR_ZERO_RETURN: co_return IoResult{asio::error::eof, 0};
      default: co_return IoResult{truncated(), 0};
    }
    if (ec) co_return IoResult{ec, 0};
  }
}

Task<ErrorCode> Stream::tls_write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!socket_.is_open()) co_return timed_out_ ? ErrorCode(asio::error::timed_out) : ErrorCode(asio::error::operation_aborted);
    ERR_clear_error();
    std::size_t n = 0;
    if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n) == 1) {
      bytes.remove_prefix(n);
      continue;
    }
    ErrorCode ec;
    switch (SSL_get_error(ssl_, 0)) {
      case SSL_ERROR_WANT_READ: ec = co_await wait(Socket::wait_read); break;
      case SSL_ERROR_WANT_WRITE: ec = co_await wait_to_write(); break;
      default: co_return truncated();
    }
    if (ec) co_return ec;
  }
  co_return ErrorCode{};
}

// The socket mostly takes everything at once, so the call is made here and now; asio would go
// through its queue even then.
Task<ErrorCode> Stream::write(std::string_view a, std::string_view b, std::string_view c,
                              std::string_view d) {
  if (ssl_ != nullptr) {
    // One record where it is small: head and first body bytes together.
    std::string joined;
    if (a.size() + b.size() + c.size() + d.size() <= 16384) {
      joined.reserve(a.size() + b.size() + c.size() + d.size());
      joined.append(a).append(b).append(c).append(d);
      co_return co_await tls_write(joined);
    }
    for (const std::string_view piece : {a, b, c, d}) {
      const ErrorCode ec = co_await tls_write(piece);
      if (ec) co_return ec;
    }
    co_return ErrorCode{};
  }
  std::array<iovec, 4> iov{};
  std::size_t count = 0;
  for (const std::string_view piece : {a, b, c, d}) {
    if (!piece.empty()) iov[count++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  std::size_t first = 0;
  while (first < count) {
    if (!socket_.is_open()) co_return timed_out_ ? ErrorCode(asio::error::timed_out) : ErrorCode(asio::error::operation_aborted);
    msghdr msg{};
    msg.msg_iov = iov.data() + first;
    msg.msg_iovlen = count - first;
    ssize_t n = ::sendmsg(socket_.native_handle(), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) co_return last_error();
      const ErrorCode ec = co_await wait_to_write();
      if (ec) co_return ec;
      continue;
    }
    while (n > 0) {
      const std::size_t step = std::min(static_cast<std::size_t>(n), iov[first].iov_len);
      iov[first].iov_base = static_cast<char*>(iov[first].iov_base) + step;
      iov[first].iov_len -= step;
      n -= static_cast<ssize_t>(step);
      if (iov[first].iov_len == 0) ++first;
    }
  }
  co_return ErrorCode{};
}

bool Stream::peer_gone() noexcept {
  if (!socket_.is_open()) return true;
  // Not a read: what the peer sent before it went (a TLS alert, a pipelined request) would hide it.
  pollfd p{socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool Stream::quiet() noexcept {
  if (!socket_.is_open()) return false;
  if (ssl_ != nullptr && SSL_pending(ssl_) > 0) return false;
  char byte = 0;
  const ssize_t n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Peer Stream::peer() const noexcept {
  Peer p;
  sockaddr_storage sa{};
  socklen_t size = sizeof sa;
  auto& socket = const_cast<Socket&>(socket_);
  if (::getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&sa), &size) != 0) return p;
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
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) == 0) p.uid = cred.uid;
  }
  return p;
}

void Stream::shutdown_send() noexcept {
  if (!socket_.is_open()) return;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Stream::reset() noexcept {
  if (socket_.is_open()) {
    const linger now{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Stream::close() noexcept {
  timer_.disarm();
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace vestibule::net
