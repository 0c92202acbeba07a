// service ...: accounts under which programs work, and the people who answer for them.

#include <fmt/format.h>

#include "app/cli/commands_services.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

std::string path(const std::string& name, std::string_view what) { return "/services/" + percent_encode(name) + std::string(what); }

/// The service, out of a list that the caller keeps.
Result<const json::Value*> find(const Reply& list, const std::string& name) {
  if (const json::Value* services = list.json.find("services")) {
    for (const json::Value& s : services->items()) {
      if (text_of(s, "name") == name) return &s;
    }
  }
  return fail(Reason::not_found, "you have no part in a service account named " + printable(name) + ": vestibule service list");
}

std::string people_of(const json::Value& service, std::string_view part) {
  std::string out;
  const json::Value* const people = service.find("people");
  if (people == nullptr) return out;
  for (const json::Value& p : people->items()) {
    if (text_of(p, "part") != part) continue;
    out.append(out.empty() ? "" : ", ").append(text_of(p, "person")).append(text_of(p, "accepted").empty() ? " (asked)" : "");
  }
  return out;
}

/// Shows what is taken on, then asks for a code and does it. Whoever signs has read it.
int sign(Context& ctx, const std::string& name, const json::Value& duty, std::string_view what, Body body, std::string_view sentence) {
  warn("What you are about to take on:\n\n" + printable(text_of(duty, "text"), Lines::many));
  return ctx.answered(ctx.post(path(name, what), As::bound, std::move(body)), sentence);
}

}  // namespace

int service_create(Context& ctx, const ServiceCreateOptions& o) {
  Body body;
  body.set("name", o.name).set_if("display", o.display).set_if("sponsor", o.sponsor);
  if (!o.roles.empty()) body.set("roles", o.roles);
  const std::string name = printable(o.name);
  return ctx.answered(ctx.post("/services", As::bound, std::move(body)),
                  "The service account " + name + " exists" +
                      (o.sponsor.empty() ? ", and you answer for it.\nGive it a key: vestibule key create NAME --service " + name
                                         : ", and sleeps until " + printable(o.sponsor) + " accepts: vestibule service accept " + name));
}

int service_list(Context& ctx, const ListOptions& o) {
  Result<Reply> reply = ctx.get(o.all ? "/services?all=true" : "/services");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"NAME", "STATE", "ROLES", "SPONSOR", "DEPUTIES", "ASKS OF YOU"});
  if (const json::Value* list = reply->json.find("services")) {
    for (const json::Value& s : list->items()) {
      std::string asks;
      if (s.find("offered_sponsor") != nullptr) asks = "to be its sponsor";
      if (s.find("offered_deputy") != nullptr) asks.append(asks.empty() ? "" : ", ").append("to be a deputy");
      if (s.find("take_over") != nullptr) asks.append(asks.empty() ? "" : ", ").append("to take over");
      table.add({text_of(s, "name"), text_of(s, "state"), list_of(s, "roles"), people_of(s, "sponsor"), people_of(s, "deputy"), asks});
    }
  }
  if (table.empty()) {
    out("There are no service accounts: vestibule service create NAME\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int service_show(Context& ctx, const std::string& name) {
  Result<Reply> reply = ctx.get("/services");
  if (!reply) return ctx.failed(reply.error());
  const Result<const json::Value*> found = find(*reply, name);
  if (!found) return ctx.failed(found.error());
  const json::Value& s = **found;
  if (ctx.json()) {
    out(s.dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("{}, {}\nRoles:    {}\nSponsor:  {}\nDeputies: {}\n", printable(name), printable(text_of(s, "state")),
                  printable(list_of(s, "roles")), printable(people_of(s, "sponsor")), printable(people_of(s, "deputy"))));
  for (const char* const duty : {"offered_sponsor", "offered_deputy", "take_over"}) {
    if (const json::Value* d = s.find(duty)) out("\n" + printable(text_of(*d, "text"), Lines::many));
  }
  return status(Exit::ok);
}

int service_deputy(Context& ctx, const ServicePersonOptions& o) {
  Body body;
  body.set("person", o.person);
  return ctx.answered(ctx.post(path(o.name, "/deputies"), As::bound, std::move(body)),
                  printable(o.person) + " is asked, and counts once he has accepted: vestibule service accept " + printable(o.name));
}

int service_sponsor(Context& ctx, const ServicePersonOptions& o) {
  Body body;
  body.set("person", o.person);
  return ctx.answered(ctx.post(path(o.name, "/sponsor"), As::bound, std::move(body)),
                  printable(o.person) + " is asked, and is its sponsor once he has accepted: vestibule service accept " + printable(o.name));
}

int service_accept(Context& ctx, const std::string& name) {
  Result<Reply> reply = ctx.get("/services");
  if (!reply) return ctx.failed(reply.error());
  const Result<const json::Value*> found = find(*reply, name);
  if (!found) return ctx.failed(found.error());
  for (const char* const offer : {"offered_sponsor", "offered_deputy"}) {
    const json::Value* const duty = (*found)->find(offer);
    if (duty == nullptr) continue;
    const std::string part = text_of(*duty, "part");
    Body body;
    body.set("part", part);
    return sign(ctx, name, *duty, "/accept", std::move(body), "You are " + printable(part) + " of " + printable(name) + " now.");
  }
  return ctx.failed(fail(Reason::not_found, "nobody asks anything of you there"));
}

int service_take_over(Context& ctx, const std::string& name) {
  Result<Reply> reply = ctx.get("/services");
  if (!reply) return ctx.failed(reply.error());
  const Result<const json::Value*> found = find(*reply, name);
  if (!found) return ctx.failed(found.error());
  const json::Value* const duty = (*found)->find("take_over");
  if (duty == nullptr) return ctx.failed(fail(Reason::conflict, "a deputy takes over once its sponsor has left"));
  return sign(ctx, name, *duty, "/take-over", Body{}, "You are the sponsor of " + printable(name) + " now. Its keys wait to be unlocked anew.");
}

int service_dismiss(Context& ctx, const ServicePersonOptions& o) {
  Body body;
  body.set("person", o.person);
  return ctx.answered(ctx.post(path(o.name, "/dismiss"), As::session, std::move(body)),
                  printable(o.person) + " does not answer for " + printable(o.name) + " any more.");
}

int service_remove(Context& ctx, const std::string& name) {
  return ctx.answered(ctx.post(path(name, "/remove"), As::bound), "The service account " + printable(name) + " is gone, with all its credentials.");
}

}  // namespace vestibule::app::cli
