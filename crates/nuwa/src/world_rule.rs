//! The embedded world's true reward as a rule: `world`.

use nuwa_align::data::Prompt;
use nuwa_align::rules::{Judged, Rule, Rules};
use nuwa_align::{Error, Result};
use nuwa_world::true_reward;

/// How the rule is written.
const NAME: &str = "world";

/// The rules that are written so; `world` is one of them.
pub fn rules(specs: &[String]) -> Result<Rules> {
    Rules::parse_with(specs, vec![Box::new(WorldRule)])
}

/// What the embedded world knows of an answer, by the fields of its prompt's record.
#[derive(Debug)]
pub struct WorldRule;

impl Rule for WorldRule {
    fn name(&self) -> String {
        NAME.into()
    }

    fn scores(&self, judged: &[Judged<'_>]) -> Result<Vec<Option<f32>>> {
        Ok(judged.iter().map(|judged| true_reward(&judged.prompt.fields, judged.answer)).collect())
    }

    fn check(&self, prompts: &[Prompt]) -> Result<()> {
        if prompts.iter().any(|prompt| true_reward(&prompt.fields, "").is_some()) {
            return Ok(());
        }
        let problem = format!("it knows the answer to none of the {} prompts", prompts.len());
        let advice =
            "it is for prompts of the embedded world: world/prompts.jsonl of a run, or what nuwa world wrote"
                .into();
        Err(Error::Rule { rule: NAME.into(), problem, advice })
    }
}

#[cfg(test)]
mod tests {
    use nuwa_align::BadRecords;
    use nuwa_align::data::{Columns, prompts};
    use nuwa_world::{HELD_OUT_PROMPTS, PROMPTS, WorldSettings, write};

    use super::*;

    #[test]
    fn prompts_of_the_world_are_read_and_their_answers_judged() {
        let folder = tempfile::tempdir().unwrap();
        let settings = WorldSettings { documents: 20, prompts: 100, ..WorldSettings::default() };
        write(&settings, folder.path(), &mut |_| {}).unwrap();
        let rules = rules(&["world".into(), "exact*0".into()]).unwrap();
        for (name, count) in [(PROMPTS, 100), (HELD_OUT_PROMPTS, 50)] {
            let paths = [folder.path().join(name)];
            let (all, reading) = prompts(&paths, &Columns::new(), BadRecords::Error).unwrap();
            assert_eq!((all.len(), reading.records), (count, count as u64));
            rules.check(&all).unwrap();
            for prompt in &all {
                let judged =
                    [&prompt.answers[0], "Who knows?"].map(|answer| Judged { prompt, answer, ended: true });
                let scores = rules.scores(&judged).unwrap();
                assert_eq!([scores[0].total, scores[1].total], [Some(1.0), Some(0.0)], "{prompt:?}");
            }
        }
    }

    #[test]
    fn of_other_prompts_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompts.txt");
        std::fs::write(&path, "Where is Paris?\n").unwrap();
        let (all, _) = prompts(&[path], &Columns::new(), BadRecords::Error).unwrap();
        let error = rules(&["world".into()]).unwrap().check(&all).unwrap_err();
        assert!(error.to_string().contains("none of the 1 prompts"), "{error}");
        assert!(rules(&["wurld".into()]).unwrap_err().hint().unwrap().contains("world"));
    }
}
