//! The verbs, a file each: the arguments with their help, and what is done.

mod answer;
mod answering;
mod asked;
mod attended;
mod build;
mod by_likelihood;
mod chat;
mod classifier;
mod classify;
mod clean;
mod collect;
mod compare;
mod completions;
mod doctor;
mod dpo;
mod embed;
mod eval;
mod export;
mod extract;
mod feedback;
mod fill;
mod fine_tuning;
mod generate;
mod grpo;
mod guard;
mod import;
mod in_flags;
mod init;
mod inspect;
mod judge;
mod label_columns;
mod language;
mod man;
mod masked_generation;
mod merge;
mod metric;
mod plan;
mod ppo;
mod pretrain;
mod prompt_lines;
mod prompting;
mod quantize;
mod reinforcement;
mod report;
mod reward;
mod runs;
mod sampling;
mod score;
mod searched_generation;
mod sequences;
mod serve;
mod settings;
mod sft;
mod summarize;
mod tokenize;
mod tokenizer;
mod translate;
mod tune;
mod verify;
mod weight_type;
mod weights;
mod world;

use clap::{Parser, Subcommand};

/// Build your own large language model: from raw text to a model you can measure, share and trust.
///
/// `nuwa build` runs all stages, on the embedded world or on your own text. Every stage is also a
/// command of its own that reads files and writes files.
#[derive(Debug, Parser)]
#[command(name = "nuwa", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Program {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  nuwa build && nuwa chat                        a small model that answers, in about five minutes
  nuwa build --from ~/documents                  a model of your own text, in about ten minutes
  nuwa generate runs/documents --prompt \"Once upon a time\"
  nuwa build --from book.txt --budget 1h         the same with more time
  nuwa init my.toml && nuwa build my.toml        everything under control

`nuwa VERB --help` says more about a verb.";

#[derive(Debug, Subcommand)]
enum Verb {
    Build(build::BuildArguments),
    Init(init::Init),
    Collect(collect::Collect),
    Clean(clean::Clean),
    Classifier(classifier::Classifier),
    Tokenizer(tokenizer::Tokenizer),
    Tokenize(tokenize::Tokenize),
    Plan(plan::Plan),
    Tune(tune::Tune),
    Pretrain(pretrain::Pretrain),
    Sft(sft::Sft),
    Dpo(dpo::Dpo),
    Reward(reward::Reward),
    Score(score::Score),
    Ppo(ppo::Ppo),
    Grpo(grpo::Grpo),
    Feedback(feedback::FeedbackArguments),
    Judge(judge::JudgeArguments),
    Merge(merge::Merge),
    Inspect(inspect::Inspect),
    Chat(chat::Chat),
    Serve(serve::Serve),
    Generate(generate::Generate),
    Fill(fill::Fill),
    Classify(classify::Classify),
    Embed(embed::Embed),
    Translate(translate::Translate),
    Summarize(summarize::Summarize),
    Answer(answer::Answer),
    Extract(extract::Extract),
    Eval(eval::Eval),
    Compare(compare::Compare),
    Metric(metric::Metric),
    Import(import::Import),
    Export(export::Export),
    Quantize(quantize::Quantize),
    Report(report::Report),
    Runs(runs::Runs),
    Verify(verify::Verify),
    Guard(guard::GuardVerb),
    World(world::World),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    #[command(name = "man", hide = true)]
    Manual(man::Manual),
}

impl Program {
    /// Does what the command line asks for.
    pub fn run(self) -> anyhow::Result<()> {
        match self.verb {
            Verb::Build(verb) => verb.run(),
            Verb::Init(verb) => verb.run(),
            Verb::Collect(verb) => verb.run(),
            Verb::Clean(verb) => verb.run(),
            Verb::Classifier(verb) => verb.run(),
            Verb::Tokenizer(verb) => verb.run(),
            Verb::Tokenize(verb) => verb.run(),
            Verb::Plan(verb) => verb.run(),
            Verb::Tune(verb) => verb.run(),
            Verb::Pretrain(verb) => verb.run(),
            Verb::Sft(verb) => verb.run(),
            Verb::Dpo(verb) => verb.run(),
            Verb::Reward(verb) => verb.run(),
            Verb::Score(verb) => verb.run(),
            Verb::Ppo(verb) => verb.run(),
            Verb::Grpo(verb) => verb.run(),
            Verb::Feedback(verb) => verb.run(),
            Verb::Judge(verb) => verb.run(),
            Verb::Merge(verb) => verb.run(),
            Verb::Inspect(verb) => verb.run(),
            Verb::Chat(verb) => verb.run(),
            Verb::Serve(verb) => verb.run(),
            Verb::Generate(verb) => verb.run(),
            Verb::Fill(verb) => verb.run(),
            Verb::Classify(verb) => verb.run(),
            Verb::Embed(verb) => verb.run(),
            Verb::Translate(verb) => verb.run(),
            Verb::Summarize(verb) => verb.run(),
            Verb::Answer(verb) => verb.run(),
            Verb::Extract(verb) => verb.run(),
            Verb::Eval(verb) => verb.run(),
            Verb::Compare(verb) => verb.run(),
            Verb::Metric(verb) => verb.run(),
            Verb::Import(verb) => verb.run(),
            Verb::Export(verb) => verb.run(),
            Verb::Quantize(verb) => verb.run(),
            Verb::Report(verb) => verb.run(),
            Verb::Runs(verb) => verb.run(),
            Verb::Verify(verb) => verb.run(),
            Verb::Guard(verb) => verb.run(),
            Verb::World(verb) => verb.run(),
            Verb::Doctor(verb) => verb.run(),
            Verb::Completions(verb) => verb.run(),
            Verb::Manual(verb) => verb.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        for verb in Program::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("nuwa {}", verb.get_name())), "{}: {help}", verb.get_name());
        }
    }
}
