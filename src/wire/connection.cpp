#include "wire/connection.hpp"

#include <boost/asio/error.hpp>
#include <cstring>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"

namespace vestibule::wire {
namespace {

constexpr std::size_t kSmall = 4096;
constexpr std::size_t kBodyPiece = 16384;
constexpr std::size_t kBodyStep = std::size_t{64} << 10U;  // by which a body's memory grows at least

Counter g_connections("vestibule_connections_total", "Connections accepted.");
Counter g_requests("vestibule_requests_total", "Requests with a well-formed head.");
Counter g_malformed("vestibule_requests_malformed_total", "Requests refused for their form.");
Counter g_shed("vestibule_connections_shed_total", "Connections refused because the limit was reached.");

}  // namespace

Connection::Connection(Server& server, net::Socket socket)
    : server_(server),
      stream_(server.core_, std::move(socket)),
      peer_(stream_.peer()),
      parser_(server.options_.head),
      buffer_(kSmall) {
  stream_.set_write_limit(server.options_.write);
  server_.connections_.insert(this);
}

Connection::~Connection() { server_.connections_.erase(this); }

void Connection::retire() noexcept {
  if (idle_) stream_.close();
}

net::Task<> Connection::run(net::TlsContext tls) {
  g_connections.add();
  if (server_.connections_.size() > server_.options_.max_connections) {
    g_shed.add();
    if (!tls) {
      stream_.set_deadline(server_.options_.linger);
      co_await refuse(Reason::overloaded);
    }
    co_return;
  }
  if (tls) {
    stream_.set_deadline(server_.options_.handshake);
    const net::ErrorCode ec = co_await stream_.handshake(std::move(tls));
    if (ec) co_return;
  }
  Next next = Next::again;
  while (next == Next::again) next = co_await one_request();
  stream_.close();
}

std::span<char> Connection::room(std::size_t max) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size()) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else if (buffer_.size() < max) {
      buffer_.resize(std::min(max, buffer_.size() * 4));
    }
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

net::Task<Connection::Next> Connection::one_request() {
  const ServerOptions& options = server_.options_;
  // An idle connection gives a grown buffer back.
  if (begin_ == end_ && buffer_.size() > kSmall) {
    std::vector<char>(kSmall).swap(buffer_);
    begin_ = end_ = 0;
  }
  if (reply_head_.capacity() > kSmall) std::string().swap(reply_head_);
  parser_.reset();
  idle_ = begin_ == end_;
  stream_.set_deadline(idle_ ? options.idle : options.head_time);
  http::ParseState state = idle_ ? http::ParseState::need_more : parser_.feed(unread());
  while (state == http::ParseState::need_more) {
    if (server_.stopping_ && idle_) co_return Next::close;
    const std::span<char> to = room(options.head.max_head + kSmall);
    if (to.empty()) co_return Next::close;
    const std::optional<net::IoResult> got = stream_.try_read(to);
    if (!got) {
      co_await stream_.wait_to_read();
      continue;
    }
    if (got->ec || got->n == 0) {
      if (stream_.timed_out() && !idle_) g_malformed.add();
      co_return Next::close;  // nobody is served a reply to half a head: it may be an attack on time
    }
    end_ += got->n;
    const bool first = std::exchange(idle_, false);
    net::Poller& poller = server_.core_.poller();
    if (poller.others_before(net::Stage::heads)) co_await poller.reach(net::Stage::heads);
    state = parser_.feed(unread());
    // the whole head, however slowly it drips
    if (first && state == http::ParseState::need_more) stream_.set_deadline(options.head_time);
  }
  if (state == http::ParseState::bad) {
    g_malformed.add();
    const Reason reason = parser_.error().reason;
    log::debug("request refused", {{"why", parser_.error().why}});
    server_.handler_.refused(peer_, reason);
    co_await refuse(reason);
    co_return Next::close;
  }
  g_requests.add();
  head_end_ = begin_ + parser_.consumed();
  // The head's views point into the buffer, which must not move while the exchange lives: make room
  // for the body behind it now, unless it has come with the head.
  const http::Framing framing = parser_.head().framing;
  const bool body_here = framing.kind == http::BodyKind::none ||
                         (framing.kind == http::BodyKind::length && end_ - head_end_ >= framing.length);
  if (!body_here && buffer_.size() - head_end_ < kSmall) {
    buffer_.resize(head_end_ + kBodyPiece);
    parser_.head().rebase(buffer_.data() + begin_);
  }
  begin_ = head_end_;
  stream_.clear_deadline();
  exchange_.emplace(*this, parser_.head());
  co_await server_.handler_.serve(*exchange_);
  Next next = Next::again;
  if (!exchange_->reusable() || server_.stopping_) next = co_await finish(*exchange_);
  exchange_.reset();
  co_return next;
}

