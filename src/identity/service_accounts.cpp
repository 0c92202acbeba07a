#include "identity/service_accounts.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "identity/rows.hpp"

namespace vestibule::identity {
namespace {

std::string listed(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& l : labels) out.append(out.empty() ? "" : ", ").append(l);
  return out.empty() ? "none" : out;
}

std::string signed_text(std::string_view text) { return hex(crypto::sha256(as_bytes(text))); }

// Without its standing: memory is for the cores and the writer, and this runs on readers as well.
Result<Service> read(store::Tx& tx, std::string_view where, store::Param which) {
  Service out;
  bool service = false;
  auto found = tx.one(std::string(kColumns).append(where), {which}, [&](const store::Row& row) {
    const User u = user_from(row);
    service = u.service;
    out.id = u.id;
    out.name = u.name.view();
    out.display = u.display;
    out.created = u.created;
  });
  if (!found) return std::move(found).error();
  if (!*found || !service) return fail(Reason::not_found, "no such service account");
  auto roles = tx.query("SELECT label FROM account_label WHERE account = $1 AND kind = 1 ORDER BY label", {out.id}, [&](const store::Row& row) {
    out.roles.emplace_back(row.text(0));
    return true;
  });
  if (!roles) return std::move(roles).error();
  auto parts = tx.query("SELECT person, part, offered, accepted, account.name FROM service_part JOIN account ON account.id = person "
                        "WHERE service = $1 ORDER BY part, accepted = 0, account.name",
                        {out.id}, [&](const store::Row& row) {
                          out.parts.push_back({row.id<UserId>(0), std::string(row.text(4)), static_cast<Part>(row.integer(1)), row.time(2), row.time(3)});
                          return true;
                        });
  if (!parts) return std::move(parts).error();
  return out;
}

}  // namespace

const ServicePart* Service::sponsor() const noexcept {
  const auto at = std::ranges::find_if(parts, [](const ServicePart& p) { return p.part == Part::sponsor && p.accepted != WallTime{}; });
  return at == parts.end() ? nullptr : &*at;
}

const ServicePart* Service::part_of(UserId person, Part part) const noexcept {
  const auto at = std::ranges::find_if(parts, [&](const ServicePart& p) { return p.person == person && p.part == part; });
  return at == parts.end() ? nullptr : &*at;
}

std::string duty_text(const Service& s, Part part, std::string_view person) {
  const ServicePart* const sponsor = s.sponsor();
  std::string out = "Service account \"" + s.name + "\", with the roles: " + listed(s.roles) + "\n";
  out.append("You, ").append(person).append(", as its ").append(name(part)).append("\n");
  if (part == Part::deputy) out.append("Its sponsor: ").append(sponsor == nullptr ? "nobody at present" : sponsor->name).append("\n");
  if (part == Part::sponsor) {
    std::vector<std::string> deputies;
    for (const ServicePart& p : s.parts) {
      if (p.part == Part::deputy && p.accepted != WallTime{} && p.name != person) deputies.push_back(p.name);
    }
    out.append("Its deputies, who may do the same: ").append(listed(deputies)).append("\n");
  }
  out += "You make and revoke its credentials, and with a factor of yours you let its calls go on.\n";
  switch (part) {
    case Part::sponsor:
      out += "It may do what you may do and its roles allow; what it does stands in the log under your name.\n";
      out += "When you leave, it sleeps until a deputy takes over.\n";
      break;
    case Part::deputy: out += "When its sponsor leaves you may take over, and then answer for it with your rights and your name.\n"; break;
  }
  return out;
}

std::string accept_purpose(const Service& s, Part part, std::string_view person) {
  return "services.accept " + s.name + " " + std::string(name(part)) + " " + signed_text(duty_text(s, part, person));
}

std::string take_over_purpose(const Service& s, std::string_view person) {
  return "services.take_over " + s.name + " " + signed_text(duty_text(s, Part::sponsor, person));
}

