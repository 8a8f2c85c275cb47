//! A model in several files: `NAME-00001-of-00003.gguf` and so on, of which the first holds the keys.

use std::path::{Path, PathBuf};

use super::{Gguf, reader};
use crate::{Error, Result};

const COUNT: &str = "split.count";
const NUMBER: &str = "split.no";

pub fn open(path: &Path) -> Result<Gguf> {
    let head = reader::read(path)?;
    let mut model = Gguf {
        path: path.to_path_buf(),
        values: head.values,
        tensors: head.tensors,
        files: vec![path.to_path_buf()],
    };
    let count = model.whole(COUNT)?.unwrap_or(1);
    if count <= 1 {
        return Ok(model);
    }
    let number = model.whole(NUMBER)?.unwrap_or(0);
    let Some(name) = Name::of(path).filter(|name| name.count == count && name.number == number + 1) else {
        let problem = format!(
            "it says that it is part {} of {count}, which its name does not: expected NAME-{:05}-of-{count:05}.gguf",
            number.saturating_add(1),
            number.saturating_add(1)
        );
        return Err(Error::form(path, problem, "give the files of the model their names back"));
    };
    if number != 0 {
        let problem = format!("it is part {} of {count} of a model", number + 1);
        let first = name.file(1);
        let hint = format!("name the first, which leads to the others: {}", first.display());
        return Err(Error::form(path, problem, hint));
    }
    for part in 2..=count {
        add(&mut model, &name.file(part), part, count)?;
    }
    Ok(model)
}

fn add(model: &mut Gguf, path: &Path, part: u64, count: u64) -> Result<()> {
    if !path.exists() {
        let problem = format!("{} is missing, part {part} of the {count} of this model", path.display());
        return Err(Error::form(&model.path, problem, "fetch all parts into one folder"));
    }
    let head = reader::read(path)?;
    let own = Gguf { path: path.to_path_buf(), values: head.values, tensors: Vec::new(), files: Vec::new() };
    let told = (own.whole(NUMBER)?, own.whole(COUNT)?);
    if told != (Some(part - 1), Some(count)) {
        let problem =
            format!("it does not say that it is part {part} of {count}: it belongs to another model");
        return Err(Error::form(path, problem, "fetch all parts of one model into one folder"));
    }
    let file = model.files.len();
    for mut tensor in head.tensors {
        if model.tensors.iter().any(|other| other.name == tensor.name) {
            return Err(Error::damage(path, format!("tensor {} is in another part too", tensor.name)));
        }
        tensor.file = file;
        model.tensors.push(tensor);
    }
    model.files.push(path.to_path_buf());
    Ok(())
}

/// The name of a part.
struct Name {
    folder: PathBuf,
    stem: String,
    number: u64,
    count: u64,
}

impl Name {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let (number, count) = (number.parse().ok()?, count.parse().ok()?);
        Some(Self { folder: path.parent()?.to_path_buf(), stem: stem.to_string(), number, count })
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count))
    }
}
