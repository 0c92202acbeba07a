#pragma once
// Emergency stops: who or what is shut out, at once, until it is lifted.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/packed.hpp"
#include "domain/act.hpp"
#include "store/tx.hpp"

namespace vestibule::gate {

enum class StopScope : std::uint8_t { all = 1, access_point = 2, user = 3, agent = 4, client = 5, tool = 6, tools = 7 };
[[nodiscard]] std::string_view name(StopScope scope) noexcept;
[[nodiscard]] std::optional<StopScope> stop_scope_from(std::string_view name) noexcept;
/// Whether a stop of this kind names what it stops: all that of everything and of every tool call do not.
[[nodiscard]] bool has_target(StopScope scope) noexcept;

struct Stop {
  StopScope scope{};
  /// Name of the access point, user or agent. A client as subjects have it ("client IDE", "key nightly"),
  /// whoever uses it, by himself or for a service. A tool as "ACCESS_POINT/NAME", or "*/NAME" at any.
  std::string target;
  WallTime since{};
  std::string by;      ///< name of who stopped it
  std::string why;
  bool operator==(const Stop&) const = default;
};

/// For what must outlive the process. Nothing for what pack() does not write.
void pack(Packer& out, const Stop& stop);
[[nodiscard]] std::optional<Stop> unpack_stop(Unpacker& in);

/// An immutable set; each core holds a pointer to one.
class Stops {
 public:
  Stops() = default;
  explicit Stops(std::vector<Stop> all) : all_(std::move(all)) {}
  [[nodiscard]] bool covers(const domain::Act& act, const domain::Subject& subject) const noexcept;
  [[nodiscard]] bool has(StopScope scope, std::string_view target) const noexcept;
  [[nodiscard]] const std::vector<Stop>& all() const noexcept { return all_; }
  [[nodiscard]] Stops with(Stop stop) const;
  [[nodiscard]] Stops without(StopScope scope, std::string_view target) const;

  static Result<Stops> load(store::Tx& tx);
  static Result<void> put_in(store::Tx& tx, const Stop& stop);
  /// `since` given: only if it is still that one.
  static Result<bool> remove_in(store::Tx& tx, StopScope scope, std::string_view target, std::optional<WallTime> since = {});

 private:
  std::vector<Stop> all_;
};

}  // namespace vestibule::gate