std::string ServiceAccounts::create_purpose(const Create& what, std::string_view sponsor) {
  std::string roles;
  for (const std::string& r : what.roles) roles.append(roles.empty() ? "" : ",").append(r);
  return "services.create " + what.name + " sponsor " + std::string(sponsor) + " roles " + roles;
}

void ServiceAccounts::record(store::Tx& tx, std::string_view operation, const Actor& by, std::string_view object,
                             std::string_view note) const {
  log_.append(tx, change_record(operation, by, object, note, clock_.now()));
}

Result<User> ServiceAccounts::person_in(store::Tx& tx, UserId person) const {
  User out;
  auto found = tx.one(std::string(kColumns) + " WHERE id = $1", {person}, [&](const store::Row& row) { out = user_from(row); });
  if (!found) return std::move(found).error();
  if (!*found || out.service) return fail(Reason::user_unknown, "a person answers for a service account");
  if (out.disabled || users_.standing(person) != Users::Standing::good) return fail(Reason::conflict, "this person's account is disabled");
  return out;
}

Result<void> ServiceAccounts::tell_in(store::Tx& tx, const Service& about, NoticeKind kind, std::string_view text, UserId but) const {
  for (const ServicePart& p : about.parts) {
    if (p.accepted == WallTime{} || p.person == but) continue;
    auto told = notify_in(tx, rng_, p.person, kind, text, clock_.wall());
    if (!told) return told;
  }
  return {};
}

Result<UserId> ServiceAccounts::create_in(store::Tx& tx, const Create& what, const Actor& by) {
  if (what.roles.empty()) return fail(Reason::invalid_argument, "roles: one at least");
  for (const std::string& r : what.roles) {
    if (r == domain::role::administrator || r == domain::role::auditor) {
      return fail(Reason::invalid_argument, "roles: the gateway's own administration is for people");
    }
  }
  auto sponsor = person_in(tx, what.sponsor);
  if (!sponsor) return std::move(sponsor).error();
  std::int64_t count = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM service_part WHERE person = $1 AND part = 1", {what.sponsor},
                        [&](const store::Row& row) { count = row.integer(0); });
  if (!counted) return std::move(counted).error();
  if (count >= static_cast<std::int64_t>(kMaxServices)) return fail(Reason::conflict, "this person is the sponsor of 32 service accounts already");
  Users::Create account;
  account.name = what.name;
  account.display = what.display;
  account.roles = what.roles;
  auto id = users_.create_in(tx, account, by);
  if (!id) return id;
  auto made = tx.run("INSERT INTO service (account) VALUES ($1)", {*id});
  if (!made) return std::move(made).error();
  const WallTime now = clock_.wall();
  const bool own = by.user == what.sponsor;
  auto put = tx.run("INSERT INTO service_part (service, person, part, offered, accepted) VALUES ($1, $2, $3, $4, $5)",
                    {*id, what.sponsor, Part::sponsor, now, own ? now : WallTime{}});
  if (!put) return std::move(put).error();
  const std::string note = "sponsor=" + std::string(sponsor->name.view()) + (own ? ", accepted" : ", asked") + " roles=" + listed(what.roles);
  record(tx, "services.create", by, what.name, note);
  if (own) return id;
  const std::string text = who(by) + " has made the service account " + what.name + " and asks you to be its sponsor. Until you accept it sleeps.";
  auto told = notify_in(tx, rng_, what.sponsor, NoticeKind::service_offered, text, now);
  if (!told) return std::move(told).error();
  return id;
}

