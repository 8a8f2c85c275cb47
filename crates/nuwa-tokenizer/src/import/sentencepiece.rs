//! SentencePiece's `tokenizer.model` of the BPE kind, and the form that it shares with llama2.c's files.
//!
//! The model is a protocol buffer; the few fields that matter are read by hand.

use std::path::Path;

use ahash::AHashMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::{LARGEST, Source, check_count, check_lengths};
use crate::added::AddedToken;
use crate::config::Config;
use crate::{Error, Result};

/// The blank of SentencePiece's vocabularies.
pub const BLANK: &str = "▁";

/// Bytes that are compared at most to find the parts of all pieces, and written as merges.
const LONGEST_PARTS: u64 = 50_000_000;

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Unknown,
    Control,
    /// Found in text before anything else.
    UserDefined,
    Unused,
    Byte,
}

pub struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: Kind,
}

/// A vocabulary with scores and how text is prepared for it.
pub struct SentencePieceModel {
    pub pieces: Vec<Piece>,
    pub begin: Option<usize>,
    pub end: Option<usize>,
    pub adds_first_blank: bool,
    pub joins_blanks: bool,
    /// Compiled rules for characters (NFKC and the like).
    pub character_map: Vec<u8>,
    pub is_bpe: bool,
}

impl SentencePieceModel {
    /// A model as llama2.c has it: text is taken as it is, with a blank before it.
    pub fn plain(pieces: Vec<Piece>, begin: usize, end: usize) -> Self {
        Self { pieces, begin: Some(begin), end: Some(end), ..Self::default() }
    }
}

impl Default for SentencePieceModel {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            begin: None,
            end: None,
            adds_first_blank: true,
            joins_blanks: false,
            character_map: Vec::new(),
            is_bpe: true,
        }
    }
}

pub fn read(path: &Path) -> Result<Source> {
    let bytes = nuwa_files::read_at_most(path, LARGEST)?;
    let model = parse(&bytes).map_err(|reason| Error::invalid(path, reason))?;
    if !model.is_bpe {
        let reason =
            "it is a SentencePiece model of a kind other than BPE; expected BPE, or its tokenizer.json";
        return Err(Error::UnknownForm { path: path.to_path_buf(), reason: reason.into() });
    }
    to_source(path, &model)
}

/// The model as a `tokenizer.json` in the form transformers gives to Llama 2's.
pub fn to_source(path: &Path, model: &SentencePieceModel) -> Result<Source> {
    let lengths = model.pieces.iter().map(|piece| piece.text.len());
    check_pieces(lengths).map_err(|reason| Error::invalid(path, reason))?;
    let vocabulary = vocabulary(path, model)?;
    let name_of = |at: Option<usize>| at.and_then(|at| model.pieces.get(at)).map(|piece| piece.text.as_str());
    let unknown =
        model.pieces.iter().find(|piece| piece.kind == Kind::Unknown).map(|piece| piece.text.as_str());
    let value = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(model),
        "normalizer": {"type": "Sequence", "normalizers": normalizers(model)},
        "pre_tokenizer": null,
        "post_processor": post_processor(model),
        "decoder": {"type": "Sequence", "decoders": decoders(model)},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true,
            "byte_fallback": model.pieces.iter().any(|piece| piece.kind == Kind::Byte),
            "ignore_merges": false, "vocab": vocabulary, "merges": merges(model),
        },
    });
    let roles =
        [("eos_token", name_of(model.end)), ("bos_token", name_of(model.begin)), ("unk_token", unknown)];
    let roles: Vec<(&str, &str)> = roles.iter().filter_map(|&(role, token)| Some((role, token?))).collect();
    Source::from_value(path, value, Config::new(&roles))
}

/// An error, in words, when finding the parts of all pieces takes longer than with any vocabulary.
pub fn check_pieces(lengths: impl Iterator<Item = usize>) -> Result<(), String> {
    check_lengths(lengths, LONGEST_PARTS)
}

fn vocabulary(path: &Path, model: &SentencePieceModel) -> Result<Map<String, Value>> {
    let mut vocabulary = Map::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        if let Some(first) = vocabulary.insert(piece.text.clone(), id.into()) {
            return Err(Error::invalid(path, format!("pieces {first} and {id} are both {:?}", piece.text)));
        }
    }
    Ok(vocabulary)
}

fn added_tokens(model: &SentencePieceModel) -> Vec<Value> {
    let pieces = model.pieces.iter().enumerate();
    let added =
        pieces.filter(|(_, piece)| matches!(piece.kind, Kind::Unknown | Kind::Control | Kind::UserDefined));
    added
        .map(|(id, piece)| AddedToken::new(id as u32, &piece.text, piece.kind != Kind::UserDefined).to_json())
        .collect()
}

fn normalizers(model: &SentencePieceModel) -> Vec<Value> {
    let mut steps = Vec::new();
    if !model.character_map.is_empty() {
        let encoded = BASE64_STANDARD.encode(&model.character_map);
        steps.push(json!({"type": "Precompiled", "precompiled_charsmap": encoded}));
    }
    if model.joins_blanks {
        steps.push(json!({"type": "Strip", "strip_left": true, "strip_right": true}));
        steps.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    }
    if model.adds_first_blank {
        steps.push(json!({"type": "Prepend", "prepend": BLANK}));
    }
    steps.push(json!({"type": "Replace", "pattern": {"String": " "}, "content": BLANK}));
    steps
}

fn decoders(model: &SentencePieceModel) -> Vec<Value> {
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": BLANK}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if model.adds_first_blank {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    steps
}

