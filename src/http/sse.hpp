#pragma once
// Observes a stream of server-sent events (WHATWG HTML section 9.2) as it is relayed.

#include <cstddef>
#include <string>
#include <string_view>

namespace vestibule::http {

/// Views that hold during the callback only.
struct SseEvent {
  std::string_view raw;   ///< the event's bytes with the empty line that ends it
  std::string_view name;  ///< of the last `event:` line; empty if none
  std::string_view data;  ///< `data:` lines joined by LF
  bool has_data = false;  ///< false: a comment or keep-alive, which clients ignore
  /// Nobody can read it otherwise, whatever he knows of the standard: each line is a comment or one of its fields,
  /// one at most is data, and no brace stands outside of that.
  bool strict = true;
};

/// Cuts a stream into events, however it was cut on the way. Lines end in LF, CRLF or CR. Every
/// byte belongs to exactly one event's raw or to rest(): raws in sequence are the stream. A lone CR
/// as the last byte of an event is held back until the next byte shows that no LF follows. Not
/// thread-safe; one a stream.
class SseSplitter {
 public:
  explicit SseSplitter(std::size_t max_event = std::size_t{1} << 20) noexcept : max_(max_event) {}

  /// Calls on_event(const SseEvent&) for each event that ends in these bytes. False, from then on
  /// and without looking further, once an event exceeds the limit.
  template <class F>
  [[nodiscard]] bool feed(std::string_view bytes, F&& on_event) {
    while (take(bytes)) {
      on_event(read());
      next();
    }
    return !too_large_;
  }
  /// At the end of the stream: an event ended by a lone CR is delivered. What else is left is
  /// incomplete, and clients drop it.
  template <class F>
  void finish(F&& on_event) {
    if (!end_of_stream()) return;
    on_event(read());
    next();
  }
  /// Bytes of an event that has not ended.
  [[nodiscard]] std::string_view rest() const noexcept { return held_; }

 private:
  bool take(std::string_view& bytes);
  bool end_of_stream() noexcept;
  SseEvent read();
  void next() noexcept;

  std::size_t max_;
  std::string held_;        // an event's bytes from earlier feeds
  std::string_view event_;  // a complete event: in held_ or in the bytes being fed
  std::string joined_;      // data of more than one line
  bool line_empty_ = true;  // nothing on the current line yet
  bool cr_ = false;         // the last byte was CR
  bool ending_ = false;     // ... and ended an empty line
  bool first_ = true;       // a byte order mark may lead the stream
  bool too_large_ = false;
};

}  // namespace vestibule::http
