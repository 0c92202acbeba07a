#pragma once
// What has changed, for portals that are open: a hint to look again, never the thing itself. Fed by the
// store's change feed, by denials as they are made, by the gate and by the log; nothing of it lies on the
// path of a request.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/log.hpp"
#include "base/counters.hpp"
#include "net/signal.hpp"
#include "session/session.hpp"
#include "store/database.hpp"

namespace vestibule::session {
class Sessions;
}

namespace vestibule::portal {

/// What a reader is told to look at again.
enum class Topic : std::uint8_t { me, sessions, factors, notices, stops, policy, approvals, keys, mandates };
inline constexpr std::size_t kTopics = 9;
[[nodiscard]] std::string_view name(Topic topic) noexcept;

/// Streams of one session; the oldest gives way to another.
inline constexpr std::size_t kStreamsPerSession = 4;

/// One for the process, made before Database::start(), outlives the cores' tasks.
class Events {
 public:
  class Stream;

  Events(store::Database& database, session::Sessions& sessions, audit::Log& log);
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// Stops or policy have changed on every core. Any thread.
  void gate_changed();
  /// Ends the streams of this core, and every later one at once: before its servers stop.
  void stop(net::Core& core);
  /// Open streams of all cores.
  [[nodiscard]] std::size_t open() const noexcept;

 private:
  struct Change {
    enum class What : std::uint8_t { session, handle, sessions, account, factor, notice, approval, keys, mandates, denied, gate };
    What what{};
    std::array<std::uint8_t, 32> key{};  // an id in the first half, or a handle's; all zero: of everybody
  };
  using Changes = std::shared_ptr<const std::vector<Change>>;
  struct PerCore {
    std::atomic<net::Core*> core{nullptr};
    std::atomic<std::size_t> streams{0};
    std::atomic<std::size_t> following{0};  // of these, how many follow the log
    std::atomic<bool> told{false};          // that the log has grown, and nobody has looked yet
    Stream* first = nullptr;                // the core's own, like the next
    bool stopping = false;
  };

  void on_changes(store::Tx& tx, std::span<const store::Change> changes);
  void on_grown() noexcept;
  void spread(std::vector<Change> changes);
  static void apply(PerCore& on, const std::vector<Change>& changes);
  void admit(Stream& stream);
  void dismiss(Stream& stream);

  std::array<PerCore, kMaxCores> per_core_;
  std::mutex mutex_;  // the next: taken when a stream opens or closes
  std::unordered_map<SessionId, std::vector<std::pair<unsigned, std::uint64_t>>> of_session_;  // core, stream
  std::uint64_t last_stream_ = 0;
};

/// Lives in the frame of the request that is the stream; on its core only.
class Events::Stream {
 public:
  struct Reader {
    SessionId session{};
    UserId user{};
    session::HandleKey handle{};
  };
  enum class Follows : std::uint8_t { changes, log_too };
  /// `may` says whether the reader may go on; asked whenever something has changed that could deny it.
  /// `cut` is called at once when that ends a stream whose reader is not taking what it is sent.
  struct Hooks {
    std::function<Reason()> may;
    std::function<void()> cut;
  };

  Stream(Events& events, net::Core& core, Reader reader, Follows follows, Hooks hooks);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Why it is over, or ok.
  [[nodiscard]] Reason over() const noexcept { return over_; }
  /// Asks `may` again, for what changes by time alone.
  Reason look();
  /// The topics that have come since the last call.
  [[nodiscard]] std::array<bool, kTopics> take() noexcept;
  /// Until something comes, or this long; true if something came.
  net::Task<bool> wait(std::chrono::milliseconds limit);
  /// From now on the log's growth wakes again: before its size is read.
  void following() noexcept;
  /// Around a write, which a slow reader holds up.
  void writing(bool yes) noexcept { writing_ = yes; }

 private:
  friend class Events;
  void end(Reason why);

  Events& events_;
  PerCore& on_;
  net::Signal signal_;
  Reader reader_;
  Follows follows_;
  Hooks hooks_;
  std::uint64_t id_ = 0;
  Stream* prev_ = nullptr;
  Stream* next_ = nullptr;
  std::array<bool, kTopics> pending_{};
  bool stirred_ = false;  // something came since the last wait
  bool writing_ = false;
  Reason over_ = Reason::ok;
};

}  // namespace vestibule::portal
