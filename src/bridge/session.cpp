#include "bridge/session.hpp"

#include <charconv>

#include "base/log.hpp"
#include "json/writer.hpp"

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;

std::string cancellation(std::uint64_t id) {
  json::Writer w;
  w.begin_object().member("jsonrpc", "2.0").member("method", "notifications/cancelled");
  w.key("params").begin_object().member("requestId", id).member("reason", "the client has gone").end_object().end_object();
  return w.take();
}

}  // namespace

std::string error_message(std::string_view id, int code, std::string_view text) {
  json::Writer w;
  w.begin_object().member("jsonrpc", "2.0").key("id").raw(id.empty() ? "null" : id);
  w.key("error").begin_object().member("code", code).member("message", text).end_object().end_object();
  return w.take();
}

Session::Session(net::Core& core, std::unique_ptr<Tool> tool, Use use) : core_(core), tool_(std::move(tool)), use_(use) {}

net::Task<> Session::read() {
  for (;;) {
    std::optional<std::string> line = co_await tool_->read_line();
    if (!line) break;
    touch();
    co_await take(std::move(*line));
  }
  over_ = true;
  tool_->end();
  for (auto& [id, asked] : in_flight_) {
    asked.to->failed = true;
    asked.to->put(error_message(asked.id, -32000, "the tool server has ended"));
    asked.to->finish();
  }
  in_flight_.clear();
  if (listener_) listener_->finish();
}

// A line that is no message is passed over: programs print all sorts of things.
net::Task<> Session::take(std::string line) {
  const Result<Message> m = read_message(line);
  if (!m) {
    log::warn("the tool server wrote a line that is no message", {{"pid", tool_->pid()}, {"detail", m.error().detail}});
    co_return;
  }
  std::shared_ptr<Outlet> to;
  switch (m->kind) {
    case Message::Kind::response: to = answer(line, *m); break;
    case Message::Kind::notification: to = notify(line, *m); break;
    case Message::Kind::request:
      if (use_ == Use::own) {
        to = pass(one_line(line));
        break;
      }
      // There is nobody to ask: 2026-07-28 has no requests of the server's own.
      std::string refusal = error_message(m->id.in(line), -32601, "no requests to the client without a session");
      co_await tool_->write_line(one_line(std::move(refusal)));
      break;
  }
  if (to) co_await room(std::move(to));
}

Session::InFlight::iterator Session::named(std::string_view raw) {
  std::uint64_t id = 0;
  const auto [end, ec] = std::from_chars(raw.data(), raw.data() + raw.size(), id);
  if (ec != std::errc() || end != raw.data() + raw.size()) return in_flight_.end();
  return in_flight_.find(id);
}

std::shared_ptr<Outlet> Session::answer(std::string_view line, const Message& m) {
  const auto asked = named(m.id.in(line));
  if (asked == in_flight_.end()) {
    log::debug("the tool server answered what nobody asks", {{"pid", tool_->pid()}});
    return nullptr;
  }
  std::shared_ptr<Outlet> to = std::move(asked->second.to);
  to->failed = m.failed;
  to->code = m.code;
  // The id byte for byte as it came, whatever is done to the rest.
  to->put(one_line(std::string(line.substr(0, m.id.begin))) + asked->second.id + one_line(std::string(line.substr(m.id.end))));
  to->finish();
  in_flight_.erase(asked);
  return to;
}

// Progress, and events that a request of 2026-07-28 has subscribed to, belong to that request alone. What
// says of itself no such thing goes to the only client there is, or, of a shared server, to nobody.
std::shared_ptr<Outlet> Session::notify(std::string_view line, const Message& m) {
  const Place mark = m.progress.empty() ? m.subscription : m.progress;
  if (mark.empty()) {
    if (use_ == Use::own) return pass(one_line(std::string(line)));
    return nullptr;
  }
  const auto asked = named(mark.in(line));
  if (asked == in_flight_.end()) return nullptr;
  const std::string& its = m.progress.empty() ? asked->second.id : asked->second.progress;
  if (its.empty()) return nullptr;
  asked->second.to->put(one_line(changed(line, {{mark, its}})));
  return asked->second.to;
}

