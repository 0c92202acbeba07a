#include "wire/upstream.hpp"

#include <algorithm>
#include <cstring>

#include "base/counters.hpp"
#include "net/signal.hpp"

namespace vestibule::wire {
namespace {

constexpr std::size_t kSmallBuffer = 4096;   // while waiting for a head, or for the next piece of a trickle
constexpr std::size_t kLarge = 16384;  // once a body flows
constexpr std::chrono::milliseconds kPause{50};

Counter g_opened("vestibule_upstream_connections_total", "Connections opened to upstreams.");
Counter g_reused("vestibule_upstream_reused_total", "Calls that reused an upstream connection.");

}  // namespace

struct UpstreamCall::Link {
  Link(net::Core& core, net::Socket socket, const http::Limits& limits)
      : stream(core, std::move(socket)), parser(limits), buffer(kSmallBuffer) {}

  net::Stream stream;
  http::ResponseParser parser;
  http::ChunkedDecoder decoder;
  std::vector<char> buffer;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t head_end = 0;
  std::uint64_t left = 0;
  http::Method method = http::Method::get;
  int interim = 0;  // replies before the reply
  bool reused = false;
  bool any_byte = false;  // of the present reply
  bool sent = false;
  bool head_read = false;
  bool body_done = false;
  bool keep = false;
  bool broken = false;
  bool ended = false;  // nothing more will be read
  std::chrono::steady_clock::time_point idle_since;

