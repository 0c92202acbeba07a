#pragma once
// The kind of all plug-ins in the registry. Private to the room.

#include <memory>
#include <vector>

#include "base/seats.hpp"
#include "factors/plugin.hpp"

namespace vestibule::factors {

/// Knows the plug-ins. What a plug-in decides is asked between two jobs (plugins.cpp): whoever asks this
/// kind itself within one is refused.
class ExternalKind final : public Kind {
 public:
  explicit ExternalKind(const std::vector<std::shared_ptr<const Plugin>>& plugins);
  [[nodiscard]] KindInfo describe() const noexcept override;
  /// Nothing is kept of a plug-in's secrets here. invalid_argument without a plug-in of that name.
  Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request) override;

  struct Known {
    explicit Known(std::shared_ptr<const Plugin> p) : plugin(std::move(p)), seats(plugin->at_once) {}
    std::shared_ptr<const Plugin> plugin;
    Seats seats;
  };
  /// Null: not configured (any more).
  [[nodiscard]] Known* find(std::string_view name) const noexcept;
  [[nodiscard]] const std::vector<std::unique_ptr<Known>>& all() const noexcept { return known_; }

 private:
  std::vector<std::unique_ptr<Known>> known_;
};

}  // namespace vestibule::factors
