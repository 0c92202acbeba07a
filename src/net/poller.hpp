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
  using Handler = asio::detail::awaitable_async_op_handler<void(bool), Executor>;
  /// What is waited for: `co_await` it at once. It has no coroutine of its own. False: the socket was closed.
  struct Wait {
    enum class For : std::uint8_t { readable, next_turn, writable };
    struct Start {
      void operator()(Handler handler, Watched* w, For kind) const;
    };
    Watched* watched;
    For what;
    template <class Token>
    auto operator()(Token&& token) -> decltype(asio::async_initiate<Token, void(bool)>(Start(), token, watched, what)) {
      return asio::async_initiate<Token, void(bool)>(Start(), token, watched, what);
    }
  };

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
  [[nodiscard]] Wait wait_readable() noexcept { return {this, Wait::For::readable}; }
  /// The same, but only until the core's next turn: others come first. (The reader's wait.)
  [[nodiscard]] Wait next_turn() noexcept { return {this, Wait::For::next_turn}; }
  /// After a write that would block: waits until the socket takes bytes again, or is closed (false).
  /// One writer at a time.
  [[nodiscard]] Wait wait_writable() noexcept { return {this, Wait::For::writable}; }

  /// Notified when the peer hangs up, or the socket is closed: for whoever waits for something else and does
  /// not read. Null: nobody any more.
  void tell_of_hang_up(Signal* signal) noexcept { hang_up_ = signal; }

  /// All that the kernel had to tell when this turn of the core began has been told: what is not readable was quiet then, or when
  /// a read of this turn found it drained.
  [[nodiscard]] bool up_to_date() const noexcept;

  /// Ends everything; who waits is told, on a later turn of the core.
  void close() noexcept;
  /// The socket, watched no longer. Nobody may be waiting.
  [[nodiscard]] Socket take() noexcept;

 private:
  friend class Poller;
  void happened(std::uint32_t events);
  void tell_later(std::optional<Handler>& waiting) noexcept;
  void ask_writable() noexcept;

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

/// A turn of a core takes all sockets that have something to tell through these stages together: a request's path is more code than
/// a processor's first cache holds, and so each part of it is fetched once for all requests of the turn, not once for each. What is
/// written last goes out in one row: a peer that sleeps is woken once for all of it.
enum class Stage : std::uint8_t {
  reads,  ///< what the sockets have is taken from them
  heads,
  callers,
  bodies,
  verdicts,
  records,
  dispatches,
  replies,
  writes,
  completions,
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

  /// May there be others of this turn that have not come as far?
  [[nodiscard]] bool others_before(Stage stage) const noexcept { return stage > now_ && many_ > 1; }
  /// `co_await` it at once: until they have, if others_before(stage). It has no coroutine of its own. Whoever waits may be told
  /// to go meanwhile, or find what he uses closed.
  struct Reach {
    struct Start {
      void operator()(asio::detail::awaitable_async_op_handler<void(), Executor> handler, Poller* p, Stage to) const;
    };
    Poller* poller;
    Stage stage;
    template <class Token>
    auto operator()(Token&& token) -> decltype(asio::async_initiate<Token, void()>(Start(), token, poller, stage)) {
      return asio::async_initiate<Token, void()>(Start(), token, poller, stage);
    }
  };
  [[nodiscard]] Reach reach(Stage stage) noexcept { return {this, stage}; }
  /// A turn of its own for as many as have waited for one thing, all of whom `tell` resumes: they go by stages too. Between the
  /// core's turns.
  template <class Tell>
  void turn(std::size_t many, Tell&& tell) {
    begin_turn(many);
    std::forward<Tell>(tell)();
    go_by_stages();
  }

 private:
  using Handler = asio::detail::awaitable_async_op_handler<void(), Executor>;
  static constexpr std::size_t kStages = static_cast<std::size_t>(Stage::completions) + 1;
  friend class Watched;
  void watch_again();
  void on_events();
  void begin_turn(std::size_t many) noexcept;
  void go_by_stages();
  [[nodiscard]] bool add(Watched& w) noexcept;
  void remove(Watched& w) noexcept;
  void unlink(Watched& w) noexcept;

  asio::posix::basic_stream_descriptor<Executor> epoll_;
  std::array<epoll_event, 128> events_{};
  std::span<epoll_event> left_;  // of the batch that is being told
  std::size_t many_ = 0;         // in this turn; 0: between turns
  bool all_told_ = false;        // what the kernel knew when the turn began
  Stage now_ = Stage::reads;
  std::array<std::vector<Handler>, kStages> waiting_;
  std::vector<Handler> resumed_;
  Watched* first_ = nullptr;
  bool stopped_ = false;
};

}  // namespace vestibule::net
