use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nuwa_align::feedback::prompt_key;
use nuwa_eval::people::{ItemSettings, JudgePlan, JudgeResults, JudgedPrompt, read_votes};
use nuwa_files::quoted_path;
use nuwa_infer::GenerateSettings;
use nuwa_report::judging;
use nuwa_report::numbers::counted;
use serde_json::json;

use super::sampling::SamplingArguments;
use super::weights::WeightArguments;
use crate::console::{Display, last_words, message, print_figures, print_line};
use crate::failure::Problem;
use crate::interrupt;
use crate::judge::{Contestant, Judging, ModelJudge, Writing};
use crate::named::named;
use crate::numbers::Count;
use crate::page::Server;
use crate::prompts::{self, PromptToJudge};

/// Judge the answers of models blind, on a local web page or by another model (human evaluation)
///
/// Lets all models answer the same prompts, fixes a plan in --out (answers, sides, items that come
/// twice, checks of attention, wording), and serves a page on this machine. Judges give their name,
/// choose between two answers without knowing whose they are (ties too), and rate each answer for
/// fluency, coherence and relevance. Votes are added to FOLDER/votes, a file for each judge, and
/// are kept at once: stop with Ctrl-C, and go on with `nuwa judge FOLDER`. --results then tells win
/// rates, Bradley-Terry scores, ratings and how far judges agree (Krippendorff's alpha), each with
/// its interval, and writes results.html and results.json.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa judge --models runs/a runs/b --prompts questions.txt --out judged
  nuwa judge --models old=runs/a/sft new=runs/a/dpo --prompts questions.txt --out judged --ask pairs
  nuwa judge judged
  nuwa judge judged --results
  nuwa judge judged --judge https://HOST/v1 --judge-model NAME --key-env API_KEY

