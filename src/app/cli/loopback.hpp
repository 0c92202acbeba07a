#pragma once
// The address that a browser brings the answer to (RFC 8252 section 7.3): 127.0.0.1, whatever port is free, for
// one answer and for a while. Whatever else comes is told nothing, and nothing of it is shown.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "app/cli/login_answer.hpp"
#include "base/result.hpp"

namespace vestibule::app::cli {

/// Owned by one command; used by one thread. Listens from open() to its end.
class Loopback {
 public:
  [[nodiscard]] static Result<Loopback> open();
  Loopback(Loopback&& other) noexcept : listener_(other.listener_), port_(other.port_) { other.listener_ = -1; }
  Loopback& operator=(Loopback&&) = delete;
  Loopback(const Loopback&) = delete;
  Loopback& operator=(const Loopback&) = delete;
  ~Loopback();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// The first answer that carries the state, whatever it says; then nothing is listened to any more.
  /// request_timeout: none came.
  [[nodiscard]] Result<LoginAnswer> wait(std::string_view state, std::string_view issuer, std::chrono::seconds limit);

 private:
  Loopback(int listener, std::uint16_t port) noexcept : listener_(listener), port_(port) {}
  void close() noexcept;
  int listener_;
  std::uint16_t port_;
};

}  // namespace vestibule::app::cli
