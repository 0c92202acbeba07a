#pragma once
// What one reply over HTTP is made of while it is under way: messages that wait to be taken.

#include <deque>
#include <memory>
#include <string>

#include "net/signal.hpp"

namespace vestibule::bridge {

/// Shared by the session that fills it and the exchange that empties it, on one core.
struct Outlet {
  explicit Outlet(net::Core& core) : changed(core) {}

  std::deque<std::string> messages;
  std::size_t bytes = 0;
  bool over = false;     ///< nothing more comes; of a request: its last message is the answer
  bool failed = false;   ///< the answer is an error
  std::int64_t code = 0; ///< its code
  bool lost = false;     ///< nobody takes anything any more
  net::Signal changed;   ///< told to both sides

  void put(std::string message) {
    if (lost || over) return;
    bytes += message.size();
    messages.push_back(std::move(message));
    changed.notify_all();
  }
  std::string take() {
    std::string m = std::move(messages.front());
    messages.pop_front();
    bytes -= m.size();
    changed.notify_all();
    return m;
  }
  void finish() {
    over = true;
    changed.notify_all();
  }
  void lose() {
    lost = true;
    messages.clear();
    bytes = 0;
    changed.notify_all();
  }
};

}  // namespace vestibule::bridge
