#include "approval/proofs.hpp"

namespace vestibule::approval {

// The proofs as a row keeps them: kind, traits, factor, wall time. They were given at the moment of signing;
// how old they are is never asked, so boot times are not kept.
Bytes packed(const domain::Evidence& evidence) {
  Bytes out;
  for (const domain::Proof& p : evidence) {
    out.push_back(static_cast<std::uint8_t>(p.kind));
    const domain::Traits& t = p.traits;
    out.push_back(static_cast<std::uint8_t>((t.knowledge ? 1 : 0) | (t.possession ? 2 : 0) | (t.user_verified ? 4 : 0) |
                                            (t.phishing_resistant ? 8 : 0) | (t.device_bound ? 16 : 0)));
    out.insert(out.end(), p.factor.bytes.begin(), p.factor.bytes.end());
  }
  return out;
}

domain::Evidence unpacked(ByteView raw, WallTime made) {
  constexpr std::size_t kSize = 2 + 16;
  domain::Evidence out;
  if (raw.size() % kSize != 0) return out;  // nobody here has written it: it proves nothing
  for (std::size_t i = 0; i < raw.size(); i += kSize) {
    domain::Proof p;
    p.kind = static_cast<domain::FactorKind>(raw[i]);
    const unsigned t = raw[i + 1];
    p.traits = {(t & 1U) != 0, (t & 2U) != 0, (t & 4U) != 0, (t & 8U) != 0, (t & 16U) != 0};
    p.factor = FactorId::from(raw.subspan(i + 2, 16)).value_or(FactorId{});
    p.wall = made;
    out.add(p);
  }
  return out;
}

bool reaches(const domain::Evidence& evidence, WallTime made, const domain::Requirement& need) {
  const Instant then{made, BootTime{}};
  return domain::level(evidence, then, true, Duration::max(), need.kinds) >= need.level;
}

}  // namespace vestibule::approval
