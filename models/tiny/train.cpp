// Trains the demonstration model, and evaluates it.
//
//   train train FILE [--from FILE] [--steps N] [--seed N] [--batch N] [--rate X]
//                          with --from, a second round on what a first one made
//   train eval FILE        held-out dialogues, accuracy by intent
//   train sample [N]       prints N dialogues as the model sees them
//   train check            compares the gradient with finite differences
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "gguf.hpp"
#include "network.hpp"
#include "tokenizer.hpp"

namespace {

using tiny::Batch;
using tiny::Corpus;
using tiny::Intent;
using tiny::Network;
using tiny::Shape;
using tiny::Tokenizer;

struct Options {
  int steps = 4800;
  int batch = 12;
  float rate = 2.5e-3f;
  std::uint64_t seed = 20260101;
  std::string from;  // a file to start from: the second round
};
// The tokenizer and the evaluation must not change with the training seed: a
// model file is read back by comparing its tokenizer, and scores are compared.
constexpr std::uint64_t kTokenizerSeed = 1;
constexpr std::uint64_t kEvaluationSeed = 987654321;
constexpr int kEvaluationDialogues = 3000;

Tokenizer make_tokenizer(int size) {
  Corpus corpus(kTokenizerSeed, Corpus::Split::training);
  std::vector<std::string> texts;
  for (int i = 0; i < 20000; ++i) {
    for (const tiny::Piece& piece : corpus.dialogue({})) texts.push_back(piece.text);
  }
  return Tokenizer(texts, size);
}

Batch make_batch(Corpus& corpus, const Corpus::Stage& stage, Tokenizer& tokenizer, int dialogues,
                 int context, std::vector<Intent>* pieces = nullptr) {
  Batch batch;
  std::vector<int> tokens, owner;  // owner: the piece each token belongs to, -1 if not learned
  int piece_count = 0;
  for (int d = 0; d < dialogues; ++d) {
    tokens.clear();
    owner.clear();
    for (const tiny::Piece& piece : corpus.dialogue(stage)) {
      tokenizer.encode(piece.text, tokens);
      const bool learned = piece.intent != Intent::context;
      owner.resize(tokens.size(), learned ? piece_count : -1);
      if (learned) {
        ++piece_count;
        if (pieces) pieces->push_back(piece.intent);
      }
    }
    const int base = static_cast<int>(batch.tokens.size());
    const int length = std::min(static_cast<int>(tokens.size()) - 1, context);
    for (int i = 0; i < length; ++i) {
      const auto next = static_cast<std::size_t>(i) + 1;
      batch.tokens.push_back(tokens[next - 1]);
      if (owner[next] >= 0) batch.targets.push_back({base + i, tokens[next], owner[next]});
    }
    batch.starts.push_back(static_cast<int>(batch.tokens.size()));
  }
  return batch;
}

// An answer counts when every one of its tokens is the most likely one: then
// greedy decoding gives exactly this answer.
double evaluate(Network& network, Tokenizer& tokenizer, int dialogues, bool by_intent) {
  Corpus corpus(kEvaluationSeed, Corpus::Split::held_out);
  std::vector<int> right(tiny::kIntents), all(tiny::kIntents);
  double loss = 0;
  int batches = 0, total_right = 0, total = 0;
  for (int done = 0; done < dialogues; done += 50, ++batches) {
    std::vector<Intent> pieces;
    const Batch batch = make_batch(corpus, {}, tokenizer, 50, network.shape().context, &pieces);
    std::vector<char> correct;
    loss += network.loss(batch, &correct);
    std::vector<char> piece_right(pieces.size(), 1), piece_seen(pieces.size(), 0);
    for (std::size_t i = 0; i < correct.size(); ++i) {
      const auto piece = static_cast<std::size_t>(batch.targets[i].piece);
      piece_seen[piece] = 1;
      if (!correct[i]) piece_right[piece] = 0;
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (!piece_seen[i]) continue;  // cut off by the context
      const auto intent = static_cast<std::size_t>(pieces[i]);
      ++all[intent];
      right[intent] += piece_right[i];
      ++total;
      total_right += piece_right[i];
    }
  }
  std::printf("held out: loss %.4f, %d of %d answers right (%.2f %%)\n", loss / batches,
              total_right, total, 100.0 * total_right / total);
  if (by_intent) {
    for (int i = 1; i < tiny::kIntents; ++i) {
      const auto k = static_cast<std::size_t>(i);
      std::printf("  %-24s %5d of %5d  %6.2f %%\n", tiny::name_of(static_cast<Intent>(i)), right[k],
                  all[k], all[k] ? 100.0 * right[k] / all[k] : 0.0);
    }
  }
  std::fflush(stdout);
  return static_cast<double>(total_right) / total;
}

bool write_file(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  return !out.fail();
}

bool load(const std::string& path, Network& network, const Tokenizer& tokenizer) {
  std::ifstream in(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  if (from_gguf(file, network, tokenizer)) return true;
  std::fprintf(stderr, "%s was not made by this program in its present form\n", path.c_str());
  return false;
}

// How hard the dialogues are after `part` of the steps. The first round starts
// with single exchanges that are mostly copying: the rest needs it. The second
// begins with what the first leaves weak, copying inside dialogues.
Corpus::Stage stage_at(double part, bool second_round) {
  if (second_round) return part < 0.5 ? Corpus::Stage{2, 0.2} : Corpus::Stage{};
  if (part < 0.3) return {1, 0.4};
  if (part < 0.55) return {2, 0.15};
  return {};
}

int train(const std::string& path, const Options& options) {
  Shape shape;
  Tokenizer tokenizer = make_tokenizer(shape.vocabulary);
  Network network(shape, options.seed);
  if (!options.from.empty() && !load(options.from, network, tokenizer)) return 1;
  Corpus corpus(options.seed + 1, Corpus::Split::training);
  std::printf("%zu parameters, vocabulary %d, %d steps of %d dialogues\n", network.parameters(),
              tokenizer.size(), options.steps, options.batch);

  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double average = 0;
  std::size_t tokens = 0;
  for (int step = 1; step <= options.steps; ++step) {
    // All by steps, nothing by time: the run must not depend on the machine's
    // load. Short warm-up, then half a cosine down to 2 %.
    const double part = static_cast<double>(step - 1) / options.steps;
    const double cosine = 0.5 * (1 + std::cos(3.14159265358979 * part));
    const double rate = options.rate * std::min(1.0, step / 100.0) * (0.02 + 0.98 * cosine);
    const Corpus::Stage stage = stage_at(part, !options.from.empty());
    const Batch batch = make_batch(corpus, stage, tokenizer, options.batch, shape.context);
    const double loss = network.loss_and_gradient(batch);
    network.update(step, static_cast<float>(rate));
    tokens += batch.tokens.size();
    average = step == 1 ? loss : 0.98 * average + 0.02 * loss;
    if (step % 100 == 0) {
      std::printf("step %d: loss %.4f, %.0f s, %.0f tokens/s\n", step, average, seconds(),
                  static_cast<double>(tokens) / seconds());
      std::fflush(stdout);
    }
    if (step % 1000 == 0 && step < options.steps) evaluate(network, tokenizer, 300, false);
  }
  const std::string file = to_gguf(network, tokenizer);
  if (!write_file(path, file)) {
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    return 1;
  }
  // What is evaluated is the file: its weights are rounded to f16.
  if (!from_gguf(file, network, tokenizer)) return 1;
  std::printf("%s: %zu bytes after %.0f s\n", path.c_str(), file.size(), seconds());
  evaluate(network, tokenizer, kEvaluationDialogues, true);
  return 0;
}

int eval(const std::string& path) {
  Shape shape;
  Tokenizer tokenizer = make_tokenizer(shape.vocabulary);
  Network network(shape, 0);
  if (!load(path, network, tokenizer)) return 1;
  evaluate(network, tokenizer, kEvaluationDialogues, true);
  return 0;
}

int sample(int count) {
  Corpus corpus(7, Corpus::Split::training);
  for (int i = 0; i < count; ++i) {
    for (const tiny::Piece& piece : corpus.dialogue({})) {
      for (const char c : piece.text) {
        if (c == tiny::kStart)
          std::printf("<|im_start|>");
        else if (c == tiny::kEnd)
          std::printf("<|im_end|>");
        else
          std::putchar(c);
      }
    }
    std::puts("----");
  }
  return 0;
}

int check() {
  Shape shape;
  Tokenizer tokenizer = make_tokenizer(shape.vocabulary);
  Network network(shape, 1);
  Corpus corpus(1, Corpus::Split::training);
  const double worst = network.check_gradient(make_batch(corpus, {}, tokenizer, 4, shape.context));
  std::printf("largest relative error of the gradient: %.4f\n", worst);
  return worst < 0.02 ? 0 : 1;
}

int usage() {
  std::fprintf(
      stderr,
      "usage: train train FILE [--from FILE] [--steps N] [--seed N] [--batch N] [--rate X]\n"
      "       train eval FILE | sample [N] | check\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "sample" && argc <= 3) return sample(argc == 3 ? std::atoi(argv[2]) : 5);
  if (mode == "check" && argc == 2) return check();
  if (mode == "eval" && argc == 3) return eval(argv[2]);
  if (mode != "train" || argc < 3 || argc % 2 == 0) return usage();
  Options options;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--steps")
      options.steps = std::atoi(argv[i + 1]);
    else if (name == "--seed")
      options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--from")
      options.from = argv[i + 1];
    else if (name == "--batch")
      options.batch = std::atoi(argv[i + 1]);
    else if (name == "--rate")
      options.rate = static_cast<float>(std::atof(argv[i + 1]));
    else
      return usage();
  }
  if (options.steps < 1 || options.batch < 1) return usage();
  return train(argv[2], options);
}
