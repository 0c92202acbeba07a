#pragma once
// A byte stream of one core: TCP or Unix socket, plain or TLS, with one deadline for whatever
// happens next.

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <array>
#include <initializer_list>
#include <span>
#include <string_view>

#include "net/core.hpp"
#include "net/tls.hpp"

namespace vestibule::net {

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

struct IoResult {
  ErrorCode ec;
  std::size_t n = 0;
};

/// Who is at the other end.
struct Peer {
  std::array<std::uint8_t, 16> address{};  ///< IPv6, or IPv4 mapped
  std::uint16_t port = 0;
  bool local = false;   ///< a Unix socket
  unsigned uid = ~0U;   ///< of a Unix-socket peer
};

/// Owned by one connection; used on its core only. Not movable: the deadline is linked into a wheel.
class Stream {
 public:
  Stream(Core& core, Socket socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  /// Makes it TLS; the peer has this long by the deadline. After an error only close() is left.
  Task<ErrorCode> handshake(TlsContext context, std::string_view server_name = {});

  /// Some bytes; n == 0 with eof at the clean end. A TLS stream cut without close_notify is an error.
  Task<IoResult> read_some(std::span<char> buffer);
  /// All bytes of up to four pieces, in one system call if the socket takes them. Only a peer that
  /// does not take them meets a deadline: see set_write_limit().
  Task<ErrorCode> write(std::string_view a, std::string_view b = {}, std::string_view c = {},
                        std::string_view d = {});

  /// From now on, unless moved, everything ends with `timed_out` after this time.
  void set_deadline(std::chrono::milliseconds after) noexcept;
  void clear_deadline() noexcept { timer_.disarm(); }
  /// How long write() waits for the peer to take something; it leaves no deadline behind.
  void set_write_limit(std::chrono::milliseconds limit) noexcept { write_limit_ = limit; }
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }

  /// The peer has closed or reset (looks without reading).
  [[nodiscard]] bool peer_gone() noexcept;
  /// Nothing is readable and the peer has not closed: an idle connection fit for reuse.
  [[nodiscard]] bool quiet() noexcept;
  [[nodiscard]] Peer peer() const noexcept;
  [[nodiscard]] bool is_tls() const noexcept { return ssl_ != nullptr; }
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  /// Says that nothing more comes (TLS close_notify, FIN); best effort.
  void shutdown_send() noexcept;
  /// Ends everything at once; operations under way end with an error.
  void close() noexcept;
  /// The same, so that the peer sees a reset and cannot take it for a clean end.
  void reset() noexcept;
  [[nodiscard]] Core& core() noexcept { return core_; }

 private:
  struct Timer final : Deadline {
    explicit Timer(Stream& s) : stream(s) {}
    void expired() noexcept override {
      stream.timed_out_ = true;
      stream.close();
    }
    Stream& stream;
  };
  Task<IoResult> tls_read(std::span<char> buffer);
  Task<ErrorCode> tls_write(std::string_view bytes);
  Task<ErrorCode> wait(Socket::wait_type what);
  Task<ErrorCode> wait_to_write();

  Core& core_;
  Socket socket_;
  Timer timer_;
  ssl_st* ssl_ = nullptr;
  std::chrono::milliseconds write_limit_{60'000};
  bool timed_out_ = false;
};

}  // namespace vestibule::net
