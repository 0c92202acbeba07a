#pragma once
// A byte stream of one core: TCP or Unix socket, plain or TLS, with one deadline for whatever
// happens next.

#include <sys/uio.h>

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "net/core.hpp"
#include "net/tls.hpp"

namespace vestibule::net {

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

/// Up to four pieces of bytes that go out one after the other, and how far they have got. Views: what
/// they point at lives until the write has ended.
class Pieces {
 public:
  Pieces() = default;
  Pieces(std::string_view a, std::string_view b = {}, std::string_view c = {}, std::string_view d = {}) noexcept;
  [[nodiscard]] bool empty() const noexcept { return first_ == count_; }
  [[nodiscard]] std::span<iovec> left() noexcept { return {iov_.data() + first_, count_ - first_}; }
  void advance(std::size_t n) noexcept;

 private:
  std::array<iovec, 4> iov_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
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
  /// The same if it needs no wait. Nothing: await wait_to_read() and try again. That is so also after a
  /// few reads in a row, or a peer that sends without end would keep the core to itself.
  [[nodiscard]] std::optional<IoResult> try_read(std::span<char> buffer) noexcept;
  /// After try_read() gave nothing: until it has something to tell. (No coroutine of its own.)
  [[nodiscard]] Watched::Wait wait_to_read() noexcept;

  /// All bytes, in one system call if the socket takes them. Only a peer that does not take them meets
  /// a deadline: see set_write_limit().
  Task<ErrorCode> write(Pieces pieces);
  /// Writes what the socket takes at once; the result once that was all, or went wrong. Nothing: await
  /// write() with what is left in `pieces`.
  [[nodiscard]] std::optional<ErrorCode> try_write(Pieces& pieces) noexcept;

  /// From now on, unless moved, everything ends with `timed_out` after this time.
  void set_deadline(std::chrono::milliseconds after) noexcept { core_.deadlines().arm(timer_, after); }
  void clear_deadline() noexcept { timer_.disarm(); }
  /// How long write() waits for the peer to take something; it leaves no deadline behind.
  void set_write_limit(std::chrono::milliseconds limit) noexcept { write_limit_ = limit; }
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }

  /// The peer has closed or reset, as far as the kernel has told.
  [[nodiscard]] bool peer_gone() const noexcept { return !io_.is_open() || io_.hung_up(); }
  /// Notified as soon as that is so. Null: nobody any more.
  void tell_of_hang_up(Signal* signal) noexcept { io_.tell_of_hang_up(signal); }
  /// Nothing is readable and the peer has not closed: an idle connection fit for reuse. Asks the kernel where it has not told
  /// all in this turn of the core.
  [[nodiscard]] bool quiet() noexcept;
  [[nodiscard]] Peer peer() const noexcept;
  [[nodiscard]] bool is_tls() const noexcept { return ssl_ != nullptr; }
  /// Of a client, once it has shaken hands where one is asked for. Null: none.
  [[nodiscard]] const PeerCertificate* certificate() const noexcept { return certificate_.get(); }
  [[nodiscard]] bool is_open() const noexcept { return io_.is_open(); }
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
  std::optional<IoResult> try_tls_read(std::span<char> buffer) noexcept;
  Task<ErrorCode> tls_write(std::string_view bytes);
  Task<ErrorCode> wait_to_write();
  /// An operation has found nothing to read: nothing will ever come if the peer has hung up.
  [[nodiscard]] bool dried_up() noexcept;
  /// Why nothing goes on: timed_out, or closed from here.
  [[nodiscard]] ErrorCode ended() const noexcept;

  Core& core_;
  Watched io_;
  Timer timer_;
  ssl_st* ssl_ = nullptr;
  std::unique_ptr<const PeerCertificate> certificate_;
  std::chrono::milliseconds write_limit_{60'000};
  int in_a_row_ = 0;  // reads without a wait
  bool timed_out_ = false;
  bool tls_read_writes_ = false;  // what the TLS reader waits for is room to write
};

}  // namespace vestibule::net
