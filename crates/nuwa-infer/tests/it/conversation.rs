//! Turns within the context, and answers that need more of it than was left.

use nuwa_infer::{Answer, Conversation, Engine, Finish, Flow};
use nuwa_tokenizer::Message;

use crate::support::{CONTEXT, argmax, greedy, logits_without_cache, model, tokenizer};

/// Its turns stand one after the other, with nothing between them.
fn engine() -> Engine {
    let template = "{% for turn in messages %}{{ turn.content }}{% endfor %}";
    Engine::new(model(1), tokenizer().with_chat_template(template).unwrap()).unwrap()
}

fn conversation(turns: &[&str]) -> Conversation {
    let role = |index: usize| ["user", "assistant"][index % 2];
    let turns = turns.iter().enumerate().map(|(index, text)| Message::new(role(index), *text)).collect();
    Conversation { system: None, turns }
}

fn answer(conversation: &Conversation, most: usize) -> (Answer, String) {
    let mut streamed = String::new();
    let mut goes_on = || Flow::Continue(());
    let mut on_text = |text: &str| streamed += text;
    let mut scheduler = engine().scheduler(1).unwrap();
    let answer = conversation.answer(&mut scheduler, &greedy(most), &mut goes_on, &mut on_text).unwrap();
    (answer, streamed)
}

#[test]
fn an_answer_that_needs_more_room_goes_on_after_fewer_turns() {
    let whole = conversation(&["clay", "sky", "Nuwa"]);
    let engine = engine();
    let (all, question) =
        (whole.prompt(&engine, 1).unwrap(), conversation(&["Nuwa"]).prompt(&engine, 1).unwrap());
    assert_eq!((all.forgotten, all.ids.len() > question.ids.len()), (0, true));
    let (short, _) = answer(&whole, CONTEXT - all.ids.len());
    assert_eq!((short.forgotten, short.finish), (0, Finish::Length), "it fits, and nothing is forgotten");

    let (long, streamed) = answer(&whole, 100);
    assert_eq!((long.forgotten, &long.text), (2, &streamed));
    assert!(long.tokens.starts_with(&short.tokens));
    assert_eq!(long.tokens.len(), CONTEXT - question.ids.len(), "up to the context after the question alone");
    let (last, before) = long.tokens.split_last().unwrap();
    let mut logits = logits_without_cache(engine.model(), &[&question.ids, before].concat());
    logits.truncate(engine.tokenizer().vocab_size());
    assert_eq!(*last, argmax(&logits), "it still sees its question");
}

#[test]
fn an_eighth_of_the_context_is_kept_for_an_answer() {
    let engine = engine();
    let length = |text: &str| engine.tokenizer().encode(text).unwrap().len();
    let fits = CONTEXT - CONTEXT / 8 - length("sky") - length("Nuwa");
    let first = |tokens: usize| "q".repeat(tokens);
    assert_eq!(length(&first(fits)), fits);
    let forgotten = |tokens: usize| answer(&conversation(&[&first(tokens), "sky", "Nuwa"]), 3).0.forgotten;
    assert_eq!([forgotten(fits), forgotten(fits + 1)], [0, 2]);
}

#[test]
fn a_question_that_does_not_fit_is_told_with_true_numbers() {
    let question = "q".repeat(CONTEXT);
    let told = conversation(&[&question])
        .answer(&mut engine().scheduler(1).unwrap(), &greedy(100), &mut || Flow::Continue(()), &mut |_| ())
        .unwrap_err();
    assert_eq!(
        told.to_string(),
        "the question has 24 tokens, with its template and the system prompt, but only 21 fit: the model's context holds \
         24, 3 of them for the answer"
    );
    assert_eq!(told.hint().unwrap(), "shorten it by 3 tokens, or use a model with a longer context");
}
