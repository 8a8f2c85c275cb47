//! Every family at the same number of weights and the same time of pretraining, or the same tokens (`--tokens`): what it
//! learns, how fast it is, what it takes, and what it is worth where it is fine-tuned on labels or on pairs.

mod tasks;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::tasks::{FineTuned, Tasks};
use super::options::Options;
use super::ours::root;
use super::{machine, median};

/// The families of the table, in its order.
const FAMILIES: [&str; 23] = [
    "gpt2",
    "gpt_neo",
    "lamda",
    "falcon",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "mixtral",
    "qwen3_moe",
    "olmoe",
    "bert",
    "unilm",
    "xlm",
    "xlnet",
    "marian",
    "t5",
    "bart",
    "lstm",
    "gru",
    "recurrent_gemma",
    "lstm-attention",
    "rg-lru-attention",
];

/// Models of one's own, by the names that they have in the table: what their blocks are.
const DESIGNS: [(&str, &str); 2] = [
    ("lstm-attention", r#"model.custom.blocks=["lstm","attention"]"#),
    ("rg-lru-attention", r#"model.custom.blocks=["rg-lru","attention"]"#),
];

/// Those that learn by another objective than the next token: what they are measured by is that objective on held-out text.
const OTHER_OBJECTIVES: [&str; 7] = ["bert", "unilm", "xlm", "xlnet", "marian", "t5", "bart"];

/// The word for the embedded world among `--texts`.
const WORLD: &str = "world";

/// Texts that are written to measure the speed of decoding, and the tokens of each.
const WRITTEN: usize = 8;
const TOKENS: usize = 200;

/// What is the same for every family.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    parameters: String,
    /// For how long each is pretrained: the option of `nuwa pretrain` and its value.
    length: [String; 2],
    /// What the pretrained models are fine-tuned on.
    tasks: Tasks,
}

/// What one build came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    family: String,
    text: String,
    parameters: u64,
    learnt: Learnt,
    /// The mean share of choices that were right after pretraining, where the text has questions.
    choices: Option<f64>,
    trained_tokens_a_second: f64,
    written_tokens_a_second: Option<f64>,
    memory: f64,
    fine_tuned: FineTuned,
}

/// What pretraining came to on held-out text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Learnt {
    /// Bits a byte, with their standard error.
    Text([f64; 2]),
    /// Nats a predicted token by the family's objective, and the share of them that were right.
    Objective { nats: f64, right: Option<f64> },
}

/// `cargo xtask bench families`.
pub fn run(arguments: &[String]) -> Result<()> {
    let own = ["texts", "families", "params", "budget", "tokens", "program", "folder"];
    let known: Vec<&str> = own.into_iter().chain(tasks::OPTIONS).collect();
    let options = Options::parse(arguments, &known)?;
    let families = options.some_of("families", &FAMILIES)?;
    let texts: Vec<&str> = options.get("texts").unwrap_or(WORLD).split(',').collect();
    let temporary = || std::env::temp_dir().join(format!("nuwa-bench-families-{}", std::process::id()));
    let bench = Bench {
        program: options.path("program").unwrap_or_else(|| root().join("target/release/nuwa")),
        folder: options.path("folder").unwrap_or_else(temporary),
        parameters: options.get("params").unwrap_or("1M").into(),
        length: match options.get("tokens") {
            Some(tokens) => ["--tokens".into(), tokens.into()],
            None => ["--budget".into(), options.get("budget").unwrap_or("3m").into()],
        },
        tasks: Tasks::of(&options)?,
    };
    let Bench { program, folder, .. } = &bench;
    ensure!(program.is_file(), "no program at {}: build it with cargo build --release", program.display());
    println!("{}; runs in {}\n\n{HEAD}", machine(), folder.display());
    for text in texts {
        bench.source(text, families.iter().any(|family| family == "xlm"))?;
        for family in &families {
            println!("{}", bench.outcome(text, family)?.row());
        }
    }
    Ok(())
}

