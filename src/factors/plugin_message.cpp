#include "factors/plugin_message.hpp"

#include <algorithm>

#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::factors {
namespace {

// One label a direction, so that nobody can send the gateway's own words back to it.
constexpr std::string_view kRequestLabel = "vestibule/factor-plugin/request/v1\n";
constexpr std::string_view kReplyLabel = "vestibule/factor-plugin/reply/v1\n";
constexpr std::int64_t kVersion = 1;

Digest mac_of_reply(const crypto::HmacKey& key, std::string_view nonce, std::string_view body) {
  return key.mac({as_bytes(kReplyLabel), as_bytes(nonce), as_bytes("\n"), as_bytes(body)});
}

Error failed(std::string why) { return fail(Reason::plugin_failed, std::move(why)); }

// Text for a page and a terminal: no control characters but the line's end.
bool showable(std::string_view text) {
  return text.size() <= kMaxPluginText && std::ranges::all_of(text, [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return c == '\n' || (u >= 0x20 && u != 0x7f);
         });
}

}  // namespace

std::string_view name(PluginOperation o) noexcept {
  switch (o) {
    case PluginOperation::enrol: return "enrol";
    case PluginOperation::confirm: return "confirm";
    case PluginOperation::begin: return "begin";
    case PluginOperation::verify: return "verify";
    case PluginOperation::remove: return "remove";
  }
  return "";
}

std::string write_plugin_request(const PluginRequest& r, std::string_view nonce) {
  json::Writer w;
  w.begin_object().member("version", kVersion).member("nonce", nonce);
  w.member("time", std::chrono::duration_cast<std::chrono::seconds>(r.time.time_since_epoch()).count());
  w.member("operation", name(r.operation)).member("plugin", r.plugin).member("factor", r.factor.text());
  w.member("user", r.user.is_nil() ? std::string() : r.user.text()).member("name", r.account);
  switch (r.operation) {
    case PluginOperation::enrol: w.member("binding", hex(r.binding)); break;
    case PluginOperation::confirm: w.member("binding", hex(r.binding)).member("answer", r.answer); break;
    case PluginOperation::begin: w.member("binding", hex(r.binding)).member("question", r.question.text()); break;
    case PluginOperation::verify:
      w.member("binding", hex(r.binding)).member("question", r.question.text()).member("answer", r.answer);
      break;
    case PluginOperation::remove: break;
  }
  w.end_object();
  return w.take();
}

std::string sign_plugin_request(const crypto::HmacKey& key, std::string_view body) {
  return hex(key.mac({as_bytes(kRequestLabel), as_bytes(body)}));
}

std::string sign_plugin_reply(const crypto::HmacKey& key, std::string_view nonce, std::string_view body) {
  return hex(mac_of_reply(key, nonce, body));
}

Result<PluginReply> parse_plugin_reply(std::string_view body) {
  if (body.size() > kMaxPluginReply) return failed("the reply is too large");
  json::Limits limits;
  limits.depth = 1;
  const Result<json::Value> value = json::parse(body, limits);
  if (!value || !value->is_object()) return failed("the reply is not JSON of the kind that is read");
  PluginReply out;
  bool versioned = false;
  bool judged = false;
  for (const json::Member& m : value->members()) {
    if (m.key == "version") {
      versioned = m.value.as_int().value_or(0) == kVersion;
    } else if (m.key == "verdict") {
      const std::string verdict = m.value.as_string().value_or("");
      out.yes = verdict == "yes";
      judged = out.yes || verdict == "no";
    } else if (m.key == "text") {
      Result<std::string> text = m.value.as_string();
      if (!text || !showable(*text)) return failed("the reply's text cannot be shown");
      out.text = std::move(*text);
    } else {
      return failed("the reply has a member that version 1 does not know");
    }
  }
  if (!versioned) return failed("the reply is not of version 1");
  if (!judged) return failed("the reply has no verdict");
  return out;
}

Result<PluginReply> open_plugin_reply(const crypto::HmacKey& key, std::string_view nonce, std::string_view signature,
                                      std::string_view body) {
  if (body.size() > kMaxPluginReply) return failed("the reply is too large");
  const std::optional<Bytes> tag = unhex(signature);
  const Digest expected = mac_of_reply(key, nonce, body);
  if (!tag || !equal_constant_time(*tag, expected)) return failed("the reply is not signed for this request");
  return parse_plugin_reply(body);
}

}  // namespace vestibule::factors
