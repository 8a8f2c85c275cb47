//! Models that carry a state along, through everything that writes and scores: what is written is that of the whole text read at
//! one time, whatever is written beside it, and what was read is not read again as far as there is a way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nuwa_infer::{
    Engine, GenerateSettings, Generation, Prompt, Request, Scheduler, SchedulerSettings, Sequence, Window,
    score, score_shared,
};
use nuwa_models::{Cache, Context, Head, Input, Model, ModelConfig, Rows};
use nuwa_tensor::{DType, Parameters};

use crate::support::{
    CONTEXT, VOCABULARY, argmax, carrying, greedy, logits_without_cache, sampled, tokenizer,
};

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

/// An engine of each model, and the ids that went through it.
fn engines() -> Vec<(Engine, Arc<AtomicUsize>)> {
    let counting = |model: Box<dyn Model>| {
        let rows = Arc::<AtomicUsize>::default();
        let model: Box<dyn Model> = Box::new(Counting { model, rows: Arc::clone(&rows) });
        (Engine::new(model, tokenizer()).unwrap(), rows)
    };
    carrying().into_iter().map(counting).collect()
}

fn prompt(seed: u32, length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| (i * 37 + seed * 101 + 3) % 300).collect()
}

fn request(ids: Vec<u32>, settings: &GenerateSettings) -> Request {
    Request { top_log_probabilities: VOCABULARY, ..Request::new(Prompt::of(ids), settings, &[]) }
}

fn scheduler(engine: &Engine, slots: usize, prompt_chunk: usize) -> Scheduler {
    Scheduler::new(engine, SchedulerSettings { slots, prompt_chunk, cache: DType::F32 }).unwrap()
}

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
    for (engine, _) in engines() {
        let own = || request(prompt(0, 9), &sampled(40, 7));
        let alone = bits(&last(&mut scheduler(&engine, 1, 512), vec![own()]));
        assert_eq!(alone.0.len(), 40);
        for (others, slots, chunk) in [(3, 4, 512), (15, 16, 1), (15, 5, 7), (3, 4, 10)] {
            let other =
                |n: u32| request(prompt(n, 1 + n as usize), &sampled(3 + 4 * n as usize, u64::from(n)));
            let requests = (1..=others).map(other).chain([own()]).collect();
            let together = bits(&last(&mut scheduler(&engine, slots, chunk), requests));
            assert!(alone == together, "{others} others, {slots} slots, chunks of {chunk}");
        }
    }
}

#[test]
fn decoding_equals_reading_the_whole_beyond_the_context_too() {
    for model in carrying() {
        let mut sequence = Sequence::new(model.as_ref(), &[5, 6, 7], 100).unwrap();
        let mut first_seen = 0;
        for step in 0..60 {
            let length = sequence.ids().len();
            if length - first_seen > CONTEXT {
                first_seen = length - CONTEXT / 2;
            }
            let expected = logits_without_cache(model.as_ref(), &sequence.ids()[first_seen..]);
            // Asked twice, the last id is read again, though there is no way back to before it.
            for _ in 0..1 + step % 2 {
                for (got, expected) in sequence.next_logits().unwrap().to_host().iter().zip(&expected) {
                    assert!((got - expected).abs() < 2e-4, "step {step}: {got}, expected {expected}");
                }
            }
            sequence.push(argmax(&expected));
        }
    }
}

#[test]
fn what_was_read_is_not_read_again() {
    for (engine, counted) in engines() {
        let rows = || counted.swap(0, Ordering::Relaxed);
        let mut own = scheduler(&engine, 2, 512);
        let first = last(&mut own, vec![request(prompt(1, 8), &greedy(3))]);
        assert_eq!(rows(), 8 + 2, "what is written last is not read");
        // The conversation goes on from where the state is.
        let next = [prompt(1, 8), first.tokens.clone(), prompt(2, 4)].concat();
        let again = last(&mut own, vec![request(next.clone(), &greedy(2))]);
        assert_eq!(rows(), 1 + 4 + 1);
        let fresh = last(&mut scheduler(&engine, 1, 512), vec![request(next.clone(), &greedy(2))]);
        assert!(bits(&again) == bits(&fresh));
        rows();
        // There is a way back to before the last id of the prompt, and to before that of the first one.
        assert!(bits(&last(&mut own, vec![request(next, &greedy(2))])) == bits(&fresh));
        assert_eq!(rows(), 1 + 1);
        let other = [prompt(1, 8), vec![7, 7, 7]].concat();
        last(&mut own, vec![request(other, &greedy(1))]);
        assert_eq!(rows(), 1 + 3);
    }
}

#[test]
fn answers_to_one_prompt_share_it() {
    for (engine, counted) in engines() {
        let candidates = request(prompt(1, 20), &sampled(3, 5)).candidates(4);
        let written = scheduler(&engine, 4, 512).write_all(candidates.clone()).unwrap();
        assert_eq!(counted.swap(0, Ordering::Relaxed), 20 + 3 + 4 * 2);
        for (candidate, written) in candidates.into_iter().zip(written) {
            let alone = last(&mut scheduler(&engine, 1, 512), vec![candidate]);
            assert!(bits(&alone) == bits(&written.unwrap()));
        }
    }
}

/// A request that begins like one that is just being written does not wait for it to end.
#[test]
fn nobody_waits_for_what_will_not_be_known() {
    for (engine, _) in engines() {
        let mut own = scheduler(&engine, 2, 512);
        let ids = [prompt(1, 18), prompt(3, 2)].concat();
        own.submit(request(ids.clone(), &greedy(4))).unwrap();
        own.submit(request([ids[..19].to_vec(), vec![9]].concat(), &greedy(4))).unwrap();
        own.submit(request([ids[..18].to_vec(), vec![9]].concat(), &greedy(4))).unwrap();
        let mut passes = 0;
        while own.pending() > 0 {
            own.step().unwrap();
            passes += 1;
            assert!(passes < 40);
        }
    }
}

#[test]
fn scores_of_windows_that_begin_alike_are_those_of_each_alone() {
    for model in carrying() {
        let start = prompt(0, 14);
        let texts: Vec<Vec<u32>> =
            (1..7).map(|n| [start.clone(), prompt(n, 1 + n as usize)].concat()).collect();
        let windows: Vec<Window<'_>> = texts.iter().map(|ids| Window { ids, scored_from: 14 }).collect();
        let (shared, alone) =
            (score_shared(model.as_ref(), &windows).unwrap(), score(model.as_ref(), &windows).unwrap());
        for (a, b) in shared.iter().flatten().zip(alone.iter().flatten()) {
            assert!((a - b).abs() < 1e-4, "{a} and {b}");
        }
    }
}
