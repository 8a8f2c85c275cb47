//! Which tensor is kept in how many bits: llama.cpp's mixtures, by their names there.

use nuwa_tensor::BlockType;

use crate::gguf::kept::Kept;

/// How the weights of a file are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "these are the names that files and people use")]
pub enum Mixture {
    /// 32 bits.
    F32,
    /// 16 bits, half precision.
    F16,
    /// 16 bits, the upper half of 32.
    BF16,
    /// 8 bits.
    Q8_0,
    /// 6 bits in large blocks.
    Q6_K,
    /// 5 bits in large blocks, 6 where errors weigh most.
    Q5_K_M,
    /// 4 bits in large blocks, 6 where errors weigh most.
    Q4_K_M,
    /// 4 bits in small blocks.
    Q4_0,
}

/// What decides how a tensor is kept.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// The lengths of its axes, the outermost first.
    pub axes: &'a [usize],
    /// The layers of the model.
    pub layers: usize,
    /// Whether the embedding is the head too.
    pub tied: bool,
    /// The experts of a layer, where it has some.
    pub experts: usize,
}

/// Tensors that stay as they are: they are small, or errors in them weigh much.
const WHOLE: [&str; 5] =
    ["_norm.weight", "_norm_2.weight", "ffn_gate_inp.weight", "position_embd.weight", "rope_freqs.weight"];

impl Mixture {
    /// Each of them, the largest first.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::BF16, Self::Q8_0, Self::Q6_K, Self::Q5_K_M, Self::Q4_K_M, Self::Q4_0];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q6_K => "Q6_K",
            Self::Q5_K_M => "Q5_K_M",
            Self::Q4_K_M => "Q4_K_M",
            Self::Q4_0 => "Q4_0",
        }
    }

    /// Its number in `general.file_type`.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Q4_K_M => 15,
            Self::Q5_K_M => 17,
            Self::Q6_K => 18,
            Self::BF16 => 32,
        }
    }

    /// Whether weights are rounded to codes.
    pub fn is_quantised(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// How a tensor is kept: as this mixture wants it, or, where its rows are no whole blocks of that, as llama.cpp does then.
    pub fn kind(self, shape: Shape<'_>) -> Kind {
        let wanted = self.wanted(shape);
        let kept = fallback(wanted, shape.axes.last().copied().unwrap_or(0));
        Kind { wanted, kept }
    }

    fn wanted(self, shape: Shape<'_>) -> Kept {
        use BlockType::{Q4_0, Q4_K, Q5_K, Q6_K, Q8_0};
        let Shape { name, axes, layers, tied, experts } = shape;
        if axes.len() < 2 || !name.ends_with("weight") || WHOLE.iter().any(|end| name.ends_with(end)) {
            return Kept::F32;
        }
        let is_head = name == "output.weight" || (tied && name == "token_embd.weight");
        let large = match self {
            Self::F32 => return Kept::F32,
            Self::F16 => return Kept::F16,
            Self::BF16 => return Kept::Bf16,
            Self::Q8_0 => return Kept::Blocks(Q8_0),
            Self::Q4_0 => return Kept::Blocks(if is_head { Q6_K } else { Q4_0 }),
            Self::Q6_K => return Kept::Blocks(Q6_K),
            Self::Q5_K_M => Q5_K,
            Self::Q4_K_M => Q4_K,
        };
        // Errors in what attention hands on, and in what a layer adds, weigh most, at both ends of the model and in every third layer.
        let layer = layer_of(name).unwrap_or(0);
        let weighs_more = layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
        let is = |part: &str| name.contains(part);
        Kept::Blocks(match () {
            () if is_head => Q6_K,
            // Eight experts share these: they cost little.
            () if experts == 8 && (is(".attn_v.") || is(".attn_k.")) => Q8_0,
            () if (is(".attn_v.") || is(".ffn_down")) && weighs_more => Q6_K,
            () if is(".attn_qkv.") => {
                if large == Q4_K {
                    Q5_K
                } else {
                    Q6_K
                }
            }
            () => large,
        })
    }
}

/// The layer that a tensor belongs to.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// How a tensor is kept, and how it would be if its rows were whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub wanted: Kept,
    pub kept: Kept,
}

/// The type that takes the place of one whose blocks are too wide for rows of this length.
fn fallback(wanted: Kept, width: usize) -> Kept {
    use BlockType::{IQ4_NL, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
    let Kept::Blocks(block) = wanted else { return wanted };
    if width.is_multiple_of(block.width()) {
        return wanted;
    }
    let smaller = match block {
        Q2_K | Q3_K => Q4_0,
        Q4_K => Q5_0,
        Q5_K => Q5_1,
        Q6_K => Q8_0,
        Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | IQ4_NL => block,
    };
    if width.is_multiple_of(smaller.width()) { Kept::Blocks(smaller) } else { Kept::F16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(mixture: Mixture, name: &str, axes: &[usize], layers: usize, tied: bool) -> &'static str {
        mixture.kind(Shape { name, axes, layers, tied, experts: 0 }).kept.tensor_type().name
    }

    #[test]
    fn a_mixture_keeps_more_bits_where_errors_weigh_more() {
        let of = |mixture, name: &str| kept(mixture, name, &[512, 512], 16, true);
        let q4 = |name: &str| of(Mixture::Q4_K_M, name);
        assert_eq!(q4("token_embd.weight"), "Q6_K");
        assert_eq!(q4("blk.5.attn_q.weight"), "Q4_K");
        let values: Vec<&str> = (0..16).map(|layer| q4(&format!("blk.{layer}.attn_v.weight"))).collect();
        let more: Vec<usize> = (0..16).filter(|&layer| values[layer] == "Q6_K").collect();
        assert_eq!(more, [0, 1, 4, 7, 10, 13, 14, 15]);
        assert_eq!(q4("blk.5.attn_qkv.weight"), "Q5_K");
        assert_eq!(of(Mixture::Q5_K_M, "blk.5.attn_qkv.weight"), "Q6_K");
        assert_eq!(of(Mixture::Q4_0, "token_embd.weight"), "Q6_K");
        assert_eq!(of(Mixture::Q4_0, "blk.0.ffn_down.weight"), "Q4_0");
        assert_eq!(kept(Mixture::Q4_K_M, "token_embd.weight", &[512, 512], 16, false), "Q4_K");
        for name in ["blk.0.attn_norm.weight", "output_norm.weight", "blk.1.attn_q_norm.weight"] {
            assert_eq!(kept(Mixture::Q8_0, name, &[512], 16, true), "F32");
        }
        assert_eq!(of(Mixture::F16, "position_embd.weight"), "F32");
        assert_eq!(of(Mixture::BF16, "blk.0.ffn_up.weight"), "BF16");
    }

    #[test]
    fn widths_that_are_no_whole_blocks_fall_back() {
        let of = |mixture, name: &str, width| kept(mixture, name, &[64, width], 30, true);
        assert_eq!(of(Mixture::Q4_K_M, "blk.5.attn_q.weight", 576), "Q5_0");
        assert_eq!(of(Mixture::Q5_K_M, "blk.5.attn_q.weight", 576), "Q5_1");
        assert_eq!(of(Mixture::Q4_K_M, "blk.5.ffn_down.weight", 1536), "Q6_K");
        assert_eq!(of(Mixture::Q4_0, "token_embd.weight", 576), "Q8_0");
        assert_eq!(of(Mixture::Q4_0, "blk.5.attn_q.weight", 48), "F16");
    }
}
