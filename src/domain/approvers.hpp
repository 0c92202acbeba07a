#pragma once
// Who may sign a confirmation that other people give: the lists that the rules set up.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/subject.hpp"

namespace vestibule::domain {

/// Lists of people, on each of which a signer must stand; none: anybody who is eligible. A list goes by a
/// number, as names do: interned(number) is the list itself, so a copy allocates nothing and outlives the
/// policy that it comes from. What must outlive the process is the text.
class Approvers {
 public:
  static constexpr std::size_t capacity = 8;
  /// The list of these entries ("role:x", "group:y" or "user:z"), sorted. Takes a lock: not for the hot path.
  [[nodiscard]] static Approvers of(std::span<const std::string> entries);
  /// Both: a signer must stand on the lists of either. Where they are more than fit, nobody does.
  [[nodiscard]] Approvers with(const Approvers& o) const noexcept;

  [[nodiscard]] bool anybody() const noexcept { return size_ == 0; }
  [[nodiscard]] bool nobody() const noexcept { return size_ > capacity; }
  /// Takes a lock: not for the hot path.
  [[nodiscard]] bool admits(const Subject& signer) const;
  /// Each list as its entries with line feeds between them, for what must outlive the process: of_lists() reads
  /// it back. Of nobody: one list that is empty.
  [[nodiscard]] std::vector<std::string> lists() const;
  [[nodiscard]] static Approvers of_lists(std::span<const std::string> lists);
  /// "role:treasurer or user:anna; and group:board": for people.
  [[nodiscard]] std::string text() const;
  bool operator==(const Approvers&) const = default;

 private:
  std::array<NameId, capacity> lists_{};  // sorted, the rest zero
  std::uint8_t size_ = 0;                 // above capacity: nobody
};

}  // namespace vestibule::domain
