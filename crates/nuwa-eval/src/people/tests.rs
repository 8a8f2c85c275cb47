//! Scripted judges of known behaviour: the figures that they should give.

use std::collections::BTreeMap;
use std::path::Path;

use nuwa_tokenizer::Message;

use super::*;

const PROMPTS: usize = 40;

fn plan(settings: ItemSettings) -> JudgePlan {
    let model = |name: &str| JudgedModel { name: name.into(), path: name.into(), hash: name.into() };
    let prompt = |number: usize| JudgedPrompt {
        turns: vec![Message::new("user", format!("Question {number}?"))],
        place: format!("prompts.txt:{}", number + 1),
    };
    let answer = |number: usize, name: &str| JudgedAnswer {
        text: format!("This is the answer of {name} to question {number}."),
        is_cut_off: false,
    };
    let answers = |number| vec![answer(number, "clay"), answer(number, "a longer water")];
    JudgePlan::new(
        "test",
        ["clay", "water"].map(model).into(),
        (0..PROMPTS).map(prompt).collect(),
        (0..PROMPTS).map(answers).collect(),
        serde_json::json!({"temperature": 0.8}),
        settings,
    )
    .unwrap()
}

/// The side on which a model stands; the one that is no noise in a check.
fn side(item: &JudgeItem, model: usize) -> Choice {
    let is_it = |side: &Side| side.model == model && side.noise.is_none();
    if is_it(&item.sides[0]) { Choice::Left } else { Choice::Right }
}

fn ratings(steps: [Option<u8>; 3]) -> Vote {
    Vote::Ratings(Criterion::ALL.into_iter().zip(steps).collect())
}

/// Votes on all items by a rule.
fn judge(folder: &Path, plan: &JudgePlan, name: &str, kind: JudgeKind, rule: impl Fn(&JudgeItem) -> Vote) {
    let mut file = VoteFile::open(folder, plan, name, kind).unwrap();
    for place in plan.order(name) {
        file.add(plan, place, rule(&plan.items[place]), 1500).unwrap();
    }
}

/// Attentive: passes checks, takes clay in pairs unless it is one of `against`, and rates clay 4 and water 2.
fn attentive(against: &[usize]) -> impl Fn(&JudgeItem) -> Vote {
    let against: Vec<usize> = against.to_vec();
    move |item| match (item.is_pair(), item.is_check()) {
        (true, true) => Vote::Choice(side(item, item.sides[0].model)),
        (true, false) => Vote::Choice(side(item, usize::from(against.contains(&item.prompt)))),
        (false, true) => ratings([Some(1), None, Some(1)]),
        (false, false) if item.sides[0].model == 0 => ratings([Some(4), Some(4), Some(5)]),
        (false, false) => ratings([Some(2), Some(3), None]),
    }
}

/// The first prompts on which clay stands at this side.
fn prompts_with_clay(plan: &JudgePlan, at: Choice, count: usize) -> Vec<usize> {
    let plain = |item: &&JudgeItem| item.is_pair() && !item.is_check() && item.repeats.is_none();
    let on_side = plan.items.iter().filter(plain).filter(|item| side(item, 0) == at);
    on_side.map(|item| item.prompt).take(count).collect()
}

