// Checking a receipt. The order of the checks is that of docs/receipts.md, so that every implementation finds the
// same flaw first.
#include <algorithm>
#include <charconv>

#include "approval/receipt.hpp"
#include "audit/opened.hpp"
#include "crypto/hash.hpp"
#include "domain/act.hpp"
#include "factors/statement.hpp"
#include "json/canonical.hpp"

namespace vestibule::approval {
namespace {

constexpr std::size_t kMostConfirmers = 16;
constexpr std::size_t kLongestList = 64;
constexpr std::size_t kActionMembers = 15;
constexpr json::Limits kLimits{.bytes = kMaxReceipt, .depth = 8, .tokens = 16 * 1024};
constexpr json::Limits kActionLimits{.bytes = kMaxReceipt, .depth = 64, .tokens = 100'000};
constexpr Duration kSkew = std::chrono::seconds(60);

Error broken(std::string_view code, std::string_view words) {
  return fail(Reason::log_corrupt, std::string(code) + ": " + std::string(words));
}

std::optional<Digest> digest_of_hex(std::string_view text) {
  const auto raw = unhex(text);
  Digest d{};
  if (!raw || raw->size() != d.size() || hex(*raw) != text) return std::nullopt;
  std::ranges::copy(*raw, d.begin());
  return d;
}

// Sixteen digits reach the year 2286, and stay below 2^53.
std::optional<WallTime> time_from(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.size() > 16 || ec != std::errc() || end != text.data() + text.size() || n <= 0 || text.front() == '0') return std::nullopt;
  return WallTime(Duration(n));
}

WallTime at_of(const audit::Opened& record) { return WallTime(Duration(static_cast<std::int64_t>(record.leaf.at))); }

// The parts of a note, each after its word.
bool skip(std::string_view& text, std::string_view word) noexcept {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}
std::string_view word(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find_first_of(" ;"), text.size());
  const std::string_view w = text.substr(0, end);
  text.remove_prefix(end);
  return w;
}

struct Note {
  std::string kind, factor;
  std::optional<Digest> statement;
};
std::optional<Note> note_about(std::string_view text, const Digest& action) {
  Note note;
  if (!skip(text, "action ") || word(text) != hex(action) || !skip(text, " by ")) return std::nullopt;
  note.kind = word(text);
  if (!domain::factor_kind_from(note.kind) || !skip(text, " ")) return std::nullopt;
  note.factor = word(text);
  if (!FactorId::parse(note.factor)) return std::nullopt;
  if (text.empty()) return note;
  if (!skip(text, "; statement ")) return std::nullopt;
  note.statement = digest_of_hex(text);
  if (!note.statement) return std::nullopt;
  return note;
}

class Check {
 public:
  Check(std::string_view text, const ReceiptExpectations& expected) : text_(text), want_(expected) {}

  Result<ReceiptSummary> run() {
    Result<void> good = form();
    if (good) good = action();
    if (good) good = expected_action();
    if (good) good = confirmations();
    if (good) good = dispatch();
    if (good) good = times();
    if (!good) return std::move(good).error();
    return std::move(out_);
  }

 private:
  // One text, known members, each of its type.
  Result<void> form() {
    if (text_.size() > kMaxReceipt) return broken("too_large", "a receipt has at most 512 KiB");
    const auto one = json::canonicalize(text_, kLimits);
    if (!one || *one != text_) return broken("malformed", "not JSON in canonical form (RFC 8785)");
    auto parsed = json::parse(text_, kLimits);
    if (!parsed || !parsed->is_object()) return broken("malformed", "not an object");
    receipt_ = std::move(*parsed);
    const json::Value* const confirmed = receipt_.find("confirmed");
    const json::Value* const dispatched = receipt_.find("dispatched");
    auto action = receipt_.get_string("action");
    const auto format = receipt_.get_string("format");
    if (receipt_.members().size() != (dispatched == nullptr ? 3U : 4U) || !action || confirmed == nullptr || !confirmed->is_array() ||
        !format || *format != "vestibule-receipt/v1" || (dispatched != nullptr && !dispatched->is_object())) {
      return broken("malformed", "not a vestibule-receipt/v1");
    }
    for (const json::Value& c : confirmed->items()) {
      const json::Value* const log = c.find("log");
      const json::Value* const actions = c.find("actions");
      const json::Value* const statement = c.find("statement");
      const bool bound = c.members().size() == 3 && actions != nullptr && actions->is_array() && statement != nullptr && statement->is_object();
      if (log == nullptr || !log->is_object() || (!bound && c.members().size() != 1)) return broken("malformed", "a confirmation of no known form");
    }
    if (confirmed->items().empty()) return broken("unconfirmed", "nobody has confirmed it");
    if (confirmed->items().size() > kMostConfirmers) return broken("malformed", "more than 16 confirmations");
    action_ = std::move(*action);
    return {};
  }

