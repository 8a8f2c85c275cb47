//! A model as a picture with shapes and a table of weights and operations: as lines for a terminal, as an SVG on the page.

use nuwa_models::{Outline, OutlineBlock, OutlinePiece, OutlineStack};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::numbers::{grouped, percent, rounded};
use crate::words::{Text, report as words};

/// What the page shows of a model.
#[derive(Debug, Serialize)]
pub struct Drawing {
    about: Text,
    height: usize,
    boxes: Vec<PlacedBox>,
    arrows: Vec<Arrow>,
    rows: Vec<Row>,
    note: Text,
}

/// A box of the picture, with its lines; places and sizes in the units of the picture.
#[derive(Debug, Serialize)]
struct PlacedBox {
    y: usize,
    height: usize,
    title: String,
    /// Whether it stands for blocks.
    is_block: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    y: usize,
    name: String,
    shapes: String,
}

/// From one box to the next, with the shape of what goes there.
#[derive(Debug, Serialize)]
struct Arrow {
    from: usize,
    to: usize,
    shape: String,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    times: usize,
    parameters: String,
    share: String,
    operations: String,
    /// Whether it is a piece of the block above.
    is_piece: bool,
}

/// A box before it is placed.
struct Part {
    title: String,
    is_block: bool,
    lines: Vec<[String; 2]>,
}

const LINE: usize = 20;
const GAP: usize = 30;
const EDGE: usize = 8;

impl Drawing {
    /// Draws it.
    pub fn of(outline: &Outline) -> Self {
        let (mut y, mut boxes, mut arrows) = (GAP, Vec::new(), Vec::new());
        let mut shape = String::from("n");
        for part in parts(outline) {
            arrows.push(Arrow { from: y - GAP, to: y, shape });
            let line = |(at, [name, shapes]): (usize, [String; 2])| Line {
                y: y + EDGE + LINE * (at + 2) - 6,
                name,
                shapes,
            };
            let height = LINE * (part.lines.len() + 1) + 2 * EDGE;
            let lines = part.lines.into_iter().enumerate().map(line).collect();
            boxes.push(PlacedBox { y, height, title: part.title, is_block: part.is_block, lines });
            y += height + GAP;
            shape = rows_of(outline.width);
        }
        if let Some(logits) = logits(outline) {
            arrows.push(Arrow { from: y - GAP, to: y, shape: logits });
            y += GAP;
        }
        Self {
            about: words::drawn(outline.context, outline.width),
            height: y - GAP + EDGE,
            boxes,
            arrows,
            rows: rows(outline),
            note: words::about_operations(outline.context),
        }
    }
}

/// The picture and the table in English, as lines.
pub fn text(outline: &Outline) -> String {
    format!("{}\n\n{}", picture(outline), table(outline))
}

fn picture(outline: &Outline) -> String {
    let parts = parts(outline);
    let names = parts.iter().flat_map(|part| &part.lines).map(|[name, _]| name.width()).max().unwrap_or(0);
    let line = |[name, shapes]: &[String; 2]| format!("{}{}", padded(name, names + 2), shapes);
    let inner: Vec<Vec<String>> = parts.iter().map(|part| part.lines.iter().map(line).collect()).collect();
    let title = |part: &Part| part.title.width() + 4;
    let widest =
        inner.iter().flatten().map(|line| line.width()).chain(parts.iter().map(title)).max().unwrap_or(0);
    let mut lines = vec![format!("  n tokens, up to {}", grouped(outline.context as u64))];
    let mut shape = String::new();
    for (part, inner) in parts.iter().zip(&inner) {
        lines.push(format!("      │ {shape}").trim_end().to_string());
        let rest = "─".repeat(widest + 2 - part.title.width() - 3);
        lines.push(format!("  ┌─ {} {rest}┐", part.title));
        lines.extend(inner.iter().map(|line| format!("  │ {} │", padded(line, widest))));
        lines.push(format!("  └{}┘", "─".repeat(widest + 2)));
        shape = rows_of(outline.width);
    }
    lines.extend(logits(outline).map(|logits| format!("      │ {logits}")));
    lines.join("\n")
}

