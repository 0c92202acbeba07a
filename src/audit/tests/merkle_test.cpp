#include "audit/merkle.hpp"

#include <gtest/gtest.h>

namespace vestibule::audit {
namespace {

// The test leaves and roots of the certificate-transparency reference implementation.
constexpr std::string_view kLeaves[] = {"",
                                        "00",
                                        "10",
                                        "2021",
                                        "3031",
                                        "40414243",
                                        "5051525354555657",
                                        "606162636465666768696a6b6c6d6e6f"};
constexpr std::string_view kRoots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

std::vector<Digest> leaves(std::size_t n) {
  std::vector<Digest> out;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)};
    out.push_back(leaf_hash(bytes));
  }
  return out;
}

// The definition of RFC 6962 section 2.1, word for word.
Digest root_by_definition(std::span<const Digest> d) {
  if (d.size() == 1) return d[0];
  std::size_t k = 1;
  while (k * 2 < d.size()) k *= 2;
  return node_hash(root_by_definition(d.first(k)), root_by_definition(d.subspan(k)));
}

TEST(Merkle, ReferenceRoots) {
  Frontier f;
  EXPECT_EQ(hex(f.root()), kRoots[0]);
  for (std::size_t i = 0; i < 8; ++i) {
    f.append(leaf_hash(*unhex(kLeaves[i])));
    EXPECT_EQ(hex(f.root()), kRoots[i + 1]);
    EXPECT_EQ(f.size(), i + 1);
  }
}

TEST(Merkle, FrontierEqualsDefinitionAndComesBackFromBytes) {
  const auto all = leaves(130);
  Frontier f;
  for (std::size_t n = 1; n <= all.size(); ++n) {
    f.append(all[n - 1]);
    ASSERT_EQ(f.root(), root_by_definition(std::span(all).first(n))) << n;
    const Bytes bytes = f.bytes();
    const auto again = Frontier::from(n, bytes);
    ASSERT_TRUE(again);
    ASSERT_EQ(again->root(), f.root());
    ASSERT_EQ(again->bytes(), bytes);
    ASSERT_FALSE(Frontier::from(n, ByteView(bytes).first(bytes.size() - 1)));
    f = *again;
  }
  EXPECT_FALSE(Frontier::from(7, Bytes(64)));
  EXPECT_TRUE(Frontier::from(0, {}));
}

TEST(Merkle, EveryInclusionProofUpTo70Leaves) {
  const auto all = leaves(70);
  for (std::uint64_t size = 1; size <= all.size(); ++size) {
    const Digest root = root_by_definition(std::span(all).first(size));
    for (std::uint64_t index = 0; index < size; ++index) {
      std::vector<Digest> path;
      for (const Subtree& s : path_subtrees(index, size)) {
        Frontier f;
        for (std::uint64_t i = s.begin; i < s.end; ++i) f.append(all[i]);
        path.push_back(f.root());
      }
      ASSERT_EQ(root_from_path(all[index], index, size, path), root) << index << " of " << size;
      // Every other place, a longer, a shorter and an altered path lead elsewhere or nowhere.
      for (std::uint64_t other = 0; other < size; ++other) {
        if (other == index) continue;
        ASSERT_NE(root_from_path(all[index], other, size, path), root);
      }
      ASSERT_FALSE(root_from_path(all[index], size, size, path));
      std::vector<Digest> longer = path;
      longer.push_back(root);
      ASSERT_FALSE(root_from_path(all[index], index, size, longer));
      if (path.empty()) continue;
      ASSERT_FALSE(root_from_path(all[index], index, size, std::span(path).first(path.size() - 1)));
      path.back()[31] ^= 1U;
      ASSERT_NE(root_from_path(all[index], index, size, path), root);
    }
  }
  EXPECT_FALSE(root_from_path({}, 0, 0, {}));
}

}  // namespace
}  // namespace vestibule::audit
