//! What a task file says, with lm-evaluation-harness's defaults.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::filters::{Filter, Pipeline};
use super::scores::MetricSpec;
use super::twins::{self, Twin};
use super::yaml::{FILE, FUNCTION};
use crate::tasks::Sampler;
use crate::{Error, Result};

/// Keys that change nothing here: where texts were taken from, names for tables, settings of the harness itself.
const IGNORED: [&str; 12] = [
    "tag",
    "group",
    "task_alias",
    "group_alias",
    "task_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "unsafe_code",
    "use_prompt",
    "higher_is_better",
    "aggregate_metric_list",
    "weight_by_size",
];

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Which of several continuations is the likeliest.
    MultipleChoice,
    /// What it writes.
    Generate,
    /// How likely one continuation is.
    Likelihood,
    /// How likely whole texts are.
    Rolling,
}

/// Where texts come from: `dataset_path`, `dataset_name` and `dataset_kwargs`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSource {
    /// `json`, `csv`, `parquet` or `text`, or a data set of the Hub.
    pub path: String,
    /// The configuration of a data set.
    pub name: Option<String>,
    /// `data_files` and others.
    pub arguments: Map<String, Value>,
    /// The file that names it, for relative paths.
    pub file: PathBuf,
}

/// A key that turns a document into a text, a number or a list.
#[derive(Debug, Clone)]
pub enum Template {
    /// The name of a column, or Jinja.
    Text(String),
    /// The same for all documents.
    Fixed(Value),
    /// What a function in Python does.
    Twin(Twin),
}

/// How documents become questions and answers.
#[derive(Debug, Clone)]
pub struct Form {
    pub text: Template,
    pub target: Template,
    pub choice: Option<Template>,
    pub target_delimiter: String,
    pub fewshot_delimiter: String,
    pub prefix: Option<String>,
}

/// Examples before a document.
#[derive(Debug, Clone)]
pub struct Fewshot {
    pub sampler: Sampler,
    pub split: Option<String>,
    pub samples: Option<Vec<Map<String, Value>>>,
    pub indices: Option<Vec<usize>>,
    pub process: Option<Twin>,
    pub form: Form,
}

/// `generation_kwargs`.
#[derive(Debug, Clone)]
pub struct Generation {
    pub until: Vec<String>,
    pub most_tokens: usize,
}

/// A task file, read.
#[derive(Debug, Clone)]
pub struct TaskConfig {
    pub name: String,
    pub version: String,
    pub file: PathBuf,
    pub source: DataSource,
    pub training: Option<String>,
    pub validation: Option<String>,
    pub test: Option<String>,
    pub process: Option<Twin>,
    pub results: Option<Twin>,
    pub description: String,
    pub form: Form,
    pub fewshot: Fewshot,
    pub shots: usize,
    pub output: Output,
    pub metrics: Vec<MetricSpec>,
    pub generation: Generation,
    pub repeats: usize,
    pub pipelines: Vec<Pipeline>,
}

impl TaskConfig {
    /// From the keys of a file.
    ///
    /// # Errors
    /// When a key is unknown, lacks, has a value of another kind, or needs Python.
    pub fn new(keys: Map<String, Value>, file: &Path) -> Result<Self> {
        let mut keys = Keys { keys, file, within: "" };
        IGNORED.iter().for_each(|key| drop(keys.take(key)));
        let name =
            keys.text("task")?.ok_or_else(|| keys.wrong("task is missing: a task file names its task"))?;
        if keys.take("class").is_some() {
            return Err(keys.wrong(&format!("{name} is a class in Python, which does not run here")));
        }
        let output = keys.output()?;
        let form = keys.form(None)?;
        let results = keys.twin("process_results")?;
        let process = keys.twin("process_docs")?;
        let split = keys.text("fewshot_split")?;
        let config = Self {
            version: keys.version(),
            file: file.to_path_buf(),
            source: keys.source()?,
            training: keys.text("training_split")?,
            validation: keys.text("validation_split")?,
            test: keys.text("test_split")?,
            description: keys.text("description")?.unwrap_or_default(),
            fewshot: keys.fewshot(&form, split, process)?,
            shots: keys.count("num_fewshot")?.unwrap_or(0),
            metrics: keys.metrics(output, results)?,
            generation: keys.generation(&form.fewshot_delimiter)?,
            repeats: keys.count("repeats")?.unwrap_or(1),
            pipelines: keys.pipelines()?,
            name,
            process,
            results,
            form,
            output,
        };
        for refused in ["custom_dataset", "doc_to_image", "doc_to_audio"] {
            if keys.take(refused).is_some() {
                return Err(keys.wrong(&format!("{refused} needs Python, which does not run here")));
            }
        }
        keys.nothing_left()?;
        Ok(config)
    }

