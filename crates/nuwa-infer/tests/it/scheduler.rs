//! Many texts at one time: none changes another, and nothing is read twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nuwa_infer::{
    Conversation, Engine, Finish, Flow, GenerateSettings, Generation, Prompt, Request, RequestId, Scheduler,
    SchedulerSettings, Update,
};
use nuwa_models::{Cache, Context, Head, Input, Model, ModelConfig, Rows};
use nuwa_tensor::{DType, Parameters};
use nuwa_tokenizer::Message;

use crate::support::{CONTEXT, VOCABULARY, engine, greedy, logits_without_cache, model, sampled, tokenizer};

fn prompt(seed: u32, length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| (i * 37 + seed * 101 + 3) % 300).collect()
}

fn request(ids: Vec<u32>, settings: &GenerateSettings) -> Request {
    Request { top_log_probabilities: VOCABULARY, ..Request::new(Prompt::of(ids), settings, &[]) }
}

fn scheduler(engine: &Engine, slots: usize, prompt_chunk: usize) -> Scheduler {
    Scheduler::new(engine, SchedulerSettings { slots, prompt_chunk, cache: DType::F32 }).unwrap()
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

#[test]
fn what_is_written_depends_on_no_other_sequence() {
    let engine = engine(1);
    let settings = [greedy(40), sampled(40, 7)];
    for settings in &settings {
        let own = || request(prompt(0, 9), settings);
        let alone = bits(&last(&mut scheduler(&engine, 1, 512), vec![own()]));
        assert_eq!((alone.0.len(), alone.1.len()), (40, 40 * VOCABULARY));
        for (others, slots, chunk) in
            [(3, 4, 512), (15, 16, 512), (15, 16, 1), (15, 5, 7), (2, 1, 4), (3, 4, 10)]
        {
            let other =
                |n: u32| request(prompt(n, 1 + n as usize), &sampled(3 + 4 * n as usize, u64::from(n)));
            let requests = (1..=others).map(other).chain([own()]).collect();
            let together = bits(&last(&mut scheduler(&engine, slots, chunk), requests));
            assert!(alone == together, "{others} others, {slots} slots, chunks of {chunk}");
        }
    }
}

#[test]
fn each_has_its_own_settings_and_its_own_end() {
    let engine = engine(10);
    let settings =
        |stop: &str, max_tokens| GenerateSettings { stop: vec![stop.to_string()], ..sampled(max_tokens, 5) };
    let free = engine.generate("Nuwa", &sampled(30, 5), &mut |_| ()).unwrap();
    let stop: String = free.text.chars().skip(4).take(2).collect();
    let ids = || Prompt::of(engine.prompt_ids("Nuwa").unwrap());
    let requests = vec![
        Request::new(ids(), &settings(&stop, 30), &[]),
        Request::new(ids(), &sampled(30, 5), &[free.tokens[3]]),
        Request::new(ids(), &sampled(0, 5), &[]),
        Request::new(ids(), &sampled(30, 5), &[]),
    ];
    let written = scheduler(&engine, 2, 512).write_all(requests).unwrap();
    let written: [nuwa_infer::Result<Generation>; 4] = written.try_into().unwrap();
    let [stopped, ended, nothing, long] = written.map(Result::unwrap);
    assert_eq!(
        (stopped.finish, stopped.text.as_str()),
        (Finish::Stop, free.text.split(&stop).next().unwrap())
    );
    assert_eq!((ended.finish, ended.tokens.as_slice()), (Finish::EndOfText, &free.tokens[..3]));
    assert_eq!(ended.ended_by.unwrap().id, free.tokens[3]);
    assert_eq!((nothing.finish, nothing.tokens.len()), (Finish::Length, 0));
    assert_eq!((long.finish, long.text), (Finish::Length, free.text));
}

#[test]
fn probabilities_are_those_of_the_model() {
    let engine = engine(2);
    let ids = prompt(3, 6);
    let hot = GenerateSettings { max_tokens: 5, ..sampled(5, 3) };
    let written = last(&mut scheduler(&engine, 1, 512), vec![request(ids.clone(), &hot)]);
    let mut seen = ids;
    for ((&id, &found), top) in written.tokens.iter().zip(&written.log_probabilities).zip(&written.top) {
        let logits = logits_without_cache(engine.model(), &seen);
        let total: f64 = logits.iter().map(|&score| f64::from(score).exp()).sum();
        let expected = f64::from(logits[id as usize]) - total.ln();
        assert!((f64::from(found) - expected).abs() < 1e-4, "{found}, expected {expected}");
        assert!(top.is_sorted_by(|a, b| a.log_probability >= b.log_probability));
        assert!(top.iter().any(|top| top.id == id && top.log_probability == found));
        seen.push(id);
    }
}

#[test]
fn a_step_gives_each_running_text_one_token_and_an_end_lets_the_next_one_in() {
    let engine = engine(3);
    let mut scheduler = scheduler(&engine, 2, 512);
    let lengths = [3, 1, 2];
    let ids = lengths.map(|length| scheduler.submit(request(prompt(1, 4), &greedy(length))).unwrap());
    let mut seen = Vec::new();
    while scheduler.pending() > 0 {
        let updates = scheduler.step().unwrap();
        seen.push(
            updates.iter().map(|update| (update.request, update.outcome.is_some())).collect::<Vec<_>>(),
        );
    }
    let [a, b, c] = ids;
    assert_eq!(seen, [[(a, false), (b, true)], [(a, false), (c, false)], [(a, true), (c, true)]]);
    assert!(scheduler.step().unwrap().is_empty());
}

#[test]
fn a_cancelled_text_gives_what_was_written_and_its_slot() {
    let engine = engine(4);
    let mut scheduler = scheduler(&engine, 1, 512);
    let [first, second] = [1, 2].map(|n| scheduler.submit(request(prompt(n, 4), &greedy(10))).unwrap());
    scheduler.step().unwrap();
    scheduler.step().unwrap();
    let written = scheduler.cancel(first).unwrap();
    assert_eq!((written.finish, written.tokens.len()), (Finish::Interrupted, 2));
    assert!(scheduler.cancel(first).is_none());
    let is_second = |update: &Update| update.request == second;
    assert!(scheduler.step().unwrap().iter().all(is_second));
    assert_eq!(scheduler.cancel(second).unwrap().tokens.len(), 1);
    assert_eq!(scheduler.pending(), 0);
}

#[test]
fn a_listener_can_stop_a_text() {
    let engine = engine(4);
    let (mut streamed, mut asked) = (String::new(), 0);
    let mut goes_on = || {
        asked += 1;
        if asked > 3 { Flow::Break(()) } else { Flow::Continue(()) }
    };
    let request = request(prompt(1, 4), &greedy(10));
    let mut scheduler = engine.scheduler(1).unwrap();
    let written = scheduler.write(request, &mut goes_on, &mut |text| streamed += text).unwrap();
    assert_eq!((written.finish, written.tokens.len(), written.text), (Finish::Interrupted, 3, streamed));
}

#[test]
fn others_go_on_while_one_is_waited_for() {
    let engine = engine(4);
    let mut scheduler = scheduler(&engine, 2, 512);
    let other = scheduler.submit(request(prompt(2, 4), &greedy(4))).unwrap();
    let mut quiet = || Flow::Continue(());
    scheduler.write(request(prompt(1, 4), &greedy(6)), &mut quiet, &mut |_| ()).unwrap();
    assert_eq!(scheduler.pending(), 0);
    let updates = scheduler.step().unwrap();
    assert!(updates.iter().all(|update| update.request == other));
    assert_eq!(updates.iter().filter(|update| update.chosen.is_some()).count(), 4);
    assert!(updates.last().unwrap().outcome.is_some());
}

#[test]
fn a_request_that_cannot_be_met_is_refused_and_harms_no_other() {
    let engine = engine(7);
    let mut scheduler = scheduler(&engine, 2, 512);
    let told = |submitted: nuwa_infer::Result<RequestId>| submitted.unwrap_err().to_string();
    assert!(told(scheduler.submit(request(vec![], &greedy(1)))).starts_with("the prompt is empty"));
    assert_eq!(
        told(scheduler.submit(request(vec![1; CONTEXT + 3], &greedy(1)))),
        "the prompt has 27 tokens, but the model's context holds 24"
    );
    assert!(told(scheduler.submit(request(vec![100_000], &greedy(1)))).contains("100000"));
    assert_eq!(scheduler.pending(), 0);
    let written =
        scheduler.write_all(vec![request(vec![], &greedy(1)), request(vec![5], &greedy(2))]).unwrap();
    assert!(written[0].is_err() && written[1].as_ref().unwrap().tokens.len() == 2);
    let none = SchedulerSettings { slots: 0, ..SchedulerSettings::default() };
    let error = Scheduler::new(&engine, none).err().unwrap().to_string();
    assert_eq!(error, "slots = 0: expected a whole number of at least 1");
}

#[test]
fn a_cache_in_bf16_gives_nearly_the_same_scores() {
    let engine = engine(5);
    let of = |cache| {
        let settings = SchedulerSettings { cache, ..SchedulerSettings::default() };
        let mut scheduler = Scheduler::new(&engine, settings).unwrap();
        let written = last(&mut scheduler, vec![request(prompt(1, 12), &greedy(1))]);
        written.log_probabilities[0]
    };
    let (exact, rounded) = (of(DType::F32), of(DType::Bf16));
    assert!(exact != rounded && (exact - rounded).abs() < 0.1, "{exact} and {rounded}");
}

/// A model that counts the ids that go through it.
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
        if let Input::Next(new) = &input {
            self.rows.fetch_add(new.iter().map(|new| new.ids.len()).sum(), Ordering::Relaxed);
        }
        self.model.hidden(context, input)
    }

    fn head(&self) -> Head<'_> {
        self.model.head()
    }

    fn new_cache(&self, capacity: usize, dtype: DType) -> Cache {
        self.model.new_cache(capacity, dtype)
    }
}

