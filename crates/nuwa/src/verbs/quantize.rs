use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use nuwa_format::{GgufSettings, GgufWritten, MODELFILE, Mixture, modelfile, write_gguf};
use nuwa_infer::{Divergence, Engine, GenerateSettings, SamplingSettings, divergence, watch_inputs};
use nuwa_models::Model;
use nuwa_report::numbers::{bytes, counted};
use nuwa_tensor::InputLog;
use nuwa_tokenizer::Tokenizer;
use serde::Serialize;

use super::weight_type::{WeightType, fallback_notes, file_name};
use crate::console::{message, print_figures};
use crate::failure::Problem;
use crate::numbers::Count;
use crate::{input, model};

/// Quantise a model into GGUF files, and measure what that costs
///
/// Writes a file for each type and compares it with the model: its size, its perplexity on a text, and how far its
/// probabilities are from the model's (Kullback-Leibler divergence). With a text to calibrate on, errors of a weight count by
/// what it is multiplied by there; that text should be like what the model is used for, and another than the one to measure on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa quantize smollm2 --type Q4_K_M --type Q8_0 --text held-out.txt --out quantised
  nuwa quantize runs/book --type q4_0 --calibrate book.txt --text other-book.txt --out book-gguf

Without --text the end of the text to calibrate on is kept for measuring; without either, the model writes the text itself.")]
pub struct Quantize {
    /// A model folder, a run folder or a GGUF file of F32, F16 or BF16
    model: PathBuf,
    /// How weights are kept: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M or Q4_0; may be repeated
    #[arg(long = "type", value_name = "TYPE", required = true)]
    kinds: Vec<WeightType>,
    /// A text by which to weigh errors
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// A text to measure on
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The most tokens of each text that are used [default: 8192]
    #[arg(long, value_name = "N")]
    tokens: Option<Count>,
    /// The folder for the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Positions that the model sees at a time, where its context has so many.
const WINDOW: usize = 256;

/// What became of one type.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(rename = "type")]
    kind: &'static str,
    file: PathBuf,
    bytes: u64,
    bits_per_weight: f64,
    perplexity: f64,
    /// Of the logarithm of the perplexity.
    change: f64,
    change_stderr: f64,
    divergence: f64,
    divergence_stderr: f64,
    divergence_99_percent: f64,
    same_token: f64,
}

/// Texts as windows of ids.
struct Windows {
    calibration: Vec<Vec<u32>>,
    measuring: Vec<Vec<u32>>,
    /// Where those to measure on come from, in words.
    from: String,
}

impl Quantize {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = model::folder(&self.model)?;
        let original = nuwa_format::load_model(&folder)?;
        let original = original.in_common_family().unwrap_or(original);
        let tokenizer = Tokenizer::load(&folder)?;
        let windows = self.windows(&folder, original.as_ref(), &tokenizer)?;
        let inputs = match windows.calibration.is_empty() {
            true => None,
            false => Some(watch_inputs(original.as_ref(), &windows.calibration)?),
        };
        let mut rows = Vec::new();
        let mut of_original = None;
        for WeightType(mixture) in &self.kinds {
            let out = self.out.join(file_name(&folder, *mixture));
            let written = write(original.as_ref(), &tokenizer, &out, *mixture, inputs.as_ref())?;
            if !self.json {
                fallback_notes(&written)
                    .iter()
                    .for_each(|note| message(&format!("note: {}: {note}", mixture.name())));
            }
            let quantised = nuwa_format::load_for_inference(&out, None)?;
            let told = divergence(original.as_ref(), quantised.as_ref(), &windows.measuring)?;
            of_original.get_or_insert((told.positions, told.perplexities[0]));
            rows.push(Row::new(*mixture, out, &written, &told));
        }
        let (positions, perplexity) = of_original.unwrap_or_default();
        let figures = serde_json::json!({
            "model": self.model, "perplexity": perplexity, "positions": positions, "text": windows.from, "types": rows,
        });
        print_figures(self.json, &figures, || table(&rows, perplexity, positions, &windows.from))
    }

    /// What to calibrate and to measure on.
    fn windows(&self, folder: &Path, model: &dyn Model, tokenizer: &Tokenizer) -> anyhow::Result<Windows> {
        let most = self.tokens.map_or(8192, |count| count.0 as usize);
        let read = |path: &PathBuf| -> anyhow::Result<Vec<Vec<u32>>> {
            let windows = cut(&tokenizer.encode(&input::file(path)?)?, model, most);
            if windows.is_empty() {
                let problem = Problem::new(format!("{} holds no two tokens to measure on", path.display()));
                return Err(problem.hint("give a text of some pages").into());
            }
            Ok(windows)
        };
        let mut calibration = self.calibrate.as_ref().map(read).transpose()?.unwrap_or_default();
        if let Some(path) = &self.text {
            return Ok(Windows { calibration, measuring: read(path)?, from: path.display().to_string() });
        }
        if let Some(path) = &self.calibrate {
            let kept = calibration.len().div_ceil(5);
            if kept == calibration.len() {
                let problem = Problem::new(format!(
                    "{} is too short to keep a part of it for measuring",
                    path.display()
                ));
                return Err(problem
                    .hint("give a longer text, or another one to measure on with --text")
                    .into());
            }
            let measuring = calibration.split_off(calibration.len() - kept);
            return Ok(Windows { calibration, measuring, from: format!("the end of {}", path.display()) });
        }
        message("measured on what the model writes itself: --text FILE measures on a text of yours");
        let written = own_text(folder, most.min(2048))?;
        Ok(Windows {
            calibration,
            measuring: cut(&written, model, most),
            from: "what the model wrote itself".into(),
        })
    }
}

