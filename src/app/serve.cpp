#include "app/serve.hpp"

#include <csignal>
#include <cstdio>
#include <sys/resource.h>
#include <unistd.h>

#include "app/house.hpp"
#include "crypto/protect.hpp"

namespace vestibule::app {

int serve(const ServeOptions& options) {
  // First of all: no core dump, no tracing, before a secret is read.
  if (Result<void> r = crypto::harden_process(); !r) {
    std::fprintf(stderr, "vestibule: %s\n", r.error().detail.c_str());
    return 1;
  }
  // Signals are read by this thread alone; every other thread inherits the mask.
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  // As many descriptors as the system allows: two a relayed stream.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }

  Result<Config> config = load_config(options.config);
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().detail.c_str());
    return 2;
  }
  log::start(config->log);
  Result<std::unique_ptr<House>> house = House::open(std::move(*config));
  Result<void> started = house ? (*house)->start() : Result<void>(house.error());
  if (!started) {
    log::error("cannot start", {{"detail", started.error().detail}});
    if (house) house->reset();
    log::stop();
    std::fprintf(stderr, "vestibule: %s\n", started.error().detail.c_str());
    return 1;
  }
  if (options.ready_line) {
    std::printf("%s\n", (*house)->banner().c_str());
    // The set-up token stands in the address, so only somebody who sits at a terminal gets to see it.
    std::string portal = (*house)->portal_url();
    const std::size_t secret = portal.find('#');
    if (!portal.empty() && secret != std::string::npos && ::isatty(STDOUT_FILENO) == 0) {
      std::printf("portal: %s#/setup/ and the token in %s\n", portal.substr(0, secret).c_str(),
                  ((*house)->config().data_dir / "setup-token").c_str());
    } else if (!portal.empty()) {
      std::printf("portal: %s\n", portal.c_str());
    }
    wipe(portal);
    std::fflush(stdout);
  }
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (signal == SIGHUP) {
      (*house)->reload();
      continue;
    }
    log::info("shutting down", {{"signal", signal}});
    break;
  }
  (*house)->close();
  house->reset();
  log::stop();
  return 0;
}

}  // namespace vestibule::app
