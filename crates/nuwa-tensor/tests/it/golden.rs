//! Each operation, forward and backward, on every device, against numbers that PyTorch computed in float64 (`fixtures/ops`).
//!
//! Inputs become parameters (rows through an embedding of 0, 1, 2, ...), the upstream gradient `dy` the weights of a
//! weighted sum, so that what lands in the parameters is what PyTorch stored.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nuwa_tensor::ops::activation::Activation;
use nuwa_tensor::ops::batch_norm::MOMENTUM;
use nuwa_tensor::{
    AdamWSettings, AttentionBias, AttentionMask, AttentionOptions, BatchNormParameters, BatchStatistics,
    Device, ExpertWeights, HeadLayout, HeadLoss, LossRows, OptimizerState, Parameter, ParameterRule,
    Parameters, ParametersBuilder, RecurrentCell, RelativeBuckets, RelativeParameters, RelativePlaces,
    Result, RotaryTable, RouterCoefficients, RouterLog, Routing, Runs, Tape, Tensor, UpdateRule,
};
use safetensors::{Dtype, SafeTensors};

/// The largest difference allowed, relative to the largest number of the same tensor. f32 has 6e-8 of rounding in each
/// number; scores of some hundreds (`sharp`) magnify it to 1.1e-5.
const TOLERANCE: f32 = 2e-5;

/// One file: tensors by name.
struct Golden {
    name: String,
    device: Device,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    fn load(path: &Path, device: Device) -> Self {
        let bytes = fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.tensors().into_iter().map(|(name, view)| {
            let number = |word: [u8; 4]| match view.dtype() {
                Dtype::F32 => f32::from_le_bytes(word),
                Dtype::I32 => i32::from_le_bytes(word) as f32,
                other => panic!("{name} is {other:?}"),
            };
            let (words, rest) = view.data().as_chunks::<4>();
            assert!(rest.is_empty());
            let values = words.iter().copied().map(number).collect();
            (name.clone(), (view.shape().to_vec(), values))
        });
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self { name, device, tensors: tensors.collect() }
    }