    /// The split whose documents are asked: test, and where there is none validation.
    pub fn asked_split(&self) -> Option<&str> {
        self.test.as_deref().or(self.validation.as_deref())
    }

    /// The split that examples are taken from; none where they stand in the file.
    pub fn example_split(&self) -> Option<&str> {
        let own = self.fewshot.split.as_deref();
        let usual = || self.training.as_deref().or(self.validation.as_deref()).or(self.test.as_deref());
        own.or_else(|| self.fewshot.samples.is_none().then(usual).flatten())
    }

    /// Whether a document may be drawn as its own example, so that one more is drawn; as the harness decides it.
    pub fn examples_may_be_asked(&self) -> bool {
        self.fewshot.split == self.test
    }
}

/// Keys that are taken out one by one.
struct Keys<'a> {
    keys: Map<String, Value>,
    file: &'a Path,
    within: &'static str,
}

impl Keys<'_> {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.keys.remove(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, reason: &str) -> Error {
        let within = if self.within.is_empty() { String::new() } else { format!("{}: ", self.within) };
        Error::TaskFile { path: self.file.to_path_buf(), reason: format!("{within}{reason}") }
    }

    fn unexpected(&self, key: &str, value: &Value, expected: &str) -> Error {
        match value.get(FUNCTION).and_then(Value::as_str) {
            Some(function) => self.python(key, function, value),
            None => self.wrong(&format!("{key} is {value}, expected {expected}")),
        }
    }

    /// The refusal of a function that is not built in.
    fn python(&self, key: &str, function: &str, value: &Value) -> Error {
        let named = value.get(FILE).and_then(Value::as_str).unwrap_or_default();
        Error::NeedsPython {
            path: self.file.to_path_buf(),
            key: key.to_string(),
            function: function.to_string(),
            module: twins::source_file(function, Path::new(named)),
        }
    }

    fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(other.to_string())),
            Some(other) => Err(self.unexpected(key, &other, "a text")),
        }
    }

    fn count(&mut self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.unexpected(key, &value, "a whole number"))
    }

    fn object(&mut self, key: &str) -> Result<Option<Map<String, Value>>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(object)) if !object.contains_key(FUNCTION) => Ok(Some(object)),
            Some(other) => Err(self.unexpected(key, &other, "keys and values")),
        }
    }

    fn objects(&mut self, key: &str) -> Result<Option<Vec<Map<String, Value>>>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let list = value.as_array().map(|list| list.iter().map(|one| one.as_object().cloned()).collect());
        list.flatten().map(Some).ok_or_else(|| self.unexpected(key, &value, "a list of keys and values"))
    }

    fn output(&mut self) -> Result<Output> {
        match self.text("output_type")?.as_deref() {
            Some("multiple_choice") => Ok(Output::MultipleChoice),
            Some("generate_until") | None => Ok(Output::Generate),
            Some("loglikelihood") => Ok(Output::Likelihood),
            Some("loglikelihood_rolling") => Ok(Output::Rolling),
            Some(other) => Err(self.wrong(&format!(
                "output_type is {other:?}, expected multiple_choice, generate_until, loglikelihood or loglikelihood_rolling"
            ))),
        }
    }

    fn twin(&mut self, key: &str) -> Result<Option<Twin>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        self.twin_of(key, &value).map(Some)
    }

    fn twin_of(&self, key: &str, value: &Value) -> Result<Twin> {
        let function = value.get(FUNCTION).and_then(Value::as_str);
        let function = function.ok_or_else(|| self.unexpected(key, value, "!function"))?;
        let named = value.get(FILE).and_then(Value::as_str).unwrap_or_default();
        Twin::of(function, Path::new(named)).ok_or_else(|| self.python(key, function, value))
    }

    fn template(&mut self, key: &str) -> Result<Option<Template>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        Ok(Some(match value {
            Value::String(text) => Template::Text(text),
            Value::Object(ref object) if object.contains_key(FUNCTION) => {
                Template::Twin(self.twin_of(key, &value)?)
            }
            Value::Object(object) => Template::Fixed(object.into_iter().map(|(_, value)| value).collect()),
            fixed => Template::Fixed(fixed),
        }))
    }

    /// How documents are put; what is not said here is as in `other`.
    fn form(&mut self, other: Option<&Form>) -> Result<Form> {
        let needed = |keys: &Self, found: Option<Template>, key: &str, usual: Option<&Template>| {
            let missing = || keys.wrong(&format!("{key} is missing"));
            found.or_else(|| usual.cloned()).ok_or_else(missing)
        };
        let found = self.template("doc_to_text")?;
        let text = needed(self, found, "doc_to_text", other.map(|other| &other.text))?;
        let found = self.template("doc_to_target")?;
        let target = needed(self, found, "doc_to_target", other.map(|other| &other.target))?;
        let choice = self.template("doc_to_choice")?;
        let delimiters = [("target_delimiter", " "), ("fewshot_delimiter", "\n\n")];
        let [target_delimiter, fewshot_delimiter] = delimiters.map(|(key, usual)| match self.text(key) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Ok(match (other, key) {
                (Some(other), "target_delimiter") => other.target_delimiter.clone(),
                (Some(other), _) => other.fewshot_delimiter.clone(),
                (None, _) => usual.to_string(),
            }),
            Err(error) => Err(error),
        });
        let prefix = self.text("gen_prefix")?.or_else(|| other.and_then(|other| other.prefix.clone()));
        Ok(Form {
            text,
            target,
            // Only examples of their own say how their choices are found; otherwise the answer is put as it is.
            choice,
            target_delimiter: target_delimiter?,
            fewshot_delimiter: fewshot_delimiter?,
            prefix,
        })
    }

    fn version(&mut self) -> String {
        let metadata = self.take("metadata");
        let version = metadata.as_ref().and_then(|metadata| metadata.get("version"));
        version.map_or("0".into(), |version| super::python::text(version).trim_end_matches(".0").to_string())
    }

    fn source(&mut self) -> Result<DataSource> {
        Ok(DataSource {
            path: self.text("dataset_path")?.unwrap_or_default(),
            name: self.text("dataset_name")?,
            arguments: self.object("dataset_kwargs")?.unwrap_or_default(),
            file: self.file.to_path_buf(),
        })
    }

    fn fewshot(&mut self, form: &Form, split: Option<String>, process: Option<Twin>) -> Result<Fewshot> {
        let own = self.object("fewshot_config")?.unwrap_or_default();
        let mut own = Keys { keys: own, file: self.file, within: "fewshot_config" };
        let sampler = match own.text("sampler")?.as_deref() {
            None | Some("default") => Sampler::Random,
            Some("first_n") => Sampler::FirstN,
            Some(other) => {
                return Err(own.wrong(&format!("sampler is {other:?}, expected default or first_n")));
            }
        };
        let indices = own.take("fewshot_indices");
        let places = |value: &Value| {
            let list = value.as_array()?.iter().map(|one| usize::try_from(one.as_u64()?).ok());
            list.collect::<Option<Vec<usize>>>()
        };
        let indices = indices
            .map(|value| {
                places(&value).ok_or_else(|| own.unexpected("fewshot_indices", &value, "a list of numbers"))
            })
            .transpose()?;
        let inherited = Form { choice: None, ..form.clone() };
        let found = Fewshot {
            sampler,
            split: own.text("split")?.or(split),
            samples: own.objects("samples")?,
            indices,
            process: own.twin("process_docs")?.or(process),
            form: own.form(Some(&inherited))?,
        };
        own.nothing_left()?;
        let choice = found.form.choice.clone().or_else(|| form.choice.clone());
        Ok(Fewshot { form: Form { choice, ..found.form }, ..found })
    }

    fn metrics(&mut self, output: Output, results: Option<Twin>) -> Result<Vec<MetricSpec>> {
        let Some(list) = self.objects("metric_list")? else { return Ok(MetricSpec::usual(output)) };
        let specs = list.into_iter().map(|mut keys| {
            let name = keys.remove("metric");
            let name = match name {
                Some(Value::String(name)) => name,
                Some(other) => return Err(self.unexpected("metric", &other, "a name")),
                None => return Err(self.wrong("an entry of metric_list names no metric")),
            };
            MetricSpec::new(&name, keys, output, results).map_err(|reason| self.wrong(&reason))
        });
        specs.collect()
    }

    fn generation(&mut self, delimiter: &str) -> Result<Generation> {
        const USUAL_TOKENS: usize = 256;
        let own = self.object("generation_kwargs")?.unwrap_or_default();
        let mut own = Keys { keys: own, file: self.file, within: "generation_kwargs" };
        let until = match own.take("until") {
            None => vec![delimiter.to_string()],
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().map(super::python::text).collect(),
            Some(other) => return Err(own.unexpected("until", &other, "a text or a list of texts")),
        };
        let most = own.count("max_gen_toks")?.or(own.count("max_new_tokens")?);
        let samples = own.take("do_sample").is_some_and(|value| value == true);
        let temperature = own.take("temperature").and_then(|value| value.as_f64()).unwrap_or(0.0);
        if samples && temperature > 0.0 {
            return Err(own.wrong(
                "do_sample with a temperature above 0 draws at random; only greedy writing is known here",
            ));
        }
        // Greedy writing depends on none of these.
        for key in ["top_p", "top_k", "num_return_sequences"] {
            own.take(key);
        }
        if let Some(beams) = own.count("num_beams")?.filter(|beams| *beams > 1) {
            return Err(own.wrong(&format!("num_beams is {beams}; only greedy writing is known here")));
        }
        own.nothing_left()?;
        let until = until.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(Generation { until, most_tokens: most.unwrap_or(USUAL_TOKENS) })
    }

    fn pipelines(&mut self) -> Result<Vec<Pipeline>> {
        let Some(list) = self.objects("filter_list")? else { return Ok(vec![Pipeline::usual()]) };
        let pipelines = list.into_iter().map(|keys| {
            let mut keys = Keys { keys, file: self.file, within: "filter_list" };
            let name = keys.text("name")?.unwrap_or_else(|| "none".into());
            let filters = keys.objects("filter")?.unwrap_or_default();
            keys.nothing_left()?;
            let filters = filters
                .into_iter()
                .map(|filter| match filter.values().find_map(|value| value.get(FUNCTION)) {
                    Some(Value::String(function)) => {
                        let value = filter.values().find(|value| value.get(FUNCTION).is_some());
                        Err(keys.python("filter", function, value.unwrap_or(&Value::Null)))
                    }
                    _ => Filter::new(filter).map_err(|reason| keys.wrong(&reason)),
                })
                .collect::<Result<_>>()?;
            Ok(Pipeline { name, filters })
        });
        pipelines.collect()
    }

    fn nothing_left(&self) -> Result<()> {
        let functions = self.keys.iter().find(|(_, value)| value.get(FUNCTION).is_some());
        if let Some((key, value)) = functions {
            return Err(self.unexpected(key, value, ""));
        }
        match self.keys.iter().find(|(_, value)| !value.is_null()) {
            Some((key, _)) => Err(self.wrong(&format!("unknown key {key}"))),
            None => Ok(()),
        }
    }
}