fn table(outline: &Outline) -> String {
    let head = ["part", "times", "weights", "of all", "operations a token"].map(String::from);
    let cells = |row: Row| {
        let name = if row.is_piece { format!("  {}", row.name) } else { row.name };
        [name, row.times.to_string(), row.parameters, row.share, row.operations]
    };
    let lines: Vec<[String; 5]> = std::iter::once(head).chain(rows(outline).into_iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |cells: &[String; 5]| {
        let rest = (1..5).map(|column| {
            format!("{}{}", " ".repeat(widths[column] + 2 - cells[column].width()), cells[column])
        });
        format!("  {}{}", padded(&cells[0], widths[0]), rest.collect::<String>())
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn rows_of(width: usize) -> String {
    format!("n × {width}")
}

/// The shape of what a head gives, where there is one.
fn logits(outline: &Outline) -> Option<String> {
    let has_head = outline.last.iter().any(|piece| piece.name.starts_with("head"));
    has_head.then(|| format!("{} logits", rows_of(outline.vocabulary)))
}

/// The boxes from the tokens to the logits.
fn parts(outline: &Outline) -> Vec<Part> {
    let outer = |piece: &OutlinePiece| {
        let lines = shapes(piece).into_iter().map(|shapes| [shapes, String::new()]).collect();
        Part { title: named(piece), is_block: false, lines }
    };
    let first = outline.first.iter().map(outer);
    let blocks = outline.stacks.iter().flat_map(blocks);
    first.chain(blocks).chain(outline.last.iter().map(outer)).collect()
}

/// A box for each run of equal blocks of the pattern.
fn blocks(stack: &OutlineStack) -> Vec<Part> {
    let runs = stack.runs();
    let rounds = if runs.len() > 1 && stack.pattern.len() < stack.layers { ", in turn" } else { "" };
    let part = |(block, count): (&OutlineBlock, usize)| {
        let times =
            if count > 1 && runs_differ(stack) { format!(", {count} in a row") } else { String::new() };
        Part {
            title: format!("{}{times}{rounds}", layers(stack, block)),
            is_block: true,
            lines: block.pieces.iter().flat_map(described).collect(),
        }
    };
    runs.into_iter().map(part).collect()
}

fn runs_differ(stack: &OutlineStack) -> bool {
    stack.blocks.len() > 1
}

/// `layers 1, 3, 5 of the decoder`, counted from 1.
fn layers(stack: &OutlineStack, block: &OutlineBlock) -> String {
    let noun = if block.layers.len() == 1 { "layer" } else { "layers" };
    let of = if stack.name.is_empty() { String::new() } else { format!(" of the {}", stack.name) };
    format!("{noun} {}{of}", ranges(&block.layers))
}

/// `1-4, 6` of 0, 1, 2, 3, 5.
fn ranges(layers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &layer in layers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == layer => *last = layer,
            _ => ranges.push((layer, layer)),
        }
    }
    let told = ranges.iter().map(|&(first, last)| match first == last {
        true => (first + 1).to_string(),
        false => format!("{}-{}", first + 1, last + 1),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The name of a piece with what is to be said of it, and beside it the shapes of its matrices, in as many lines as they take.
fn described(piece: &OutlinePiece) -> Vec<[String; 2]> {
    let mut shapes = shapes(piece).into_iter();
    let first = [named(piece), shapes.next().unwrap_or_default()];
    std::iter::once(first).chain(shapes.map(|shapes| [String::new(), shapes])).collect()
}

/// The most characters of shapes in one line.
const LONGEST: usize = 54;

/// The shapes of the matrices of a piece, in lines.
fn shapes(piece: &OutlinePiece) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (name, axes, count) in &piece.matrices {
        let axes = axes.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        let times = if *count > 1 { format!("{count} of ") } else { String::new() };
        let told = format!("{name} {times}{axes}");
        let told = told.trim_start();
        match lines.last_mut() {
            Some(line) if line.width() + 2 + told.width() <= LONGEST => *line += &format!(", {told}"),
            _ => lines.push(told.to_string()),
        }
    }
    lines
}

fn named(piece: &OutlinePiece) -> String {
    match piece.about.as_str() {
        "" => piece.name.clone(),
        about => format!("{} ({about})", piece.name),
    }
}

/// The table: parts outside of blocks, kinds of blocks with their pieces, and the sum.
fn rows(outline: &Outline) -> Vec<Row> {
    let all = outline.parameters();
    let row = |name: String, times: usize, [parameters, operations]: [f64; 2], is_piece| Row {
        name,
        times,
        parameters: grouped(parameters as u64),
        share: percent(times as f64 * parameters, all as f64),
        operations: rounded(operations),
        is_piece,
    };
    let of = |piece: &OutlinePiece| [piece.parameters as f64, piece.operations];
    let outer = |piece: &OutlinePiece| row(named(piece), 1, of(piece), false);
    let mut rows: Vec<Row> = outline.first.iter().map(outer).collect();
    for stack in &outline.stacks {
        for block in &stack.blocks {
            let times = block.layers.len();
            let sum = |at: usize| block.pieces.iter().map(|piece| of(piece)[at]).sum();
            rows.push(row(layers(stack, block), times, [sum(0), sum(1)], false));
            let pieces = block.pieces.iter().filter(|piece| !piece.is_norm());
            rows.extend(pieces.map(|piece| row(named(piece), times, of(piece), true)));
        }
    }
    rows.extend(outline.last.iter().map(outer));
    rows.push(row("all".into(), 1, [all as f64, outline.operations()], false));
    rows
}

#[cfg(test)]
mod tests;
