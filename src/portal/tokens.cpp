// Hardware tokens in stock, by administrators.

#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {

net::Task<Result<Reply>> Portal::list_tokens(Call&) {
  Result<std::vector<factors::TokenStock::Token>> tokens = co_await services_.factors.tokens().list();
  if (!tokens) co_return std::move(tokens).error();
  json::Writer w = writer();
  w.begin_object().key("tokens").begin_array();
  for (const factors::TokenStock::Token& t : *tokens) {
    w.begin_object().member("serial", t.serial).member("digits", t.digits);
    member_time(w, "imported", t.imported);
    w.key("holder");
    std::string name;
    if (!t.holder.is_nil()) services_.users.read(t.holder, [&](const identity::User& u) { name = u.name.view(); });
    if (name.empty()) {
      w.null();
    } else {
      w.value(name);
    }
    w.end_object();
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::import_tokens(Call& call) {
  // The very bytes are what was confirmed; the seeds themselves stand in no record.
  const Digest digest = crypto::sha256(as_bytes(call.body.text("csv")));
  auto act = [this, csv = call.body.secret("csv")](store::Tx& tx, const session::Actor& by) {
    return services_.factors.tokens().import_in(tx, csv.reveal_text(), by, services_.clock.now());
  };
  Result<std::int64_t> imported = co_await prove_and(call, "hardware_tokens.import " + hex(digest), std::move(act));
  if (!imported) co_return std::move(imported).error();
  json::Writer w = writer();
  w.begin_object().member("imported", *imported).end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::remove_token(Call& call) {
  const std::string serial(call.param);
  auto act = [this, serial](store::Tx& tx, const session::Actor& by) {
    return services_.factors.tokens().remove_in(tx, serial, by, services_.clock.now());
  };
  Result<void> done = co_await prove_and(call, "hardware_tokens.remove " + serial, std::move(act));
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

}  // namespace vestibule::portal
