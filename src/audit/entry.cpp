#include "audit/entry.hpp"

#include <algorithm>
#include <cstdio>

#include "json/writer.hpp"

namespace vestibule::audit {
namespace {

std::string source_text(ByteView raw) {
  domain::Source s;
  if (raw.size() == 1) {
    s.address[15] = 1;
    s.local = true;
  } else {
    std::copy(raw.begin(), raw.end(), s.address.begin());
  }
  return s.text();
}

template <class I>
std::string id_text(ByteView raw) {
  const auto id = I::from(raw);
  return id ? id->text() : std::string();
}

std::string time_text(WallTime at) {
  const auto fraction = at - std::chrono::floor<std::chrono::seconds>(at);
  char digits[16];
  std::snprintf(digits, sizeof digits, ".%06dZ", static_cast<int>(fraction.count()));
  std::string out = rfc3339(at);
  out.pop_back();
  return out + digits;
}

}  // namespace

std::optional<Kind> kind_from(std::string_view text) noexcept {
  for (const Kind k : {Kind::admission, Kind::refusal, Kind::completion, Kind::refusals,
                       Kind::sign_in, Kind::change, Kind::system}) {
    if (name(k) == text) return k;
  }
  return std::nullopt;
}

Entry make_entry(const LeafView& l, const PrivateView* p) {
  Entry e;
  e.seq = l.seq;
  e.kind = l.kind;
  e.at = WallTime(Duration(static_cast<std::int64_t>(l.at)));
  e.request = id_text<RequestId>(l.request);
  e.access_point = l.access_point;
  e.operation = l.operation;
  e.model = l.model;
  e.outcome = l.outcome;
  e.reason = l.reason;
  e.rule = l.rule;
  e.policy = hex(l.policy);
  e.level = l.level;
  for (std::size_t i = 0; i < l.factors; ++i)
    e.evidence.emplace_back(l.evidence[i].code, static_cast<std::int64_t>(l.evidence[i].age_s));
  e.body_bytes = l.body_bytes;
  e.reply_bytes = l.reply_bytes;
  e.body_digest = hex(l.body_digest);
  e.status = l.status;
  e.input_tokens = l.input_tokens;
  e.output_tokens = l.output_tokens;
  e.count = l.count;
  e.waited_us = static_cast<std::int64_t>(l.waited_us);
  e.total_us = static_cast<std::int64_t>(l.total_us);
  e.erased = p == nullptr && !l.commitment.empty();
  if (p == nullptr) return e;
  e.user = id_text<UserId>(p->user);
  e.user_name = p->user_name;
  e.session = id_text<SessionId>(p->session);
  if (!p->source.empty()) e.source = source_text(p->source);
  e.client = p->client;
  e.object = p->object;
  e.note = p->note;
  return e;
}

std::string to_json(const Entry& e) {
  std::string buffer;
  buffer.reserve(768);
  json::Writer w(std::move(buffer));
  const auto text = [&w](std::string_view key, const std::string& v) {
    if (!v.empty()) w.member(key, std::string_view(v));
  };
  const auto number = [&w](std::string_view key, auto v) {
    if (v != 0) w.member(key, v);
  };
  w.begin_object().member("seq", e.seq).member("kind", name(e.kind));
  w.key("at").value(std::string_view(time_text(e.at)));
  text("request", e.request);
  text("access_point", e.access_point);
  text("operation", e.operation);
  text("model", e.model);
  w.member("outcome", std::string_view(e.outcome)).member("reason", std::string_view(e.reason));
  text("rule", e.rule);
  text("policy", e.policy);
  number("level", e.level);
  if (!e.evidence.empty()) {
    w.key("evidence").begin_array();
    for (const auto& [factor, age] : e.evidence)
      w.begin_object().member("factor", std::string_view(factor)).member("age_s", age).end_object();
    w.end_array();
  }
  number("body_bytes", e.body_bytes);
  number("reply_bytes", e.reply_bytes);
  text("body_digest", e.body_digest);
  number("status", e.status);
  number("input_tokens", e.input_tokens);
  number("output_tokens", e.output_tokens);
  number("count", e.count);
  number("waited_us", e.waited_us);
  number("total_us", e.total_us);
  if (e.erased) w.member("erased", true);
  text("user", e.user);
  text("user_name", e.user_name);
  text("session", e.session);
  text("source", e.source);
  text("client", e.client);
  text("object", e.object);
  text("note", e.note);
  w.end_object();
  return w.take();
}

}  // namespace vestibule::audit