/// An engine whose chat template puts turns one after the other, and the ids that went through its model.
fn counting(seed: u64) -> (Engine, impl Fn() -> usize) {
    let rows = Arc::<AtomicUsize>::default();
    let model: Box<dyn Model> = Box::new(Counting { model: model(seed), rows: Arc::clone(&rows) });
    let template = "{% for turn in messages %}{{ turn.content }}{% endfor %}";
    let engine = Engine::new(model, tokenizer().with_chat_template(template).unwrap()).unwrap();
    (engine, move || rows.swap(0, Ordering::Relaxed))
}

#[test]
fn what_was_read_is_not_read_again() {
    let (engine, rows) = counting(1);
    let mut scheduler = scheduler(&engine, 2, 512);
    let first = last(&mut scheduler, vec![request(prompt(1, 8), &greedy(3))]);
    assert_eq!(rows(), 8 + 2, "what is written last is not read");
    let next = [prompt(1, 8), first.tokens, prompt(2, 4)].concat();
    let again = last(&mut scheduler, vec![request(next.clone(), &greedy(2))]);
    assert_eq!(rows(), 1 + 4 + 1);
    assert!(
        bits(&again)
            == bits(&last(&mut self::scheduler(&engine, 1, 512), vec![request(next.clone(), &greedy(2))]))
    );
    rows();
    last(&mut scheduler, vec![request(next.clone(), &greedy(1))]);
    assert_eq!(rows(), 1, "only for the logits after it");
    // The other slot is free, and what the first one knows is copied there.
    let two = vec![request(next.clone(), &greedy(2)), request(next, &greedy(2))];
    assert!(bits(&last(&mut scheduler, two)) == bits(&again));
    assert_eq!(rows(), 2 + 2);
}