    fn tape(&self) -> Tape {
        Tape::training().on(self.device)
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn floats(&self, name: &str) -> &[f32] {
        let tensor = self.tensors.get(name);
        &tensor.unwrap_or_else(|| panic!("{}: no tensor {name}", self.name)).1
    }

    fn whole(&self, name: &str) -> Vec<u32> {
        self.floats(name).iter().map(|&x| x as u32).collect()
    }

    fn number(&self, name: &str) -> f32 {
        self.floats(name)[0]
    }

    fn size(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    fn ranges(&self) -> Vec<[u32; 2]> {
        self.whole("lo").into_iter().zip(self.whole("hi")).map(|(lo, hi)| [lo, hi]).collect()
    }

    fn runs(&self) -> Runs {
        Runs::of_texts(self.size("texts"), self.size("time"), Some(&self.whole("starts")))
    }

    fn heads(&self) -> HeadLayout {
        HeadLayout {
            heads: self.size("heads"),
            kv_heads: self.size("kv_heads"),
            head_dim: self.size("head_dim"),
        }
    }

    /// The named tensors as parameters.
    fn parameters(&self, names: &[&str]) -> (Parameters, Vec<Parameter>) {
        let mut builder = ParametersBuilder::new(0).on(self.device);
        let mut add = |name: &str| {
            let (axes, values) = &self.tensors[name];
            let values = values.clone();
            builder.add(name.into(), axes.as_slice(), true, move |fill, _| fill.copy_from_slice(&values))
        };
        let own = names.iter().map(|name| add(name)).collect();
        (builder.finish(), own)
    }

    fn expect(&self, name: &str, found: &[f32]) {
        let expected = self.floats(name);
        assert_eq!(found.len(), expected.len(), "{}: {name}", self.name);
        let largest = expected.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let all_numbers = found.iter().all(|x| x.is_finite());
        println!(
            "{:?} {:36} {name:22} differs by {worst:.1e}, numbers up to {largest:.1e}",
            self.device, self.name
        );
        // What is 0 but for the rounding of f64 is 0 but for that of f32 here.
        let allowed = if largest < 1e-9 { TOLERANCE / 10.0 } else { TOLERANCE * largest };
        assert!(
            all_numbers && worst <= allowed,
            "{} on {:?}: {name} differs by {worst}, numbers up to {largest}",
            self.name,
            self.device
        );
    }

    /// Runs `operation` on the named inputs and holds its output `y` and the gradient of each input against the file.
    fn check(&self, inputs: &[&str], operation: impl Fn(&Tape, &[Parameter]) -> Result<Tensor>) {
        let (_all, parameters) = self.parameters(inputs);
        let tape = self.tape();
        let y = operation(&tape, &parameters).unwrap();
        self.expect("y", &y.to_host());
        tape.backward(&tape.weighted_sum(&y, self.floats("dy")).unwrap()).unwrap();
        for (name, parameter) in inputs.iter().zip(&parameters) {
            self.expect(&format!("d{name}"), &parameter.gradient());
        }
    }
}

/// All rows of a parameter, as a tensor whose gradient lands there.
fn rows(tape: &Tape, parameter: &Parameter) -> Result<Tensor> {
    tape.embedding(&(0..parameter.rows() as u32).collect::<Vec<_>>(), parameter)
}

/// One test for each file, found by its name.
fn check(golden: &Golden) {
    let family = |prefix: &str| golden.name.starts_with(prefix);
    match golden.name.as_str() {
        "linear_no_bias" => golden.check(&["x", "weight"], |t, p| t.linear(&rows(t, &p[0])?, &p[1], None)),
        _ if family("linear") => {
            golden.check(&["x", "weight", "bias"], |t, p| t.linear(&rows(t, &p[0])?, &p[1], Some(&p[2])));
        }
        "embedding" => golden.check(&["table"], |t, p| t.embedding(&golden.whole("ids"), &p[0])),
        _ if family("layer_norm") => golden.check(&["x", "weight", "bias"], |t, p| {
            t.layer_norm(&rows(t, &p[0])?, &p[1], &p[2], golden.number("eps"))
        }),
        _ if family("rms_norm") => {
            golden.check(&["x", "weight"], |t, p| t.rms_norm(&rows(t, &p[0])?, &p[1], golden.number("eps")))
        }
        "batch_norm" => batch_norm(golden),
        _ if family("head_norm") => golden.check(&["qkv", "queries", "keys"], |t, p| {
            let weights = [&p[1], &p[2]];
            t.head_norm(&rows(t, &p[0])?, golden.heads(), weights, golden.number("eps"))
        }),
        _ if family("rotary") => rotary(golden),
        "relative_buckets" => relative_buckets(golden),
        _ if family("attention_bias") => relative_bias(golden),
        _ if family("attention") => attention(golden),
        _ if family("cross_attention") => cross_attention(golden),
        "rows" => golden.check(&["x"], |t, p| t.rows(&rows(t, &p[0])?, &golden.whole("indices"))),
        "put_rows" => golden.check(&["a", "b"], |t, p| {
            let [a, b] = [rows(t, &p[0])?, rows(t, &p[1])?];
            t.put_rows(&[(&a, &golden.whole("first")), (&b, &golden.whole("second"))], 7)
        }),
        _ if family("relative_attention") => relative_attention(golden),
        "gelu_tanh" => activation(golden, Activation::GeluTanh),
        "gelu_exact" => activation(golden, Activation::Gelu),
        "silu" => activation(golden, Activation::Silu),
        "relu" => activation(golden, Activation::Relu),
        "tanh" => activation(golden, Activation::Tanh),
        "swiglu" => {
            golden.check(&["gate_up"], |t, p| t.gated_activation(&rows(t, &p[0])?, Activation::Silu));
        }
        "add" => golden.check(&["a", "b"], |t, p| t.add(&rows(t, &p[0])?, &rows(t, &p[1])?)),
        "mul" => golden.check(&["a", "b"], |t, p| t.multiply(&rows(t, &p[0])?, &rows(t, &p[1])?)),
        "scale" => golden.check(&["x"], |t, p| t.scale(&rows(t, &p[0])?, golden.number("factor"))),
        _ if family("cross_entropy") => cross_entropy(golden),
        "adamw" => adamw(golden),
        "around_one" => golden.check(&["x", "weight"], |t, p| {
            t.rms_norm_around_one(&rows(t, &p[0])?, &p[1], golden.number("eps"))
        }),
        _ if family("recurrent") => recurrent(golden),
        _ if family("causal_conv") => golden.check(&["x", "weight", "bias"], |t, p| {
            t.causal_conv(&rows(t, &p[0])?, [&p[1], &p[2]], &golden.runs(), None).map(|[y, _]| y)
        }),
        _ if family("rg_lru") => rg_lru(golden),
        _ if family("optimizer") => optimizer(golden),
        _ if family("experts") => experts(golden),
        other => panic!("fixtures/ops/{other}.safetensors is held against nothing"),
    }
}

/// Steps of training with the running statistics after each, then a pass by these.
fn batch_norm(golden: &Golden) {
    let width = golden.floats("weight").len();
    let mut builder = ParametersBuilder::new(0).on(golden.device);
    let running_mean = builder.add_buffer("running_mean".into(), width, 0.0);
    let running_variance = builder.add_buffer("running_var".into(), width, 1.0);
    let (_running, statistics) = (builder.finish(), Arc::new(BatchStatistics::default()));
    for step in ["0", "1", "2", "in_use"] {
        let of_step = |name: &str| format!("{name}_{step}");
        let (_all, p) = golden.parameters(&[&of_step("x"), "weight", "bias"]);
        let (weight, bias) = (p[1].clone(), p[2].clone());
        let parameters = BatchNormParameters {
            weight,
            bias,
            running_mean: running_mean.clone(),
            running_variance: running_variance.clone(),
        };
        let tape = match step {
            "in_use" => golden.tape(),
            _ => golden.tape().with_batch_statistics(&statistics),
        };
        let y = tape.batch_norm(&rows(&tape, &p[0]).unwrap(), &parameters, golden.number("eps")).unwrap();
        golden.expect(&of_step("y"), &y.to_host());
        tape.backward(&tape.weighted_sum(&y, golden.floats(&of_step("dy"))).unwrap()).unwrap();
        for (name, parameter) in ["dx", "dweight", "dbias"].into_iter().zip(&p) {
            golden.expect(&of_step(name), &parameter.gradient());
        }
        statistics.update_running(MOMENTUM);
        golden.expect(&of_step("running_mean"), &running_mean.to_host());
        golden.expect(&of_step("running_var"), &running_variance.to_host());
    }
}

fn recurrent(golden: &Golden) {
    let cell = if golden.name.contains("lstm") { RecurrentCell::Lstm } else { RecurrentCell::Gru };
    golden.check(&["x", "weight_ih", "bias_ih", "weight", "bias"], |t, p| {
        let gates = t.linear(&rows(t, &p[0])?, &p[1], Some(&p[2]))?;
        t.recurrent(cell, &gates, [&p[3], &p[4]], &golden.runs(), None).map(|[y, _]| y)
    });
}

fn rg_lru(golden: &Golden) {
    let inputs = ["x", "decay", "input_weight", "input_bias", "recurrent_weight", "recurrent_bias"];
    golden.check(&inputs, |t, p| {
        let x = rows(t, &p[0])?;
        let (input, recurrent) = (t.block_linear(&x, [&p[2], &p[3]])?, t.block_linear(&x, [&p[4], &p[5]])?);
        t.rg_lru([&x, &input, &recurrent], &p[1], &golden.runs(), None).map(|[y, _]| y)
    });
}

fn activation(golden: &Golden, activation: Activation) {
    golden.check(&["x"], |tape, p| tape.activation(&rows(tape, &p[0])?, activation));
}

fn rotary(golden: &Golden) {
    let (heads, positions) = (golden.heads(), golden.whole("positions"));
    let turned = if golden.has("turned") { golden.size("turned") } else { heads.head_dim };
    let frequencies = RotaryTable::frequencies(f64::from(golden.number("theta")), turned);
    let table = RotaryTable::new(&frequencies, *positions.iter().max().unwrap() as usize + 1);
    golden.check(&["qkv"], |tape, p| tape.rotary(&rows(tape, &p[0])?, heads, &positions, &table));
}

fn attention(golden: &Golden) {
    let (heads, mask) = (golden.heads(), mask(golden));
    let options = AttentionOptions::default();
    golden.check(&["qkv"], |tape, p| tape.attention(&rows(tape, &p[0])?, heads, &mask, options));
}

/// Rules of buckets by their names in the file.
fn relative_buckets(golden: &Golden) {
    let distances: Vec<i64> = golden.floats("distances").iter().map(|&distance| distance as i64).collect();
    for name in ["32_128_past", "32_128_both", "8_20_past", "10_33_both"] {
        let mut words = name.split('_');
        let mut number = || words.next().unwrap().parse().unwrap();
        let rule = RelativeBuckets {
            buckets: number(),
            max_distance: number(),
            bidirectional: name.ends_with("both"),
        };
        let found: Vec<u32> = distances.iter().map(|&distance| rule.bucket(distance)).collect();
        assert_eq!(found, golden.whole(name), "{name}");
    }
}

fn relative_bias(golden: &Golden) {
    let (heads, time) = (golden.heads(), golden.size("time"));
    let mask = AttentionMask::new(golden.size("batch"), time, golden.ranges()).unwrap();
    let (rule, bidirectional) = (golden.whole("rule"), golden.size("both_sides") == 1);
    let buckets =
        RelativeBuckets { buckets: rule[0] as usize, max_distance: rule[1] as usize, bidirectional };
    let after = if bidirectional { time - 1 } else { 0 };
    let ids = match rule[0] {
        0 => (0..time as u32).collect(),
        _ => buckets.of_distances(time - 1, after),
    };
    golden.check(&["qkv", "bias"], |tape, p| {
        let table = tape.embedding(&ids, &p[1])?;
        let bias = Some(AttentionBias::Relative { table: &table, before: time - 1 });
        let options = AttentionOptions { scale: Some(golden.number("scale")), dropout: 0.0, bias };
        tape.attention(&rows(tape, &p[0])?, heads, &mask, options)
    });
}

fn cross_attention(golden: &Golden) {
    let (heads, sizes) = (golden.heads(), [golden.size("time"), golden.size("keys")]);
    let mask = AttentionMask::over_memory(golden.size("batch"), sizes, golden.ranges()).unwrap();
    let options = AttentionOptions { scale: Some(golden.number("scale")), ..AttentionOptions::default() };
    golden.check(&["queries", "memory"], |tape, p| {
        tape.cross_attention(&rows(tape, &p[0])?, &rows(tape, &p[1])?, heads, &mask, options)
    });
}

fn relative_attention(golden: &Golden) {
    let (heads, sizes) = (golden.heads(), [golden.size("time"), golden.size("keys")]);
    let mask = AttentionMask::over_memory(golden.size("batch"), sizes, golden.ranges()).unwrap();
    let mask = mask.in_order(golden.whole("ranks"), golden.whole("limits")).unwrap();
    let places = RelativePlaces::new(golden.whole("places"), golden.size("before"))
        .with_segments(golden.whole("query_segments"), golden.whole("key_segments"));
    let inputs =
        ["queries", "memory", "distances", "content_bias", "distance_bias", "segment_bias", "segments"];
    golden.check(&inputs, |tape, p| {
        let parameters = RelativeParameters {
            content_bias: &p[3],
            distance_bias: &p[4],
            segment_bias: &p[5],
            segments: &p[6],
        };
        let [queries, memory, distances] = [rows(tape, &p[0])?, rows(tape, &p[1])?, rows(tape, &p[2])?];
        tape.relative_attention([&queries, &memory, &distances], parameters, heads, &mask, &places, 0.0)
    });
}

/// The mask from its own constructors, after making sure that they give the ranges of the file.
fn mask(golden: &Golden) -> AttentionMask {
    let (batch, time) = (golden.size("batch"), golden.size("time"));
    let exact = AttentionMask::new(batch, time, golden.ranges()).unwrap();
    if golden.name.contains("bidirectional") {
        return exact;
    }
    let mut built = AttentionMask::causal(batch, time);
    if golden.has("window") {
        built = built.within_window(golden.size("window"));
    }
    if golden.has("documents") {
        built = built.within_documents(&document_starts(&golden.whole("documents"), time));
    }
    assert_eq!(format!("{built:?}"), format!("{exact:?}"), "{}: ranges", golden.name);
    built
}

/// Where in its sequence the document of each position begins.
fn document_starts(documents: &[u32], time: usize) -> Vec<u32> {
    let start = |row: usize| {
        let sequence = &documents[row / time * time..][..time];
        sequence.iter().position(|&document| document == documents[row]).unwrap() as u32
    };
    (0..documents.len()).map(start).collect()
}

/// The upstream gradient of the file is the coefficient.
fn cross_entropy(golden: &Golden) {
    let names = ["hidden", "weight", "bias"];
    let names = &names[..if golden.has("bias") { 3 } else { 2 }];
    let (_all, parameters) = golden.parameters(names);
    let targets = golden.whole("targets");
    let tape = golden.tape();
    let hidden = rows(&tape, &parameters[0]).unwrap();
    let of_rows = LossRows { targets: &targets, weights: golden.floats("row_weights") };
    let loss = HeadLoss {
        bias: parameters.get(2),
        label_smoothing: if golden.has("smoothing") { golden.number("smoothing") } else { 0.0 },
        softcap: golden.has("softcap").then(|| golden.number("softcap")),
        z_loss: if golden.has("z_loss") { golden.number("z_loss") } else { 0.0 },
        coefficient: golden.number("dloss"),
        ..HeadLoss::new(&hidden, &parameters[1], of_rows)
    };
    let silent = tape.cross_entropy(&loss).unwrap();
    assert!(parameters[1].gradient().iter().all(|&value| value == 0.0), "a loss alone leaves no gradient");
    let found = tape.backward_losses(&[loss]).unwrap().remove(0);
    assert_eq!(found.hits, silent.hits);
    golden.expect("nll", &found.rows);
    golden.expect("nll", &silent.rows);
    golden.expect("loss", &[found.total]);
    if golden.has("hits") {
        assert_eq!(golden.whole("hits"), found.hits.iter().map(|&hit| u32::from(hit)).collect::<Vec<_>>());
    }
    for (name, parameter) in names.iter().zip(&parameters) {
        golden.expect(&format!("d{name}"), &parameter.gradient());
    }
}

/// Two layers of one router and its experts, and the router's losses over both.
fn experts(golden: &Golden) {
    let count = golden.size("experts");
    let of_experts = (0..count).flat_map(|e| [format!("gate_up.{e}"), format!("down.{e}")]);
    let names: Vec<String> = ["x".into(), "router".into()].into_iter().chain(of_experts).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_all, p) = golden.parameters(&names);
    let experts: Arc<[ExpertWeights]> = p[2..]
        .chunks(2)
        .map(|pair| ExpertWeights { gate_up: pair[0].clone(), down: pair[1].clone() })
        .collect();
    let routing = Routing { top_k: golden.size("top_k"), renormalise: golden.size("renormalise") == 1 };
    let (tape, log) = (golden.tape(), RouterLog::new());
    let layer = |x: &Tensor, index: usize| {
        let routed = tape.route(&tape.linear(x, &p[1], None)?, routing, Some(&log.layer(index)))?;
        tape.experts(x, &routed, &experts, Activation::Silu)
    };
    let x = rows(&tape, &p[0]).unwrap();
    let x = tape.add(&x, &layer(&x, 0).unwrap()).unwrap();
    let y = layer(&x, 1).unwrap();
    golden.expect("y", &y.to_host());
    let coefficients = golden.floats("coefficients");
    let coefficients = RouterCoefficients { balance: coefficients[0], z: coefficients[1] };
    let loss = tape.router_loss(&log, coefficients).unwrap();
    golden.expect("router_loss", &loss.to_host());
    let shares = log.shares().into_iter().flatten().map(|layer| layer.counts);
    let counts = shares.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect()).unwrap();
    assert_eq!(counts, golden.whole("counts"));
    let total = tape.add(&tape.weighted_sum(&y, golden.floats("dy")).unwrap(), &loss).unwrap();
    tape.backward(&total).unwrap();
    for (name, parameter) in names.iter().zip(&p) {
        golden.expect(&format!("d{name}"), &parameter.gradient());
    }
}

