use std::collections::BTreeMap;

use super::{Outline, OutlineBlock, OutlinePiece, OutlineStack};
use crate::{ModelConfig, Prediction, TensorName};

/// What parts outside of blocks are called that come after them.
const LAST: [&str; 8] = ["norm", "head", "pooler", "transform", "class", "next", "summary", "score"];

/// Where the pieces of a block stand; what is not here stands behind.
const ORDER: [&[&str]; 4] =
    [&["attention", "temporal", "recurrent", "input"], &["hidden"], &["source"], &["feed_forward", "moe"]];

/// Whether a piece of this name does nothing but normalise.
pub fn is_norm(name: &str) -> bool {
    name == "norm" || name.ends_with("_norm")
}

/// The piece of a model that a parameter belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    stack: String,
    layer: Option<usize>,
    piece: String,
}

impl Address {
    /// Of a path, and what of it is left: `decoder.layers.3.attention.qkv.weight` is `qkv` of the decoder's third attention.
    fn of(path: &str) -> (Self, String) {
        let steps: Vec<&str> = path.split('.').collect();
        let at = steps.iter().position(|step| *step == "layers");
        let layer = at.and_then(|at| steps.get(at + 1)?.parse().ok().map(|layer| (at, layer)));
        let (stack, layer, rest) = match layer {
            Some((at, layer)) => (steps[..at].join("."), Some(layer), &steps[at + 2..]),
            None => (String::new(), None, &steps[..]),
        };
        // Outside of blocks the stack is a part of the name: `encoder.norm`.
        let names = &rest[..rest.len().saturating_sub(1)];
        let (piece, matrix) = match (layer, names) {
            (None, names) => (names.join("."), String::new()),
            (Some(_), [piece, matrix @ ..]) => (piece.to_string(), matrix.join(".")),
            (Some(_), []) => (rest.join("."), String::new()),
        };
        (Self { stack, layer, piece }, matrix)
    }
}

/// Puts the parameters of a model together to its parts.
pub(super) struct Reader<'a> {
    config: &'a ModelConfig,
    /// The share of the weights of experts that a token meets.
    met: f64,
    pieces: BTreeMap<Address, OutlinePiece>,
    /// Addresses in the order of their names.
    order: Vec<Address>,
}

impl<'a> Reader<'a> {
    /// Sorts the names of all parameters.
    pub fn new(config: &'a ModelConfig) -> Self {
        let names = config.names();
        let experts: usize =
            names.iter().filter(|name| name.parameter.contains(".experts.")).map(TensorName::elements).sum();
        let idle = config.size().idle.min(experts);
        let met = if experts == 0 { 1.0 } else { 1.0 - idle as f64 / experts as f64 };
        let mut reader = Self { config, met, pieces: BTreeMap::new(), order: Vec::new() };
        names.iter().for_each(|name| reader.add(name));
        reader
    }

    fn add(&mut self, name: &TensorName) {
        let (address, matrix) = Address::of(&name.parameter);
        let axes = name.own_shape();
        let operations = self.operations(&address, &matrix, &axes);
        if !self.pieces.contains_key(&address) {
            self.order.push(address.clone());
        }
        let piece = self.pieces.entry(address.clone()).or_insert_with(|| OutlinePiece {
            name: address.piece.clone(),
            about: String::new(),
            matrices: Vec::new(),
            parameters: 0,
            operations: 0.0,
        });
        piece.parameters += axes.iter().product::<usize>();
        piece.operations += operations;
        if axes.len() < 2 {
            return;
        }
        let short = without_numbers(&matrix);
        match piece.matrices.iter_mut().find(|(name, known, _)| *name == short && *known == axes) {
            Some((_, _, count)) => *count += 1,
            None => piece.matrices.push((short, axes, 1)),
        }
    }

    /// Those of one matrix, and of the scores of attention with its output.
    fn operations(&self, address: &Address, matrix: &str, axes: &[usize]) -> f64 {
        if axes.len() < 2 || (address.layer.is_none() && !is_last(&address.piece)) {
            return 0.0;
        }
        let elements = axes.iter().product::<usize>() as f64;
        let met = if matrix.starts_with("experts.") { self.met } else { 1.0 };
        let scores = match (address.piece.as_str(), matrix, address.layer) {
            ("attention" | "source", "output", Some(layer)) => {
                let is_causal = address.piece == "attention" && address.stack != "encoder";
                4.0 * axes[1] as f64 * self.keys(layer, is_causal)
            }
            _ => 0.0,
        };
        2.0 * met * elements + scores
    }

    /// Keys of a query, on average over a whole context.
    fn keys(&self, layer: usize, is_causal: bool) -> f64 {
        let context = self.config.context() as f64;
        let sees_both = matches!(
            self.config.predicts(),
            Prediction::MaskedTokens | Prediction::AnyOrder | Prediction::Nothing
        );
        if sees_both || !is_causal {
            return context;
        }
        let window =
            self.config.looks_back(layer).window.map_or(context, |window| context.min(window as f64));
        // The first ones see fewer.
        (window * (window + 1.0) / 2.0 + (context - window) * window) / context
    }

