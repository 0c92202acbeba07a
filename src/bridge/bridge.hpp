#pragma once
// A tool server on stdio, served as MCP over HTTP (2025-06-18 and 2025-11-25 with sessions, 2026-07-28
// without) on a Unix socket. It runs as the gateway's confined child: what a tool server writes is taken
// apart here, in a process that holds no key and no state. It decides about nothing; that is the gateway's
// matter, and nobody but the gateway's process is served.

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "bridge/session.hpp"
#include "wire/server.hpp"

namespace vestibule::bridge {

struct Options {
  std::filesystem::path socket;
  std::vector<std::string> command;  ///< the tool server; the first is an absolute path
  pid_t gateway = -1;                ///< whose connections are taken: those of this process only
  std::size_t max_sessions = 64;     ///< each has a tool server of its own; what still ends counts
  std::chrono::milliseconds idle{30 * 60'000};    ///< of a session in which nobody says anything
  std::chrono::milliseconds silent{5'000};        ///< until a reply begins although there is nothing to say
  std::chrono::milliseconds keep_alive{15'000};   ///< between comments in a silent stream
  std::chrono::milliseconds restart{1'000};       ///< between two starts of the shared server at least
};

/// Serves until the process is told to end (SIGTERM, SIGINT). The process's exit status: 0, 1 if it
/// cannot listen, 127 if the command cannot be run or ends at once, which is tried first.
int run(Options options);

/// What run() runs, on one core.
class Bridge final : public wire::Handler {
 public:
  Bridge(net::Core& core, Options options);
  Result<void> listen();
  /// Ends all sessions and their servers; returns when they are gone.
  net::Task<> stop();

  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer& peer, Reason reason) noexcept override;

 private:
  using Sessions = std::unordered_map<std::string, std::shared_ptr<Session>>;
  enum class Begin : std::uint8_t { with_answer, at_once };

  net::Task<> post(wire::Exchange& e);
  net::Task<> get(wire::Exchange& e);
  net::Task<> end_session(wire::Exchange& e);
  /// initialize, outside of any session: a server, and a session if its answer is no error.
  net::Task<> initialize(wire::Exchange& e, std::string_view body, const Message& m);
  net::Task<> pass(wire::Exchange& e, std::shared_ptr<Session> session, std::string_view body, const Message& m);
  net::Task<> relay(wire::Exchange& e, std::shared_ptr<Session> session, std::shared_ptr<Outlet> outlet, Begin begin,
                    std::string_view session_id = {});
  net::Task<> refuse(wire::Exchange& e, int status, int code, std::string_view text, std::string_view id = {});

  Result<std::shared_ptr<Session>> start(Use use);
  Result<std::shared_ptr<Session>> shared();
  /// The session that the head names; null: there is none of that name.
  [[nodiscard]] std::shared_ptr<Session> named(const http::RequestHead& head) const;
  net::Task<> keep(std::shared_ptr<Session> session);
  net::Task<> watch(std::shared_ptr<Session> session);
  net::Task<> sweep();

  net::Core& core_;
  Options options_;
  SystemRng rng_;
  net::Listener listener_;
  wire::Server server_;
  Sessions sessions_;
  std::shared_ptr<Session> shared_;
  std::chrono::steady_clock::time_point shared_since_{};
  std::size_t own_servers_ = 0;  // of sessions, running or ending
  net::Signal stopped_;
  net::TaskGroup tasks_;
  bool stopping_ = false;
};

}  // namespace vestibule::bridge
