#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tiny {

using Strings = std::vector<std::string>;

// What the model is told about, as people say it. Lists that repeat an entry
// mean it: it is drawn more often.

// A topic asked for by name; `#` in a frame is where the name goes.
struct Topic {
  Strings names;
  const char* answer;
};
extern const std::vector<Topic> kTopics;
extern const Strings kTopicFrames;

// Whole phrasings, all with the same answer.
using Answered = std::pair<Strings, const char*>;
extern const std::vector<Answered> kSmallTalk;
// Requests that name a tool's action but not all that the tool needs; `#` is
// where a person's name goes.
extern const std::vector<Answered> kClarify;

// Orders, each to be followed by what it is about.
extern const Strings kListHere, kListOrders, kReadOrders, kDeleteOrders, kSubjectLinks, kMailOrders,
    kTransferOrders, kTransferVerbs, kRestartOrders, kWeatherOrders, kTimeOrders;
extern const Strings kUnits;
// The words people put around an order.
extern const Strings kBefore, kAfter;

// What tools say, by how it went.
extern const Strings kFineResults, kApprovalResults, kDeniedResults, kFailedResults;

// Names of tools that the model does not know.
extern const Strings kForeignTools;

}  // namespace tiny
