use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nuwa_align::BadRecords;
use nuwa_align::data::{self, Columns};
use nuwa_align::feedback::prompt_key;
use nuwa_eval::people::{JudgedAnswer, JudgedModel};
use nuwa_files::Progress;
use nuwa_infer::{Engine, Finish, GenerateSettings, Prompt, Request, SLOTS};
use nuwa_tensor::{DType, Random};

use crate::base;
use crate::console::Display;
use crate::failure::Problem;
use crate::model;
use crate::named::Named;
use crate::prompts::PromptToJudge;

/// The share of the context that is kept for an answer, as a divisor.
const RESERVED: usize = 8;

/// Whose answers are judged: a model, or a file of answers.
pub struct Contestant {
    pub model: JudgedModel,
    /// The folder of the model, or the file.
    place: PathBuf,
}

impl Contestant {
    pub fn of(named: &Named) -> anyhow::Result<Self> {
        let is_file = named.path.is_file();
        let place = if is_file { named.path.clone() } else { model::folder(&named.path)? };
        let hash = if is_file { nuwa_files::hash_file(&place)? } else { hash_of_weights(&place)? };
        let (name, path) = (named.name.clone(), named.path.display().to_string());
        Ok(Self { model: JudgedModel { name, path, hash }, place })
    }
}

/// How answers are written.
pub struct Writing {
    pub settings: GenerateSettings,
    /// In which type weights are kept; none where the file decides.
    pub dtype: Option<DType>,
    /// Prompts are continued as text, and not answered.
    pub completes: bool,
}

/// Answers of one model to all prompts; none to a prompt that it cannot be asked, with the reason.
pub type Answers = Vec<Result<JudgedAnswer, String>>;

impl Writing {
    /// The answers of a model, or those of a file.
    pub fn answers(
        &self,
        contestant: &Contestant,
        prompts: &[PromptToJudge],
        display: &mut Display,
    ) -> anyhow::Result<Answers> {
        match contestant.place.is_file() {
            true => read(&contestant.place, prompts),
            false => self.written(&contestant.place, prompts, display),
        }
    }

    fn written(
        &self,
        folder: &Path,
        prompts: &[PromptToJudge],
        display: &mut Display,
    ) -> anyhow::Result<Answers> {
        let engine = Engine::load_in(folder, self.dtype)?;
        if !self.completes {
            base::check_answers(folder, &engine)?;
        }
        let mut scheduler = engine.scheduler(SLOTS)?;
        let mut answers = Vec::with_capacity(prompts.len());
        for some in prompts.chunks(SLOTS) {
            let requests: Vec<Result<Request, String>> =
                some.iter().map(|prompt| self.request(&engine, prompt)).collect();
            let able = requests.iter().flatten().cloned().collect();
            let mut written = scheduler.write_all(able)?.into_iter();
            for request in requests {
                let answer = request.and_then(|_| match written.next() {
                    Some(Ok(written)) => Ok(JudgedAnswer {
                        text: written.text.trim().to_string(),
                        is_cut_off: written.finish == Finish::Length,
                    }),
                    Some(Err(error)) => Err(error.to_string()),
                    None => Err("nothing was written".into()),
                });
                answers.push(answer);
            }
            let (done, total) = (answers.len() as u64, Some(prompts.len() as u64));
            display.show(Progress { task: "answering", done, total, unit: "prompts", bytes: None });
        }
        Ok(answers)
    }

    /// The prompt as the model is asked it. What it draws follows from the seed and the prompt alone.
    fn request(&self, engine: &Engine, prompt: &PromptToJudge) -> Result<Request, String> {
        let context = engine.model().context();
        let reserve = self.settings.max_tokens.min((context / RESERVED).max(1));
        let (asked, ends) = match self.completes {
            true => {
                let text = prompt.turns.last().map_or("", |turn| &turn.content);
                let ids = engine.prompt_ids(text).map_err(|error| error.to_string())?;
                (Prompt::of(ids), engine.ends_of_text())
            }
            false => {
                let tokenizer = engine.tokenizer();
                let ends = tokenizer.end_of_turn().into_iter().chain(tokenizer.eos()).collect();
                (prompt.conversation().prompt(engine, reserve).map_err(|error| error.to_string())?, ends)
            }
        };
        if asked.forgotten > 0 || asked.ids.len() + reserve > context {
            return Err("it is longer than the model's context".into());
        }
        let seed = Random::new(self.settings.seed).named(&prompt.key).below(0, u64::MAX);
        let max_tokens = self.settings.max_tokens.min(context - asked.ids.len());
        let settings = GenerateSettings { seed, max_tokens, ..self.settings.clone() };
        Ok(Request::new(asked, &settings, &ends))
    }
}

/// The hash of all weights, by which a model is known wherever it lies.
fn hash_of_weights(folder: &Path) -> anyhow::Result<String> {
    let files = nuwa_files::files_in(folder)?;
    let is_weights = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "safetensors");
    let weights: Vec<_> = files.iter().filter(is_weights).collect();
    if weights.is_empty() {
        return Ok(nuwa_files::hash_path(folder)?);
    }
    let hashes =
        weights.into_iter().map(|path| nuwa_files::hash_file(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(nuwa_files::hash_bytes(hashes.concat().as_bytes()))
}

/// The answers of a file of records with a prompt and an answer each.
fn read(path: &Path, prompts: &[PromptToJudge]) -> anyhow::Result<Answers> {
    let (records, _) = data::prompts(&[path.to_path_buf()], &Columns::new(), BadRecords::Error)
        .with_context(|| format!("{} was taken for a file of answers", path.display()))?;
    let mut known = BTreeMap::new();
    for record in records {
        let written = record.fields.get("text").and_then(|text| text.as_str());
        let Some(text) = record.answers.first().map(String::as_str).or(written) else {
            let problem = Problem::new(format!("{} has no answer", record.place));
            return Err(problem.hint("a file of answers holds a prompt and an answer in each record").into());
        };
        let text = text.trim().to_string();
        known.insert(prompt_key(&record.messages), JudgedAnswer { text, is_cut_off: false });
    }
    let answer = |prompt: &PromptToJudge| {
        let answer = known.get(&prompt.key).or_else(|| known.get(&prompt_key(without_system(prompt))));
        answer.cloned().ok_or_else(|| {
            let problem = format!("{} has no answer to the prompt of {}", path.display(), prompt.place);
            Problem::new(problem)
                .hint("all models answer the same prompts: add it, or leave the prompt out")
                .into()
        })
    };
    prompts.iter().map(|prompt| answer(prompt).map(Ok)).collect()
}

fn without_system(prompt: &PromptToJudge) -> &[nuwa_tokenizer::Message] {
    match prompt.turns.split_first() {
        Some((first, rest)) if first.role == "system" => rest,
        _ => &prompt.turns,
    }
}
