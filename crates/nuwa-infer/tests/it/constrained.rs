//! Texts held to a rule while they are written.

use nuwa_infer::{
    Constraint, Finish, GenerateSettings, JsonConstraint, JsonShape, Prompt, Request, Result, TokenMask,
};
use serde_json::Value;

use crate::support::{CONTEXT, engine, greedy, sampled};

fn request(settings: &GenerateSettings, constraint: impl Constraint + 'static) -> Request {
    let constraint: Option<Box<dyn Constraint>> = Some(Box::new(constraint));
    Request { constraint, ..Request::new(Prompt::of(vec![5, 6]), settings, &[]) }
}

const SCHEMA: &str = r#"{"type": "object", "required": ["ok", "n"], "properties": {
    "ok": {"type": "boolean"}, "n": {"enum": [1, 22, 333]}}}"#;

#[test]
fn a_model_of_random_weights_writes_json_of_a_schema_and_stops() {
    let engine = engine(3);
    let shape = JsonShape::schema(SCHEMA).unwrap();
    let mut requests = Vec::new();
    for seed in 0..8 {
        let settings = GenerateSettings { max_tokens: 400, ..sampled(400, seed) };
        requests.push(request(&settings, JsonConstraint::new(&shape, &engine).unwrap()));
    }
    requests.push(request(&greedy(400), JsonConstraint::new(&shape, &engine).unwrap()));
    for written in engine.scheduler(3).unwrap().write_all(requests).unwrap() {
        let written = written.unwrap();
        assert_eq!(written.finish, Finish::EndOfText, "{written:?}");
        let value: Value =
            serde_json::from_str(&written.text).unwrap_or_else(|error| panic!("{error}: {written:?}"));
        assert!(value["ok"].is_boolean() && [1, 22, 333].contains(&value["n"].as_i64().unwrap()));
    }
    assert!(CONTEXT < 400, "they went on beyond the context where blanks took them there");
}

/// Allows two ids in turns, three times.
#[derive(Debug, Clone)]
struct Turns(u32);

impl Constraint for Turns {
    fn allow(&mut self, mask: &mut TokenMask) -> Result<()> {
        if self.0 < 6 {
            mask.insert(10 + self.0 % 2);
        }
        Ok(())
    }

    fn accept(&mut self, id: u32) -> Result<()> {
        assert_eq!(id, 10 + self.0 % 2);
        self.0 += 1;
        Ok(())
    }

    fn may_end(&self) -> bool {
        self.0 >= 4
    }

    fn fork(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}

#[test]
fn a_constraint_of_any_kind_is_kept_and_an_end_comes_only_where_it_may() {
    let engine = engine(4);
    let free = request(&greedy(20), Turns(0));
    let ended = Request { ends: (0..10).chain(12..300).collect(), ..free.clone() };
    let written = engine.scheduler(2).unwrap().write_all(vec![free, ended]).unwrap();
    let [free, ended] = <[_; 2]>::try_from(written).unwrap().map(|written: Result<_>| written.unwrap());
    assert_eq!((free.tokens, free.finish), (vec![10, 11, 10, 11, 10, 11], Finish::EndOfText));
    assert!(ended.tokens.len() >= 4, "no end before it may come: {ended:?}");
}

#[test]
fn what_cannot_be_followed_is_the_end_of_that_text_alone() {
    #[derive(Debug, Clone)]
    struct Nothing;
    impl Constraint for Nothing {
        fn allow(&mut self, _: &mut TokenMask) -> Result<()> {
            Ok(())
        }
        fn accept(&mut self, _: u32) -> Result<()> {
            Ok(())
        }
        fn may_end(&self) -> bool {
            false
        }
        fn fork(&self) -> Box<dyn Constraint> {
            Box::new(Self)
        }
    }
    let engine = engine(4);
    let requests = vec![request(&greedy(3), Nothing), request(&greedy(6), Turns(0))];
    let written = engine.scheduler(2).unwrap().write_all(requests).unwrap();
    let error = written[0].as_ref().unwrap_err().to_string();
    assert_eq!(error, "no token that the model knows goes on as the constraint wants it");
    assert_eq!(written[1].as_ref().unwrap().tokens.len(), 6);
}