  [[nodiscard]] std::string_view unread() const noexcept { return {buffer.data() + begin, end - begin}; }
};

UpstreamCall::UpstreamCall(Upstream& owner, std::unique_ptr<Link> link)
    : owner_(&owner), link_(std::move(link)) {}
UpstreamCall::UpstreamCall(UpstreamCall&&) noexcept = default;
UpstreamCall::~UpstreamCall() {
  if (link_) owner_->give_back(std::move(link_));
}

std::optional<net::ErrorCode> UpstreamCall::try_send(net::Pieces& pieces) noexcept {
  const std::optional<net::ErrorCode> done = link_->stream.try_write(pieces);
  if (done && *done) link_->broken = true;
  return done;
}

net::Task<net::ErrorCode> UpstreamCall::send(net::Pieces pieces) {
  const net::ErrorCode ec = co_await link_->stream.write(pieces);
  if (ec) link_->broken = true;
  co_return ec;
}

void UpstreamCall::sent_all() noexcept { link_->sent = true; }
void UpstreamCall::use_once() noexcept { link_->broken = true; }
bool UpstreamCall::stale() const noexcept { return link_->reused && !link_->any_byte; }
bool UpstreamCall::body_done() const noexcept { return link_->body_done; }

bool UpstreamCall::has_buffered() const noexcept { return !link_->unread().empty(); }

void UpstreamCall::cancel() noexcept {
  link_->broken = true;
  link_->stream.close();
}

net::Task<Result<const http::ResponseHead*>> UpstreamCall::read_head(http::Method method) {
  expect(method);
  for (;;) {
    const std::optional<Result<const http::ResponseHead*>> head = try_head();
    if (head) co_return *head;
    if (!fill()) co_await wait_to_read();
  }
}

void UpstreamCall::expect(http::Method method) noexcept {
  Link& l = *link_;
  l.method = method;
  l.parser.reset(method);
  l.begin = l.end = 0;
  l.interim = 0;
  l.stream.set_deadline(owner_->options_.head);
}

net::Watched::Wait UpstreamCall::wait_to_read() noexcept { return link_->stream.wait_to_read(); }

// Whatever went wrong try_head() tells.
bool UpstreamCall::fill() {
  Link& l = *link_;
  if (l.end == l.buffer.size()) {
    if (l.begin > 0) {
      std::memmove(l.buffer.data(), l.buffer.data() + l.begin, l.end - l.begin);
      l.end -= l.begin;
      l.begin = 0;
    } else {
      l.buffer.resize(l.buffer.size() * 2);  // bounded: the parser refuses heads over its limit
    }
  }
  const std::optional<net::IoResult> r = l.stream.try_read({l.buffer.data() + l.end, l.buffer.size() - l.end});
  if (!r) return false;
  if (r->ec || r->n == 0) {
    l.broken = l.ended = true;
  } else {
    l.any_byte = true;
    l.end += r->n;
  }
  return true;
}

std::optional<Result<const http::ResponseHead*>> UpstreamCall::try_head() {
  Link& l = *link_;
  http::ParseState state = http::ParseState::need_more;
  while (l.begin != l.end) {
    state = l.parser.feed(l.unread());
    if (state != http::ParseState::done || l.parser.head().status >= 200) break;
    // 101 would hand the connection to a protocol that nobody asked for.
    if (l.parser.head().status == 101 || ++l.interim > 16) {
      l.broken = true;
      return fail(Reason::upstream_malformed, "unwanted interim replies");
    }
    l.begin += l.parser.consumed();
    l.parser.reset(l.method);
    state = http::ParseState::need_more;
  }
  if (state == http::ParseState::bad) {
    l.broken = true;
    return fail(Reason::upstream_malformed, l.parser.error().why);
  }
  if (state == http::ParseState::need_more) {
    if (!l.ended) return std::nullopt;
    if (l.stream.timed_out()) return fail(Reason::upstream_timeout, "no reply head in time");
    if (!l.any_byte) return fail(Reason::upstream_unreachable, "the upstream closed the connection");
    return fail(Reason::upstream_aborted, "the upstream broke off within its reply's head");
  }
  l.stream.clear_deadline();
  const http::ResponseHead& head = l.parser.head();
  l.head_end = l.begin + l.parser.consumed();
  if (head.framing.kind != http::BodyKind::none && l.buffer.size() - l.head_end < kSmallBuffer / 2) {
    l.buffer.resize(l.head_end + kSmallBuffer);
    l.parser.head().rebase(l.buffer.data() + l.begin);
  }
  l.begin = l.head_end;
  l.head_read = true;
  l.keep = http::keep_alive(head);
  l.left = head.framing.length;
  l.body_done = head.framing.kind == http::BodyKind::none ||
                (head.framing.kind == http::BodyKind::length && l.left == 0);
  l.decoder.reset();
  return &head;
}

std::optional<Result<std::string_view>> UpstreamCall::try_read_body() {
  Link& l = *link_;
  const http::BodyKind kind = l.parser.head().framing.kind;
  for (;;) {
    if (l.body_done) return std::string_view{};
    if (!l.unread().empty()) {
      if (kind == http::BodyKind::chunked) {
        std::string_view data;
        std::size_t consumed = 0;
        const http::ChunkedDecoder::Step step = l.decoder.step(l.unread(), data, consumed);
        l.begin += consumed;
        if (step == http::ChunkedDecoder::Step::data) return data;
        if (step == http::ChunkedDecoder::Step::done) l.body_done = true;
        if (step == http::ChunkedDecoder::Step::bad) {
          l.broken = true;
          return fail(Reason::upstream_malformed, l.decoder.why());
        }
        continue;
      }
      std::string_view piece = l.unread();
      if (kind == http::BodyKind::length) {
        piece = piece.substr(0, l.left);
        l.left -= piece.size();
        l.body_done = l.left == 0;
      }
      l.begin += piece.size();
      return piece;
    }
    // A body that fills the buffer gets a larger one; a trickle (SSE) stays small. The head's views
    // are of no more use by now: whoever reads a body has used the head.
    const bool filled = l.end == l.buffer.size();
    if (filled && l.buffer.size() < l.head_end + kLarge) {
      l.buffer.resize(l.head_end + kLarge);
    }
    l.begin = l.end = l.head_end;
    const std::optional<net::IoResult> r = l.stream.try_read({l.buffer.data() + l.end, l.buffer.size() - l.end});
    if (!r) return std::nullopt;
    if (r->ec || r->n == 0) {
      l.broken = true;
      if (l.stream.timed_out()) return fail(Reason::upstream_timeout, "the reply stalled");
      if (kind == http::BodyKind::until_close && r->ec == boost::asio::error::eof) {
        l.body_done = true;
        return std::string_view{};
      }
      return fail(Reason::upstream_aborted, "the upstream broke off within its reply");
    }
    l.end += r->n;
  }
}

net::Task<Result<std::string_view>> UpstreamCall::read_body() {
  link_->stream.set_deadline(owner_->options_.body);
  for (;;) {
    std::optional<Result<std::string_view>> piece = try_read_body();
    if (piece) {
      link_->stream.clear_deadline();
      co_return std::move(*piece);
    }
    co_await link_->stream.wait_to_read();
  }
}

// ----------------------------------------------------------------------------------- Upstream

Upstream::Upstream(net::Core& core, UpstreamOptions options) : core_(core), options_(std::move(options)) {}
Upstream::~Upstream() = default;

void Upstream::drop_idle() noexcept { pool_.clear(); }

std::optional<UpstreamCall> Upstream::pooled() {
  const auto now = core_.deadlines().coarse_now();
  while (!pool_.empty()) {
    std::unique_ptr<UpstreamCall::Link> link = std::move(pool_.back());
    pool_.pop_back();
    // Bytes that nobody asked for, or a close: either way unfit.
    if (now - link->idle_since > options_.idle || !link->stream.quiet()) continue;
    link->reused = true;
    link->any_byte = link->sent = link->head_read = link->body_done = link->broken = false;
    g_reused.add();
    return UpstreamCall(*this, std::move(link));
  }
  return std::nullopt;
}

net::Task<Result<UpstreamCall>> Upstream::call(bool fresh, const std::function<bool()>* over) {
  if (!fresh) {
    std::optional<UpstreamCall> reused = pooled();
    if (reused) co_return std::move(*reused);
  }
  const auto asked = std::chrono::steady_clock::now();
  auto begun = asked;
  Result<net::Socket> socket = co_await net::connect(core_, options_.address, options_.connect, options_.reach);
  // One that is just being started has no socket yet.
  while (!socket && std::chrono::steady_clock::now() - asked < options_.patience && !(over != nullptr && (*over)())) {
    co_await net::sleep_for(core_, kPause);
    begun = std::chrono::steady_clock::now();
    socket = co_await net::connect(core_, options_.address, options_.connect, options_.reach);
  }
  if (!socket) co_return std::move(socket).error();
  auto link = std::make_unique<UpstreamCall::Link>(core_, std::move(*socket), options_.head_limits);
  link->stream.set_write_limit(options_.write);
  g_opened.add();
  if (options_.tls) {
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    link->stream.set_deadline(std::max(options_.connect - spent, std::chrono::milliseconds(1)));
    const net::ErrorCode ec = co_await link->stream.handshake(options_.tls, options_.server_name);
    if (ec) co_return fail(Reason::upstream_unreachable, "TLS with the upstream failed: " + ec.message());
    link->stream.clear_deadline();
  }
  co_return UpstreamCall(*this, std::move(link));
}

void Upstream::give_back(std::unique_ptr<UpstreamCall::Link> link) noexcept {
  UpstreamCall::Link& l = *link;
  const bool clean = l.sent && l.head_read && l.body_done && l.keep && !l.broken && l.unread().empty();
  if (!clean || pool_.size() >= options_.max_idle || !l.stream.is_open()) return;
  l.stream.clear_deadline();
  l.idle_since = core_.deadlines().coarse_now();
  if (l.buffer.size() > kLarge) std::vector<char>(kSmallBuffer).swap(l.buffer);
  pool_.push_back(std::move(link));
}

}  // namespace vestibule::wire
