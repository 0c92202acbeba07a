// audit: list, verify, export, prove, erase; verify and prove offline too. policy suggest, which reads it.

#include <fmt/format.h>

#include <charconv>
#include <fstream>

#include "app/cli/commands_audit.hpp"
#include "app/cli/offline_copy.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/verifier_key.hpp"
#include "app/files.hpp"
#include "app/meta.hpp"
#include "audit/log.hpp"
#include "audit/note.hpp"
#include "audit/proof.hpp"
#include "domain/act.hpp"
#include "http/ndjson.hpp"
#include "policy/suggest.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::size_t kMostGiven = std::size_t{64} << 20U;

// "2026-11-23T03:02:36Z", "2026-11-23", or how long ago: "90s", "30m", "2h", "7d".
Result<std::string> moment(const std::string& text) {
  if (text.empty() || text.find('-') != std::string::npos) {
    return text.size() == 10 ? text + "T00:00:00Z" : text;
  }
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t seconds = unit == "s" ? 1 : unit == "m" || unit == "min" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  if (ec != std::errc() || seconds == 0 || n < 0 || n > 1'000'000) {
    return fail(Reason::invalid_argument, "\"" + text + "\" is no time: give 2026-11-23T03:02:36Z, 2026-11-23, or 30m, 2h, 7d for how long ago");
  }
  return rfc3339(SystemClock().wall() - std::chrono::seconds(n * seconds));
}