The page knows its keys: ← and → choose an answer, = both are good, - both are bad; 1-5 rate, 0 is
\"cannot tell\"; u takes the last vote back. Judges at other machines: copy FOLDER, run `nuwa judge
FOLDER` there, and bring the file in votes/ back. The address works only on this machine; from
another one: ssh -L PORT:127.0.0.1:PORT HOST.")]
pub struct JudgeArguments {
    /// The folder of a plan, to go on with
    #[arg(required_unless_present = "models", conflicts_with = "models")]
    folder: Option<PathBuf>,
    /// Models to compare: model folders or run folders, or files of answers (JSON lines with a prompt and
    /// an answer each, as `nuwa generate --prompts` writes them); NAME=PATH names one
    #[arg(long, value_name = "MODEL", num_args = 1.., requires_all = ["prompts", "out"])]
    models: Vec<String>,
    /// The prompts: one per line, or records with `prompt`, `messages` or `conversations`
    #[arg(long, value_name = "FILE", requires = "models")]
    prompts: Option<PathBuf>,
    /// Write the plan, and later the votes, to this folder
    #[arg(long, value_name = "DIR", requires = "models")]
    out: Option<PathBuf>,
    /// What is asked: pairs (which of two answers is better), ratings (each answer on five steps)
    #[arg(long, value_name = "KIND", num_args = 1.., value_enum, default_values = ["pairs", "ratings"])]
    ask: Vec<Asked>,
    /// Share of items that are asked twice, pairs with their sides exchanged
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, allow_negative_numbers = true)]
    repeats: f64,
    /// Share of items whose right answer is known, to see who reads; at least two where it is not 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, allow_negative_numbers = true)]
    attention: f64,
    /// Continue the prompts as text, instead of answering them (base models)
    #[arg(long)]
    complete: bool,
    /// System prompt, where a prompt has none
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Softmax temperature; 0 is greedy decoding
    #[arg(long, alias = "temp", value_name = "T", default_value_t = 0.8, allow_negative_numbers = true)]
    temperature: f64,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    weights: WeightArguments,
    /// Maximum number of tokens per answer [default: 200]
    #[arg(long, value_name = "N")]
    max_tokens: Option<Count>,
    /// Random seed of answers, sides and orders
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Serve the page on this port [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Let a model judge: the address of any OpenAI-compatible API, up to /v1
    #[arg(long, value_name = "URL", requires = "judge_model")]
    judge: Option<String>,
    /// The name of the model at that address
    #[arg(long, value_name = "NAME", requires = "judge")]
    judge_model: Option<String>,
    /// Environment variable that holds the key of that address [default: no key is sent]
    #[arg(long, value_name = "VARIABLE", requires = "judge")]
    key_env: Option<String>,
    /// Tell what the votes come to, and write results.html and results.json
    #[arg(long, conflicts_with = "judge")]
    results: bool,
    /// Leave this judge's votes out of the results; may be repeated
    #[arg(long, value_name = "JUDGE", requires = "results")]
    without: Vec<String>,
    /// Print the results as JSON
    #[arg(long, requires = "results")]
    json: bool,
}

/// What judges are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Asked {
    Pairs,
    Ratings,
}

impl JudgeArguments {
    pub fn run(self) -> anyhow::Result<()> {
        let (folder, plan) = self.plan()?;
        if self.results {
            return self.tell_results(&folder, &plan);
        }
        match (&self.judge, &self.judge_model) {
            (Some(address), Some(model)) => self.let_judge(&folder, &plan, address, model),
            _ => self.serve(folder, plan),
        }
    }

    /// The plan to go on with, which is made where there is none yet.
    fn plan(&self) -> anyhow::Result<(PathBuf, JudgePlan)> {
        match (&self.folder, &self.out, &self.prompts) {
            (Some(folder), ..) if !JudgePlan::is_in(folder) => {
                let problem =
                    Problem::new(format!("{} holds no plan: plan.json is absent", folder.display()));
                Err(problem.hint("make one: nuwa judge --models A B --prompts FILE --out DIR").into())
            }
            (Some(folder), ..) => Ok((folder.clone(), JudgePlan::read(folder)?)),
            (None, Some(out), Some(prompts)) => Ok((out.clone(), self.made(out, prompts)?)),
            // The command line asks for them together.
            _ => Err(Problem::new("--models needs --prompts and --out").into()),
        }
    }

    fn made(&self, out: &Path, prompts: &Path) -> anyhow::Result<JudgePlan> {
        let writing =
            Writing { settings: self.settings(), dtype: self.weights.dtype(), completes: self.complete };
        writing.settings.check()?;
        let named = named(&self.models)?;
        let contestants = named.iter().map(Contestant::of).collect::<anyhow::Result<Vec<_>>>()?;
        let prompts = prompts::read(prompts, self.system.as_deref())?;
        let sampling = self.sampling_of(&writing.settings, &prompts);
        if JudgePlan::is_in(out) {
            return self.known(out, &contestants, &sampling);
        }
        JudgePlan::check(
            &contestants.iter().map(|one| one.model.clone()).collect::<Vec<_>>(),
            prompts.len(),
        )?;
        let mut display = Display::new();
        let mut answers = Vec::new();
        for contestant in &contestants {
            answers.push(writing.answers(contestant, &prompts, &mut display)?);
        }
        drop(display);
        let (mut judged, mut given) = (Vec::new(), Vec::new());
        for (place, prompt) in prompts.iter().enumerate() {
            match answers.iter().map(|of_model| of_model[place].clone()).collect::<Result<Vec<_>, _>>() {
                Ok(all) => {
                    judged.push(JudgedPrompt { turns: prompt.turns.clone(), place: prompt.place.clone() });
                    given.push(all);
                }
                Err(reason) => message(&format!("{} is left out: {reason}", prompt.place)),
            }
        }
        let models = contestants.into_iter().map(|contestant| contestant.model).collect();
        let program = concat!("nuwa ", env!("CARGO_PKG_VERSION"));
        let plan = JudgePlan::new(program, models, judged, given, sampling, self.item_settings())?;
        plan.write(out)?;
        Ok(plan)
    }

    /// The plan that is there already, where it is the one that this command makes.
    fn known(
        &self,
        out: &Path,
        contestants: &[Contestant],
        sampling: &serde_json::Value,
    ) -> anyhow::Result<JudgePlan> {
        let plan = JudgePlan::read(out)?;
        let is_same = plan.settings == self.item_settings()
            && plan.sampling == *sampling
            && plan.models.iter().eq(contestants.iter().map(|contestant| &contestant.model));
        if is_same {
            return Ok(plan);
        }
        let problem = format!("{} holds another plan: of other models, prompts or settings", out.display());
        let hint =
            format!("to go on with it: nuwa judge {}; else name another folder with --out", quoted_path(out));
        Err(Problem::new(problem).hint(hint).into())
    }

    fn settings(&self) -> GenerateSettings {
        let usual = GenerateSettings::default();
        let sampling = self.sampling.settings(self.temperature, usual.sampling.top_k);
        let max_tokens = self.max_tokens.map_or(usual.max_tokens, |count| count.0 as usize);
        GenerateSettings { max_tokens, seed: self.seed, sampling, ..usual }
    }

    fn item_settings(&self) -> ItemSettings {
        ItemSettings {
            pairs: self.ask.contains(&Asked::Pairs),
            ratings: self.ask.contains(&Asked::Ratings),
            repeats: self.repeats,
            attention: self.attention,
            seed: self.seed,
        }
    }

    /// Everything that answers follow from beside the models.
    fn sampling_of(&self, settings: &GenerateSettings, prompts: &[PromptToJudge]) -> serde_json::Value {
        let keys: String = prompts.iter().map(|prompt| prompt_key(&prompt.turns)).collect();
        json!({
            "settings": settings,
            "completes": self.complete,
            "dtype": self.weights.dtype().map(|dtype| format!("{dtype:?}")),
            "prompts": nuwa_files::hash_bytes(keys.as_bytes()),
        })
    }

    fn serve(&self, folder: PathBuf, plan: JudgePlan) -> anyhow::Result<()> {
        let server = Server::bind(self.port)?;
        let (items, prompts) = (plan.items.len() as u64, plan.prompts.len() as u64);
        let of = format!("{} on {}", counted(items, "item"), counted(prompts, "prompt"));
        message(&format!("{} (plan {})", of, &plan.hash[..12]));
        message("open this address in a browser on this machine; Ctrl-C ends:");
        // Whoever has the address may press Ctrl-C at once.
        let ended = interrupt::on_end()?;
        print_line(&server.address())?;
        let judging = Judging::start(folder.clone(), plan, server);
        // Only Ctrl-C says that it is enough: another judge may come, or one take something back.
        let _ = ended.recv();
        let sessions = judging.sessions();
        last_words(&format!(
            "{} judged",
            counted(sessions.len() as u64, "person").replace("persons", "people")
        ));
        for (judge, session) in sessions.iter() {
            let (voted, left) = (session.file().said().votes.len() as u64, session.left() as u64);
            message(&format!("{judge}: {} judged, {left} left", counted(voted, "item")));
        }
        let named = quoted_path(&folder);
        message(&format!(
            "to go on: nuwa judge {named}; what the votes come to: nuwa judge {named} --results"
        ));
        // Locked until the program is gone, so that no vote is half written when it goes.
        std::mem::forget(sessions);
        Ok(())
    }

    fn let_judge(&self, folder: &Path, plan: &JudgePlan, address: &str, model: &str) -> anyhow::Result<()> {
        let key = self.key_env.as_deref().map(key).transpose()?;
        let judge = ModelJudge::new(address, model, key)?;
        let mut display = Display::new();
        let told = judge.judge(folder, plan, model, &mut |done, total| {
            let (done, total) = (done as u64, Some(total as u64));
            display.show(nuwa_files::Progress { task: "judging", done, total, unit: "items", bytes: None });
        })?;
        drop(display);
        message(&format!("{model} judged {}", counted(told.judged as u64, "item")));
        if told.silent > 0 {
            let items = counted(told.silent as u64, "item");
            message(&format!("it named no choice on {items}, which stay open: the same command asks again"));
        }
        message(&format!("what the votes come to: nuwa judge {} --results", quoted_path(folder)));
        Ok(())
    }

    fn tell_results(&self, folder: &Path, plan: &JudgePlan) -> anyhow::Result<()> {
        let votes = read_votes(folder, plan)?;
        let results = JudgeResults::of(plan, &votes, &self.without)?;
        nuwa_files::write_json(&folder.join("results.json"), &results)?;
        let page = judging::write(folder, plan, &results)?;
        print_figures(self.json, &results, || judging::text(&results))?;
        message(&format!("page: {}", page.display()));
        Ok(())
    }
}

/// The key in an environment variable.
fn key(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).ok().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
        let problem = Problem::new(format!("the environment variable {variable} holds no key"));
        problem.hint(format!("set it, or leave --key-env out: export {variable}=...")).into()
    })
}
