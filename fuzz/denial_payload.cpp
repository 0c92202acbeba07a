// What the rooms keep in the file of denials, read from any bytes. Input: one byte, which of them; the
// packed text. What is understood packs to the same bytes.
#include "gate/stops.hpp"
#include "require.hpp"
#include "session/revocation.hpp"

using namespace vestibule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView packed = ByteView(data, size).subspan(1);
  Unpacker in(packed);
  Packer out;
  switch (data[0] % 3) {
    case 0: {
      const auto user = UserId::from(in.bytes());
      if (!user) return 0;
      out.bytes(user->bytes);
      break;
    }
    case 1: {
      const auto what = session::unpack_revocation(in);
      if (!what) return 0;
      pack(out, *what);
      break;
    }
    case 2: {
      const auto stop = gate::unpack_stop(in);
      if (!stop) return 0;
      pack(out, *stop);
      break;
    }
    default: return 0;
  }
  const identity::Actor by = identity::unpack_actor(in);
  if (!in.done()) return 0;
  identity::pack(out, by);
  const Bytes again = out.take();
  // Proofs of one factor replace one another, so that a list with twins comes back shorter.
  require(again.size() <= packed.size());
  if (again.size() == packed.size()) require(std::equal(again.begin(), again.end(), packed.begin(), packed.end()));
  return 0;
}