fn adamw(golden: &Golden) {
    let mut builder = ParametersBuilder::new(0).on(golden.device);
    let mut add = |name: &str, axes: &[usize], decays: bool| {
        let start = golden.floats(&format!("{name}.start")).to_vec();
        builder.add(name.into(), axes, decays, move |values, _| values.copy_from_slice(&start))
    };
    let parameters = [add("matrix", &[7, 5], true), add("bias", &[5], false)];
    let all = builder.finish();
    let settings = AdamWSettings {
        betas: [golden.number("beta1"), golden.number("beta2")],
        epsilon: golden.number("eps"),
        weight_decay: golden.number("matrix.weight_decay"),
        clip: golden.number("max_norm"),
    };
    assert_eq!(golden.number("bias.weight_decay"), 0.0);
    let mut state = OptimizerState::new(&all);
    let mut histories: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (step, &rate) in golden.floats("lr").iter().enumerate() {
        for parameter in &parameters {
            let range = parameter.entry().range();
            let gradients = golden.floats(&format!("{}.gradients", parameter.entry().path()));
            let one = &gradients[step * range.len()..][..range.len()];
            parameter.set_gradient(|gradient| gradient.copy_from_slice(one));
        }
        let norm = state.step(&all, &settings, rate);
        histories.entry("norms".into()).or_default().push(norm);
        for parameter in &parameters {
            let (name, range) = (parameter.entry().path(), parameter.entry().range());
            let mut keep = |what: &str, values: &[f32]| {
                histories.entry(format!("{name}.{what}")).or_default().extend(values)
            };
            keep("values", &parameter.to_host());
            let mut mean = vec![0.0; range.len()];
            state.copy_first_to_host(range.start, &mut mean);
            keep("first_moments", &mean);
            state.copy_second_to_host(range.start, &mut mean);
            keep("second_moments", &mean);
        }
    }
    assert_eq!(histories.len(), 7);
    for (name, values) in histories {
        golden.expect(&name, &values);
    }
}