// To the request that was made last, as the server speaks within its work; else to who listens; else it
// waits for somebody to listen.
std::shared_ptr<Outlet> Session::pass(std::string line) {
  for (auto asked = in_flight_.rbegin(); asked != in_flight_.rend(); ++asked) {
    if (asked->second.to->lost) continue;
    asked->second.to->put(std::move(line));
    return asked->second.to;
  }
  if (listener_ && !listener_->lost) {
    listener_->put(std::move(line));
    return listener_;
  }
  kept_bytes_ += line.size();
  kept_.push_back(std::move(line));
  while (kept_.size() > kMaxKept || kept_bytes_ > kMaxMessage) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
  }
  return nullptr;
}

// A client that does not take what it is sent holds up its own server. Where others share it, it is the
// client that has to go.
net::Task<> Session::room(std::shared_ptr<Outlet> outlet) {
  if (use_ == Use::own) {
    while (outlet->bytes > kAhead && !outlet->lost && !tool_->ended()) co_await outlet->changed.wait(1s);
  } else if (outlet->bytes > kMaxMessage + kAhead) {
    outlet->lose();
  }
}

net::Task<Result<void>> Session::send(std::string line) {
  touch();
  if (over_) co_return fail(Reason::upstream_aborted, "the tool server has ended");
  if (tool_->waiting() >= kMaxInFlight) co_return fail(Reason::overloaded, "the tool server takes nothing at present");
  const bool sent = co_await tool_->write_line(std::move(line));
  if (!sent) co_return fail(Reason::upstream_aborted, "the tool server has ended");
  co_return Result<void>{};
}

net::Task<Result<std::shared_ptr<Outlet>>> Session::ask(std::string_view text, const Message& message) {
  if (over_) co_return fail(Reason::upstream_aborted, "the tool server has ended");
  if (in_flight_.size() >= kMaxInFlight) co_return fail(Reason::overloaded, "too many requests under way");
  const std::uint64_t id = next_++;
  const std::string number = std::to_string(id);
  auto outlet = std::make_shared<Outlet>(core_);
  in_flight_.emplace(id, Asked{std::string(message.id.in(text)), std::string(message.progress.in(text)), outlet});
  std::string line = one_line(changed(text, {{message.id, number}, {message.progress, number}}));
  Result<void> sent = co_await send(std::move(line));
  if (!sent) {
    in_flight_.erase(id);
    co_return std::move(sent).error();
  }
  co_return outlet;
}

net::Task<Result<void>> Session::tell(std::string_view text, const Message& message) {
  std::string line;
  if (!message.cancels.empty() || message.method == "notifications/cancelled") {
    // Without a session nobody may end a request but by leaving it: its id could be anybody's.
    if (use_ == Use::shared || message.cancels.empty()) co_return Result<void>{};
    auto asked = in_flight_.end();
    for (auto it = in_flight_.begin(); it != in_flight_.end(); ++it) {
      if (it->second.id == message.cancels.in(text)) asked = it;
    }
    if (asked == in_flight_.end()) co_return Result<void>{};
    line = changed(text, {{message.cancels, std::to_string(asked->first)}});
    // A server does not answer what was cancelled.
    asked->second.to->failed = true;
    asked->second.to->put(error_message(asked->second.id, -32000, "cancelled"));
    asked->second.to->finish();
    in_flight_.erase(asked);
  } else {
    line = std::string(text);
  }
  Result<void> sent = co_await send(one_line(std::move(line)));
  co_return sent;
}

std::shared_ptr<Outlet> Session::listen() {
  touch();
  if (listener_) listener_->finish();
  listener_ = std::make_shared<Outlet>(core_);
  for (std::string& m : kept_) listener_->put(std::move(m));
  kept_.clear();
  kept_bytes_ = 0;
  if (over_) listener_->finish();
  return listener_;
}

net::Task<> Session::left(std::shared_ptr<Outlet> outlet) {
  outlet->lose();
  if (listener_ == outlet) listener_.reset();
  if (use_ == Use::own) co_return;
  for (auto it = in_flight_.begin(); it != in_flight_.end(); ++it) {
    if (it->second.to != outlet) continue;
    const std::uint64_t id = it->first;
    in_flight_.erase(it);
    std::string line = cancellation(id);
    const Result<void> told = co_await send(std::move(line));
    if (!told) log::debug("a cancellation did not reach the tool server", {{"detail", told.error().detail}});
    co_return;
  }
}

}  // namespace vestibule::bridge
