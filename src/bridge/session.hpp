#pragma once
// One tool server and those who speak to it: which message belongs to whom.

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "bridge/message.hpp"
#include "bridge/outlet.hpp"
#include "bridge/tool.hpp"

namespace vestibule::bridge {

enum class Use : std::uint8_t {
  own,     ///< of one client, from its initialize on (revisions up to 2025-11-25)
  shared,  ///< of all who ask without a session (2026-07-28)
};

inline constexpr std::size_t kMaxInFlight = 64;            ///< requests a session; lines that wait likewise
inline constexpr std::size_t kAhead = std::size_t{256} << 10U;  ///< bytes that wait for a client before the server does
inline constexpr std::size_t kMaxKept = 64;                ///< messages that wait for somebody to listen

/// On one core. Ids that a client chose never reach the tool server: it sees numbers of the session's own,
/// in requests, progress tokens and cancellations, and what comes back gets the client's text again. So
/// clients who share a server cannot name each other's requests.
class Session {
 public:
  Session(net::Core& core, std::unique_ptr<Tool> tool, Use use);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Reads what the tool server writes, until it ends; then everybody is told.
  net::Task<> read();
  /// See Tool::gone().
  net::Task<> watch() { co_await tool_->gone(); }
  void end() noexcept { tool_->end(); }
  [[nodiscard]] Use use() const noexcept { return use_; }
  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] std::chrono::steady_clock::time_point last() const noexcept { return last_; }

  /// Passes a request on; the answer comes into the outlet, last. overloaded, upstream_aborted.
  net::Task<Result<std::shared_ptr<Outlet>>> ask(std::string_view text, const Message& message);
  /// Passes a notification or a response on, if it is the client's to send. overloaded, upstream_aborted.
  net::Task<Result<void>> tell(std::string_view text, const Message& message);
  /// The stream for what belongs to no request; the one before it ends.
  std::shared_ptr<Outlet> listen();
  /// The client of this outlet has gone. A shared server is told (2026-07-28: that is a cancellation);
  /// one of its own goes on (2025: it is none).
  net::Task<> left(std::shared_ptr<Outlet> outlet);

 private:
  struct Asked {
    std::string id;        // the client's text of it
    std::string progress;  // and of its progress token
    std::shared_ptr<Outlet> to;
  };
  using InFlight = std::map<std::uint64_t, Asked>;

  net::Task<> take(std::string line);
  std::shared_ptr<Outlet> answer(std::string_view line, const Message& m);
  std::shared_ptr<Outlet> notify(std::string_view line, const Message& m);
  std::shared_ptr<Outlet> pass(std::string line);
  net::Task<> room(std::shared_ptr<Outlet> outlet);
  [[nodiscard]] InFlight::iterator named(std::string_view raw);
  net::Task<Result<void>> send(std::string line);
  void touch() noexcept { last_ = std::chrono::steady_clock::now(); }

  net::Core& core_;
  std::unique_ptr<Tool> tool_;
  Use use_;
  std::uint64_t next_ = 1;
  InFlight in_flight_;
  std::shared_ptr<Outlet> listener_;
  std::deque<std::string> kept_;  // for whoever listens next
  std::size_t kept_bytes_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  bool over_ = false;
};

/// A JSON-RPC error. `id`: as it stands in the request; empty: null.
std::string error_message(std::string_view id, int code, std::string_view text);

}  // namespace vestibule::bridge
