#pragma once
// One request and its reply, whatever carries it. Transport only: who asks and whether they may is
// the gate's matter.

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/chunked.hpp"
#include "http/head.hpp"
#include "http/write.hpp"
#include "net/stream.hpp"

namespace vestibule::wire {

class Connection;

/// Lives while a Handler serves it; used on its core only. The head's views hold as long.
class Exchange {
 public:
  Exchange(Connection& connection, const http::RequestHead& head);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] net::Core& core() noexcept;
  [[nodiscard]] const http::RequestHead& head() const noexcept { return head_; }
  [[nodiscard]] const net::Peer& peer() const noexcept;
  [[nodiscard]] bool tls() const noexcept;
  /// What the client has shown in the handshake of its connection. Null: none, or none was asked for.
  [[nodiscard]] const net::PeerCertificate* certificate() const noexcept;
  [[nodiscard]] http::DateCache& date() noexcept;

  // --- the request's body. A client that waits for 100 (Continue) gets it at the first read.

  /// All of it if it came with the head and is no longer than `limit`: the usual case, without a wait.
  /// Holds until the exchange ends.
  [[nodiscard]] std::optional<std::string_view> body_with_head(std::size_t limit) noexcept;
  /// All of it, contiguous; holds until the exchange ends. body_too_large beyond `limit` (found by
  /// Content-Length before a byte is read), request_timeout, request_malformed, client_gone.
  net::Task<Result<std::string_view>> read_whole(std::size_t limit);
  /// The next piece, empty at the end. The view holds until the next call.
  net::Task<Result<std::string_view>> read_some();
  [[nodiscard]] bool body_done() const noexcept { return body_done_; }

  // --- the reply: start(), fields, then begin() once; write() any number of times; end().
  //     Nothing reaches the client before begin(). The forms with try_ do the same as far as it needs no
  //     wait, and save a coroutine where the client takes what it is sent; where they give nothing,
  //     flush() tells how it ended.

  /// The writer of the reply's head, status line first; only one at a time.
  http::HeadWriter start();
  /// Adds Date, Connection and framing, and sends the head with the first bytes of the body. With
  /// BodyKind::length and all bytes in `first`, or BodyKind::none, the reply is complete.
  /// For a client of HTTP/1.0 chunked becomes until_close.
  net::Task<Result<void>> begin(http::HeadWriter& writer, http::Framing framing, std::string_view first = {});
  [[nodiscard]] std::optional<Result<void>> try_begin(http::HeadWriter& writer, http::Framing framing,
                                                      std::string_view first = {});
  /// More of the body; nothing for an empty piece. More bytes than announced abort the connection.
  net::Task<Result<void>> write(std::string_view piece);
  [[nodiscard]] std::optional<Result<void>> try_write(std::string_view piece);
  /// Waits until the last piece, whose bytes must still be there, has gone out.
  net::Task<Result<void>> flush();
  /// The clean end. A reply with fewer bytes than announced is aborted instead.
  net::Task<Result<void>> end();
  /// Breaks off so that no client takes it for a clean end: the connection is closed.
  void abort() noexcept;

  /// A whole reply in one go.
  net::Task<Result<void>> reply(http::HeadWriter& writer, std::string_view body);

  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  [[nodiscard]] std::uint64_t reply_bytes() const noexcept { return written_; }
  /// The client has gone away (a look at the socket, no read).
  [[nodiscard]] bool gone() noexcept;
  /// Notified as soon as that is so: for a handler that waits for something else. Null: no longer.
  void tell_when_gone(net::Signal* signal) noexcept;
  /// This connection takes no further request after this one.
  void close_after() noexcept { close_ = true; }

 private:
  friend class Connection;
  net::Task<Result<void>> want_body();
  net::Task<Result<void>> read_length();
  [[nodiscard]] bool charge(std::size_t bytes) noexcept;
  /// Both sides have ended cleanly, and another request may follow.
  [[nodiscard]] bool reusable() const noexcept {
    return begun_ && complete_ && !aborted_ && body_done_ && !close_;
  }
  [[nodiscard]] std::optional<Result<void>> push();
  Result<void> sent(net::ErrorCode ec);
  [[nodiscard]] std::chrono::milliseconds piece_limit() const noexcept;

  Connection& connection_;
  const http::RequestHead& head_;
  http::ChunkedDecoder decoder_;
  std::uint64_t body_left_ = 0;
  std::chrono::steady_clock::time_point body_ends_ = std::chrono::steady_clock::time_point::max();
  std::size_t charged_ = 0;       // of the server's budget for bodies
  std::string whole_;             // a body that did not fit behind its head, or was chunked
  net::Pieces pending_;           // what has not gone out yet
  std::array<char, http::kChunkHeadMax> chunk_head_{};
  std::uint64_t announced_ = 0;
  std::uint64_t written_ = 0;
  http::BodyKind reply_kind_ = http::BodyKind::none;
  bool continue_due_ = false;
  bool body_done_ = false;
  bool begun_ = false;
  bool complete_ = false;
  bool aborted_ = false;
  bool close_ = false;
};

/// What serves exchanges: proxy, portal, later oauth. One instance a core or thread-safe.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Must begin a reply or abort; must not throw.
  virtual net::Task<> serve(Exchange& exchange) = 0;
  /// A request that never became an exchange was refused (malformed head, timeout): for counting.
  virtual void refused(const net::Peer& peer, Reason reason) noexcept = 0;
};

}  // namespace vestibule::wire
