#include "identity/actor.hpp"

namespace vestibule::identity {
namespace {

constexpr std::size_t kMaxClient = 128;  // what a record keeps of it

template <class I>
I unpack_id(Unpacker& in) {
  const auto id = I::from(in.bytes());
  if (!id) in.refuse();
  return id.value_or(I{});
}

}  // namespace

audit::Record change_record(std::string_view operation, const Actor& by, std::string_view object,
                            std::string_view note, Instant now) {
  audit::Record r;
  r.kind = audit::Kind::change;
  r.at = now.wall;
  r.now = now;
  r.request = by.request;
  r.access_point = "vestibule";
  r.operation = operation;
  r.outcome = domain::Outcome::allow;
  r.reason = Reason::ok;
  r.evidence = by.evidence;
  r.user = by.user;
  r.user_name = by.name.view();
  r.session = by.session;
  r.source = by.source;
  r.client = by.client;
  r.object = object;
  r.note = note;
  return r;
}

std::string who(const Actor& by) { return by.name.view().empty() ? "the gateway" : std::string(by.name.view()); }

void pack(Packer& out, const Actor& a) {
  out.bytes(a.user.bytes).text(a.name.view()).bytes(a.session.bytes).bytes(a.source.address);
  out.number(a.source.local ? 1 : 0).text(std::string_view(a.client).substr(0, kMaxClient)).bytes(a.request.bytes);
  out.number(a.evidence.size());
  for (const domain::Proof& p : a.evidence) {
    out.text(domain::name(p.kind)).bytes(p.factor.bytes);
    out.number(static_cast<std::uint64_t>(p.wall.time_since_epoch().count()));
  }
}

Actor unpack_actor(Unpacker& in) {
  Actor a;
  a.user = unpack_id<UserId>(in);
  const std::string_view name = in.text();
  if (name.size() > domain::kMaxUserName) in.refuse();
  a.name = domain::UserName(name);
  a.session = unpack_id<SessionId>(in);
  const ByteView address = in.bytes();
  if (address.size() == a.source.address.size()) {
    std::copy(address.begin(), address.end(), a.source.address.begin());
  } else {
    in.refuse();
  }
  const std::uint64_t local = in.number();
  if (local > 1) in.refuse();
  a.source.local = local == 1;
  a.client = in.text();
  if (a.client.size() > kMaxClient) in.refuse();
  a.request = unpack_id<RequestId>(in);
  const std::uint64_t proofs = in.number();
  if (proofs > domain::Evidence::capacity) in.refuse();
  for (std::uint64_t i = 0; i < proofs && !in.failed(); ++i) {
    domain::Proof p;
    const auto kind = domain::factor_kind_from(in.text());
    if (!kind) in.refuse();
    p.kind = kind.value_or(domain::FactorKind::password);
    p.traits = domain::traits_of(p.kind);
    p.factor = unpack_id<FactorId>(in);
    p.wall = WallTime(Duration(static_cast<std::int64_t>(in.number())));
    a.evidence.add(p);
  }
  return a;
}

}  // namespace vestibule::identity