// After the handler: the connection is fit for another request only if both sides of this one have
// ended cleanly.
net::Task<Connection::Next> Connection::finish(Exchange& exchange) {
  if (!exchange.begun_ || !exchange.complete_ || exchange.aborted_) {
    stream_.close();
    co_return Next::close;
  }
  if (!exchange.body_done_) {
    // A refused upload: read a little away, so that the client sees the reply and not a reset.
    if (exchange.continue_due_ || exchange.close_) {
      co_await linger();
      co_return Next::close;
    }
    const std::uint64_t before = exchange.body_left_;
    if (exchange.head_.framing.kind == http::BodyKind::length && before > server_.options_.drain) {
      co_await linger();
      co_return Next::close;
    }
    std::uint64_t drained = 0;
    exchange.body_ends_ = std::chrono::steady_clock::now() + server_.options_.linger;
    while (!exchange.body_done_) {
      const Result<std::string_view> piece = co_await exchange.read_some();
      if (!piece) co_return Next::close;
      drained += piece->size();
      if (drained > server_.options_.drain) {
        co_await linger();
        co_return Next::close;
      }
    }
  }
  if (exchange.close_ || server_.stopping_) {
    co_await linger();
    co_return Next::close;
  }
  co_return Next::again;
}

// Closing while bytes lie unread makes the kernel send a reset, which can destroy the reply on its
// way. So: say that we are done, read on for a moment, then close.
net::Task<> Connection::linger() {
  stream_.shutdown_send();
  stream_.set_deadline(server_.options_.linger);
  std::uint64_t read = 0;
  begin_ = end_ = 0;
  while (read < (std::uint64_t{1} << 20U)) {
    const net::IoResult r = co_await stream_.read_some({buffer_.data(), buffer_.size()});
    if (r.ec || r.n == 0) break;
    read += r.n;
  }
  stream_.close();
}

// A refusal below the dialects: the head was not understood, so nobody knows in which shape to say
// it. Plain text, and the connection ends.
net::Task<> Connection::refuse(Reason reason) {
  const ReasonInfo& i = info(reason);
  std::string out;
  http::HeadWriter head(out);
  head.status(i.status).field("Content-Type", "text/plain; charset=utf-8");
  head.field("Connection", "close");
  head.field("Vestibule-Reason", i.code);
  if (i.status == 503) head.field("Retry-After", std::uint64_t{1});
  std::string body(i.text);
  body.push_back('\n');
  head.framing({http::BodyKind::length, body.size()});
  if (head.finish()) {
    stream_.set_deadline(server_.options_.linger);
    const net::ErrorCode ec = co_await stream_.write(net::Pieces(out, body));
    if (!ec) co_await linger();
  }
}

// ---------------------------------------------------------------------------------- Exchange

Exchange::Exchange(Connection& connection, const http::RequestHead& head)
    : connection_(connection), head_(head), body_left_(head.framing.length) {
  body_done_ = head.framing.kind == http::BodyKind::none;
  continue_due_ = !body_done_ && http::expects_continue(head);
  close_ = !http::keep_alive(head);
}

Exchange::~Exchange() { connection_.server_.body_bytes_ -= charged_; }

bool Exchange::charge(std::size_t bytes) noexcept {
  std::size_t& held = connection_.server_.body_bytes_;
  if (held + bytes > connection_.server_.options_.body_budget) return false;
  held += bytes;
  charged_ += bytes;
  return true;
}

// How long the next piece of a body may take: its own limit, and what is left for the whole.
std::chrono::milliseconds Exchange::piece_limit() const noexcept {
  const std::chrono::milliseconds each = connection_.server_.options_.body;
  if (body_ends_ == std::chrono::steady_clock::time_point::max()) return each;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(body_ends_ - std::chrono::steady_clock::now());
  return std::min(each, left);
}