#[test]
fn two_judges_of_known_behaviour_give_the_figures_that_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(ItemSettings::default());
    // The second judge is against the first on ten of forty prompts, five of each side.
    let against =
        [prompts_with_clay(&plan, Choice::Left, 5), prompts_with_clay(&plan, Choice::Right, 5)].concat();
    judge(folder.path(), &plan, "one", JudgeKind::Person, attentive(&[]));
    judge(folder.path(), &plan, "two", JudgeKind::Person, attentive(&against));
    let votes = read_votes(folder.path(), &plan).unwrap();
    let results = JudgeResults::of(&plan, &votes, &[]).unwrap();
    let people = &results.groups[0];

    let pair = &people.pairs[0];
    assert_eq!((pair.n, pair.wins, pair.losses), (80, 70, 10), "first askings alone");
    assert_eq!(pair.win_rate.value, 0.875);
    let [low, high] = pair.win_rate.interval.unwrap();
    // Ten of forty prompts give 1/2, the others 1: the deviation of the mean is .034.
    assert!((0.80..0.82).contains(&low) && (0.92..0.95).contains(&high), "{low} {high}");
    let strengths = people.strengths.as_ref().unwrap();
    assert!((strengths.models[0].score.value * 2.0 - 7.0_f64.ln()).abs() < 1e-9, "log odds of 70 to 10");

    let on_choices = &people.agreement[0];
    assert_eq!((on_choices.criterion, on_choices.items, on_choices.percent.value), (None, 40, 0.75));
    // Of 80 judgements 40 are left: D_o = 1/4, D_e = 2 * 40 * 40 / (80 * 79).
    let alpha = 1.0 - 0.25 / (2.0 * 1600.0 / (80.0 * 79.0));
    assert!((on_choices.nominal.unwrap().value - alpha).abs() < 1e-12, "{on_choices:?}");
    assert_eq!(people.agreement[1].ordinal.unwrap().value, 1.0, "both rate alike");
    let kappa = results.judge_pairs[0].kappa.unwrap();
    assert!((kappa - 0.5).abs() < 1e-12, "p_o = 3/4, p_e = 1/2: {kappa}");

    let fluency = &people.criteria[0];
    assert_eq!(fluency.models[0].counts, [0, 0, 0, 80, 0]);
    assert_eq!(fluency.models[1].mean.unwrap().value, 2.0);
    assert_eq!((fluency.pairs[0].win_rate.value, fluency.pairs[0].n), (1.0, 80));
    assert!(fluency.strengths.as_ref().unwrap().is_smoothed, "water never won");
    let relevance = &people.criteria[2];
    assert_eq!((relevance.models[1].cannot_tell, relevance.models[1].mean), (80, None));
    assert!(relevance.pairs.is_empty());

    // The answers of water are all longer.
    let length = people.length.as_ref().unwrap();
    assert_eq!((length.n, length.longer_wins.value), (80, 0.125));
    assert_eq!(people.left.unwrap().value, 0.5);
    for account in &results.judges {
        assert_eq!((account.checks, account.checks_failed), (2 + 4, 0), "{account:?}");
        assert_eq!((account.repeated, account.repeated_same), (4 + 8, 12), "{account:?}");
        assert_eq!((account.judged, account.median_seconds), (account.items, Some(1.5)));
    }
    assert_eq!(results.remarks, []);
}

#[test]
fn who_does_not_read_is_told_and_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(ItemSettings::default());
    judge(folder.path(), &plan, "reads", JudgeKind::Person, attentive(&[]));
    judge(folder.path(), &plan, "always left", JudgeKind::Person, |item| match item.is_pair() {
        true => Vote::Choice(Choice::Left),
        false => ratings([Some(3); 3]),
    });
    let votes = read_votes(folder.path(), &plan).unwrap();
    let results = JudgeResults::of(&plan, &votes, &[]).unwrap();
    let failed = JudgeRemark::FailedChecks { judge: "always left".into(), failed: 1 + 4, of: 6 };
    assert_eq!(results.remarks, std::slice::from_ref(&failed));
    let account = &results.judges[0];
    assert_eq!((account.repeated, account.repeated_same), (12, 8), "sides of pairs are exchanged");
    assert_eq!(results.groups[0].pairs[0].win_rate.value, 0.75);
    assert_eq!(results.groups[0].left.unwrap().value, 0.75);

    let without = JudgeResults::of(&plan, &votes, &["always left".into()]).unwrap();
    assert_eq!(without.groups[0].pairs[0].win_rate.value, 1.0);
    assert_eq!(without.remarks, [failed, JudgeRemark::OnePerson]);
    let unknown = JudgeResults::of(&plan, &votes, &["nobody".into()]).unwrap_err();
    assert_eq!(unknown.to_string(), "there are no votes of nobody, who is to be left out");
}

