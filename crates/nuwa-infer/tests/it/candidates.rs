//! Several answers to one turn, and how they are rated.

use nuwa_infer::{
    CandidateSettings, Candidates, Conversation, Engine, Error, Flow, GenerateSettings, SamplingSettings,
    Window, rate,
};
use nuwa_tokenizer::{Attribute, Message, RatingTokens};

use crate::support::{CONTEXT, model, tokenizer};

const TEMPLATE: &str = "{% for turn in messages %}{{ turn.content }}{% endfor %}";

fn engine(taught: &[Attribute]) -> Engine {
    let tokenizer =
        tokenizer().with_chat_template(TEMPLATE).unwrap().with_taught_ratings(taught.iter().copied());
    Engine::new(model(1), tokenizer).unwrap()
}

fn settings(max_tokens: usize) -> GenerateSettings {
    let sampling = SamplingSettings { temperature: 1.0, ..SamplingSettings::default() };
    GenerateSettings { max_tokens, seed: 3, sampling, ..GenerateSettings::default() }
}

fn candidates(engine: &Engine, choosing: &CandidateSettings) -> nuwa_infer::Result<Candidates> {
    let mut scheduler = engine.scheduler(4)?;
    Conversation::of("sky").candidates(&mut scheduler, &settings(3), choosing, &mut || Flow::Continue(()))
}

#[test]
fn the_best_of_those_that_are_safe_comes_first() {
    let all = [Attribute::Sensible, Attribute::Specific, Attribute::Interesting, Attribute::Safe];
    let engine = engine(&all);
    let rated =
        candidates(&engine, &CandidateSettings { least_safe: 0.0, ..CandidateSettings::default() }).unwrap();
    assert!(rated.answers.iter().map(|answer| answer.times).sum::<usize>() <= 16);
    let quality: Vec<f64> = rated.answers.iter().map(|answer| answer.ratings.quality()).collect();
    assert!(quality.len() > 2 && quality.is_sorted_by(|one, other| one >= other), "{quality:?}");
    assert_eq!(rated.best(), rated.answers.first());

    let safety = |answer: &nuwa_infer::RatedAnswer| answer.ratings.get(Attribute::Safe).unwrap();
    let mut sorted: Vec<f64> = rated.answers.iter().map(safety).collect();
    sorted.sort_by(f64::total_cmp);
    let least_safe = sorted[sorted.len() / 2];
    let strict =
        candidates(&engine, &CandidateSettings { least_safe, ..CandidateSettings::default() }).unwrap();
    let safe = strict.answers.iter().take_while(|answer| answer.is_safe).count();
    assert!(
        strict.answers[..safe].iter().all(|answer| safety(answer) >= least_safe)
            && safe < strict.answers.len()
    );
    assert!(strict.answers[safe..].iter().all(|answer| !answer.is_safe && safety(answer) < least_safe));

    let none =
        candidates(&engine, &CandidateSettings { least_safe: 1.0, ..CandidateSettings::default() }).unwrap();
    assert!(none.best().is_none() && none.answers.len() == rated.answers.len());
}

#[test]
fn a_rating_is_the_likelihood_of_its_token_against_the_other() {
    let engine = engine(&Attribute::ALL);
    let tokens = RatingTokens::of(engine.tokenizer()).unwrap();
    let answered =
        vec![engine.tokenizer().encode("sky").unwrap(), engine.tokenizer().encode("clay clay").unwrap()];
    let attributes = [Attribute::Safe, Attribute::Sensible];
    let mut scheduler = engine.scheduler(2).unwrap();
    let rated = rate(&mut scheduler, &answered, &attributes, &mut || Flow::Continue(())).unwrap();
    for (ids, ratings) in answered.iter().zip(&rated) {
        for attribute in attributes {
            let row = [ids, tokens.name(attribute)].concat();
            let row = &row[row.len().saturating_sub(CONTEXT)..];
            let loss = |is_so: bool| {
                let ids = [row, &[tokens.rating(is_so)]].concat();
                f64::from(engine.score(&[Window { ids: &ids, scored_from: ids.len() - 1 }]).unwrap()[0][0])
            };
            let expected = (-loss(true)).exp() / ((-loss(true)).exp() + (-loss(false)).exp());
            let told = ratings.get(attribute).unwrap();
            assert!((told - expected).abs() < 1e-4, "{attribute}: {told} {expected}");
        }
    }
}

#[test]
fn a_model_that_was_not_taught_says_so_and_can_still_give_drafts() {
    let engine = engine(&[]);
    let refused = candidates(&engine, &CandidateSettings::default()).unwrap_err();
    assert!(matches!(refused, Error::NotTaughtToRate), "{refused}");
    assert!(refused.hint().unwrap().contains("ratings"));
    let drafts =
        candidates(&engine, &CandidateSettings { rated: false, ..CandidateSettings::default() }).unwrap();
    assert!(drafts.answers.len() > 1 && drafts.answers.iter().all(|draft| draft.is_safe));
    for broken in [
        CandidateSettings { count: 0, ..CandidateSettings::default() },
        CandidateSettings { least_safe: 1.5, ..CandidateSettings::default() },
    ] {
        assert!(matches!(candidates(&engine, &broken), Err(Error::Setting { .. })));
    }
}

#[test]
fn whoever_has_enough_gets_what_there_is() {
    let engine = engine(&[Attribute::Sensible]);
    let mut scheduler = engine.scheduler(4).unwrap();
    let conversation = Conversation { system: None, turns: vec![Message::new("user", "sky")] };
    let mut passes = 0;
    let mut goes_on = || {
        passes += 1;
        if passes > 2 { Flow::Break(()) } else { Flow::Continue(()) }
    };
    let stopped = conversation
        .candidates(&mut scheduler, &settings(8), &CandidateSettings::default(), &mut goes_on)
        .unwrap();
    assert!(stopped.interrupted);
    assert_eq!(scheduler.pending(), 0, "nothing goes on behind one's back");
}
