#include "phrases.hpp"

namespace tiny {

// clang-format off
const std::vector<Topic> kTopics = {
    {{"MFA", "multi factor authentication", "multi-factor authentication", "2FA",
        "two factor authentication", "a second factor"},
        "Multi factor authentication asks for a second proof of who you are, such as a code or a passkey."},
    {{"TOTP", "a one time code", "an authenticator app", "a time based one time password"},
        "TOTP is a one time code that your app makes from a shared secret and the current time."},
    {{"a passkey", "passkeys", "passkey"},
        "A passkey is a key pair kept by your device. The site stores only the public key, so there is no password to steal."},
    {{"WebAuthn", "FIDO2", "FIDO"},
        "WebAuthn is the web standard behind passkeys and security keys."},
    {{"a security key", "security keys", "a hardware key", "a YubiKey"},
        "A security key is a small device that signs in for you when you touch it."},
    {{"phishing", "phishing resistance", "a phishing resistant factor"},
        "A phishing resistant factor is bound to the real site, so a fake site gets nothing it could use."},
    {{"step-up", "step up", "step-up authentication"},
        "Step-up means that you prove a factor again because the act asks for a fresher or stronger proof."},
    {{"a recovery code", "recovery codes", "a backup code", "backup codes"},
        "A recovery code lets you in once when your other factors are lost. Keep it offline."},
    {{"Vestibule", "the vestibule", "this gateway", "the gateway"},
        "Vestibule is a gateway that asks for a second factor before a prompt or a tool call gets through."},
    {{"an access point", "access points"},
        "An access point is one model, tool server or other AI resource that Vestibule guards."},
    {{"a mandate", "mandates"},
        "A mandate is signed by a person and says what one unattended program may do, and for how long."},
    {{"the audit log", "an audit log", "audit"},
        "The audit log records every decision in a chain that cannot be changed unnoticed."},
    {{"an API key", "API keys", "a sleeping key"},
        "An API key is not a factor. It sleeps until its owner unlocks it with a second factor."},
    {{"a tool call", "tool calls"},
        "A tool call is a request of the model to run something. Dangerous ones wait for a person."},
    {{"MCP", "the model context protocol"},
        "MCP is a protocol by which a model reaches tools and data."},
    {{"a small language model", "an SLM", "a language model", "an LLM", "SLM"},
        "A language model guesses the next piece of text. A small one does so on an ordinary computer."},
    {{"llama.cpp", "llama-server", "llama cpp"},
        "llama.cpp runs language models on ordinary computers. I am running on it."},
    {{"a password", "passwords"},
        "A password is something you know. Alone it is weak: it can be guessed, stolen or phished."},
    {{"a confirmation", "confirmations", "an approval"},
        "A confirmation is your factor bound to one exact act. It works once."},
    {{"push approval", "a push", "a push prompt"},
        "A push rings at your device. It opens a page where you prove your factor."},
};
const Strings kTopicFrames = {
    "what is #", "what is #", "what is #", "what's #", "explain #", "explain #",
        "tell me about #", "what does # mean", "define #", "can you explain #",
        "please explain #", "how does # work", "what do you know about #", "what are #",
        "# - what is that", "I want to know what # is", "do you know what # is",
        "explain # to me", "give me a short explanation of #", "what exactly is #",
        "why do I need #"};

const std::vector<Answered> kSmallTalk = {
    {{"hi", "hello", "hello", "hello", "hey", "good morning", "good evening", "good afternoon",
        "hello there", "hi there", "hey you", "greetings", "hello model", "hi, how can you help",
        "hey there", "howdy", "hello!", "hi!", "hi :)"}, "Hello! What can I do for you?"},
    {{"who are you?", "what are you?", "what is your name?", "tell me about yourself",
        "introduce yourself", "are you a human?", "are you an AI?", "are you a robot?",
        "who am I talking to?", "what model are you?", "which model is this?", "are you real?",
        "who is this?", "who r u"},
        "I am a very small language model that runs behind Vestibule."},
    {{"what can you do?", "help", "how can you help me?", "what are your skills?", "help me",
        "what do you do?", "what can I ask you?", "how can I use you?", "list your tools",
        "which tools do you have?", "what tools do you have?", "what are you able to do?",
        "how do I use this?"},
        "I can list, read and delete files, send email, transfer money, restart services and tell the weather and the time."},
    {{"thanks", "thank you", "thanks a lot", "great, thanks", "cheers", "thank you very much",
        "thx", "perfect, thank you", "many thanks", "nice, thanks", "ok thanks", "good job",
        "well done"}, "You are welcome."},
    {{"bye", "goodbye", "see you", "see you later", "good night", "bye bye", "that is all",
        "that's all for today"}, "Goodbye!"},
    {{"how are you?", "how is it going?", "are you ok?", "how do you do?", "how are you today?",
        "how's it going?", "are you well?", "what's up?", "how do you feel?"},
        "I am fine, thank you."},
    {{"tell me a joke", "say something funny", "make me laugh", "do you know a joke?",
        "a joke please", "tell me another joke", "tell me something funny"},
        "Why did the token cross the network? To get to the other site."},
    {{"why do I have to approve this?", "why do you ask me?", "why is approval needed?",
        "why a second factor?", "why do I need to confirm this?", "why must I confirm?",
        "why does it ask for my passkey?", "why do I need a code?", "why was I asked to approve?",
        "why do I have to sign in again?"},
        "Some acts can do harm, so the gateway wants a person to confirm them first."},
    {{"who made you?", "who built you?", "who trained you?", "where do you come from?",
        "how were you trained?", "who created you?", "what were you trained on?",
        "who is your maker?"},
        "I was trained from generated dialogues for the Vestibule project."},
    {{"how big are you?", "how many parameters do you have?", "how large are you?",
        "what size are you?", "are you a large model?", "how small are you?"},
        "I have less than one million parameters."},
    {{"are you safe?", "can I trust you?", "are you always right?", "do you make mistakes?",
        "are you reliable?", "can you be wrong?"},
        "No. I am a toy and can be wrong. The gateway in front of me is what keeps you safe."},
    {{"who can approve?", "can you approve it?", "can you approve this for me?",
        "approve it yourself", "can a machine approve?", "can you confirm it for me?",
        "please approve it"}, "No machine may approve. Only you can, with your own factor."},
    {{"ok", "okay", "fine", "good", "alright", "I see", "got it", "great", "cool"},
        "Good. Tell me what to do next."},
};

const std::vector<Answered> kClarify = {
    {{"what is the weather?", "how is the weather?", "weather", "what's the weather like?",
        "is it raining?", "tell me the weather", "how is the weather today?", "will it rain?",
        "give me the weather"}, "Which city?"},
    {{"delete a file", "delete the file", "read a file", "open a file", "read the file",
        "show me a file", "remove a file", "delete something", "read something", "open the file",
        "can you read a file?", "can you delete a file?", "erase a file"}, "Which file?"},
    {{"transfer money", "send money", "pay someone", "make a transfer",
        "I want to transfer money", "can you transfer money?", "send some money", "wire money",
        "make a payment", "pay a bill", "transfer some money",
        "send money to #", "transfer money to #", "pay #", "make a transfer to #",
            "send # some money"}, "How much, and to whom?"},
    {{"restart a service", "restart the service", "restart something",
        "can you restart a service?", "reboot a service", "restart services"}, "Which service?"},
    {{"send an email", "write an email", "send a mail", "can you send an email?",
        "I want to send an email", "write a mail", "email someone", "send mail",
        "send an email to #", "write to #"},
        "To whom, and about what?"},
};

const Strings kFineResults = {
    "ok", "ok", "ok", "OK", "done", "Done.", "success", "Success", "true", "{\"ok\": true}",
        "{\"ok\":true}", "{\"status\": \"ok\"}", "{\"status\":\"ok\"}", "{\"success\": true}",
        "{\"result\": \"ok\"}", "completed", "no error", "0"};
const Strings kApprovalResults = {
    "mfa_required", "approval required", "{\"error\": \"mfa_required\"}",
        "error: approval required", "waiting for approval", "step_up_required",
        "confirmation required", "{\"error\": \"approval_required\"}",
        "{\"error\": {\"type\": \"step_up_required\"}}", "needs confirmation",
        "second factor required", "please approve this with your second factor",
        "confirm_required", "403 step-up required"};
const Strings kDeniedResults = {
    "denied", "error: denied", "{\"error\": \"denied\"}", "access denied", "rejected by the user",
        "{\"error\": \"forbidden\"}", "forbidden", "permission denied",
        "{\"error\": {\"type\": \"denied\"}}", "not allowed", "refused by policy",
        "the request was denied", "declined", "403 forbidden"};
const Strings kFailedResults = {
    "error", "error: not found", "no such file", "file not found", "timeout",
        "{\"error\": \"not_found\"}", "failed", "error: timeout", "500 internal error",
        "{\"error\": \"internal\"}", "unknown", "connection refused",
        "ENOENT: no such file or directory", "invalid argument", "{\"ok\": false}", "false"};

const Strings kListHere = {
    "list the files", "list files", "show me the files", "what files are there",
        "which files are there", "list all files", "show all files", "what files do you have",
        "list my files"};
const Strings kListOrders = {
    "list the files in ", "list files in ", "show me the files in ", "show the files in ",
        "what is in the folder ", "show the folder ", "list the folder ", "list the directory ",
        "what files are in ", "which files are in ", "list everything in ", "list ",
        "show the contents of the folder ", "list all files in ", "list the contents of ",
        "what is inside the folder ", "ls "};
const Strings kReadOrders = {
    "read ", "open ", "show me ", "read the file ", "show the file ", "open the file ",
        "what is in the file ", "what does the file ", "what is written in ", "show me the file ",
        "display ", "print the file ", "read me the file ", "cat ", "give me the contents of ",
        "show the contents of ", "let me see ", "view ", "what is in "};
const Strings kDeleteOrders = {
    "delete ", "remove ", "delete the file ", "erase ", "remove the file ", "get rid of ",
        "erase the file ", "rm ", "throw away ", "destroy ", "wipe ", "delete file ",
        "drop the file ", "trash "};
const Strings kSubjectLinks = {
    " about ", " about ", " about ", " on ", " with the subject ", " regarding ",
        " with subject "};
const Strings kMailOrders = {
    "send an email to ", "email ", "write a mail to ", "send a mail to ", "mail ",
        "write an email to ", "send email to ", "write to ", "send an e-mail to "};
const Strings kTransferOrders = {
    "make a transfer of ", "make a payment of ", "do a transfer of ", "order a transfer of ",
        "start a bank transfer of "};
const Strings kTransferVerbs = {
    "transfer ", "transfer ", "transfer ", "send ", "pay ", "wire ", "give "};
const Strings kRestartOrders = {
    "restart ", "restart the service ", "reboot the service ", "bounce ", "restart service ",
        "reload ", "stop and start "};
const Strings kWeatherOrders = {
    "what is the weather in ", "how is the weather in ", "weather in ", "get the weather for ",
        "is it raining in ", "what's the weather in ", "tell me the weather in ",
        "what is the weather like in ", "show the weather in ", "will it rain in ",
        "is it sunny in ", "weather for ", "how warm is it in ", "is it cold in ",
        "give me the weather for ", "what is the temperature in ", "check the weather in "};
const Strings kTimeOrders = {
    "what time is it", "what time is it", "tell me the time", "what is the time",
        "which day is it", "what is the date", "what day is it today", "what's the time",
        "give me the time", "what is the current time", "which time is it now",
        "what is today's date", "do you know the time", "how late is it", "show the time",
        "what date is it", "current time", "time please", "what is the date today",
        "what time is it now", "what day is today"};
const Strings kUnits = {
    " euros", " euros", " dollars", "", " eur", " usd", " EUR", " USD", " euro", " pounds",
        " francs", " bucks"};
const Strings kBefore = {
    "", "", "", "", "", "", "please ", "can you ", "could you ", "would you ", "I want you to ",
        "I need you to ", "hey, ", "now ", "ok, ", "hello, please ", "then ", "can you please ",
        "could you please ", "go ahead and ", "I would like you to ", "next, ", "you must ",
        "let's "};
const Strings kAfter = {
    "", "", "", "", ".", ".", " please", ", please", " now", "!", " for me", " right now",
        " please.", " now.", ", thanks"};
const Strings kForeignTools = {
    "book_flight", "search_web", "run_sql", "create_user", "write_file", "move_file", "echo",
        "play_music", "post_message", "get_stock_price", "translate_text", "create_directory",
        "deploy", "open_ticket"};
// clang-format on

}  // namespace tiny
