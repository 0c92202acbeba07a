#include "proxy/relay.hpp"

#include <algorithm>
#include <array>

#include "proxy/heads.hpp"
#include "proxy/holding.hpp"

namespace vestibule::proxy {
namespace {

// All that a tool server may say in a head: it speaks from the gateway's origin.
constexpr std::array kMessageFields{http::Known::cache_control, http::Known::retry_after, http::Known::allow, http::Known::mcp_protocol_version};
// Of a reply that is kept back: small ones, which are most, are not counted, no lock on their way.
constexpr std::size_t kUncounted = std::size_t{64} << 10U;
constexpr std::size_t kMaxErrorPage = std::size_t{64} << 10U;

/// What tells of an error in a JSON type of its own (RFC 9457) is read as JSON.
dialect::ReplyForm form_of(const http::ResponseHead& reply) noexcept {
  const std::string_view type = reply.headers.find(http::Known::content_type).value_or(std::string_view{});
  const dialect::ReplyForm form = dialect::reply_form(type);
  if (form != dialect::ReplyForm::unknown || (reply.status >= 200 && reply.status <= 299)) return form;
  return type.substr(0, type.find(';')).ends_with("+json") ? dialect::ReplyForm::json : form;
}

}  // namespace

void Proxy::Relay::cut(Reason reason) noexcept {
  cut_ = reason;
  if (call_ != nullptr) call_->cancel();
  if (writing_ || reason == Reason::client_gone) exchange_.abort();
  if (cut_signal_ != nullptr) cut_signal_->notify_all();
}

void Proxy::Relay::reply_fields(http::HeadWriter& out, const http::ResponseHead& head, bool replaced) const {
  if (door_.fields.empty()) {
    copy_reply_fields(out, head, replaced);
    return;
  }
  if (const auto type = head.headers.find(http::Known::content_type)) out.field("Content-Type", *type);
  if (const auto coding = head.headers.find(http::Known::content_encoding); coding && !replaced) {
    out.field("Content-Encoding", *coding);
  }
  out.field("Cache-Control", "no-store");
  for (const auto& [name, value] : door_.fields) out.field(name, value);
}

net::Task<Result<void>> Proxy::Relay::upload() {
  const bool chunked = exchange_.head().framing.kind == http::BodyKind::chunked;
  while (!exchange_.body_done()) {
    const Result<std::string_view> piece = co_await exchange_.read_some();
    if (!piece) co_return fail(piece.error().code, piece.error().detail);
    if (piece->empty()) break;
    net::ErrorCode ec;
    if (chunked) {
      std::array<char, http::kChunkHeadMax> size{};
      const std::size_t n = http::write_chunk_head(piece->size(), size);
      ec = co_await call_->send(net::Pieces({size.data(), n}, *piece, http::kChunkEnd));
    } else {
      ec = co_await call_->send(net::Pieces(*piece));
    }
    if (ec) co_return fail(Reason::upstream_unreachable, ec.message());
  }
  if (chunked) {
    const net::ErrorCode ec = co_await call_->send(net::Pieces(http::kLastChunk));
    if (ec) co_return fail(Reason::upstream_unreachable, ec.message());
  }
  co_return Result<void>{};
}

Result<void> Proxy::Relay::begin(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request, bool observe) {
  const std::string_view type = reply.headers.find(http::Known::content_type).value_or(std::string_view{});
  event_stream_ = type.starts_with("text/event-stream") || type.starts_with("application/x-ndjson");
  http::HeadWriter& head = head_.emplace(exchange_.start());
  head.status(reply.status, reply.reason);
  reply_fields(head, reply, /*replaced=*/false);
  add_own_fields(head, decision, request);
  framing_ = reply.framing;
  if (framing_.kind == http::BodyKind::until_close) framing_.kind = http::BodyKind::chunked;
  if (framing_.kind == http::BodyKind::none && exchange_.head().method == http::Method::head) {
    // what a GET would have announced, if the upstream said so
    if (const auto length = reply.headers.find(http::Known::content_length)) head.field("Content-Length", *length);
  } else if (framing_.kind == http::BodyKind::none && reply.status != 204 && reply.status != 304) {
    framing_ = {http::BodyKind::length, 0};
  }

  // Head and first bytes in one write if they have arrived together; else the head goes at once.
  if (call_->has_buffered() && framing_.kind != http::BodyKind::none) {
    const std::optional<Result<std::string_view>> piece = call_->try_read_body();
    if (piece && !*piece) return fail(piece->error().code, piece->error().detail);
    if (piece) first_ = **piece;
    if (observe && call_->body_done()) {
      usage_ = dialect::UsageObserver::counts_of(first_);
      observe = false;
    }
    if (observe) observer_.feed(first_);
  }
  observed_ = observe;
  return {};
}

std::optional<Result<void>> Proxy::Relay::try_stream() {
  if (cut_ != Reason::ok) return fail(cut_);
  std::optional<Result<void>> sent = exchange_.try_begin(*head_, framing_, first_);
  unsent_ = !sent;
  const bool over = sent && *sent && exchange_.complete() && call_->body_done();
  if (over || (sent && !*sent)) return sent;
  return std::nullopt;
}

net::Task<Result<void>> Proxy::Relay::stream() {
  std::optional<Result<void>> sent;
  if (unsent_) {
    sent = co_await flush();
    if (!*sent) co_return std::move(*sent).error();
  }
  // Whatever needs no wait goes without a coroutine of its own.
  while (!exchange_.complete()) {
    std::optional<Result<std::string_view>> piece = call_->try_read_body();
    if (!piece) piece = co_await call_->read_body();
    if (cut_ != Reason::ok) co_return fail(cut_);
    if (!*piece) co_return fail(piece->error().code, piece->error().detail);
    if ((*piece)->empty()) break;
    if (observed_) observer_.feed(**piece);
    sent = exchange_.try_write(**piece);
    if (!sent) sent = co_await flush();
    if (!*sent) co_return std::move(*sent).error();
    if (cut_ != Reason::ok) co_return fail(cut_);
  }
  // With a known length the client's side is complete with the last byte; a chunked upstream must
  // still show its end, or its connection is out of step.
  if (!call_->body_done()) {
    const Result<std::string_view> rest = co_await call_->read_body();
    if (!rest || !rest->empty()) co_return fail(Reason::upstream_malformed, "more bytes than announced");
  }
  if (exchange_.complete()) co_return Result<void>{};
  Result<void> ended = co_await exchange_.end();
  co_return ended;
}

std::optional<Result<void>> Proxy::Relay::try_put(http::HeadWriter& head, std::string_view bytes) {
  return exchange_.begun() ? exchange_.try_write(bytes) : exchange_.try_begin(head, {http::BodyKind::chunked, 0}, bytes);
}

net::Task<Result<void>> Proxy::Relay::flush() {
  writing_ = true;
  Result<void> sent = co_await exchange_.flush();
  writing_ = false;
  co_return sent;
}

net::Task<Result<void>> Proxy::Relay::put(http::HeadWriter& head, std::string_view bytes) {
  std::optional<Result<void>> sent = try_put(head, bytes);
  if (!sent) sent = co_await flush();
  if (*sent && cut_ != Reason::ok) co_return fail(cut_);
  co_return std::move(*sent);
}

net::Task<> Proxy::Relay::reassure() {
  if (!event_stream_ || !exchange_.begun()) co_return;
  writing_ = true;
  const Result<void> sent = co_await exchange_.write(": a tool call waits for a person\n\n");
  writing_ = false;
  static_cast<void>(sent);  // that the client has gone is found out otherwise
}

net::Task<Result<void>> Proxy::Relay::inspect(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request,
                                              dialect::ReplyShape shape, Ruler rule) {
  const dialect::ReplyForm form = form_of(reply);
  const std::string_view coding = reply.headers.find(http::Known::content_encoding).value_or("identity");
  const bool error = reply.status < 200 || reply.status > 299;
  if (coding != "identity" || (form == dialect::ReplyForm::unknown && !error)) co_return fail(Reason::reply_unreadable, "neither JSON nor a stream of events");
  event_stream_ = form == dialect::ReplyForm::events;
  // The head first: its views do not outlive the first read of the body.
  http::HeadWriter head = exchange_.start();
  head.status(reply.status);
  reply_fields(head, reply, /*replaced=*/true);
  add_own_fields(head, decision, request);
  if (form == dialect::ReplyForm::unknown) {
    Result<void> shown = co_await error_page(head);
    co_return shown;
  }
  const std::unique_ptr<dialect::Inspector> inspector = dialect::inspect(shape, form);
  observed_ = true;
  std::string out;
  std::size_t held = 0;
  std::optional<approval::Holds::Kept> kept;
  if (door_.holding != nullptr) kept.emplace(door_.holding->holds);
  for (;;) {
    std::optional<Result<std::string_view>> piece = call_->try_read_body();
    if (!piece) piece = co_await call_->read_body();
    if (cut_ != Reason::ok) co_return fail(cut_);
    if (!*piece) co_return fail(piece->error().code, piece->error().detail);
    if ((*piece)->empty()) break;
    observer_.feed(**piece);
    Result<void> fed = inspector->feed(**piece, out);
    if (!fed) co_return fed;
    // Small ones, which are most, are not counted: no lock on their way.
    if (inspector->holding()) held += (*piece)->size();
    if (kept && held > kUncounted) {
      if (!kept->add(held)) co_return fail(Reason::overloaded, "too much of replies is kept back");
      held = 0;
    }
    if (out.empty()) continue;
    std::optional<Result<void>> sent = try_put(head, out);
    if (!sent) sent = co_await flush();
    if (!*sent) co_return std::move(*sent).error();
    if (cut_ != Reason::ok) co_return fail(cut_);
    out.clear();
  }
  Result<void> whole = inspector->finish(out);
  if (!whole) co_return whole;
  if (!inspector->calls().empty()) {
    Result<std::vector<dialect::Ruling>> rulings = co_await rule(inspector->calls());
    if (!rulings) co_return std::move(rulings).error();
    Result<void> resolved = inspector->resolve(*rulings, out);
    if (!resolved) co_return resolved;
  }
  if (cut_ != Reason::ok) co_return fail(cut_);
  Result<void> ended = co_await last(head, out);
  co_return ended;
}

net::Task<Result<void>> Proxy::Relay::error_page(http::HeadWriter& head) {
  std::string page;
  for (;;) {
    const Result<std::string_view> piece = co_await call_->read_body();
    if (cut_ != Reason::ok) co_return fail(cut_);
    if (!piece) co_return fail(piece.error().code, piece.error().detail);
    if (piece->empty()) break;
    if (page.size() + piece->size() > kMaxErrorPage) co_return fail(Reason::reply_too_large, "an error that has more than 64 KiB");
    page.append(*piece);
  }
  if (!dialect::is_prose(page)) co_return fail(Reason::reply_unreadable, "an error of another type that looks like an answer");
  Result<void> shown = co_await last(head, page);
  co_return shown;
}

net::Task<Result<void>> Proxy::Relay::last(http::HeadWriter& head, std::string_view bytes) {
  if (!exchange_.begun()) {
    writing_ = true;
    Result<void> sent = co_await exchange_.reply(head, bytes);
    writing_ = false;
    co_return sent;
  }
  if (!bytes.empty()) {
    Result<void> sent = co_await put(head, bytes);
    if (!sent) co_return sent;
  }
  writing_ = true;
  Result<void> ended = co_await exchange_.end();
  writing_ = false;
  co_return ended;
}

net::Task<Result<void>> Proxy::Relay::messages(const http::ResponseHead& reply, const domain::Decision& decision, RequestId request,
                                               dialect::mcp::Judging judging, Naming session, Learning& learning) {
  if (reply.status >= 300 && reply.status < 400) co_return fail(Reason::upstream_malformed, "a redirection: tool servers answer where they are asked");
  // A client would take it for the gateway's own challenge, and sign in for nothing.
  if (reply.status == 401) co_return fail(Reason::upstream_malformed, "the tool server does not take the gateway's credential: vestibule access credential NAME");
  const dialect::ReplyForm form = dialect::reply_form(reply.headers.find(http::Known::content_type).value_or(std::string_view{}));
  const std::string_view coding = reply.headers.find(http::Known::content_encoding).value_or("identity");
  const bool good = reply.status < 300;
  const bool legible = coding == "identity" && (form == dialect::ReplyForm::json || (good && form == dialect::ReplyForm::events));
  judging.errors_alone = !good;
  event_stream_ = legible && form == dialect::ReplyForm::events;
  http::HeadWriter head = exchange_.start();
  head.status(reply.status);
  for (const http::HeaderField& f : reply.headers) {
    if (std::find(kMessageFields.begin(), kMessageFields.end(), f.known) != kMessageFields.end()) head.copy(f);
  }
  if (const auto type = reply.headers.find(http::Known::content_type); type && legible) head.field("Content-Type", *type);
  if (event_stream_) head.field("X-Accel-Buffering", "no");
  head.field("X-Content-Type-Options", "nosniff");
  if (const auto id = reply.headers.find(http::Known::mcp_session_id); id && good) {
    const std::string named = session(*id);
    if (!named.empty()) head.field("Mcp-Session-Id", named);
  }
  add_own_fields(head, decision, request);
  dialect::mcp::Reply reader(form, std::move(judging));
  std::string out;
  std::size_t counted = kUncounted;
  std::optional<approval::Holds::Kept> kept;
  if (door_.holding != nullptr) kept.emplace(door_.holding->holds);
  // The head at once: a client waits for it before it trusts in a stream that may be silent for long.
  if (event_stream_) {
    Result<void> begun = co_await put(head, {});
    if (!begun) co_return begun;
  }
  Result<void> read;
  for (;;) {
    std::optional<Result<std::string_view>> piece = call_->try_read_body();
    if (!piece) piece = co_await call_->read_body();
    if (cut_ != Reason::ok) co_return fail(cut_);
    if (!*piece) co_return fail(piece->error().code, piece->error().detail);
    if ((*piece)->empty()) break;
    // What is accepted and no more has no type, and no words. Words about an error that are no message are not passed
    // on: a client might take them for one.
    if (!legible && good) co_return fail(Reason::reply_unreadable, "neither JSON nor a stream of events");
    if (!legible || !read) continue;
    read = reader.feed(**piece, out);
    if (!read && good) co_return read;
    if (kept && reader.held() > counted) {
      if (!kept->add(reader.held() - counted)) co_return fail(Reason::overloaded, "too much of replies is kept back");
      counted = reader.held();
    } else if (kept && counted > kUncounted && reader.held() <= kUncounted) {
      kept.emplace(door_.holding->holds);  // a large message has gone by: its share is given back
      counted = kUncounted;
    }
    if (!event_stream_ || out.empty()) continue;
    if (!learning.news.empty()) {
      Result<void> stored = co_await keep(learning);
      if (!stored) co_return stored;
    }
    Result<void> sent = co_await put(head, out);
    if (!sent) co_return sent;
    out.clear();
  }
  if (legible && read) read = reader.finish(out);
  if (!read && good) co_return read;
  if (!read) out.clear();
  if (!learning.news.empty()) {
    Result<void> stored = co_await keep(learning);
    if (!stored) co_return stored;
  }
  Result<void> ended = co_await last(head, out);
  co_return ended;
}

net::Task<Result<void>> Proxy::Relay::keep(Learning& learning) {
  std::vector<approval::Sighting> news = std::exchange(learning.news, {});
  Result<void> stored = co_await door_.definitions->keep(std::move(news), *learning.by);
  if (stored && cut_ != Reason::ok) co_return fail(cut_);
  co_return stored;
}

net::Task<Result<void>> Proxy::Relay::models(const dialect::Dialect& dialect, const http::ResponseHead& reply,
                                             const dialect::Rules& rules, std::function<bool(std::string_view)> allowed,
                                             const domain::Decision& decision, RequestId request) {
  static constexpr std::size_t kMax = std::size_t{4} << 20U;
  // The head first: its views do not outlive the first read of the body.
  http::HeadWriter head = exchange_.start();
  head.status(reply.status);
  reply_fields(head, reply, /*replaced=*/true);
  add_own_fields(head, decision, request);
  std::string body;
  if (reply.framing.kind == http::BodyKind::length) {
    if (reply.framing.length > kMax) co_return fail(Reason::upstream_malformed, "the list of models is too long");
    body.reserve(reply.framing.length);
  }
  for (;;) {
    const Result<std::string_view> piece = co_await call_->read_body();
    if (cut_ != Reason::ok) co_return fail(cut_);
    if (!piece) co_return fail(piece.error().code, piece.error().detail);
    if (piece->empty()) break;
    if (body.size() + piece->size() > kMax) co_return fail(Reason::upstream_malformed, "the list of models is too long");
    body.append(*piece);
  }
  auto usable = [&](std::string_view model) {
    return dialect::model_listed(dialect.kind(), rules, model) && allowed(model);
  };
  const Result<std::string> filtered = dialect.filter_models(body, usable);
  if (!filtered) co_return fail(filtered.error().code, filtered.error().detail);
  writing_ = true;
  Result<void> sent = co_await exchange_.reply(head, *filtered);
  writing_ = false;
  co_return sent;
}

}  // namespace vestibule::proxy