net::Core& Exchange::core() noexcept { return connection_.server_.core_; }
const net::Peer& Exchange::peer() const noexcept { return connection_.peer_; }
bool Exchange::tls() const noexcept { return connection_.stream_.is_tls(); }
const net::PeerCertificate* Exchange::certificate() const noexcept { return connection_.stream_.certificate(); }
http::DateCache& Exchange::date() noexcept { return connection_.server_.date_; }
bool Exchange::gone() noexcept { return connection_.stream_.peer_gone(); }
void Exchange::tell_when_gone(net::Signal* signal) noexcept { connection_.stream_.tell_of_hang_up(signal); }

net::Task<Result<void>> Exchange::want_body() {
  if (!continue_due_) co_return Result<void>{};
  continue_due_ = false;
  if (!connection_.unread().empty()) co_return Result<void>{};  // it did not wait
  const net::ErrorCode ec = co_await connection_.stream_.write(net::Pieces("HTTP/1.1 100 Continue\r\n\r\n"));
  if (ec) co_return fail(Reason::client_gone, ec.message());
  co_return Result<void>{};
}

std::optional<std::string_view> Exchange::body_with_head(std::size_t limit) noexcept {
  if (body_done_) return std::string_view(whole_);
  Connection& c = connection_;
  if (head_.framing.kind != http::BodyKind::length || body_left_ > limit || c.unread().size() < body_left_) return std::nullopt;
  const std::string_view body = c.unread().substr(0, body_left_);
  c.begin_ += body_left_;
  body_left_ = 0;
  body_done_ = true;
  return body;  // it stays where it is
}

net::Task<Result<std::string_view>> Exchange::read_whole(std::size_t limit) {
  if (const std::optional<std::string_view> here = body_with_head(limit)) co_return *here;
  if (head_.framing.kind == http::BodyKind::length && head_.framing.length > limit) {
    co_return fail(Reason::body_too_large, "Content-Length over the limit");
  }
  Connection& c = connection_;
  if (head_.framing.kind == http::BodyKind::length) {
    Result<void> wanted = co_await want_body();
    if (!wanted) co_return std::move(wanted).error();
    Result<void> filled = co_await read_length();
    if (!filled) co_return std::move(filled).error();
    co_return std::string_view(whole_);
  }
  body_ends_ = std::chrono::steady_clock::now() + c.server_.options_.body_total;
  for (;;) {
    const Result<std::string_view> piece = co_await read_some();
    if (!piece) co_return fail(piece.error().code, piece.error().detail);
    if (piece->empty()) break;
    if (whole_.size() + piece->size() > limit) co_return fail(Reason::body_too_large, "body over the limit");
    if (!charge(piece->size())) co_return fail(Reason::overloaded, "the budget for bodies is used up");
    whole_.append(*piece);
  }
  co_return std::string_view(whole_);
}

// A body of known length that is larger than the buffer: read straight into its place. Two limits:
// the next piece within options.body, all of it within options.body_total.
net::Task<Result<void>> Exchange::read_length() {
  Connection& c = connection_;
  body_ends_ = std::chrono::steady_clock::now() + c.server_.options_.body_total;
  std::size_t have = c.unread().size();
  const std::size_t size = body_left_;
  if (!charge(have)) co_return fail(Reason::overloaded, "the budget for bodies is used up");
  whole_.assign(c.unread());
  wipe(c.buffer_.data() + c.begin_, have);  // it may hold a password
  c.begin_ = c.end_ = c.head_end_;
  while (have < size) {
    // Memory follows the bytes that came, not the length that was announced.
    if (have == whole_.size()) {
      const std::size_t step = std::min(size - have, std::max(kBodyStep, have));
      if (!charge(step)) {
        close_ = true;  // part of the body has been taken: where the next request begins cannot be found again
        co_return fail(Reason::overloaded, "the budget for bodies is used up");
      }
      whole_.resize(have + step);
    }
    const std::chrono::milliseconds limit = piece_limit();
    net::IoResult r;
    if (limit.count() > 0) {
      c.stream_.set_deadline(limit);
      r = co_await c.stream_.read_some({whole_.data() + have, whole_.size() - have});
    }
    if (r.ec || r.n == 0) {
      close_ = true;
      const bool late = c.stream_.timed_out() || limit.count() <= 0;
      co_return fail(late ? Reason::request_timeout : Reason::client_gone, "body not received");
    }
    have += r.n;
  }
  c.stream_.clear_deadline();
  body_left_ = 0;
  body_done_ = true;
  co_return Result<void>{};
}