/// Texts begin with the model's begin token, where it has one.
fn post_processor(model: &SentencePieceModel) -> Value {
    match model.begin.and_then(|id| Some((id, &model.pieces.get(id)?.text))) {
        Some((id, name)) => adds_begin(id, name),
        None => Value::Null,
    }
}

/// A `post_processor` that puts the token of that id and name before texts.
pub fn adds_begin(id: usize, name: &str) -> Value {
    let begin = |kind: u8| json!({"SpecialToken": {"id": name, "type_id": kind}});
    let text = |part: &str, kind: u8| json!({"Sequence": {"id": part, "type_id": kind}});
    json!({
        "type": "TemplateProcessing",
        "single": [begin(0), text("A", 0)],
        "pair": [begin(0), text("A", 0), begin(1), text("B", 1)],
        "special_tokens": {name: {"id": name, "ids": [id], "tokens": [name]}},
    })
}

/// Every way to put a piece together from two others, the highest score first: SentencePiece merges the pair of
/// neighbours that makes the piece of the highest score.
fn merges(model: &SentencePieceModel) -> Vec<Value> {
    let mergeable = |piece: &Piece| matches!(piece.kind, Kind::Normal | Kind::UserDefined | Kind::Unused);
    let pieces: AHashMap<&str, usize> = model
        .pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| mergeable(piece))
        .map(|(id, piece)| (piece.text.as_str(), id))
        .collect();
    let mut merges = Vec::new();
    for (&text, &id) in &pieces {
        for (middle, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(middle);
            if let (Some(&left_id), Some(&right_id)) = (pieces.get(left), pieces.get(right)) {
                merges.push((id, left_id, right_id, [left, right]));
            }
        }
    }
    let score = |id: usize| model.pieces[id].score;
    merges.sort_unstable_by(|a, b| score(b.0).total_cmp(&score(a.0)).then_with(|| a.cmp(b)));
    merges.into_iter().map(|(_, _, _, pair)| json!(pair)).collect()
}

/// The fields of sentencepiece_model.proto that matter here.
fn parse(bytes: &[u8]) -> Result<SentencePieceModel, String> {
    let mut model = SentencePieceModel {
        is_bpe: false,
        joins_blanks: true,
        begin: Some(1),
        end: Some(2),
        ..SentencePieceModel::default()
    };
    let mut message = Message { bytes, position: 0 };
    while let Some((field, value)) = message.next_field()? {
        match (field, value) {
            (1, Field::Bytes(piece)) => {
                check_count(model.pieces.len())?;
                model.pieces.push(parse_piece(piece, model.pieces.len())?);
            }
            (2, Field::Bytes(trainer)) => parse_trainer(trainer, &mut model)?,
            (3, Field::Bytes(normalizer)) => parse_normalizer(normalizer, &mut model)?,
            _ => {}
        }
    }
    if model.pieces.is_empty() {
        return Err("it holds no pieces; expected a SentencePiece model".into());
    }
    Ok(model)
}

fn parse_piece(bytes: &[u8], id: usize) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    let mut message = Message { bytes, position: 0 };
    while let Some((field, value)) = message.next_field()? {
        match (field, value) {
            (1, Field::Bytes(text)) => {
                let text = std::str::from_utf8(text).map_err(|_| format!("piece {id} is not UTF-8"))?;
                piece.text = text.to_string();
            }
            (2, Field::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Field::Number(kind)) => piece.kind = piece_kind(kind, id)?,
            _ => {}
        }
    }
    Ok(piece)
}

/// What a piece of that type is for.
pub fn piece_kind(number: u64, id: usize) -> Result<Kind, String> {
    Ok(match number {
        1 => Kind::Normal,
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::UserDefined,
        5 => Kind::Unused,
        6 => Kind::Byte,
        _ => return Err(format!("piece {id} has the type {number}; expected 1 to 6")),
    })
}

const BPE: u64 = 2;

fn parse_trainer(bytes: &[u8], model: &mut SentencePieceModel) -> Result<(), String> {
    let mut message = Message { bytes, position: 0 };
    while let Some((field, value)) = message.next_field()? {
        match (field, value) {
            (3, Field::Number(kind)) => model.is_bpe = kind == BPE,
            // A negative id, which a protocol buffer writes as a huge number, means that there is none.
            (41, Field::Number(id)) => model.begin = usize::try_from(id as i64).ok(),
            (42, Field::Number(id)) => model.end = usize::try_from(id as i64).ok(),
            _ => {}
        }
    }
    Ok(())
}

fn parse_normalizer(bytes: &[u8], model: &mut SentencePieceModel) -> Result<(), String> {
    let mut message = Message { bytes, position: 0 };
    while let Some((field, value)) = message.next_field()? {
        match (field, value) {
            (2, Field::Bytes(map)) => model.character_map = map.to_vec(),
            (3, Field::Number(flag)) => model.adds_first_blank = flag != 0,
            (4, Field::Number(flag)) => model.joins_blanks = flag != 0,
            _ => {}
        }
    }
    Ok(())
}

enum Field<'a> {
    Number(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// A protocol buffer's fields, one after the other.
struct Message<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Message<'a> {
    fn next_field(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let length = self.number()?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes = self.take(4)?;
                Field::Fixed32(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            other => {
                return Err(format!("it holds a field of wire type {other}; expected a SentencePiece model"));
            }
        };
        Ok(Some((key >> 3, value)))
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("it holds a number of more than 64 bits; expected a SentencePiece model".into())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.position.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or("it ends inside a field: the file is cut short, or no SentencePiece model")?;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }
}
