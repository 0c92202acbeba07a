#include "base/secret.hpp"

#include <strings.h>

#include <cstring>

namespace vestibule {

void wipe(void* data, std::size_t size) noexcept {
  if (size > 0) explicit_bzero(data, size);
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(bytes_.data(), bytes_.size());
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

Secret::~Secret() { wipe(bytes_.data(), bytes_.size()); }

}  // namespace vestibule
