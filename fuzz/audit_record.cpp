// Record decoders: what they take, they take in one spelling only. First byte: 0 leaf, 1 private
// part, 2 journal entry, 3 the two blobs of a segment through the verifier.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "audit/entry.hpp"
#include "audit/record_codec.hpp"
#include "audit/scan.hpp"
#include "audit/segment.hpp"

using namespace vestibule;
using namespace vestibule::audit;

namespace {

void check(bool ok) {
  if (!ok) std::abort();
}

void leaf(ByteView in) {
  const auto l = decode_leaf(in);
  if (!l) return;
  Bytes again;
  encode_leaf(*l, again);
  check(std::ranges::equal(again, in));
  check(is_utf8(to_json(make_entry(*l, nullptr))));
  check(peek_kind(in) == static_cast<std::uint8_t>(l->kind));
}

void fields(ByteView in) {
  const auto p = decode_private(in);
  if (!p) return;
  Bytes again;
  encode_private(*p, again);
  check(std::ranges::equal(again, in));
  check(is_utf8(to_json(make_entry(LeafView{}, &*p))));
}

void segment(ByteView in) {
  if (in.empty()) return;
  const std::size_t at = std::min<std::size_t>(in[0], in.size() - 1);
  in = in.subspan(1);
  Scan scan({}, {}, 0);
  scan.segment(0, 1, in.first(at), in.subspan(at));
  const std::uint64_t size = 1;
  (void)scan.finish(&size, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView in(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      leaf(in);
      break;
    case 1:
      fields(in);
      break;
    case 2:
      if (const auto e = split_entry(in)) check(2 + e->salted.size() + e->leaf.size() == in.size());
      break;
    case 3:
      segment(in);
      break;
  }
  return 0;
}