#[test]
fn models_that_judge_are_never_counted_as_people() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(ItemSettings { ratings: false, ..ItemSettings::default() });
    judge(folder.path(), &plan, "person", JudgeKind::Person, attentive(&[]));
    judge(folder.path(), &plan, "model", JudgeKind::Model, |_| Vote::Choice(Choice::Contradictory));
    let results = JudgeResults::of(&plan, &read_votes(folder.path(), &plan).unwrap(), &[]).unwrap();
    let [people, models] = results.groups.as_slice() else { panic!("{results:?}") };
    assert_eq!((people.kind, people.pairs[0].win_rate.value), (JudgeKind::Person, 1.0));
    assert_eq!((models.kind, models.pairs[0].win_rate.value), (JudgeKind::Model, 0.5));
    assert_eq!(models.pairs[0].contradictory, 40);
    assert_eq!(models.length, None, "ties alone");
    assert_eq!(results.judge_pairs[0].percent, 0.0);
}

#[test]
fn votes_are_added_taken_back_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(ItemSettings::default());
    let open = |name: &str, kind| VoteFile::open(folder.path(), &plan, name, kind);
    let mut file = open(" 小明 ", JudgeKind::Person).unwrap();
    let (first, second) = (plan.order("小明")[0], plan.order("小明")[1]);
    file.add(&plan, first, Vote::Choice(Choice::Left), 10).unwrap();
    file.add(&plan, second, Vote::Choice(Choice::BothBad), 20).unwrap();
    assert_eq!(file.undo(&plan).unwrap(), Some(second));
    assert_eq!(file.last(), Some(first));
    assert!(file.add(&plan, second, ratings([Some(1); 3]), 1).is_err(), "it is a pair");
    let rated = plan.items.iter().position(|item| !item.is_pair()).unwrap();
    let wrong = file.add(&plan, rated, ratings([Some(6), None, None]), 1).unwrap_err();
    assert_eq!(wrong.to_string(), "fluency 6: expected 1 to 5");
    let lacking = Vote::Ratings(BTreeMap::from([(Criterion::Fluency, Some(2))]));
    assert!(file.add(&plan, rated, lacking, 1).unwrap_err().to_string().ends_with("lacks coherence"));
    assert!(open("小明", JudgeKind::Person).is_err(), "it is open");
    let path = file.path().to_path_buf();
    drop(file);
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 3, "what is taken back stays");
    std::fs::write(&path, format!("{whole}{{\"plan\":\"{}", &plan.hash[..5])).unwrap();
    assert_eq!(read_votes(folder.path(), &plan).unwrap()[0].votes.len(), 1);
    let file = open("小明", JudgeKind::Person).unwrap();
    assert!(file.is_mended());
    assert_eq!((file.said().votes.len(), file.last()), (1, Some(first)));
    drop(file);
    assert!(open("小明", JudgeKind::Model).is_err(), "the name of a person");
    for name in ["", "  ", "a\nb", &"a".repeat(61)] {
        assert!(open(name, JudgeKind::Person).is_err(), "{name:?}");
    }
}

#[test]
fn votes_of_another_plan_are_refused_and_so_is_a_plan_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) =
        (plan(ItemSettings::default()), plan(ItemSettings { seed: 1, ..ItemSettings::default() }));
    assert_ne!(own.hash, other.hash);
    judge(folder.path(), &own, "one", JudgeKind::Person, attentive(&[]));
    let refused = read_votes(folder.path(), &other).unwrap_err().to_string();
    assert!(refused.contains(".jsonl:1: it is a vote of the plan "), "{refused}");
    assert!(VoteFile::open(folder.path(), &other, "one", JudgeKind::Person).is_err());

    own.write(folder.path()).unwrap();
    assert_eq!(JudgePlan::read(folder.path()).unwrap(), own);
    let path = folder.path().join("plan.json");
    let changed = std::fs::read_to_string(&path)
        .unwrap()
        .replace("answer of clay to question 7", "answer to question 7");
    std::fs::write(&path, changed).unwrap();
    let refused = JudgePlan::read(folder.path()).unwrap_err().to_string();
    assert!(
        refused.ends_with("it was changed after it was made, and its votes are about what it was"),
        "{refused}"
    );
}
