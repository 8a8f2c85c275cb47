use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nuwa_align::BadRecords;
use nuwa_align::data::{LabelColumns, PlainText, plain_texts};
use nuwa_files::AtomicFile;
use nuwa_format::Pooling;
use nuwa_infer::Embedder;
use nuwa_report::numbers::counted;
use serde::Serialize;

use super::language::LanguageArgument;
use crate::console::message;
use crate::failure::Problem;
use crate::{input, model, texts};

/// Turn texts into vectors, one each
///
/// Reads plain text, a text a line, or a column of records (.csv, .tsv, .json, .jsonl). A vector is made of the model's last
/// hidden rows: their mean (as sentence-transformers has it, over the tokens around the text too), that of the first token, or that
/// of the last one. Without --pooling, what sentence-transformers' files beside the model say holds, normalisation and the most
/// tokens of a text with it; else the mean for an encoder and the last row for a decoder. A text that is longer than the context is cut.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa embed runs/bert sentences.txt > vectors.jsonl
  nuwa embed minilm questions.csv --text question --format npy --out vectors.npy
  echo \"A text.\" | nuwa embed runs/world - --pooling last --normalize")]
pub struct Embed {
    /// A model folder, or a run folder
    model: PathBuf,
    /// Files of texts; `-` reads standard input, a text a line
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the rows of a text become one
    #[arg(long, value_name = "HOW")]
    pooling: Option<Pooled>,
    /// Give all vectors length 1, so that the dot product of two is their cosine
    #[arg(long)]
    normalize: bool,
    /// JSON lines with text and vector, or numpy's array of f32, a row a text
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The column of the texts in records [default: the one that is named text, sentence or the like, or the only one]
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    #[command(flatten)]
    language: LanguageArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Pooled {
    Mean,
    Cls,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Npy,
}

/// What is written of a text.
#[derive(Debug, Serialize)]
struct Line<'a> {
    text: &'a str,
    vector: &'a [f32],
}

/// Texts that are embedded before their vectors are written.
const TOGETHER: usize = 256;

impl Embed {
    pub fn run(self) -> anyhow::Result<()> {
        if self.format == Format::Npy && self.out.is_none() {
            let problem = Problem::new("--format npy writes a file of numbers, not text");
            return Err(problem.hint("name the file: --out vectors.npy").into());
        }
        let folder = model::folder(&self.model)?;
        let pooling = self.pooling.map(|pooled| match pooled {
            Pooled::Mean => Pooling::Mean,
            Pooled::Cls => Pooling::Cls,
            Pooled::Last => Pooling::Last,
        });
        let embedder =
            Embedder::load(&folder, pooling, self.normalize)?.in_language(self.language.number(&folder)?);
        let texts = self.texts()?;
        match &self.out {
            None => self.write(&embedder, &texts, &mut BufWriter::new(std::io::stdout().lock())),
            Some(out) => {
                let mut file = AtomicFile::create(out)?;
                self.write(&embedder, &texts, &mut BufWriter::new(&mut file))?;
                file.commit()?;
                message(&told(&embedder, texts.len(), out));
                Ok(())
            }
        }
    }

    fn texts(&self) -> anyhow::Result<Vec<PlainText>> {
        let columns = LabelColumns { text: self.text.clone(), ..LabelColumns::default() };
        let mut all = Vec::new();
        for file in &self.files {
            match file.to_str() {
                Some("-") => all.extend(texts::given(&["-".to_string()])?),
                _ if texts::is_plain(file) => {
                    all.extend(texts::of_lines(&file.display().to_string(), &input::file(file)?));
                }
                _ => all.extend(plain_texts(std::slice::from_ref(file), &columns, BadRecords::Error)?.0),
            }
        }
        if all.is_empty() {
            let problem = Problem::new("the files hold no text");
            return Err(problem
                .hint("give a file with a text a line, or records with a column of texts")
                .into());
        }
        Ok(all)
    }

    fn write(&self, embedder: &Embedder, texts: &[PlainText], out: &mut dyn Write) -> anyhow::Result<()> {
        if self.format == Format::Npy {
            out.write_all(&npy_header([texts.len(), embedder.width()]))?;
        }
        for texts in texts.chunks(TOGETHER) {
            let vectors = embedder.embed(&texts::whole(embedder.reader(), texts)?)?;
            for (text, vector) in texts.iter().zip(vectors) {
                match self.format {
                    Format::Jsonl => {
                        let line = Line { text: &text.text, vector: &vector };
                        writeln!(out, "{}", serde_json::to_string(&line)?)?;
                    }
                    Format::Npy => {
                        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                        out.write_all(&bytes)?;
                    }
                }
            }
        }
        Ok(out.flush()?)
    }
}

fn told(embedder: &Embedder, texts: usize, out: &Path) -> String {
    let (pooling, is_normalised) = embedder.form();
    let how = match pooling {
        Pooling::Mean => "the mean of all rows",
        Pooling::Cls => "the first row",
        Pooling::Last => "the last row",
    };
    let length = if is_normalised { ", of length 1" } else { "" };
    let (count, width) = (counted(texts as u64, "vector"), embedder.width());
    format!("{count} of {width} numbers ({how}{length}) in {}", out.display())
}

/// What stands before the numbers of an array of f32 in numpy's format 1.0: the magic, the version, the length of the header in two
/// bytes, and the header as a dictionary of Python, filled up with blanks so that all is a multiple of 64 bytes.
fn npy_header([rows, columns]: [usize; 2]) -> Vec<u8> {
    const FIXED: usize = 10;
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (FIXED + header.len() + 1).next_multiple_of(64) - FIXED;
    header += &" ".repeat(length - header.len() - 1);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As numpy.save writes it for an array of zeros of this shape.
    #[test]
    fn the_header_of_an_array_is_numpys() {
        let header = npy_header([3, 384]);
        assert_eq!(header.len(), 128);
        let expected = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), }";
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(&header[10..10 + expected.len()], expected.as_bytes());
        assert!(header[10 + expected.len()..127].iter().all(|byte| *byte == b' ') && header[127] == b'\n');
    }
}