const HEAD: &str = "\
| family | text | weights | held-out text | choices | training, tokens/s | decoding, tokens/s | memory, MB | labels | exact match | BLEU |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// What of the text's own run is the same for every family.
const SHARED: [&str; 5] = [WORLD, "clean", "tokenizer", "tokenize", "recipe.toml"];

/// Questions of the world, in both languages.
const CHOICES: [&str; 2] = ["world_choice_en", "world_choice_zh"];

/// XLM is told the language of each token, so each document has one: those that are in neither of the two are left out.
const TELLING_LANGUAGES: [&str; 3] = [
    "tokenize.languages=true",
    r#"clean.language.languages=["en","zh"]"#,
    "clean.language.keep_unknown=false",
];

impl Bench {
    fn place(&self, text: &str, name: &str) -> PathBuf {
        let stem = Path::new(text).file_stem().unwrap_or_default().to_string_lossy();
        self.folder.join(format!("{stem}-{name}"))
    }

    fn nuwa(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb);
        command
    }

    /// The text, cleaned and cut into tokens, by the shortest build there is.
    fn source(&self, text: &str, languages: bool) -> Result<()> {
        let mut command = self.nuwa("build");
        command.arg("--out").arg(self.place(text, "source"));
        if text != WORLD {
            command.arg("--from").arg(text);
        }
        if languages {
            command.args(TELLING_LANGUAGES.iter().flat_map(|setting| ["--set", setting]));
        }
        // The vocabulary follows from the size of the model.
        said(command.args(["--params", &self.parameters, "--tokens", "20k"])).map(drop)
    }

    /// Pretrains a model of `family` on the text for the budget or the tokens, from nothing.
    fn outcome(&self, text: &str, family: &str) -> Result<Outcome> {
        let (source, out) = (self.place(text, "source"), self.place(text, family));
        for name in SHARED {
            let (from, to) = (source.join(name), out.join(name));
            if from.exists() && !to.exists() {
                copy(&from, &to)?;
            }
        }
        let settings = self.shape(&out, family)?;
        // Where a build would write its last model, so that the text it is measured on is found.
        let mut command = self.pretrain(&out, &out, family);
        command.args(&self.length);
        if self.length[0] == "--tokens" {
            command.args(["--params", &self.parameters]);
        }
        command.args(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
        said(&mut command)?;
        let metrics = std::fs::read_to_string(out.join("metrics.jsonl"))?;
        let pretrain = json(&out.join("pretrain.json"))?;
        let writes = !OTHER_OBJECTIVES.contains(&family);
        let speed = writes.then(|| self.decoding(&out.join("model"))).transpose()?;
        let tasks = if writes { self.tasks(&out)? } else { Value::Null };
        let name = self.place(text, "").file_name().unwrap_or_default().to_string_lossy().into_owned();
        let fine_tuned = self.tasks.fine_tuned(&self.program, family, &out)?;
        let mut outcome =
            outcome([family, name.trim_end_matches('-')], [&pretrain, &tasks], &metrics, speed)?;
        outcome.fine_tuned = fine_tuned;
        Ok(outcome)
    }

    fn pretrain(&self, run: &Path, out: &Path, family: &str) -> Command {
        let mut command = self.nuwa("pretrain");
        command.arg("--data").arg(run.join("tokenize")).arg("--tokenizer").arg(run.join("tokenizer"));
        command.arg("--out").arg(out);
        match DESIGNS.iter().find(|(name, _)| *name == family) {
            Some(&(_, blocks)) => command.args(["--family", "custom", "--set", blocks]),
            None => command.args(["--family", family]),
        };
        command
    }

    /// The shape with which `family` has the number of weights, as settings.
    fn shape(&self, run: &Path, family: &str) -> Result<Vec<String>> {
        let out = run.join("shape");
        let mut command = self.pretrain(run, &out, family);
        said(command.args(["--params", &self.parameters, "--tokens", "20k"]))?;
        let settings = shape(&json(&out.join("pretrain.json"))?);
        std::fs::remove_dir_all(out)?;
        settings
    }

    /// What the model of a run is measured by: the text that was held out, and the questions that the text comes with.
    fn tasks(&self, run: &Path) -> Result<Value> {
        let mut eval = self.nuwa("eval");
        eval.arg(run).args(["--task", "language_modelling", "--json"]);
        let mut all: Value = serde_json::from_str(&said(&mut eval)?)?;
        let mut all = all["tasks"].take();
        for task in CHOICES {
            let items = run.join(WORLD).join("eval").join(format!("{task}.jsonl"));
            if items.is_file() {
                let mut eval = self.nuwa("eval");
                eval.arg(run).args(["--task", task, "--json", "--data"]).arg(items);
                let own: Value = serde_json::from_str(&said(&mut eval)?)?;
                all[task] = own["tasks"][task].clone();
            }
        }
        Ok(all)
    }

    /// Tokens a second of one sequence, without what starting the program takes.
    fn decoding(&self, model: &Path) -> Result<f64> {
        let mut totals = [(0.0, 0.0); 2];
        for seed in 0..WRITTEN {
            for (total, most) in totals.iter_mut().zip([1, TOKENS]) {
                let mut command = self.nuwa("generate");
                command.arg(model).args(["--json", "--prompt", "", "--temperature", "1", "--top-p", "1"]);
                command.args(["--max-tokens", &most.to_string(), "--seed", &seed.to_string()]);
                let start = Instant::now();
                let written: Value = serde_json::from_str(&said(&mut command)?)?;
                total.0 += start.elapsed().as_secs_f64();
                total.1 += written["tokens"].as_f64().context("generate told no number of tokens")?;
            }
        }
        let [start, whole] = totals;
        Ok((whole.1 - start.1) / (whole.0 - start.0))
    }
}

