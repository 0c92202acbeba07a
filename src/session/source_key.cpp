#include "session/source_key.hpp"

#include <algorithm>

namespace vestibule::session {
namespace {

constexpr std::string_view kKey = "key:";
constexpr std::string_view kNet = "/64";
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

SourceKey SourceKey::of(const domain::Source& source) noexcept {
  SourceKey out;
  if (source.local) {
    out.kind_ = Kind::local;
    return out;
  }
  const bool v4 = std::equal(kMapped.begin(), kMapped.end(), source.address.begin());
  out.kind_ = v4 ? Kind::v4 : Kind::v6;
  std::copy_n(source.address.begin(), v4 ? 16 : 8, out.bytes_.begin());
  return out;
}

SourceKey SourceKey::of_key(const Digest& thumbprint) noexcept {
  SourceKey out;
  out.kind_ = Kind::key;
  std::ranges::copy(thumbprint, out.bytes_.begin());
  return out;
}

std::string SourceKey::text() const {
  domain::Source s;
  std::copy_n(bytes_.begin(), s.address.size(), s.address.begin());
  switch (kind_) {
    case Kind::nowhere: return {};
    case Kind::local: s.local = true; return s.text();
    case Kind::v4: return s.text();
    case Kind::v6: return s.text() + std::string(kNet);
    case Kind::key: return std::string(kKey) + hex(bytes_);
  }
  return {};
}

std::optional<SourceKey> SourceKey::parse(std::string_view text) {
  if (text.starts_with(kKey)) {
    const auto raw = unhex(text.substr(kKey.size()));
    if (!raw || raw->size() != std::tuple_size_v<Digest>) return std::nullopt;
    Digest thumbprint;
    std::ranges::copy(*raw, thumbprint.begin());
    const SourceKey out = of_key(thumbprint);
    return out.text() == text ? std::optional(out) : std::nullopt;  // one spelling
  }
  const bool net = text.ends_with(kNet);
  if (net) text.remove_suffix(kNet.size());
  const auto source = domain::Source::parse(text);
  if (!source) return std::nullopt;
  const SourceKey out = of(*source);
  if (!net) return out;
  // Only a network: bits beyond it are a slip of the pen.
  const bool clean = std::ranges::all_of(source->address.begin() + 8, source->address.end(), [](std::uint8_t b) { return b == 0; });
  return out.kind_ == Kind::v6 && clean ? std::optional(out) : std::nullopt;
}

}  // namespace vestibule::session
