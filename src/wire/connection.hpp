#pragma once
// One HTTP/1.1 connection: heads in, exchanges out, in turn. Private to this room.

#include <vector>

#include "http/parse.hpp"
#include "wire/server.hpp"

namespace vestibule::wire {

class Connection {
 public:
  Connection(Server& server, net::Socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  net::Task<> run(net::TlsContext tls);
  /// No further request; an idle connection ends now.
  void retire() noexcept;
  void abort() noexcept { stream_.close(); }

 private:
  friend class Exchange;
  enum class Next { again, close };

  net::Task<Next> one_request();
  net::Task<> refuse(Reason reason);
  net::Task<Next> finish(Exchange& exchange);
  net::Task<> linger();
  /// Room behind what is there; grows the buffer up to `max`. Empty: there is none.
  std::span<char> room(std::size_t max);
  [[nodiscard]] std::string_view unread() const noexcept {
    return {buffer_.data() + begin_, end_ - begin_};
  }

  Server& server_;
  net::Stream stream_;
  net::Peer peer_;
  http::RequestParser parser_;
  // 4 KiB hold a usual request whole; a busy connection grows it, an idle one costs little.
  std::vector<char> buffer_;
  std::size_t begin_ = 0;     // unread bytes lie in [begin_, end_)
  std::size_t end_ = 0;
  std::size_t head_end_ = 0;  // while an exchange lives: its head ends here and must not move
  std::string reply_head_;  // while it is written
  bool idle_ = true;
  // Here and not in a coroutine's frame: frames this large are not kept for reuse.
  std::optional<Exchange> exchange_;
};

}  // namespace vestibule::wire
