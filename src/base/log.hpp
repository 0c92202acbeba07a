#pragma once
// The process's own log: structured lines, asynchronous, JSON or text, to standard error. It is for
// operators; the audit log is for evidence. Secrets have a type that does not fit in here.

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace vestibule::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

struct Options {
  Level level = Level::info;
  Format format = Format::text;
};

/// Starts the background writer. Before it lines go to standard error directly. Not thread-safe.
void start(const Options& options);
/// Writes out what is queued and stops the background writer.
void stop() noexcept;

struct Field {
  std::string_view key;
  std::variant<std::string, long long> value;
  Field(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
  template <class T>
    requires std::is_integral_v<T>
  Field(std::string_view k, T v) : key(k), value(static_cast<long long>(v)) {}
};

[[nodiscard]] bool enabled(Level level) noexcept;
/// Thread-safe; never blocks on the sink (a full queue drops the oldest line and counts it).
void write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void debug(std::string_view m, std::initializer_list<Field> f = {}) {
  if (enabled(Level::debug)) write(Level::debug, m, f);
}
inline void info(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::info, m, f); }
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::warn, m, f); }
inline void error(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::error, m, f); }

}  // namespace vestibule::log