/// Twenty steps of an optimizer over matrices of both shapes and a bias.
fn optimizer(golden: &Golden) {
    let mut builder = ParametersBuilder::new(0).on(golden.device);
    let mut add = |name: &str, axes: &[usize]| {
        let start = golden.floats(&format!("{name}.start")).to_vec();
        builder.add(name.into(), axes, axes.len() > 1, move |values, _| values.copy_from_slice(&start))
    };
    let parameters = [add("wide", &[6, 10]), add("tall", &[9, 4]), add("bias", &[5])];
    let all = builder.finish();
    let settings = AdamWSettings {
        betas: [0.9, 0.95],
        epsilon: 1e-8,
        weight_decay: golden.number("weight_decay"),
        clip: golden.number("max_norm"),
    };
    let rule = |parameter: &Parameter| match golden.name.as_str() {
        "optimizer_muon" if parameter.entry().decays() => UpdateRule::Muon { momentum: 0.95 },
        "optimizer_muon" => UpdateRule::AdamW,
        "optimizer_lion" => UpdateRule::Lion { betas: [0.9, 0.95] },
        "optimizer_adafactor" => {
            UpdateRule::Adafactor { decay: -0.8, epsilons: [f32::EPSILON, 1e-3], largest: 1.0 }
        }
        "optimizer_sgd" => UpdateRule::Sgd { momentum: 0.9, nesterov: false },
        "optimizer_sgd_nesterov" => UpdateRule::Sgd { momentum: 0.9, nesterov: true },
        other => panic!("{other} is no optimizer"),
    };
    let mut state = OptimizerState::new(&all);
    let mut histories: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    let rates = golden.floats("lr");
    assert_eq!(rates.len(), 20);
    for (step, &rate) in rates.iter().enumerate() {
        for parameter in &parameters {
            let length = parameter.shape().elements();
            let gradients = golden.floats(&format!("{}.gradients", parameter.entry().path()));
            let one = &gradients[step * length..][..length];
            parameter.set_gradient(|gradient| gradient.copy_from_slice(one));
        }
        state.step_by(&all, &settings, rate, &|parameter| ParameterRule::new(rule(parameter)));
        for parameter in &parameters {
            let name = format!("{}.values", parameter.entry().path());
            histories.entry(name).or_default().extend(parameter.to_host());
        }
    }
    assert_eq!((state.steps(), all.gradient_norm()), (20, 0.0));
    for (name, values) in histories {
        golden.expect(&name, &values);
    }
}

#[test]
fn every_file_of_fixtures_ops() {
    let _held = crate::levels::hold();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/ops");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    assert_eq!(paths.len(), 79, "files in fixtures/ops");
    for (path, device) in
        paths.iter().flat_map(|path| Device::all().into_iter().map(move |device| (path, device)))
    {
        check(&Golden::load(path, device));
    }
}