  Result<void> action() {
    const auto bad = [] { return broken("action", "not the canonical text of a tool call"); };
    const auto one = json::canonicalize(action_, kActionLimits);
    if (!one || *one != action_) return bad();
    const auto value = json::parse(action_, kActionLimits);
    if (!value) return bad();
    const json::Value* const also = value->find("also");
    if (value->members().size() != kActionMembers + (also != nullptr ? 1 : 0) || value->find("arguments") == nullptr) return bad();
    if (also != nullptr) {
      auto point = also->get_string("access_point");
      auto tool = also->get_string("tool");
      if (also->members().size() != 2 || !point || !tool) return bad();
      out_.also = ToolPlace{std::move(*point), std::move(*tool)};
    }
    std::string format, expires, sha256, conversation, policy, account;
    const std::pair<std::string_view, std::string*> texts[] = {
        {"format", &format}, {"id", &out_.id}, {"access_point", &out_.access_point}, {"tool", &out_.tool}, {"user", &out_.user},
        {"account", &account}, {"via", &out_.via}, {"source", &out_.source}, {"client", &out_.client}, {"model", &out_.model},
        {"expires", &expires}, {"arguments_sha256", &sha256}, {"conversation_sha256", &conversation}, {"policy", &policy}};
    for (const auto& [key, to] : texts) {
      auto text = value->get_string(key);
      if (!text) return bad();
      *to = std::move(*text);
    }
    const auto raw = digest_of_hex(sha256);
    const auto until = time_from(expires);
    if (format != "vestibule-tool-call/v1" || out_.id.empty() || !raw || !until || !digest_of_hex(conversation) || !digest_of_hex(policy)) return bad();
    raw_ = *raw;
    out_.expires = *until;
    // Sliced, not printed anew: it is canonical as it stands.
    json::Reader reader(action_, kActionLimits);
    reader.next();
    while (reader.next() == json::Token::key) {
      const bool wanted = reader.text() == "arguments";
      if (!reader.skip()) return bad();
      if (wanted) out_.arguments = reader.raw();
    }
    digest_ = digest_of(action_);
    return {};
  }

  Result<void> expected_action() const {
    const auto other = [this](const std::string& point, const std::string& tool) -> std::string_view {
      if (want_.tool && *want_.tool != tool) return "tool";
      return want_.access_point && *want_.access_point != point ? "access_point" : "";
    };
    const std::string_view what = other(out_.access_point, out_.tool);
    if (!what.empty() && (!out_.also || !other(out_.also->access_point, out_.also->tool).empty())) {
      return broken(what, "it is for " + out_.tool + " at " + out_.access_point);
    }
    if (want_.arguments) {
      const auto arguments = json::canonicalize(*want_.arguments, kActionLimits);
      if (!arguments || *arguments != out_.arguments) return broken("arguments", "other arguments were confirmed");
    }
    return {};
  }

  Result<void> confirmations() {
    for (const json::Value& c : receipt_.find("confirmed")->items()) {
      Result<void> good = confirmation(c);
      if (!good) return good;
    }
    return {};
  }

  Result<void> confirmation(const json::Value& c) {
    auto record = audit::open_record(*c.find("log"), want_.logs);
    if (!record) return broken("log", record.error().detail);
    const auto note = note_about(record->about.note, digest_);
    const auto user = UserId::from(record->about.user);
    if (record->leaf.operation != kConfirm || record->leaf.reason != "ok" || !note || !user) {
      return broken("record", "the log's record is not of a confirmation of this call");
    }
    Confirmer by;
    by.user = record->about.user_name;
    by.account = user->text();
    by.at = at_of(*record);
    by.kind = note->kind;
    by.factor = note->factor;
    by.record = record->leaf.seq;
    by.log = record->origin;
    const json::Value* const value = c.find("statement");
    if (note->statement.has_value() != (value != nullptr)) return broken("statement", "the log says otherwise whether anything was signed");
    if (value != nullptr) {
      const auto statement = factors::statement_from(*value);
      if (!statement || factors::digest_of(*statement) != *note->statement) return broken("statement", "not the one that the log names");
      Result<void> good = signature(*statement, *c.find("actions"), *record, by);
      if (!good) return good;
    } else if (!want_.unbound) {
      return broken("unbound", by.user + " confirmed it with a factor that signs nothing");
    }
    if (by.at >= out_.expires) return broken("expired", "it was confirmed too late");
    for (const Confirmer& other : out_.confirmed) {
      if (other.account == by.account) return broken("twice", by.user + " counts once");
    }
    out_.confirmed.push_back(std::move(by));
    return {};
  }

