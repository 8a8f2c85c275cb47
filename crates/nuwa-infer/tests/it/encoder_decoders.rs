//! Answers to sources: as the model scores them, whatever is answered beside them, each source read once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nuwa_infer::{
    Engine, Finish, GenerateSettings, Generation, Prompt, Request, Scheduler, SchedulerSettings, Sequence,
};
use nuwa_models::{
    Cache, Context, CrossAttention, Head, Input, Memory, Model, ModelConfig, Rows, Text, build,
};
use nuwa_tensor::{DType, Parameters, Tape};

use crate::support::{CONTEXT, VOCABULARY, argmax, engine, greedy, sampled, tokenizer};

const START: u32 = 7;

fn model(seed: u64) -> Box<dyn Model> {
    let config = format!(
        r#"{{"model_type": "t5", "vocab_size": {VOCABULARY}, "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2,
            "num_decoder_layers": 2, "num_heads": 4, "n_positions": {CONTEXT}, "decoder_start_token_id": {START},
            "initializer_factor": 2.0}}"#
    );
    build(&serde_json::from_str::<ModelConfig>(&config).unwrap(), seed).unwrap()
}

fn answering(seed: u64) -> Engine {
    Engine::of_any(model(seed), tokenizer()).unwrap()
}

fn source(seed: u32, length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| (i * 37 + seed * 101 + 3) % 300).collect()
}

fn request(source: Vec<u32>, settings: &GenerateSettings) -> Request {
    Request { top_log_probabilities: VOCABULARY, ..Request::answer(source, START, settings, &[]) }
}

fn scheduler(engine: &Engine, slots: usize) -> Scheduler {
    Scheduler::new(engine, SchedulerSettings { slots, prompt_chunk: 64, cache: DType::F32 }).unwrap()
}

/// What is written for the last of some requests.
fn last(scheduler: &mut Scheduler, requests: Vec<Request>) -> Generation {
    scheduler.write_all(requests).unwrap().pop().unwrap().unwrap()
}

/// Ids, and every logarithm of a probability, to the last bit.
fn bits(written: &Generation) -> (Vec<u32>, Vec<(u32, u32)>) {
    let all = written.top.iter().flatten().map(|top| (top.id, top.log_probability.to_bits()));
    (written.tokens.clone(), all.collect())
}

/// The logits of the id after `answer`, by a pass over all of it.
fn logits(model: &dyn Model, source: &[u32], answer: &[u32]) -> Vec<f32> {
    let tape = Tape::inference();
    let context = Context::new(&tape);
    let memory = model.encode(&context, &Text::bidirectional(source.to_vec(), 1)).unwrap();
    let text = Text::causal(answer.to_vec(), 1);
    let hidden = model.hidden(&context, Input::Answer { text: &text, memory: &memory }).unwrap().hidden;
    model.head().logits(&tape, &hidden).unwrap().row_to_host(answer.len() - 1)
}

#[test]
fn an_answer_is_the_likeliest_as_the_whole_is_scored() {
    let engine = answering(1);
    let own = source(0, 9);
    let written = last(&mut scheduler(&engine, 1), vec![request(own.clone(), &greedy(12))]);
    let mut sequence = Sequence::answering(engine.model(), &own).unwrap();
    let mut answer = vec![START];
    for &id in &written.tokens {
        let mut expected = logits(engine.model(), &own, &answer);
        let found = sequence.next_logits().unwrap().to_host();
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3));
        // Ids without a token are never written.
        expected.truncate(engine.tokenizer().vocab_size());
        assert_eq!(id, argmax(&expected));
        answer.push(id);
        sequence.push(id);
    }
    assert_eq!(sequence.written(), written.tokens);
}

#[test]
fn what_is_answered_depends_on_no_other_source() {
    let engine = answering(2);
    for settings in [greedy(20), sampled(20, 7)] {
        let own = || request(source(0, 9), &settings);
        let alone = bits(&last(&mut scheduler(&engine, 1), vec![own()]));
        assert_eq!((alone.0.len(), alone.1.len()), (20, 20 * VOCABULARY));
        for (others, slots) in [(3, 4), (15, 16), (15, 5), (2, 1)] {
            let other = |n: u32| request(source(n, 1 + n as usize), &sampled(2 + n as usize, u64::from(n)));
            let requests = (1..=others).map(other).chain([own()]).collect();
            let together = bits(&last(&mut scheduler(&engine, slots), requests));
            assert!(alone == together, "{others} others, {slots} slots");
        }
    }
}

/// Counts the rows that the encoder reads.
struct Counting {
    model: Box<dyn Model>,
    rows: Arc<AtomicUsize>,
}

