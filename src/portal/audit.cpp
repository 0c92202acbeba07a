// Reading the audit log. Everything runs in the store's reader threads; lists go out in batches.

#include <charconv>
#include <fstream>

#include "identity/actor.hpp"
#include "portal/act.hpp"
#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr std::size_t kBatch = 200;                             ///< entries read at a time
constexpr std::size_t kMaxShipped = std::size_t{64} << 20U;     ///< bytes of the checkpoint file
constexpr std::uint64_t kMaxLimit = 1'000'000'000;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return n;
}

Error wrong(std::string_view name) {
  return fail(Reason::invalid_argument, std::string(name) + ": not understood");
}

Result<audit::Filter> filter_of(const Call& call) {
  audit::Filter f;
  for (const auto& [name, value] : call.query) {
    if (value.empty()) return wrong(name);
    if (name == "user") {
      f.user_name = value;
    } else if (name == "access_point") {
      f.access_point = value;
    } else if (name == "operation") {
      f.operation = value;
    } else if (name == "reason") {
      if (!reason_from(value)) return wrong(name);
      f.reason = value;
    } else if (name == "request") {
      if (!RequestId::parse(value)) return wrong(name);
      f.request = value;
    } else if (name == "kind") {
      f.kind = audit::kind_from(value);
      if (!f.kind) return wrong(name);
    } else if (name == "since" || name == "until") {
      const auto time = parse_time(value);
      if (!time) return wrong(name);
      (name == "since" ? f.since : f.until) = *time;
    } else if (name == "from_seq" || name == "to_seq") {
      const auto seq = number(value);
      if (!seq) return wrong(name);
      (name == "from_seq" ? f.from_seq : f.to_seq) = *seq;
    } else if (name == "limit") {
      const auto n = number(value);
      if (!n || *n == 0 || *n > kMaxLimit) return wrong(name);
      f.limit = static_cast<std::size_t>(*n);
    } else if (name == "order") {
      if (value != "newest" && value != "oldest") return wrong(name);
      f.newest_first = value == "newest";
    }
  }
  return f;
}

struct Batch {
  std::string lines;
  std::size_t entries = 0;
  std::uint64_t last_seq = 0;
  bool damaged = false;  ///< records were passed over
};

Result<Batch> read_batch(store::Tx& tx, const audit::Filter& filter) {
  Batch out;
  const Result<void> listed = audit::list(tx, filter, [&](const audit::Entry& e) {
    out.lines += audit::to_json(e);
    out.lines.push_back('\n');
    out.last_seq = e.seq;
    ++out.entries;
    return true;
  });
  if (!listed && listed.error().code != Reason::log_corrupt) return listed.error();
  out.damaged = !listed;
  return out;
}

// The shipped checkpoints, or nothing where there is no file yet.
Result<std::string> read_shipped(const std::filesystem::path& file) {
  if (file.empty()) return std::string();
  std::error_code ec;
  const auto size = std::filesystem::file_size(file, ec);
  if (ec) return std::string();
  if (size > kMaxShipped) return fail(Reason::invalid_argument, "the checkpoint file is too large: verify offline");
  std::ifstream in(file, std::ios::binary);
  std::string out(static_cast<std::size_t>(size), '\0');
  if (!in.read(out.data(), static_cast<std::streamsize>(out.size()))) {
    return fail(Reason::internal, "the checkpoint file cannot be read");
  }
  return out;
}

std::string error_line(Reason reason, RequestId request) {
  json::Writer w;
  w.begin_object().key("error").begin_object();
  w.member("code", info(reason).code).member("message", info(reason).text).member("request", request.text());
  w.end_object().end_object();
  std::string out = w.take();
  out.push_back('\n');
  return out;
}

}  // namespace

