// Notices: what happened to one's own account.

#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {

net::Task<Result<Reply>> Portal::list_notices(Call& call) {
  Result<std::vector<identity::Notice>> notices = co_await services_.users.notices(call.caller.who.subject.user);
  if (!notices) co_return std::move(notices).error();
  json::Writer w = writer();
  w.begin_object().key("notices").begin_array();
  for (const identity::Notice& n : *notices) {
    w.begin_object().member("id", n.id.text());
    member_time(w, "at", n.at);
    w.member("kind", identity::name(n.kind)).member("text", n.text).member("seen", n.seen).end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::see_notices(Call& call) {
  std::vector<identity::NoticeId> ids;
  for (const std::string& text : call.body.list("ids")) {
    const auto id = identity::NoticeId::parse(text);
    if (!id) co_return fail(Reason::invalid_argument, "ids: not ones of notices");
    ids.push_back(*id);
  }
  Result<void> done = co_await services_.users.mark_seen(call.actor(), std::move(ids));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