impl Model for Counting {
    fn config(&self) -> ModelConfig {
        self.model.config()
    }

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn hidden(&self, context: &Context<'_>, input: Input<'_>) -> nuwa_tensor::Result<Rows> {
        self.model.hidden(context, input)
    }

    fn encode(&self, context: &Context<'_>, source: &Text) -> nuwa_tensor::Result<Memory> {
        self.rows.fetch_add(source.ids.len(), Ordering::Relaxed);
        self.model.encode(context, source)
    }

    fn source_layers(&self) -> Vec<&CrossAttention> {
        self.model.source_layers()
    }

    fn head(&self) -> Head<'_> {
        self.model.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.model.new_cache(capacity, dtype)
    }
}

#[test]
fn answers_to_one_source_read_it_once() {
    let rows = Arc::<AtomicUsize>::default();
    let counting: Box<dyn Model> = Box::new(Counting { model: model(3), rows: Arc::clone(&rows) });
    let engine = Engine::of_any(counting, tokenizer()).unwrap();
    let mut scheduler = scheduler(&engine, 2);
    let five = request(source(1, 11), &sampled(4, 1)).candidates(5);
    let together = scheduler.write_all(five.clone()).unwrap();
    assert_eq!(rows.load(Ordering::Relaxed), 11);
    for (request, written) in five.into_iter().zip(together) {
        assert_eq!(bits(&last(&mut scheduler, vec![request])), bits(&written.unwrap()));
    }
    assert_eq!(rows.load(Ordering::Relaxed), 11, "a slot still holds it");
    last(&mut scheduler, vec![request(source(2, 6), &greedy(1))]);
    assert_eq!(rows.load(Ordering::Relaxed), 17);
}

#[test]
fn an_answer_ends_where_the_positions_do() {
    let engine = answering(4);
    let written = last(&mut scheduler(&engine, 1), vec![request(source(1, CONTEXT), &greedy(100))]);
    assert_eq!((written.finish, written.tokens.len()), (Finish::Length, CONTEXT));
    let ended = Request { ends: vec![written.tokens[2]], ..request(source(1, CONTEXT), &greedy(100)) };
    let ended = last(&mut scheduler(&engine, 1), vec![ended]);
    assert_eq!((ended.finish, &ended.tokens[..]), (Finish::EndOfText, &written.tokens[..2]));
}

#[test]
fn text_is_a_source_closed_by_the_end_of_text() {
    let engine = answering(5);
    let ids = engine.source_ids("mended the sky").unwrap();
    let end = engine.tokenizer().eos().unwrap();
    assert_eq!(ids, [engine.tokenizer().encode("mended the sky").unwrap(), vec![end]].concat());
    let mut streamed = String::new();
    let written = engine.generate("mended the sky", &greedy(8), &mut |text| streamed += text).unwrap();
    assert_eq!(streamed, written.text);
    let own = last(&mut scheduler(&engine, 1), vec![Request::answer(ids, START, &greedy(8), &[end])]);
    assert_eq!(own.tokens, written.tokens);
}

#[test]
fn what_makes_no_answer_is_refused() {
    let (answering, writing) = (answering(6), engine(6));
    let told = |error: nuwa_infer::Error| format!("{error}\n{}\n", error.hint().unwrap_or_default());
    let submit = |engine: &Engine, request: Request| told(scheduler(engine, 1).submit(request).unwrap_err());
    let settings = greedy(3);
    let all = [
        told(answering.source_ids(" \n").unwrap_err()),
        submit(&answering, Request::new(Prompt::of(vec![1, 2]), &settings, &[])),
        submit(&answering, request(Vec::new(), &settings)),
        submit(&answering, request(source(1, CONTEXT + 3), &settings)),
        submit(&answering, request(vec![1, 320], &settings)),
        submit(&writing, request(source(1, 3), &settings)),
        told(Engine::new(model(1), tokenizer()).err().unwrap()),
    ];
    let empty = "there is nothing to answer: the model writes answers to sources, and the source is empty\n\
        give the text to be answered: translated, summarised or continued\n";
    assert_eq!([&all[0], &all[1], &all[2]], [empty; 3]);
    let long = "the source has 27 tokens, but the model reads at most 24\nshorten it by 3 tokens, or cut it into parts\n";
    assert_eq!(all[3], long);
    assert_eq!(all[4], "the model failed: embedding: index 320 is outside 0..320\n\n");
    let not_read = "the model predicts the next token from those before it, and cannot answer a source\n\
        take an encoder-decoder such as Marian, T5 or BART, or let this one continue a text\n";
    assert_eq!(all[5], not_read);
    let not_written = "the model writes answers to sources, and cannot write or score a text by itself\n\
        it is an encoder-decoder: give it a source to answer, or take a model that continues a text, such as GPT-2 or LLaMA\n";
    assert_eq!(all[6], not_written);
}
