#include "approval/action.hpp"

#include "crypto/hash.hpp"
#include "json/canonical.hpp"
#include "json/writer.hpp"

namespace vestibule::approval {

Result<std::string> canonical(const Action& a) {
  // Arguments first: they alone may have no canonical form.
  Result<std::string> arguments = json::canonicalize(a.arguments);
  if (!arguments) return std::move(arguments).error();
  json::Writer w;
  w.begin_object().member("format", "vestibule-tool-call/v1").member("id", a.id.text());
  w.member("access_point", a.access_point).member("tool", a.tool);
  if (a.also) w.key("also").begin_object().member("access_point", a.also->access_point).member("tool", a.also->tool).end_object();
  w.key("arguments").raw(*arguments);
  w.member("arguments_sha256", hex(crypto::sha256(as_bytes(a.arguments))));
  w.member("user", a.user).member("account", a.account.text()).member("via", a.via);
  w.member("source", a.source).member("client", a.client).member("model", a.model);
  w.member("conversation_sha256", hex(a.conversation)).member("policy", hex(a.policy));
  w.member("expires", std::to_string(a.expires.time_since_epoch().count()));
  w.end_object();
  return json::canonicalize(w.text());
}

Digest digest_of(std::string_view canonical_action) noexcept { return crypto::sha256(as_bytes(canonical_action)); }

std::string object_of(std::span<const Digest> actions) {
  std::string text = "vestibule/tool-calls/v1\n";
  for (const Digest& d : actions) text.append(hex(d)).append("\n");
  return hex(crypto::sha256(as_bytes(text)));
}

std::string purpose_of(std::span<const Digest> actions) { return std::string(kConfirm) + " " + object_of(actions); }

Digest group_of(const Sameness& c) noexcept {
  crypto::Sha256 h;
  // Each part with its length before it, so that none can reach into the next.
  const auto part = [&h](ByteView bytes) {
    std::array<std::uint8_t, 8> size{};
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = static_cast<std::uint8_t>(bytes.size() >> (8 * i));
    h.update(size);
    h.update(bytes);
  };
  part(c.account.bytes);
  part(c.credential);
  part(as_bytes(c.source_key));
  part(as_bytes(c.access_point));
  part(as_bytes(c.model));
  part(as_bytes(c.tool));
  part(as_bytes(c.arguments));
  part(as_bytes(c.also ? std::string_view(c.also->access_point) : std::string_view()));
  part(as_bytes(c.also ? std::string_view(c.also->tool) : std::string_view()));
  part(c.policy);
  part(c.need);
  return h.finish();
}

}  // namespace vestibule::approval