/// What the command writes, of one that succeeds.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let wrong = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", wrong.trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn json(path: &Path) -> Result<Value> {
    let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_slice(&file)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        std::fs::create_dir_all(to.parent().unwrap_or(to))?;
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The settings of the model among the arguments that repeat a run.
fn shape(pretrain: &Value) -> Result<Vec<String>> {
    let repeat = pretrain["repeat"].as_array().context("pretrain.json has no arguments that repeat it")?;
    let words = repeat.iter().filter_map(Value::as_str).filter(|word| word.starts_with("model."));
    Ok(words.map(String::from).collect())
}

fn outcome(
    [family, text]: [&str; 2],
    [pretrain, tasks]: [&Value; 2],
    metrics: &str,
    written_tokens_a_second: Option<f64>,
) -> Result<Outcome> {
    let number =
        |value: &Value, what: &str| value.as_f64().with_context(|| format!("{family} has no {what}"));
    let lines: Vec<Value> = metrics.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let learnt = if tasks.is_null() {
        let measured = lines.iter().rev().find(|line| line["validation_loss"].is_f64());
        let measured = measured.with_context(|| format!("{family} was not measured on held-out text"))?;
        let right =
            ["target_accuracy", "masked_accuracy", "predicted_accuracy"].map(|name| measured[name].as_f64());
        let nats = ["target_loss", "masked_loss", "predicted_loss"].map(|name| measured[name].as_f64());
        let nats = nats.into_iter().flatten().next().context("no loss on held-out text")?;
        Learnt::Objective { nats, right: right.into_iter().flatten().next() }
    } else {
        let bits = &tasks["language_modelling"]["metrics"]["bits_per_byte"];
        Learnt::Text([number(&bits["value"], "bits per byte")?, bits["stderr"].as_f64().unwrap_or(0.0)])
    };
    let right = CHOICES.map(|task| tasks[task]["metrics"]["acc_norm"]["value"].as_f64());
    let speeds: Vec<f64> = lines.iter().filter_map(|step| step["tokens_per_second"].as_f64()).collect();
    Ok(Outcome {
        family: family.into(),
        text: text.into(),
        parameters: number(&pretrain["parameters"], "weights")? as u64,
        learnt,
        choices: right[0].zip(right[1]).map(|(english, chinese)| english.midpoint(chinese)),
        trained_tokens_a_second: median(&speeds),
        written_tokens_a_second,
        memory: number(&pretrain["peak_memory_bytes"], "memory")? / 1e6,
        fine_tuned: FineTuned::default(),
    })
}

