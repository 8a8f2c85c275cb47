//! What tensors at Hugging Face are called in GGUF files.

/// The names of a family.
#[derive(Debug)]
pub struct Names {
    /// What the names of a layer's tensors begin with there, before the layer's number.
    pub layer: &'static str,
    /// Parts there, each with its name here; `.weight` and `.bias` follow both.
    pub parts: &'static [(&'static str, &'static str)],
    /// What the names of experts begin with there, and their matrices: gate, up and down.
    pub experts: Option<(&'static str, [&'static str; 3])>,
}

/// What the matrices of all experts of a layer are called: gate, up and down.
const EXPERTS: [&str; 3] = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"];

/// A tensor in a GGUF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub tensor: String,
    /// Which of its outermost parts is meant, of the matrices of all experts as one.
    pub expert: Option<usize>,
}

impl Names {
    /// Where the tensor that is called so at Hugging Face is.
    pub fn of(&self, there: &str) -> Option<Name> {
        let (part, kind) = there.rsplit_once('.')?;
        let Some(in_layer) = part.strip_prefix(self.layer) else {
            return self.part(part).map(|own| Name { tensor: format!("{own}.{kind}"), expert: None });
        };
        let (layer, part) = in_layer.split_once('.')?;
        if let Some(own) = self.part(part) {
            return Some(Name { tensor: format!("blk.{layer}.{own}.{kind}"), expert: None });
        }
        let (prefix, matrices) = self.experts?;
        let (expert, matrix) = part.strip_prefix(prefix)?.split_once('.')?;
        let own = EXPERTS[matrices.iter().position(|own| *own == matrix)?];
        Some(Name { tensor: format!("blk.{layer}.{own}.{kind}"), expert: Some(expert.parse().ok()?) })
    }

    fn part(&self, there: &str) -> Option<&'static str> {
        self.parts.iter().find(|(other, _)| *other == there).map(|(_, own)| *own)
    }
}

/// The names that LLaMA and those that follow it have.
pub const DECODER: Names = Names {
    layer: "model.layers.",
    parts: &[
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("mlp.gate", "ffn_gate_inp"),
        ("block_sparse_moe.gate", "ffn_gate_inp"),
    ],
    experts: Some(("mlp.experts.", ["gate_proj", "up_proj", "down_proj"])),
};

/// The same with Mixtral's experts.
pub const MIXTRAL: Names =
    Names { experts: Some(("block_sparse_moe.experts.", ["w1", "w3", "w2"])), ..DECODER };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_blocks_and_experts() {
        let of = |names: &Names, there: &str| names.of(there).map(|name| (name.tensor, name.expert));
        let plain = |tensor: &str| Some((tensor.to_string(), None));
        assert_eq!(of(&DECODER, "model.embed_tokens.weight"), plain("token_embd.weight"));
        assert_eq!(of(&DECODER, "model.layers.12.self_attn.q_proj.bias"), plain("blk.12.attn_q.bias"));
        assert_eq!(of(&DECODER, "model.layers.2.mlp.gate.weight"), plain("blk.2.ffn_gate_inp.weight"));
        let expert = of(&DECODER, "model.layers.2.mlp.experts.7.up_proj.weight");
        assert_eq!(expert, Some(("blk.2.ffn_up_exps.weight".into(), Some(7))));
        let expert = of(&MIXTRAL, "model.layers.0.block_sparse_moe.experts.3.w2.weight");
        assert_eq!(expert, Some(("blk.0.ffn_down_exps.weight".into(), Some(3))));
        assert_eq!(of(&DECODER, "model.layers.2.other.weight"), None);
    }
}