Result<void> ServiceAccounts::offer_in(store::Tx& tx, UserId id, UserId person, Part part, const Actor& by) {
  auto service = look_in(tx, id);
  if (!service) return std::move(service).error();
  const ServicePart* const sponsor = service->sponsor();
  if (part == Part::deputy && (sponsor == nullptr || sponsor->person != by.user)) return fail(Reason::not_found, "you are not its sponsor");
  if (sponsor != nullptr && sponsor->person == person) return fail(Reason::conflict, "this person is its sponsor");
  auto asked = person_in(tx, person);
  if (!asked) return std::move(asked).error();
  const ServicePart* const has = service->part_of(person, part);
  if (has != nullptr && has->accepted != WallTime{}) return fail(Reason::conflict, "this person has accepted that already");
  const auto deputies = std::ranges::count(service->parts, Part::deputy, &ServicePart::part);
  if (part == Part::deputy && has == nullptr && deputies >= static_cast<std::ptrdiff_t>(kMaxDeputies)) return fail(Reason::conflict, "there are 8 deputies already");
  if (part == Part::sponsor) {  // one is asked at a time
    auto others = tx.run("DELETE FROM service_part WHERE service = $1 AND part = $2 AND accepted = 0", {id, part});
    if (!others) return std::move(others).error();
  }
  const WallTime now = clock_.wall();
  auto put = tx.run("INSERT INTO service_part (service, person, part, offered, accepted) VALUES ($1, $2, $3, $4, 0) "
                    "ON CONFLICT (service, person, part) DO UPDATE SET offered = $4",
                    {id, person, part, now});
  if (!put) return std::move(put).error();
  const std::string what = std::string(asked->name.view()) + " as " + std::string(name(part));
  record(tx, "services.offer", by, service->name, what);
  tx.changed(kTopic, id.bytes);
  if (has != nullptr) return {};  // he has been told: asking again and again drowns no other notice
  const std::string text = who(by) + " asks you to be a " + std::string(name(part)) + " of the service account " + service->name + ".";
  return notify_in(tx, rng_, person, NoticeKind::service_offered, text, now);
}

Result<void> ServiceAccounts::accept_in(store::Tx& tx, UserId id, Part part, std::string_view purpose, const Actor& by) {
  auto service = look_in(tx, id);
  if (!service) return std::move(service).error();
  const ServicePart* const offer = service->part_of(by.user, part);
  if (offer == nullptr || offer->accepted != WallTime{}) return fail(Reason::not_found, "nobody has asked you to be its " + std::string(name(part)));
  if (purpose != accept_purpose(*service, part, by.name.view())) return fail(Reason::conflict, "it is no longer what you have read: look again");
  if (part == Part::sponsor) {
    auto former = tx.run("DELETE FROM service_part WHERE service = $1 AND (part = $2 AND accepted > 0 OR person = $3 AND part <> $2)", {id, part, by.user});
    if (!former) return std::move(former).error();
  }
  auto taken = tx.run("UPDATE service_part SET accepted = $4 WHERE service = $1 AND person = $2 AND part = $3 AND accepted = 0",
                      {id, by.user, part, clock_.wall()});
  if (!taken) return std::move(taken).error();
  if (*taken != 1) return fail(Reason::conflict);
  record(tx, "services.accept", by, service->name, duty_text(*service, part, by.name.view()));
  tx.changed(kTopic, id.bytes);
  // Another sponsor: nothing that was approved under the former one goes on.
  auto handed = part == Part::sponsor ? users_.hand_over_in(tx, id) : Result<void>{};
  if (!handed) return handed;
  const std::string text = who(by) + " is " + std::string(name(part)) + " of the service account " + service->name + " now.";
  return tell_in(tx, *service, NoticeKind::service_changed, text, by.user);
}

Result<void> ServiceAccounts::take_over_in(store::Tx& tx, UserId id, std::string_view purpose, const Actor& by) {
  auto service = look_in(tx, id);
  if (!service) return std::move(service).error();
  const ServicePart* const deputy = service->part_of(by.user, Part::deputy);
  if (deputy == nullptr || deputy->accepted == WallTime{}) return fail(Reason::not_found, "you are no deputy of it, or have not accepted");
  const ServicePart* const sponsor = service->sponsor();
  if (sponsor != nullptr) {
    // By the rows: memory may lag, and bars come down again.
    auto there = tx.one("SELECT 1 FROM account WHERE id = $1 AND disabled = 0", {sponsor->person}, [](const store::Row&) {});
    if (!there) return std::move(there).error();
    if (*there) return fail(Reason::conflict, "its sponsor " + sponsor->name + " is there");
  }
  if (purpose != take_over_purpose(*service, by.name.view())) return fail(Reason::conflict, "it is no longer what you have read: look again");
  auto former = tx.run("DELETE FROM service_part WHERE service = $1 AND (part = $2 OR person = $3)", {id, Part::sponsor, by.user});
  if (!former) return std::move(former).error();
  const WallTime now = clock_.wall();
  auto put = tx.run("INSERT INTO service_part (service, person, part, offered, accepted) VALUES ($1, $2, $3, $4, $4)",
                    {id, by.user, Part::sponsor, now});
  if (!put) return std::move(put).error();
  record(tx, "services.take_over", by, service->name, duty_text(*service, Part::sponsor, by.name.view()));
  auto handed = users_.hand_over_in(tx, id);
  if (!handed) return handed;
  return tell_in(tx, *service, NoticeKind::service_changed, who(by) + " is the sponsor of the service account " + service->name + " now.", by.user);
}