net::Task<Result<std::string_view>> Exchange::read_some() {
  if (body_done_) co_return std::string_view{};
  Connection& c = connection_;
  Result<void> wanted = co_await want_body();
  if (!wanted) co_return std::move(wanted).error();
  for (;;) {
    if (!c.unread().empty()) {
      if (head_.framing.kind == http::BodyKind::length) {
        const std::string_view piece = c.unread().substr(0, body_left_);
        c.begin_ += piece.size();
        body_left_ -= piece.size();
        body_done_ = body_left_ == 0;
        co_return piece;
      }
      std::string_view data;
      std::size_t consumed = 0;
      const http::ChunkedDecoder::Step step = decoder_.step(c.unread(), data, consumed);
      c.begin_ += consumed;
      switch (step) {
        case http::ChunkedDecoder::Step::more: break;
        case http::ChunkedDecoder::Step::data: co_return data;
        case http::ChunkedDecoder::Step::done:
          body_done_ = true;
          co_return std::string_view{};
        case http::ChunkedDecoder::Step::bad:
          close_ = true;
          co_return fail(Reason::request_malformed, decoder_.why());
      }
      continue;
    }
    c.begin_ = c.end_ = c.head_end_;  // the body is read behind its head
    const std::chrono::milliseconds limit = piece_limit();
    if (limit.count() <= 0) {
      close_ = true;
      co_return fail(Reason::request_timeout, "body too slow");
    }
    c.stream_.set_deadline(limit);
    const net::IoResult r =
        co_await c.stream_.read_some({c.buffer_.data() + c.end_, c.buffer_.size() - c.end_});
    if (r.ec || r.n == 0) {
      close_ = true;
      if (c.stream_.timed_out()) co_return fail(Reason::request_timeout, "body too slow");
      co_return fail(Reason::client_gone, "client went away in its body");
    }
    c.end_ += r.n;
    c.stream_.clear_deadline();
  }
}

http::HeadWriter Exchange::start() {
  connection_.reply_head_.clear();
  connection_.reply_head_.reserve(512);
  return http::HeadWriter(connection_.reply_head_);
}

std::optional<Result<void>> Exchange::try_begin(http::HeadWriter& writer, http::Framing framing, std::string_view first) {
  Connection& c = connection_;
  if (!body_done_ && (continue_due_ || head_.framing.length > c.server_.options_.drain)) close_ = true;
  if (c.server_.stopping_) close_ = true;
  if (framing.kind == http::BodyKind::chunked && head_.http10) framing.kind = http::BodyKind::until_close;
  if (framing.kind == http::BodyKind::until_close) close_ = true;
  writer.field("Date", date().at(coarse_wall()));
  if (close_) {
    writer.field("Connection", "close");
  } else if (head_.http10) {
    writer.field("Connection", "keep-alive");
  }
  const bool no_body = head_.method == http::Method::head;
  writer.framing(framing);
  if (!writer.finish()) {
    abort();
    return fail(Reason::internal, "a reply head was refused by the writer");
  }
  begun_ = true;
  reply_kind_ = no_body ? http::BodyKind::none : framing.kind;
  announced_ = framing.length;
  if (no_body) first = {};
  if (reply_kind_ == http::BodyKind::length && first.size() > announced_) {
    abort();
    return fail(Reason::internal, "reply longer than announced");
  }
  written_ = first.size();
  if (reply_kind_ == http::BodyKind::chunked && !first.empty()) {
    const std::size_t n = http::write_chunk_head(first.size(), chunk_head_);
    pending_ = net::Pieces(c.reply_head_, {chunk_head_.data(), n}, first, http::kChunkEnd);
  } else {
    pending_ = net::Pieces(c.reply_head_, first);
  }
  return push();
}