    /// The parts in their order.
    pub fn read(self) -> Outline {
        let outer = |is_after: bool| {
            let own =
                self.order.iter().filter(move |at| at.layer.is_none() && is_last(&at.piece) == is_after);
            own.map(|at| self.told(at)).collect::<Vec<_>>()
        };
        let (first, mut last) = (outer(false), outer(true));
        // A norm stands before the head.
        last.sort_by_key(|piece| !piece.is_norm());
        if self.config.copies().iter().any(|(_, parameter)| *parameter == "tokens.weight") {
            last.push(self.tied_head());
        }
        let mut names: Vec<&String> = Vec::new();
        for address in self.order.iter().filter(|address| address.layer.is_some()) {
            if !names.contains(&&address.stack) {
                names.push(&address.stack);
            }
        }
        let stacks = names.into_iter().map(|name| self.stack(name)).collect();
        let (context, width) = (self.config.context(), self.config.width());
        Outline { first, stacks, last, context, width, vocabulary: self.config.vocabulary() }
    }

    fn tied_head(&self) -> OutlinePiece {
        let (vocabulary, width) = (self.config.vocabulary(), self.config.width());
        OutlinePiece {
            name: "head".into(),
            about: "the embedding".into(),
            matrices: vec![(String::new(), vec![vocabulary, width], 1)],
            parameters: 0,
            operations: 2.0 * (vocabulary * width) as f64,
        }
    }

    fn stack(&self, name: &str) -> OutlineStack {
        let (mut blocks, mut kinds): (Vec<OutlineBlock>, Vec<usize>) = Default::default();
        for layer in 0.. {
            let pieces = self.block(name, layer);
            if pieces.is_empty() {
                break;
            }
            let kind = blocks.iter().position(|block| block.pieces == pieces);
            let kind = kind.unwrap_or_else(|| {
                blocks.push(OutlineBlock { layers: Vec::new(), pieces });
                blocks.len() - 1
            });
            blocks[kind].layers.push(layer);
            kinds.push(kind);
        }
        let repeats = |period: &usize| (*period..kinds.len()).all(|i| kinds[i] == kinds[i - period]);
        let period = (1..=kinds.len()).find(repeats).unwrap_or_default();
        let pattern = kinds[..period].to_vec();
        OutlineStack { name: name.to_string(), layers: kinds.len(), blocks, pattern }
    }

    /// The pieces of a block in the order of their work: a norm before what reads it, or behind what it follows.
    fn block(&self, stack: &str, layer: usize) -> Vec<OutlinePiece> {
        let own = self.order.iter().filter(|at| at.layer == Some(layer) && at.stack == stack);
        let mut pieces: Vec<OutlinePiece> = own.map(|at| self.told(at)).collect();
        let last_norm = if stack.is_empty() { "norm".to_string() } else { format!("{stack}.norm") };
        let is_before = self.order.iter().any(|at| at.layer.is_none() && at.piece == last_norm);
        let place = |piece: &OutlinePiece| {
            let stem = piece.name.trim_end_matches("_norm");
            let of = |names: &&[&str]| names.contains(&stem);
            let place = ORDER.iter().position(of).unwrap_or(ORDER.len());
            (place, piece.is_norm() != is_before)
        };
        pieces.sort_by_key(place);
        pieces
    }

    /// A piece, with what its parameters do not tell.
    fn told(&self, address: &Address) -> OutlinePiece {
        let piece = self.pieces[address].clone();
        let back = address.layer.map(|layer| self.config.looks_back(layer)).unwrap_or_default();
        let about = match piece.name.as_str() {
            "attention" => {
                let [heads, kv_heads] = self.config.heads();
                let shared = if kv_heads == heads { String::new() } else { format!(", {kv_heads} kv") };
                let window = back.window.map_or(String::new(), |window| format!(", window {window}"));
                let noun = if heads == 1 { "head" } else { "heads" };
                format!("{heads} {noun}{shared}{window}")
            }
            "recurrent" => back.kind.to_string(),
            name if is_norm(name) && self.config.sees_batch() => "batch".to_string(),
            _ => String::new(),
        };
        OutlinePiece { about, ..piece }
    }
}

fn is_last(piece: &str) -> bool {
    let name = piece.rsplit('.').next().unwrap_or(piece);
    LAST.iter().any(|last| piece.starts_with(last) || name == *last)
}

/// `experts.3.down` is `experts.down`.
fn without_numbers(matrix: &str) -> String {
    let steps = matrix.split('.').filter(|step| step.parse::<usize>().is_err());
    steps.collect::<Vec<_>>().join(".")
}
