// bridge_host SOCKET -- COMMAND ARGS...: what `vestibule stdio-bridge` does.
#include "bridge/bridge.hpp"

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  vestibule::bridge::Options o;
  o.socket = argv[1];
  o.command.assign(argv + 3, argv + argc);
  return vestibule::bridge::run(std::move(o));
}