#[test]
fn answers_to_one_prompt_share_it() {
    let (engine, rows) = counting(1);
    let candidates = request(prompt(1, 20), &sampled(3, 5)).candidates(4);
    let written = scheduler(&engine, 4, 512).write_all(candidates.clone()).unwrap();
    assert_eq!(rows(), 20 + 3 + 4 * 2);
    for (candidate, written) in candidates.into_iter().zip(written) {
        let alone = last(&mut scheduler(&engine, 1, 512), vec![candidate]);
        assert!(bits(&alone) == bits(&written.unwrap()));
    }
}

#[test]
fn a_chat_does_not_read_its_turns_again() {
    let (engine, rows) = counting(1);
    let mut scheduler = engine.scheduler(1).unwrap();
    let mut conversation = Conversation::of("clay and sky");
    let mut answer = |conversation: &Conversation| {
        let mut goes_on = || Flow::Continue(());
        conversation.answer(&mut scheduler, &greedy(2), &mut goes_on, &mut |_| ()).unwrap()
    };
    let first = answer(&conversation);
    rows();
    conversation.turns.extend([Message::new("assistant", first.text), Message::new("user", "Nuwa")]);
    let whole = conversation.prompt(&engine, 2).unwrap().ids.len();
    answer(&conversation);
    // The last word of the question and the answer may have become one.
    let question = engine.tokenizer().encode("clay and").unwrap().len();
    assert!(rows() <= whole - question + 1);
}