/// A share in percent, or a dash.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share))
}

impl Outcome {
    fn row(&self) -> String {
        let learnt = match self.learnt {
            Learnt::Text([bits, error]) => format!("{bits:.3} ± {error:.3} bits/byte"),
            Learnt::Objective { nats, right: None } => format!("{nats:.2} nats"),
            Learnt::Objective { nats, right } => format!("{nats:.2} nats, {} right", percent(right)),
        };
        let written = self.written_tokens_a_second.map_or("-".into(), |speed| format!("{speed:.0}"));
        format!(
            "| {} | {} | {} | {learnt} | {} | {:.0} | {written} | {:.0} | {} |",
            self.family,
            self.text,
            self.parameters,
            percent(self.choices),
            self.trained_tokens_a_second,
            self.memory,
            self.fine_tuned.cells()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured(share: f64) -> Value {
        json!({"metrics": {"acc_norm": {"value": share}, "bits_per_byte": {"value": 1.5, "stderr": 0.02}}})
    }

    #[test]
    fn a_build_becomes_a_row() {
        let pretrain = json!({"parameters": 1000, "peak_memory_bytes": 2_500_000});
        let metrics =
            "{\"tokens_per_second\": 10}\n{\"tokens_per_second\": 30}\n{\"tokens_per_second\": 20}\n{}";
        let world = json!({"language_modelling": measured(0.0), "world_choice_en": measured(0.5),
            "world_choice_zh": measured(0.75)});
        let row = outcome(["gpt2", "world"], [&pretrain, &world], metrics, Some(99.6)).unwrap().row();
        let expected =
            "| gpt2 | world | 1000 | 1.500 ± 0.020 bits/byte | 62.5 % | 20 | 100 | 2 | - | - | - |";
        assert_eq!(row, expected);
        let book = json!({"language_modelling": measured(0.0)});
        let row = outcome(["gpt2", "novel"], [&pretrain, &book], metrics, Some(99.6)).unwrap().row();
        assert_eq!(row, "| gpt2 | novel | 1000 | 1.500 ± 0.020 bits/byte | - | 20 | 100 | 2 | - | - | - |");
        let told = outcome(["gpt2", "novel"], [&pretrain, &json!({})], metrics, None).unwrap_err();
        assert_eq!(told.to_string(), "gpt2 has no bits per byte");
    }

    #[test]
    fn another_objective_is_told_by_its_last_validation() {
        let pretrain = json!({"parameters": 1000, "peak_memory_bytes": 2_500_000});
        let metrics = "{\"tokens_per_second\": 10}\n{\"validation_loss\": 3.5, \"masked_loss\": 3.0, \"masked_accuracy\": 0.4}";
        let mut bert = outcome(["bert", "world"], [&pretrain, &Value::Null], metrics, None).unwrap();
        bert.fine_tuned = FineTuned { labels: Some(0.8), exact: None, bleu: Some(21.26) };
        let expected =
            "| bert | world | 1000 | 3.00 nats, 40.0 % right | - | 10 | - | 2 | 80.0 % | - | 21.3 |";
        assert_eq!(bert.row(), expected);
        assert!(outcome(["bert", "world"], [&pretrain, &Value::Null], "", None).is_err());
    }

    #[test]
    fn the_shape_is_what_the_first_run_was_told() {
        let pretrain =
            json!({"repeat": ["--params", "9", "--set", "model.width=8", "--set", "pretrain.dropout=0"]});
        assert_eq!(shape(&pretrain).unwrap(), ["model.width=8"]);
        assert!(shape(&json!({})).is_err());
    }

    #[test]
    fn an_unknown_family_is_refused() {
        let told = run(&["--families".into(), "gpt5".into()]).unwrap_err().to_string();
        assert!(told.starts_with("--families gpt5: expected some of gpt2,gpt_neo"), "{told}");
    }
}
