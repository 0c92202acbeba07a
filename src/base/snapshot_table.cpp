#include "base/snapshot_table.hpp"

namespace vestibule {

Epochs& Epochs::instance() {
  static Epochs epochs;
  return epochs;
}

}  // namespace vestibule
