//! llama2.c's `tok*.bin`: the longest token's length, then score, length and bytes of each token.

use std::path::Path;

use super::sentencepiece::{BLANK, Kind, Piece, SentencePieceModel, to_source};
use super::{LARGEST, Source, check_count};
use crate::{Error, Result};

const BEGIN: usize = 1;
const END: usize = 2;

pub fn read(path: &Path) -> Result<Source> {
    let bytes = nuwa_files::read_at_most(path, LARGEST)?;
    let pieces = parse(&bytes).map_err(|reason| Error::invalid(path, reason))?;
    to_source(path, &SentencePieceModel::plain(pieces, BEGIN, END))
}

fn parse(bytes: &[u8]) -> Result<Vec<Piece>, String> {
    let (longest, mut rest) = take_number(bytes).ok_or("it is shorter than its header of 4 bytes")?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let id = pieces.len();
        check_count(id)?;
        let cut_short =
            || format!("it ends inside token {id}: the file is cut short, or no llama2.c vocabulary");
        let (score, after) = take_number(rest).ok_or_else(cut_short)?;
        let (length, after) = take_number(after).ok_or_else(cut_short)?;
        if length > longest.max(MARK_LENGTH) {
            return Err(format!("token {id} is said to have {length} bytes, but the longest has {longest}"));
        }
        let (token, after) = after.split_at_checked(length as usize).ok_or_else(cut_short)?;
        pieces.push(piece(id, f32::from_bits(score), token)?);
        rest = after;
    }
    if pieces.len() <= END {
        return Err(format!("it holds {} tokens; expected at least <unk>, <s> and </s>", pieces.len()));
    }
    Ok(pieces)
}

/// llama2.c counts the longest token before it puts line ends around `<s>` and `</s>`.
const MARK_LENGTH: u32 = 8;

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn piece(id: usize, score: f32, token: &[u8]) -> Result<Piece, String> {
    let text = std::str::from_utf8(token).map_err(|_| format!("token {id} is not UTF-8"))?;
    let kind = match id {
        0 => Kind::Unknown,
        BEGIN | END => Kind::Control,
        3..259 if text.starts_with("<0x") => Kind::Byte,
        _ => Kind::Normal,
    };
    let text = match kind {
        Kind::Control => text.trim().to_string(),
        Kind::Byte | Kind::Unknown => text.to_string(),
        _ => text.replace(' ', BLANK),
    };
    Ok(Piece { text, score, kind })
}
