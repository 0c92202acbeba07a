#include "base/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "base/clock.hpp"

namespace vestibule::log {
namespace {

std::shared_ptr<spdlog::logger> g_logger;  // set in start(), before other threads exist
std::atomic<Level> g_level{Level::info};
std::atomic<Format> g_format{Format::text};

std::string_view name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "error";
}

void append_json(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (u < 0x20 || u == 0x7f) {
      out += fmt::format("\\u{:04x}", u);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

// Control characters would let a peer forge log lines or drive a terminal.
void append_text(std::string& out, std::string_view text) {
  const bool quote = text.empty() || text.find_first_of(" =\"") != std::string_view::npos;
  if (quote) out.push_back('"');
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u < 0x20 || u == 0x7f) {
      out += fmt::format("\\x{:02x}", u);
    } else if (c == '"') {
      out += "\\\"";
    } else {
      out.push_back(c);
    }
  }
  if (quote) out.push_back('"');
}

std::string render(Level level, std::string_view message, std::initializer_list<Field> fields) {
  std::string out;
  out.reserve(160);
  const std::string when = rfc3339(SystemClock{}.wall());
  const bool json = g_format.load(std::memory_order_relaxed) == Format::json;
  if (json) {
    out += fmt::format(R"({{"time":"{}","level":"{}","message":)", when, name(level));
    append_json(out, message);
  } else {
    out += fmt::format("{} {:<5} ", when, name(level));
    for (const char c : message) out.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  for (const Field& f : fields) {
    if (json) {
      out.push_back(',');
      append_json(out, f.key);
      out.push_back(':');
    } else {
      out.push_back(' ');
      out += f.key;
      out.push_back('=');
    }
    if (const auto* number = std::get_if<long long>(&f.value)) {
      out += std::to_string(*number);
    } else if (json) {
      append_json(out, std::get<std::string>(f.value));
    } else {
      append_text(out, std::get<std::string>(f.value));
    }
  }
  if (json) out.push_back('}');
  return out;
}

}  // namespace

void start(const Options& options) {
  g_level = options.level;
  g_format = options.format;
  spdlog::init_thread_pool(8192, 1);
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  g_logger = std::make_shared<spdlog::async_logger>("vestibule", sink, spdlog::thread_pool(),
                                                    spdlog::async_overflow_policy::overrun_oldest);
  g_logger->set_pattern("%v");
  g_logger->set_level(spdlog::level::trace);
  g_logger->flush_on(spdlog::level::warn);
}

void stop() noexcept {
  if (g_logger) {
    g_logger->flush();
    g_logger.reset();
    spdlog::shutdown();
  }
}

bool enabled(Level level) noexcept { return level >= g_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  const std::string line = render(level, message, fields);
  if (!g_logger) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  switch (level) {
    case Level::debug: g_logger->debug(spdlog::string_view_t(line)); return;
    case Level::info: g_logger->info(spdlog::string_view_t(line)); return;
    case Level::warn: g_logger->warn(spdlog::string_view_t(line)); return;
    case Level::error: g_logger->error(spdlog::string_view_t(line)); return;
  }
}

}  // namespace vestibule::log
