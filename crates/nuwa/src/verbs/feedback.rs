use std::path::PathBuf;

use clap::Args;
use nuwa_align::feedback::{FeedbackFile, FeedbackKind};
use nuwa_files::quoted_path;
use nuwa_infer::GenerateSettings;
use nuwa_report::numbers::counted;

use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::{last_words, message, print_line};
use crate::failure::Problem;
use crate::feedback::{Drawing, Feedback, Queue};
use crate::numbers::Count;
use crate::page::Server;
use crate::{base, interrupt, model, prompts};

/// Rank or mark a model's answers on a local web page (human feedback)
///
/// Samples answers to each prompt and serves a page on this machine, on which you rank them, blind
/// and by keys, or with --mark say of each whether it is good. Decisions are added to --out, a line
/// of JSON each, and are kept at once: stop with Ctrl-C, and go on with the same command. A ranking
/// becomes pairs with `prompt`, `chosen` and `rejected`, which nuwa dpo reads; marks become answers
/// with `prompt`, `completion` and `label`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa feedback tuned --prompts questions.txt --out feedback.jsonl
  nuwa feedback runs/world --prompts dialogues.jsonl --out ranks.jsonl --answers 4
  nuwa feedback tuned --prompts questions.txt --out marks.jsonl --mark
  nuwa dpo tuned --data feedback.jsonl --out better

The page knows its keys: 1-4 rank the answers from the best on (← and → choose between two), = ties
the rest, s skips, u takes the last decision back. The address works only on this machine; from
another one: ssh -L PORT:127.0.0.1:PORT HOST.")]
pub struct FeedbackArguments {
    /// A model folder, or a run folder
    model: PathBuf,
    /// The prompts: one per line, or records with `prompt`, `messages` or `conversations`
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// Add the decisions to this file (.jsonl); prompts that it has a decision about are not asked again
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many different answers are shown, 2 to 4; with --mark also 1
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=4))]
    answers: u64,
    /// Say of each answer whether it is good, instead of ranking them
    #[arg(long)]
    mark: bool,
    /// Serve the page on this port [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// System prompt, where a prompt has none
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Softmax temperature; 0 is greedy decoding, of which no two answers differ
    #[arg(long, alias = "temp", value_name = "T", default_value_t = 1.0, allow_negative_numbers = true)]
    temperature: f64,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    weights: WeightArguments,
    /// Maximum number of tokens per answer [default: 200]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// Random seed of the answers and their order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl FeedbackArguments {
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings();
        settings.check()?;
        self.check_answers()?;
        let folder = model::folder(&self.model)?;
        let prompts = prompts::read(&self.prompts, self.system.as_deref())?;
        let file = FeedbackFile::open(&self.out, self.kind())?;
        let server = Server::bind(self.port)?;
        let engine = self.weights.load(&folder)?;
        base::check_answers(&folder, &engine)?;
        let drawing = Drawing::new(&engine, settings, self.answers as usize, self.least())?;
        let queue = Queue::new(file, self.kind(), self.model.display().to_string(), prompts);
        self.tell_beginning(&queue);
        // Whoever has the address may press Ctrl-C at once.
        let ended = interrupt::on_end()?;
        print_line(&server.address())?;
        let feedback = Feedback::start(queue, drawing, server);
        // Only Ctrl-C says that it is enough: whoever has decided about all may still take something back.
        let _ = ended.recv();
        let queue = feedback.queue();
        self.tell_end(&queue);
        // Locked until the program is gone, so that no decision is half written when it goes.
        std::mem::forget(queue);
        Ok(())
    }

    fn settings(&self) -> GenerateSettings {
        let usual = GenerateSettings::default();
        let sampling = self.sampling.settings(self.temperature, usual.sampling.top_k);
        let max_tokens = self.max_tokens.map_or(usual.max_tokens, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..usual }
    }

    fn kind(&self) -> FeedbackKind {
        if self.mark { FeedbackKind::Marks } else { FeedbackKind::Ranks }
    }

    /// The fewest different answers that there is something to decide about.
    fn least(&self) -> usize {
        if self.mark { 1 } else { 2 }
    }

    fn check_answers(&self) -> anyhow::Result<()> {
        if self.answers as usize >= self.least() {
            return Ok(());
        }
        let problem = Problem::new("--answers 1: one answer cannot be ranked; expected 2 to 4");
        Err(problem.hint("to say of each answer whether it is good: --mark").into())
    }

    fn tell_beginning(&self, queue: &Queue) {
        let (file, out) = (queue.file(), self.out.display());
        if file.is_mended() {
            message(&format!(
                "note: the last decision in {out} was not whole, as when a program is ended while it writes; it was removed, and \
                 its prompt is asked again"
            ));
        }
        if file.decisions() > 0 {
            let decisions = counted(file.decisions() as u64, "decision");
            message(&format!("{out} has {decisions} already; {} left", counted_prompts(queue.open())));
        }
        message("open this address in a browser on this machine; Ctrl-C ends:");
    }

    fn tell_end(&self, queue: &Queue) {
        let (file, out) = (queue.file(), quoted_path(&self.out));
        let (decisions, records) = (file.decisions() as u64, file.records() as u64);
        let kept = format!("{} in {out}", counted(records, "record"));
        last_words(&format!(
            "{kept}, of {}; {} left",
            counted(decisions, "decision"),
            counted_prompts(queue.open())
        ));
        let named = quoted_path(&self.model);
        if queue.open() > 0 {
            message("to go on, give the same command again");
        }
        match (records, self.mark) {
            (0, _) => {}
            (_, false) => message(&format!(
                "next: nuwa dpo {named} --data {out} --out DIR, or nuwa reward {named} --data {out} --out DIR"
            )),
            (_, true) => message(&format!("next: nuwa dpo {named} --loss kto --data {out} --out DIR")),
        }
    }
}

fn counted_prompts(count: usize) -> String {
    counted(count as u64, "prompt")
}