  Result<void> signature(const factors::Statement& statement, const json::Value& list, const audit::Opened& record, Confirmer& by) const {
    std::vector<Digest> actions;
    for (const json::Value& item : list.items()) {
      const auto d = digest_of_hex(item.as_string().value_or(std::string()));
      if (!d || std::ranges::find(actions, *d) != actions.end()) return broken("list", "the signed list is malformed");
      actions.push_back(*d);
    }
    if (actions.size() > kLongestList || std::ranges::find(actions, digest_) == actions.end()) return broken("list", "the signed list does not hold this call");
    const auto said = factors::check(statement);
    if (!said) return broken(said.error().detail, "what was signed does not hold");
    if (said->purpose != purpose_of(actions)) return broken("binding", "it was signed for something else");
    if (said->user.text() != by.account || !std::ranges::equal(said->session.bytes, record.about.session)) {
      return broken("account", "it was signed for another account or session than the log says");
    }
    if (want_.relying_party && *want_.relying_party != statement.relying_party) return broken("rp_id", "signed for " + statement.relying_party);
    if (!want_.origins.empty() && std::ranges::find(want_.origins, said->origin) == want_.origins.end()) return broken("origin", "signed at " + said->origin);
    if (by.at >= said->expires) return broken("expired", "the question was answered too late");
    by.bound = true;
    by.credential = base64url(statement.credential);
    by.relying_party = statement.relying_party;
    by.origin = said->origin;
    by.user_verified = said->user_verified;
    by.device_bound = !said->backup_eligible;
    return {};
  }

  Result<void> dispatch() {
    const json::Value* const dispatched = receipt_.find("dispatched");
    if (dispatched == nullptr) return want_.dispatched ? Result<void>(broken("not_dispatched", "it was not let out")) : Result<void>{};
    const auto record = audit::open_record(*dispatched, want_.logs);
    if (!record) return broken("log", record.error().detail);
    const audit::LeafView& leaf = record->leaf;
    const bool about_it = leaf.kind == audit::Kind::admission && leaf.operation == domain::kToolCall && leaf.reason == "ok" &&
                          leaf.access_point == out_.access_point && record->about.note == dispatch_note(digest_) &&
                          std::ranges::equal(audit::commit_body(record->salt, raw_), leaf.body_digest);
    if (!about_it) return broken("dispatch", "the log's record is not of this call");
    for (const Confirmer& c : out_.confirmed) {
      if (c.log == record->origin && c.record >= leaf.seq) return broken("dispatch", "it was let out before it was confirmed");
    }
    if (at_of(*record) >= out_.expires) return broken("expired", "it was let out too late");
    out_.dispatched = ReceiptSummary::Dispatch{at_of(*record), leaf.seq};
    return {};
  }

  Result<void> times() const {
    if (!want_.now) return {};
    const auto [first, last] = std::ranges::minmax(out_.confirmed, {}, &Confirmer::at);
    if (last.at > *want_.now + kSkew) return broken("not_yet", "it was confirmed in the future");
    if (*want_.now >= out_.expires) return broken("expired", "it has expired");
    if (want_.max_age && *want_.now - first.at > *want_.max_age) return broken("too_old", "it was confirmed too long ago");
    return {};
  }

  std::string_view text_;
  const ReceiptExpectations& want_;
  json::Value receipt_;
  std::string action_;
  Digest digest_{}, raw_{};
  ReceiptSummary out_;
};

}  // namespace

Result<ReceiptSummary> check_receipt(std::string_view receipt, const ReceiptExpectations& expected) {
  return Check(receipt, expected).run();
}

}  // namespace vestibule::approval
