// GET /v1/events: what has changed for the one who asks, and to readers the log as it grows. One stream is
// one recorded read; it ends with the session, the role or the proof that opened it.

#include "portal/call.hpp"
#include "portal/events.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr std::chrono::milliseconds kLook{5'000};  ///< what changes by time alone is looked at this often
constexpr int kBeat = 4;                           ///< looks between two signs of life
constexpr std::chrono::milliseconds kPace{250};    ///< between two looks into the log
constexpr std::size_t kFollowed = 200;             ///< records at a time, and at the start
constexpr std::uint64_t kBehind = 1'000;           ///< further behind the log than this: the gap is named and left out

void append_event(std::string& out, std::string_view event, std::string_view data) {
  out.append("event: ").append(event).append("\ndata: ").append(data).append("\n\n");
}

std::string one_member(std::string_view key, std::string_view value) {
  json::Writer w;
  w.begin_object().member(key, value).end_object();
  return w.take();
}

/// Where a reader of the log is.
struct Place {
  std::uint64_t next = 0;
  std::chrono::steady_clock::time_point looked{};
};

}  // namespace

Reason Portal::may_follow(Call& call) const {
  const Reason standing = still_entitled(call);
  if (standing != Reason::ok) return standing;
  domain::Subject& who = call.caller.who.subject;
  if (services_.users.fill(who.user, who) != identity::Users::Standing::good) return Reason::user_disabled;
  std::optional<domain::Evidence> evidence = services_.sessions.evidence(who.session, services_.clock.now());
  if (!evidence) return Reason::session_ended;
  call.caller.who.evidence = *evidence;
  if (services_.gate.overdue(who) != nullptr) return Reason::factor_overdue;
  const gate::Stops stops = services_.gate.stops();
  if (stops.has(gate::StopScope::user, who.name.view())) return Reason::stopped;
  if (!call.of_others) return Reason::ok;
  const Result<void> may = elevate(call);
  return may ? Reason::ok : may.error().code;
}

/// Up to kFollowed records as events, and on to the next.
net::Task<Result<std::string>> Portal::read_on(std::uint64_t& next) {
  std::string out;
  const std::uint64_t size = services_.log.size();
  if (size > next && size - next > kBehind) {
    json::Writer w;
    w.begin_object().member("from_seq", next).member("to_seq", size - kFollowed - 1).end_object();
    append_event(out, "gap", w.text());
    next = size - kFollowed;
  }
  if (size <= next) co_return out;
  audit::Filter filter;
  filter.from_seq = next;
  filter.to_seq = std::min(size, next + kFollowed) - 1;
  filter.limit = kFollowed;
  filter.newest_first = false;
  auto job = [&filter, &out](store::Tx& tx) -> Result<void> {
    const Result<void> listed = audit::list(tx, filter, [&](const audit::Entry& e) {
      append_event(out, "decision", audit::to_json(e));
      return true;
    });
    if (!listed && listed.error().code != Reason::log_corrupt) return listed.error();
    return {};  // damaged records are passed over here: GET /v1/audit and verify say so
  };
  Result<void> read = co_await services_.database.read(std::move(job));
  if (!read) co_return std::move(read).error();
  next = *filter.to_seq + 1;
  co_return out;
}

net::Task<Result<Reply>> Portal::follow(Call& call) {
  if (services_.events == nullptr) co_return fail(Reason::not_found);
  const std::string_view decisions = call.query_text("decisions");
  if (!decisions.empty() && decisions != "1") co_return fail(Reason::invalid_argument, "decisions: 1");
  const bool log_too = !decisions.empty();
  if (log_too) {
    const Result<void> may = elevate(call);
    if (!may) co_return may.error();
  }
  wire::Exchange& ex = call.exchange;
  const session::Identified& who = call.caller.who;
  const Events::Stream::Reader reader{who.subject.session, who.subject.user, who.handle};
  Events::Stream::Hooks hooks;
  hooks.may = [this, &call] { return may_follow(call); };
  hooks.cut = [&ex] { ex.abort(); };
  const auto follows = log_too ? Events::Stream::Follows::log_too : Events::Stream::Follows::changes;
  // Open before anything is said, so that nothing falls between what the reader sees first and what follows.
  Events::Stream stream(*services_.events, ex.core(), reader, follows, std::move(hooks));
  if (stream.look() != Reason::ok) co_return fail(stream.over());
  Result<void> recorded = co_await record_read(call);
  if (!recorded) co_return std::move(recorded).error();

  // Before the greeting: whoever has read that misses nothing of what comes after it.
  Place place;
  const std::uint64_t size = services_.log.size();
  place.next = size > kFollowed ? size - kFollowed : 0;

  http::HeadWriter head = ex.start();
  head.status(200);
  head.field("Content-Type", "text/event-stream");
  head.field("X-Accel-Buffering", "no");
  add_fields(head, call);
  std::string out;
  append_event(out, "hello", one_member("version", services_.version));
  const Result<void> begun = co_await ex.begin(head, {http::BodyKind::chunked, 0}, out);
  if (!begun) co_return Reply{200, {}, true};

  int quiet = 0;
  while (stream.look() == Reason::ok) {
    out.clear();
    const std::array<bool, kTopics> topics = stream.take();
    const bool reads = role_fits(call.caller.who.subject, readers);
    for (std::size_t i = 0; i < kTopics; ++i) {
      const Topic t = static_cast<Topic>(i);
      const bool theirs = t != Topic::stops && t != Topic::policy;
      if (topics[i] && (theirs || reads)) append_event(out, name(t), "{}");
    }
    std::chrono::milliseconds limit = kLook;
    if (log_too) {
      const auto since = std::chrono::steady_clock::now() - place.looked;
      const bool early = since < kPace && services_.log.size() > place.next;
      if (early) limit = std::chrono::ceil<std::chrono::milliseconds>(kPace - since);
      if (!early) stream.following();
      if (!early && services_.log.size() > place.next) {
        place.looked = std::chrono::steady_clock::now();
        Result<std::string> more = co_await read_on(place.next);
        if (!more) break;
        // Reading takes time: what was allowed then must be allowed still.
        if (stream.look() != Reason::ok) break;
        out += *more;
      }
    }
    if (out.empty()) {
      const bool woken = co_await stream.wait(limit);
      if (woken || limit != kLook) continue;
      if (ex.gone()) co_return Reply{200, {}, true};
      if (++quiet < kBeat) continue;
      out = ":\n\n";
    }
    quiet = 0;
    stream.writing(true);
    // Waits for a slow reader; nothing is read from the log meanwhile, and changes add up in place.
    const Result<void> written = co_await ex.write(out);
    stream.writing(false);
    if (!written) co_return Reply{200, {}, true};
  }
  const Reason why = stream.over() == Reason::ok ? Reason::store_unavailable : stream.over();
  out.clear();
  append_event(out, "ended", one_member("reason", info(why).code));
  const Result<void> said = co_await ex.write(out);
  static_cast<void>(said);
  const Result<void> ended = co_await ex.end();
  static_cast<void>(ended);
  co_return Reply{200, {}, true};
}

}  // namespace vestibule::portal
