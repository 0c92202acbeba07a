#include "portal/act_text.hpp"

#include <array>

namespace vestibule::portal {
namespace {

struct Sentence {
  std::string_view operation;
  std::string_view text;  ///< "{}" is the object
};

constexpr std::array kSentences = {
    Sentence{"signin", "Sign in to your account."},
    Sentence{"step-up", "Prove your second factor again in a session that is signed in."},
    Sentence{"factor.add", "Add a further factor to your account: {}."},
    Sentence{"factor.remove", "Remove the factor {} from your account."},
    Sentence{"factor.recovery_codes", "Make new recovery codes; the present ones become void."},
    Sentence{"password.change", "Change your password and end all your other sessions."},
    Sentence{"device.allow", "Let a device that shows the code {} use this gateway in your name."},
    Sentence{"clients.add", "Register a client of this gateway (SHA-256 of its description: {})."},
    Sentence{"clients.remove", "Remove the client {}; all that it was allowed ends."},
    Sentence{"oauth.keys.rotate", "Change the keys that ID tokens are signed with."},
    Sentence{"approvals.approve", "Let a call of yours go on that waits: {}."},
    Sentence{"tools.confirm", "Let the tool calls out that are shown, with just these arguments, once each (SHA-256 of the list: {})."},
    Sentence{"services.create", "Create a service account: {}."},
    Sentence{"services.offer", "Ask somebody to be the deputy of a service account: {}."},
    Sentence{"services.name_sponsor", "Ask somebody to be the sponsor of a service account: {}."},
    Sentence{"services.accept", "Answer for a service account, as the text says that you have read: {}."},
    Sentence{"services.take_over", "Take over a service account, as the text says that you have read: {}."},
    Sentence{"services.remove", "Remove the service account {}; all its credentials end."},
    Sentence{"services.key", "Make a credential of a service account: {}."},
    Sentence{"users.create", "Create a user: {}."},
    Sentence{"users.roles", "Set the roles of a user: {}."},
    Sentence{"users.groups", "Set the groups of a user: {}."},
    Sentence{"users.enable", "Enable the user {}."},
    Sentence{"users.remove", "Remove the user {}."},
    Sentence{"users.reset", "Let the user {} enrol anew: all factors and sessions of that account end."},
    Sentence{"hardware_tokens.import", "Import hardware tokens (SHA-256 of the list: {})."},
    Sentence{"hardware_tokens.remove", "Remove the hardware token {} from the stock."},
    Sentence{"stops.lift", "Lift an emergency stop: {}."},
    Sentence{"tools.accept", "Let a tool be called again as its server defines it now: {}."},
    Sentence{"policy.approve", "Put a loosened policy into force: {}."},
    Sentence{"access.credential", "Change the credential of an access point: {}."},
    Sentence{"keys.rotate", "Make a new master key and seal all secrets again."},
    Sentence{"keys.retire", "Remove the master key {}."},
    Sentence{"backup", "Copy the whole database to {}."},
};

}  // namespace

std::string act_text(std::string_view operation, std::string_view object) {
  for (const Sentence& s : kSentences) {
    if (s.operation != operation) continue;
    const std::size_t at = s.text.find("{}");
    if ((at == std::string_view::npos) != object.empty()) break;
    std::string out(s.text.substr(0, at));
    if (at != std::string_view::npos) out.append(object).append(s.text.substr(at + 2));
    return out;
  }
  std::string out = "Confirm: " + std::string(operation);
  if (!object.empty()) out.append(" ").append(object);
  return out;
}

}  // namespace vestibule::portal