class Query {
 public:
  Query& add(std::string_view key, const std::string& value) {
    if (value.empty()) return *this;
    text_ += (text_.empty() ? "?" : "&") + std::string(key) + "=" + percent_encode(value);
    return *this;
  }
  Query& add(std::string_view key, const std::optional<std::uint64_t>& value) {
    return value ? add(key, std::to_string(*value)) : *this;
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

std::string what_of(const json::Value& e) {
  std::string what = text_of(e, "access_point");
  if (const std::string o = text_of(e, "operation"); !o.empty()) what += (what.empty() ? "" : " ") + o;
  if (const std::string m = text_of(e, "model"); !m.empty()) what += " " + m;
  if (const std::string o = text_of(e, "object"); !o.empty()) what += " " + o;
  return what;
}

void add_row(Table& table, const json::Value& e) {
  const std::string user = flag_of(e, "erased") ? "(erased)" : text_of(e, "user_name");
  const std::string reason = text_of(e, "reason");
  const std::int64_t count = number_of(e, "count");
  table.add({std::to_string(number_of(e, "seq")), time_text(text_of(e, "at")), text_of(e, "kind"), user, text_of(e, "source"),
             what_of(e), text_of(e, "outcome") + (reason.empty() || reason == "ok" ? "" : " " + reason) +
                             (count > 1 ? " x" + std::to_string(count) : ""),
             text_of(e, "note")});
}

int report(Context& ctx, const audit::VerifyReport& r, std::string_view how) {
  if (ctx.json()) {
    json::Value problems{json::Array{}};
    for (const std::string& p : r.problems) problems.push(p);
    json::Value v;
    v.set("records", static_cast<std::int64_t>(r.records)).set("checkpoints", static_cast<std::int64_t>(r.checkpoints));
    v.set("erased", static_cast<std::int64_t>(r.erased)).set("root", r.root).set("problems", std::move(problems));
    out(v.dump() + "\n");
  } else {
    out(fmt::format("records      {}\nerased       {}\ncheckpoints  {}\nroot         {}\n", r.records, r.erased, r.checkpoints,
                    printable(r.root)));
    if (r.problems.empty()) {
      out(fmt::format("The log is whole ({}).\n", how));
    } else {
      warn("the log does not verify: see docs/runbooks/corrupt-log.md");
      for (const std::string& p : r.problems) err("  " + printable(p) + "\n");
    }
  }
  return status(r.problems.empty() ? Exit::ok : Exit::refused);
}

int verify_offline(Context& ctx, const AuditVerifyOptions& o) {
  if (o.vkey.empty()) {
    return ctx.failed(fail(Reason::invalid_argument, "--database goes with --vkey KEY (kept apart from the database)"));
  }
  const Result<VerifierKey> key = parse_verifier_key(o.vkey);
  if (!key) return ctx.failed(key.error());
  std::string checkpoints;
  if (!o.checkpoints.empty()) {
    Result<std::string> text = read_given(o.checkpoints, kMostGiven);
    if (!text) return ctx.failed(text.error());
    checkpoints = std::move(*text);
  }
  if (database_in_use(o.database)) {
    return ctx.failed(fail(Reason::conflict, o.database + " is in use by a running gateway: verify through it (without --database), or verify a backup"));
  }
  Result<PrivateDirectory> dir = PrivateDirectory::make();
  if (!dir) return ctx.failed(dir.error());
  const std::filesystem::path copy = dir->path() / "vestibule.db";
  if (const Result<void> r = copy_database(o.database, copy); !r) return ctx.failed(r.error());
  store::Database::Options options;
  options.file = copy;
  const std::vector<store::Migration> migrations = all_migrations();  // a database knows its rooms
  Result<std::unique_ptr<store::Database>> database = store::Database::open(options, migrations);
  if (!database) return ctx.failed(database.error());
  const Result<audit::VerifyReport> r = (*database)->read_blocking([&](store::Tx& tx) -> Result<audit::VerifyReport> {
    return audit::verify(tx, key->key, checkpoints);
  });
  if (!r) return ctx.failed(r.error());
  return report(ctx, *r, checkpoints.empty() ? "records, tree, stored checkpoints" : "records, tree, stored and shipped checkpoints");
}

// What shipped checkpoints say against a server's own word: signatures, and that nothing is missing
// at the end.
std::vector<std::string> compare_shipped(std::string_view shipped, const VerifierKey& key, std::uint64_t records,
                                         std::string_view newest, std::uint64_t& count) {
  std::vector<std::string> problems;
  const std::optional<audit::Checkpoint> own = audit::parse_checkpoint(newest);
  for (const std::string_view note : audit::split_notes(shipped)) {
    const Result<audit::Checkpoint> c = audit::open_checkpoint(note, key.key);
    if (!c) {
      problems.push_back("a shipped checkpoint: " + c.error().detail);
      continue;
    }
    ++count;
    if (c->size > records) {
      problems.push_back(fmt::format("a checkpoint of {} records was shipped, but the log has {}: its end is missing", c->size, records));
    } else if (own && own->size == c->size && own->root != c->root) {
      problems.push_back(fmt::format("two different logs of {} records were signed", c->size));
    }
  }
  return problems;
}

}  // namespace

int audit_list(Context& ctx, const AuditListOptions& o) {
  Result<std::string> since = moment(o.since);
  if (!since) return ctx.failed(since.error());
  Result<std::string> until = moment(o.until);
  if (!until) return ctx.failed(until.error());
  Query q;
  q.add("user", o.user).add("access_point", o.access_point).add("operation", o.operation).add("reason", o.reason);
  q.add("request", o.request).add("kind", o.kind).add("since", *since).add("until", *until);
  q.add("from_seq", o.from_seq).add("to_seq", o.to_seq).add("limit", std::to_string(o.limit));
  q.add("order", o.oldest ? "oldest" : "newest");
  Table table({"SEQ", "AT", "KIND", "USER", "FROM", "WHAT", "OUTCOME", "NOTE"});
  http::NdjsonSplitter splitter;
  const bool json = ctx.json();
  const auto line = [&](std::string_view, std::string_view text) {
    if (text.empty()) return;
    if (json) {
      out(std::string(text) + "\n");
    } else if (const Result<json::Value> e = json::parse(text)) {
      add_row(table, *e);
    }
  };
  const Result<Reply> reply = ctx.call(http::Method::get, "/audit" + q.text(), As::session, {},
                                       [&](std::string_view piece) { return splitter.feed(piece, line); });
  if (!reply) return ctx.failed(reply.error());
  splitter.finish(line);
  if (!json) print(table);
  return status(Exit::ok);
}

int policy_suggest(Context& ctx, const std::string& since) {
  Result<std::string> from = moment(since);
  if (!from) return ctx.failed(from.error());
  constexpr std::uint64_t kMostRecords = 1'000'000;
  Query q;
  q.add("operation", std::string(domain::kToolCall)).add("since", *from).add("limit", std::to_string(kMostRecords)).add("order", "newest");
  policy::Suggestions all;
  http::NdjsonSplitter splitter;
  const auto line = [&](std::string_view, std::string_view text) {
    if (text.empty()) return;
    const Result<json::Value> record = json::parse(text);
    const std::optional<policy::SeenCall> call = record ? policy::seen_call(*record) : std::nullopt;
    if (call) all.add(*call);
  };
  const Result<Reply> reply = ctx.call(http::Method::get, "/audit" + q.text(), As::session, {},
                                       [&](std::string_view piece) { return splitter.feed(piece, line); });
  if (!reply) return ctx.failed(reply.error());
  splitter.finish(line);
  out("# Since " + *from + ".\n" + all.toml());
  return status(Exit::ok);
}

int audit_verify(Context& ctx, const AuditVerifyOptions& o) {
  if (!o.database.empty()) return verify_offline(ctx, o);
  std::string shipped;
  if (!o.checkpoints.empty()) {
    Result<std::string> text = read_given(o.checkpoints, kMostGiven);
    if (!text) return ctx.failed(text.error());
    shipped = std::move(*text);
  }
  Result<Reply> reply = ctx.post("/audit/verify", As::session);
  if (!reply) return ctx.failed(reply.error());
  Result<Reply> head = ctx.get("/audit/checkpoint");
  if (!head) return ctx.failed(head.error());
  audit::VerifyReport r;
  r.records = static_cast<std::uint64_t>(number_of(reply->json, "records"));
  r.checkpoints = static_cast<std::uint64_t>(number_of(reply->json, "checkpoints"));
  r.erased = static_cast<std::uint64_t>(number_of(reply->json, "erased"));
  r.root = text_of(reply->json, "root");
  if (const json::Value* problems = reply->json.find("problems")) {
    for (const json::Value& p : problems->items()) {
      if (Result<std::string> s = p.as_string()) r.problems.push_back(std::move(*s));
    }
  }
  const std::string vkey = text_of(head->json, "vkey");
  if (!shipped.empty()) {
    const Result<VerifierKey> key = parse_verifier_key(o.vkey.empty() ? vkey : o.vkey);
    if (!key) return ctx.failed(key.error());
    std::uint64_t count = 0;
    for (std::string& p : compare_shipped(shipped, *key, r.records, text_of(head->json, "checkpoint"), count)) {
      r.problems.push_back(std::move(p));
    }
    if (!ctx.json()) out(fmt::format("shipped      {}\n", count));
  }
  if (!o.vkey.empty() && o.vkey != vkey) r.problems.push_back("the gateway signs with another key than the one given: " + vkey);
  if (!ctx.json()) out("vkey         " + printable(vkey) + "\n");
  return report(ctx, r, shipped.empty() ? "as the gateway itself finds" : "as the gateway itself finds, and against the shipped checkpoints");
}

int audit_export(Context& ctx, const std::string& file) {
  // As far as the log goes now: each page that is read adds records of its own.
  Result<Reply> head = ctx.get("/audit/checkpoint");
  if (!head) return ctx.failed(head.error());
  const auto records = static_cast<std::uint64_t>(number_of(head->json, "records"));
  const bool to_file = !file.empty() && file != "-";
  const std::string beside = file + ".new";
  std::FILE* f = stdout;
  if (to_file) {
    // Nothing but a name is known of the reader: the file is ours alone until he says otherwise.
    if (const Result<void> r = write_private_file(beside, {}); !r) return ctx.failed(r.error());
    f = std::fopen(beside.c_str(), "we");
    if (f == nullptr) return ctx.failed(fail(Reason::invalid_argument, "cannot write " + beside));
  }
  bool written = true;
  std::uint64_t next = 0;
  std::uint64_t count = 0;
  std::optional<Error> failure;
  while (next < records && !failure) {
    std::uint64_t last = next;
    bool any = false;
    http::NdjsonSplitter splitter;
    const auto line = [&](std::string_view, std::string_view text) {
      const Result<json::Value> e = json::parse(text);
      if (!e) return;
      last = static_cast<std::uint64_t>(number_of(*e, "seq"));
      any = true;
      ++count;
      written = written && std::fwrite(text.data(), 1, text.size(), f) == text.size() && std::fputc('\n', f) != EOF;
    };
    const std::string target = fmt::format("/audit?order=oldest&limit=1000&from_seq={}&to_seq={}", next, records - 1);
    const Result<Reply> page = ctx.call(http::Method::get, target, As::session, {},
                                        [&](std::string_view piece) { return splitter.feed(piece, line); });
    if (!page) {
      failure = page.error();
      break;
    }
    splitter.finish(line);
    if (!any) break;
    next = last + 1;
  }
  written = std::fflush(f) == 0 && written;
  if (to_file) {
    written = std::fclose(f) == 0 && written;
    std::error_code ec;
    if (!failure && written) std::filesystem::rename(beside, file, ec);
    if (failure || !written || ec) {
      std::filesystem::remove(beside, ec);
      written = written && failure.has_value();
    }
  }
  if (failure) return ctx.failed(*failure);
  if (!written) return ctx.failed(fail(Reason::internal, "cannot write " + (to_file ? file : "standard output")));
  if (to_file) err(fmt::format("{} records in {}\n", count, printable(file)));
  return status(Exit::ok);
}

int audit_prove(Context& ctx, const AuditProveOptions& o) {
  if (!o.check.empty()) {
    const Result<VerifierKey> key = parse_verifier_key(o.vkey);
    if (!key) return ctx.failed(key.error());
    Result<std::string> text = read_given(o.check, kMostGiven);
    if (!text) return ctx.failed(text.error());
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (const Result<void> r = audit::check_proof(*text, key->key); !r) return ctx.failed(r.error());
    const Result<json::Value> proof = json::parse(*text);
    const std::int64_t seq = proof ? number_of(*proof, "seq") : 0;
    if (o.seq && static_cast<std::uint64_t>(seq) != *o.seq) {
      return ctx.failed(fail(Reason::log_corrupt, fmt::format("the proof is of record {}, not of {}", seq, *o.seq)));
    }
    if (ctx.json()) {
      json::Value v;
      v.set("seq", seq).set("ok", true);
      out(v.dump() + "\n");
    } else {
      out(fmt::format("Record {} is in the log that {} has signed.\n", seq, printable(key->name)));
    }
    return status(Exit::ok);
  }
  if (!o.seq) return ctx.failed(fail(Reason::invalid_argument, "give the number of a record, or --check FILE"));
  Result<Reply> reply = ctx.get("/audit/prove?seq=" + std::to_string(*o.seq));
  if (!reply) return ctx.failed(reply.error());
  // Exactly as it came: it is checked strictly.
  out(reply->body + (reply->body.ends_with('\n') ? "" : "\n"));
  return status(Exit::ok);
}

int audit_erase(Context& ctx, const std::string& user) {
  Body body;
  body.set("user", user);
  Result<Reply> reply = ctx.post("/audit/erase", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(fmt::format("{} records name {} no more. Backups and copies of the log still do.\n", number_of(reply->json, "erased"), printable(user)));
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