net::Task<Result<Reply>> Portal::list_audit(Call& call) {
  Result<audit::Filter> wanted = filter_of(call);
  if (!wanted) co_return std::move(wanted).error();
  audit::Filter filter = std::move(*wanted);
  std::size_t left = filter.limit;
  // The log grows while it is read, by this very request too: its end is that of now.
  const std::uint64_t size = services_.log.size();
  const std::uint64_t last = size == 0 ? 0 : size - 1;
  if (!filter.to_seq || *filter.to_seq > last) filter.to_seq = last;

  wire::Exchange& ex = call.exchange;
  Reason end = Reason::ok;
  bool more = true;
  while (more) {
    filter.limit = std::min(left, kBatch);
    auto job = [&filter](store::Tx& tx) { return read_batch(tx, filter); };
    Result<Batch> batch = co_await services_.database.read(std::move(job));
    if (!batch && !ex.begun()) co_return std::move(batch).error();
    if (!batch) {
      end = batch.error().code;
      break;
    }
    if (batch->damaged) end = Reason::log_corrupt;
    left -= batch->entries;
    more = batch->entries == filter.limit && left > 0;
    if (more && filter.newest_first) {
      more = batch->last_seq > 0;
      if (more) filter.to_seq = batch->last_seq - 1;
      if (filter.from_seq && more) more = *filter.to_seq >= *filter.from_seq;
    } else if (more) {
      filter.from_seq = batch->last_seq + 1;
      more = *filter.from_seq <= *filter.to_seq;
    }
    if (!ex.begun()) {
      Result<void> recorded = co_await record_read(call);
      if (!recorded) co_return std::move(recorded).error();
      http::HeadWriter out = ex.start();
      out.status(200);
      out.field("Content-Type", "application/x-ndjson");
      add_fields(out, call);
      const Result<void> begun = co_await ex.begin(out, {http::BodyKind::chunked, 0}, batch->lines);
      if (!begun) co_return Reply{200, {}, true};
    } else {
      // Waits for a slow reader, and nothing is read from the store meanwhile.
      const Result<void> written = co_await ex.write(batch->lines);
      if (!written) co_return Reply{200, {}, true};
    }
    // A long list is cut like everything else once its reader may no longer read.
    if (more && still_entitled(call) != Reason::ok) {
      end = Reason::revoked_in_flight;
      break;
    }
  }
  if (end == Reason::ok) {
    const Result<void> ended = co_await ex.end();
    static_cast<void>(ended);
    co_return Reply{200, {}, true};
  }
  // Say why, then break off: nobody takes this for the whole of it.
  const std::string line = error_line(end, call.caller.request);
  const Result<void> written = co_await ex.write(line);
  static_cast<void>(written);
  ex.abort();
  co_return Reply{200, {}, true};
}

net::Task<Result<Reply>> Portal::checkpoint(Call&) {
  json::Writer w = writer();
  w.begin_object().member("checkpoint", services_.log.checkpoint()).member("vkey", services_.log.verifier_key());
  w.member("records", services_.log.size()).end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::prove_record(Call& call) {
  const auto seq = number(call.query_text("seq"));
  if (!seq) co_return fail(Reason::invalid_argument, "seq: the number of a record");
  auto job = [n = *seq](store::Tx& tx) { return audit::prove(tx, n); };
  Result<std::string> proof = co_await services_.database.read(std::move(job));
  if (!proof) co_return std::move(proof).error();
  co_return Reply{200, std::move(*proof), false};
}

net::Task<Result<Reply>> Portal::verify_audit(Call&) {
  auto job = [this](store::Tx& tx) -> Result<audit::VerifyReport> {
    Result<std::string> shipped = read_shipped(services_.checkpoint_file);
    if (!shipped) return std::move(shipped).error();
    return audit::verify(tx, ByteView(services_.log.public_key()), *shipped);
  };
  Result<audit::VerifyReport> report = co_await services_.database.read(std::move(job));
  if (!report) co_return std::move(report).error();
  json::Writer w = writer();
  w.begin_object().member("records", report->records).member("checkpoints", report->checkpoints);
  w.member("erased", report->erased).member("root", report->root).key("problems").begin_array();
  for (const std::string& p : report->problems) w.value(p);
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::erase_audit(Call& call) {
  const std::string user(call.body.text("user"));
  // Who still has an account is answerable for it, administrators first of all.
  if (services_.users.find(user)) co_return fail(Reason::conflict, "this account exists: remove it first");
  auto act = [this, user](store::Tx& tx, const session::Actor& by) -> Result<std::uint64_t> {
    Result<std::uint64_t> erased = audit::erase_private(tx, user);
    if (!erased) return erased;
    // The record of it names the person no more.
    services_.log.append(tx, identity::change_record("audit.erase", by, {}, std::to_string(*erased) + " records",
                                                     services_.clock.now()));
    return erased;
  };
  const std::string_view operation = call.route->operation;
  std::string purpose = std::string(operation) + " " + user;
  Result<std::uint64_t> erased = co_await prove_and(call, std::move(purpose), std::move(act), operation.size());
  if (!erased) co_return std::move(erased).error();
  json::Writer w = writer();
  w.begin_object().member("erased", *erased).end_object();
  co_return Reply{200, w.take(), false};
}

}  // namespace vestibule::portal
