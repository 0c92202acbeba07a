#pragma once
// What one core serves with. Private to the house's own files.

#include "app/certified_door.hpp"
#include "app/house.hpp"
#include "portal/web.hpp"
#include "wire/outbound.hpp"

namespace vestibule::app {

struct House::PerCore {
  PerCore(net::Core& on, gate::Gate& gate, proxy::Door access_points, proxy::Door browser)
      : core(on), proxy(on, gate, std::move(access_points)), chat(on, gate, std::move(browser)), tasks(on) {}
  net::Core& core;
  proxy::Proxy proxy;
  proxy::Proxy chat;                      // the same access points, for the portal's chat page
  std::unique_ptr<portal::Web> web;
  std::unique_ptr<wire::Server> portal;   // where [portal] listens
  std::unique_ptr<wire::Server> access;
  std::unique_ptr<CertifiedDoor> certified_door;
  std::unique_ptr<wire::Server> certified;  // where [mtls] listens
  std::unique_ptr<wire::Server> control;  // on core 0
  std::unique_ptr<wire::Server> status;   // on core 0
  std::unique_ptr<wire::Outbound> documents;  // descriptions of clients are fetched with it
  net::TaskGroup tasks;
};

}  // namespace vestibule::app
