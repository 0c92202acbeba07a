#pragma once
// Readiness of a core's sockets, told by epoll's edges. Asio's reactor looks for bytes before each
// wait (a system call that finds nothing, on every turn of a relay); here a socket remembers what the
// kernel has said, and nobody asks twice.

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sys/epoll.h>

#include "net/task.hpp"

namespace vestibule::net {

class Poller;
class Signal;

/// A connected stream socket of this process, owned; closed on destruction. Any thread.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) noexcept : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  int release() noexcept;
  void close() noexcept;

 private:
  int fd_ = -1;
};

/// A socket under a poller's watch. On one core; its owner keeps it until its waits have ended or
/// were told by close(). Not movable: the kernel holds its address.
class Watched {
 public:
  using Handler = asio::detail::awaitable_handler<Executor, bool>;
  /// Non-blocking from now on. A socket that epoll does not take (out of memory) is closed.
  Watched(Poller& poller, Socket socket) noexcept;
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  /// The peer has closed its side, or both.
  [[nodiscard]] bool hung_up() const noexcept { return hung_up_; }

  /// Something may be there to read (or the peer has hung up: a read tells at once).
  [[nodiscard]] bool readable() const noexcept { return readable_; }
  /// A read has found less than it had room for: nothing is left until the next edge (epoll(7)).
  void drained() noexcept { readable_ = hung_up_; }

  /// Waits until readable() or the socket is closed (false). One reader at a time.
  Task<bool> wait_readable();
  /// The same, but only until the core's next turn: others come first. (The reader's wait.)
  Task<bool> next_turn();
  /// After a write that would block: waits until the socket takes bytes again, or is closed (false).
  /// One writer at a time.
  Task<bool> wait_writable();

  /// Notified when the peer hangs up, or the socket is closed: for whoever waits for something else and does
  /// not read. Null: nobody any more.
  void tell_of_hang_up(Signal* signal) noexcept { hang_up_ = signal; }

  /// Ends everything; who waits is told, on a later turn of the core.
  void close() noexcept;
  /// The socket, watched no longer. Nobody may be waiting.
  [[nodiscard]] Socket take() noexcept;

 private:
  friend class Poller;
  void happened(std::uint32_t events);
  void tell_later(std::optional<Handler>& waiting) noexcept;

  Poller* poller_;  // null once it is gone
  Socket socket_;
  Watched* prev_ = nullptr;
  Watched* next_ = nullptr;
  std::optional<Handler> reader_;
  std::optional<Handler> writer_;
  Signal* hang_up_ = nullptr;
  bool readable_ = false;
  bool hung_up_ = false;
  bool asks_writable_ = false;  // EPOLLOUT is asked for, once a write has blocked
};

/// One a core, on its thread only. Its own epoll descriptor lies within Asio's, so that one thread
/// waits for both.
class Poller {
 public:
  explicit Poller(asio::io_context& context);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  void stop() noexcept;

  /// Are there sockets of this turn that have not been told yet?
  [[nodiscard]] bool others_first() const noexcept { return !left_.empty(); }
  /// Waits until they have been. What all who waited write then goes out in one row: a peer that sleeps is woken once for
  /// all of it, not once for each, and the program's parts run one after the other and not in turn with the kernel's.
  Task<bool> others_told();

 private:
  friend class Watched;
  void watch_again();
  void on_events();
  [[nodiscard]] bool add(Watched& w) noexcept;
  void remove(Watched& w) noexcept;
  void unlink(Watched& w) noexcept;

  asio::posix::basic_stream_descriptor<Executor> epoll_;
  std::array<epoll_event, 128> events_{};
  std::span<epoll_event> left_;  // of the batch that is being told
  std::vector<Watched::Handler> after_;  // wait for its end
  std::vector<Watched::Handler> resumed_;
  Watched* first_ = nullptr;
  bool stopped_ = false;
};

}  // namespace vestibule::net