/// Ids in windows, of at most `most` ids together.
fn cut(ids: &[u32], model: &dyn Model, most: usize) -> Vec<Vec<u32>> {
    let ids = &ids[..ids.len().min(most)];
    let windows = ids.chunks(WINDOW.min(model.context()));
    windows.filter(|window| window.len() > 1).map(<[u32]>::to_vec).collect()
}

/// Ids that the model draws by its own probabilities.
fn own_text(folder: &Path, count: usize) -> anyhow::Result<Vec<u32>> {
    let engine = Engine::load(folder)?;
    let mut ids = Vec::new();
    for seed in 0.. {
        let length = (engine.model().context() - 1).min(WINDOW);
        let sampling =
            SamplingSettings { temperature: 1.0, top_k: 0, top_p: 1.0, ..SamplingSettings::default() };
        let settings = GenerateSettings { max_tokens: length, seed, sampling, ..GenerateSettings::default() };
        let written = engine.generate("", &settings, &mut |_| {})?;
        ids.extend(engine.start_of_text());
        ids.extend(written.tokens);
        // A model that ends at once writes little however often it is asked.
        if ids.len() >= count || seed as usize >= count {
            break;
        }
    }
    Ok(ids)
}

fn write(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    out: &Path,
    mixture: Mixture,
    inputs: Option<&Arc<InputLog>>,
) -> anyhow::Result<GgufWritten> {
    let name = out.file_stem().unwrap_or_default().to_string_lossy();
    let settings = GgufSettings { mixture, inputs: inputs.map(Arc::as_ref), name: &name };
    let written = write_gguf(model, tokenizer, out, settings)?;
    let file = out.file_name().unwrap_or_default().to_string_lossy();
    let text = modelfile(&file, tokenizer);
    nuwa_files::write_atomically(
        &out.with_file_name(format!("{MODELFILE}-{}", mixture.name())),
        text.as_bytes(),
    )?;
    Ok(written)
}

impl Row {
    fn new(mixture: Mixture, file: PathBuf, written: &GgufWritten, told: &Divergence) -> Self {
        Self {
            kind: mixture.name(),
            file,
            bytes: written.bytes,
            bits_per_weight: written.bits,
            perplexity: told.perplexities[1],
            change: told.change.0,
            change_stderr: told.change.1,
            divergence: told.divergence.0,
            divergence_stderr: told.divergence.1,
            divergence_99_percent: told.highest,
            same_token: told.agreement,
        }
    }
}

fn table(rows: &[Row], perplexity: f64, positions: usize, from: &str) -> String {
    let mut lines = vec![
        format!(
            "perplexity of the model: {perplexity:.3} ({} of {from})",
            counted(positions as u64, "position")
        ),
        format!(
            "{:<8}{:>10}{:>7}{:>12}{:>20}{:>21}{:>9}{:>8}",
            "type", "size", "bits", "perplexity", "change of its log", "KL divergence", "99 %", "same"
        ),
    ];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:<8}{:>10}{:>7.2}{:>12.3}{:>20}{:>21}{:>9.4}{:>7.1}%",
            row.kind,
            bytes(row.bytes),
            row.bits_per_weight,
            row.perplexity,
            format!("{:+.4} ± {:.4}", row.change, row.change_stderr),
            format!("{:.5} ± {:.5}", row.divergence, row.divergence_stderr),
            row.divergence_99_percent,
            100.0 * row.same_token
        )
    }));
    lines.extend(rows.iter().map(|row| format!("{}", row.file.display())));
    lines.join("\n")
}