Result<void> ServiceAccounts::dismiss_in(store::Tx& tx, UserId id, UserId person, const Actor& by) {
  auto service = look_in(tx, id);
  if (!service) return std::move(service).error();
  const ServicePart* const sponsor = service->sponsor();
  const bool was_sponsor = sponsor != nullptr && sponsor->person == person;
  std::string gone;
  bool answered = false;  // and was not merely asked
  for (const ServicePart& p : service->parts) {
    if (p.person != person) continue;
    gone = p.name;
    answered = answered || p.accepted != WallTime{};
  }
  if (gone.empty()) return fail(Reason::not_found, "this person has no part in it");
  auto removed = tx.run("DELETE FROM service_part WHERE service = $1 AND person = $2", {id, person});
  if (!removed) return std::move(removed).error();
  record(tx, "services.dismiss", by, service->name, gone + (was_sponsor ? ", its sponsor: it is asleep" : ""));
  if (!answered) {
    tx.changed(kTopic, id.bytes);
    return {};
  }
  auto handed = users_.hand_over_in(tx, id);
  if (!handed) return handed;
  const std::string text = gone + " does not answer for the service account " + service->name + " any more." +
                           (was_sponsor ? " It is asleep until a deputy takes over." : "");
  return tell_in(tx, *service, was_sponsor ? NoticeKind::service_asleep : NoticeKind::service_changed, text, by.user);
}

net::Task<Result<void>> ServiceAccounts::dismiss(UserId service, UserId person, Actor by) {
  auto job = [this, service, person, by](store::Tx& tx) { return dismiss_in(tx, service, person, by); };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

Result<Service> ServiceAccounts::look_in(store::Tx& tx, UserId service) const { return read(tx, " WHERE id = $1", service); }

net::Task<Result<Service>> ServiceAccounts::look(std::string name) const {
  auto job = [n = std::move(name)](store::Tx& tx) { return read(tx, " WHERE name = $1", n); };
  Result<Service> out = co_await database_.read(std::move(job));
  if (out) out->standing = users_.standing(out->id);
  co_return out;
}

net::Task<Result<std::vector<Service>>> ServiceAccounts::list(UserId person) const {
  auto job = [this, person](store::Tx& tx) -> Result<std::vector<Service>> {
    std::vector<UserId> ids;
    auto found = tx.query("SELECT service.account FROM service JOIN account ON account.id = service.account WHERE $1 = 1 OR service.account IN "
                          "(SELECT service_part.service FROM service_part WHERE person = $2) ORDER BY account.name",
                          {person.is_nil() ? 1 : 0, person}, [&](const store::Row& row) {
                            ids.push_back(row.id<UserId>(0));
                            return true;
                          });
    if (!found) return std::move(found).error();
    std::vector<Service> out;
    for (const UserId id : ids) {
      auto one = look_in(tx, id);
      if (!one) return std::move(one).error();
      out.push_back(std::move(*one));
    }
    return out;
  };
  Result<std::vector<Service>> out = co_await database_.read(std::move(job));
  if (out) {
    for (Service& one : *out) one.standing = users_.standing(one.id);
  }
  co_return out;
}

}  // namespace vestibule::identity