std::optional<Result<void>> Exchange::try_write(std::string_view piece) {
  if (piece.empty() || complete_) return Result<void>{};
  if (reply_kind_ == http::BodyKind::length && written_ + piece.size() > announced_) {
    abort();
    return fail(Reason::internal, "reply longer than announced");
  }
  written_ += piece.size();
  if (reply_kind_ == http::BodyKind::chunked) {
    const std::size_t n = http::write_chunk_head(piece.size(), chunk_head_);
    pending_ = net::Pieces({chunk_head_.data(), n}, piece, http::kChunkEnd);
  } else {
    pending_ = net::Pieces(piece);
  }
  return push();
}

std::optional<Result<void>> Exchange::push() {
  const std::optional<net::ErrorCode> done = connection_.stream_.try_write(pending_);
  if (!done) return std::nullopt;
  return sent(*done);
}

net::Task<Result<void>> Exchange::flush() {
  const net::ErrorCode ec = co_await connection_.stream_.write(pending_);
  co_return sent(ec);
}

Result<void> Exchange::sent(net::ErrorCode ec) {
  if (ec) {
    abort();
    return fail(Reason::client_gone, ec.message());
  }
  if (reply_kind_ == http::BodyKind::none || (reply_kind_ == http::BodyKind::length && written_ == announced_)) {
    complete_ = true;
  }
  return Result<void>{};
}

net::Task<Result<void>> Exchange::begin(http::HeadWriter& writer, http::Framing framing, std::string_view first) {
  std::optional<Result<void>> done = try_begin(writer, framing, first);
  if (!done) done = co_await flush();
  co_return std::move(*done);
}

net::Task<Result<void>> Exchange::write(std::string_view piece) {
  std::optional<Result<void>> done = try_write(piece);
  if (!done) done = co_await flush();
  co_return std::move(*done);
}

net::Task<Result<void>> Exchange::end() {
  if (complete_) co_return Result<void>{};
  if (reply_kind_ == http::BodyKind::length) {
    abort();
    co_return fail(Reason::internal, "reply shorter than announced");
  }
  if (reply_kind_ == http::BodyKind::chunked) {
    const net::ErrorCode ec = co_await connection_.stream_.write(net::Pieces(http::kLastChunk));
    if (ec) {
      abort();
      co_return fail(Reason::client_gone, ec.message());
    }
  }
  complete_ = true;
  co_return Result<void>{};
}

net::Task<Result<void>> Exchange::reply(http::HeadWriter& writer, std::string_view body) {
  Result<void> r = co_await begin(writer, {http::BodyKind::length, body.size()}, body);
  co_return r;
}

void Exchange::abort() noexcept {
  aborted_ = true;
  close_ = true;
  // Where the end of the connection is the end of the body, only a reset says that it is not whole.
  if (reply_kind_ == http::BodyKind::until_close) {
    connection_.stream_.reset();
  } else {
    connection_.stream_.close();
  }
}

// ------------------------------------------------------------------------------------ Server

Server::Server(net::Core& core, Handler& handler, ServerOptions options)
    : core_(core), handler_(handler), options_(options), tasks_(core) {}

Server::~Server() = default;

net::Task<> Server::serve(net::Socket socket, bool tls) {
  Connection connection(*this, std::move(socket));
  // Named: g++ 12 destroys a conditional's temporary within a co_await expression twice.
  net::TlsContext context;
  if (tls) context = tls_;
  co_await connection.run(std::move(context));
}

void Server::take(net::Socket socket, bool tls) {
  if (stopping_) return;
  tasks_.spawn(serve(std::move(socket), tls));
}

void Server::listen(std::unique_ptr<net::Listener> listener, bool tls) {
  net::Listener& l = *listeners_.emplace_back(std::move(listener));
  tasks_.spawn(l.run([this, tls](net::Socket socket) { take(std::move(socket), tls); }));
}

net::Task<> Server::stop(std::chrono::milliseconds limit) {
  stopping_ = true;
  for (auto& l : listeners_) l->close();
  for (Connection* c : connections_) c->retire();
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!connections_.empty() && std::chrono::steady_clock::now() < end) {
    co_await net::sleep_for(core_, std::chrono::milliseconds(100));
  }
  for (Connection* c : connections_) c->abort();
  co_await tasks_.join();
}

}  // namespace vestibule::wire
