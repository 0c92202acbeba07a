#include "domain/approvers.hpp"

#include <algorithm>

namespace vestibule::domain {
namespace {

constexpr char kBetween = '\n';  // no name has one

// Calls each(entry) until it says true; true if one did.
template <class Each>
bool any_entry(std::string_view list, Each&& each) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(kBetween), list.size());
    if (each(list.substr(0, end))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool names(std::string_view entry, const Subject& s) {
  const std::size_t colon = std::min(entry.find(':'), entry.size() - 1);
  const std::string_view kind = entry.substr(0, colon);
  const std::string_view name = entry.substr(colon + 1);
  if (kind == "role") return has(s.roles, intern(name));
  if (kind == "group") return has(s.groups, intern(name));
  return kind == "user" && s.name.view() == name;
}

}  // namespace

Approvers Approvers::of(std::span<const std::string> entries) {
  std::string list;
  for (const std::string& e : entries) {
    if (!list.empty()) list.push_back(kBetween);
    list.append(e);
  }
  Approvers out;
  if (list.empty()) return out;
  out.lists_[0] = intern(list);
  out.size_ = 1;
  return out;
}

Approvers Approvers::with(const Approvers& o) const noexcept {
  if (nobody()) return *this;
  if (o.nobody()) return o;
  Approvers out = *this;
  for (std::size_t i = 0; i < o.size_; ++i) {
    const auto end = out.lists_.begin() + out.size_;
    const auto place = std::lower_bound(out.lists_.begin(), end, o.lists_[i]);
    if (place != end && *place == o.lists_[i]) continue;
    if (out.size_ == capacity) {
      out.lists_.fill(0);
      out.size_ = capacity + 1;
      return out;
    }
    std::copy_backward(place, end, end + 1);
    *place = o.lists_[i];
    ++out.size_;
  }
  return out;
}

bool Approvers::admits(const Subject& signer) const {
  if (nobody() || signer.user.is_nil()) return false;
  return std::all_of(lists_.begin(), lists_.begin() + size_, [&](NameId list) {
    return any_entry(interned(list), [&](std::string_view entry) { return names(entry, signer); });
  });
}

std::vector<std::string> Approvers::lists() const {
  if (nobody()) return {std::string()};
  std::vector<std::string> out;
  for (std::size_t i = 0; i < size_; ++i) out.emplace_back(interned(lists_[i]));
  return out;
}

Approvers Approvers::of_lists(std::span<const std::string> lists) {
  Approvers out;
  for (const std::string& list : lists) {
    Approvers one;
    if (list.empty()) {
      one.size_ = capacity + 1;
    } else {
      one.lists_[0] = intern(list);
      one.size_ = 1;
    }
    out = out.with(one);
  }
  return out;
}

std::string Approvers::text() const {
  if (nobody()) return "nobody: too many lists at once";
  std::string out;
  for (std::size_t i = 0; i < size_; ++i) {
    std::string one;
    any_entry(interned(lists_[i]), [&](std::string_view entry) {
      one.append(one.empty() ? "" : " or ").append(entry);
      return false;
    });
    out.append(out.empty() ? "" : "; and ").append(one);
  }
  return out;
}

}  // namespace vestibule::domain
