//! Answers behind the prompts of others, from which KTO estimates how far the model is from its reference.

use crate::pack::Example;

/// For each answer of a step, `order` among all `answers`: its prompt with the answer that stands before it in the step, the first
/// behind the last. One to the same prompt is passed over where there is another, in the step or among all.
///
/// What is longer than `context` loses the beginning of its prompt.
pub(crate) fn mismatched(answers: &[&Example], order: &[usize], context: usize) -> Vec<Example> {
    let count = order.len();
    let of = |place: usize| {
        let own = answers[order[place]];
        let earlier = (1..=count).map(|back| order[(place + count - back) % count]).chain(0..answers.len());
        let others = earlier.map(|index| answers[index]);
        let other = others.into_iter().find(|other| prompt(other) != prompt(own)).unwrap_or(own);
        put_behind(own, other, context)
    };
    (0..count).map(of).collect()
}

/// Where the answer begins.
fn begin(example: &Example) -> usize {
    example.trained.iter().position(|trained| *trained).unwrap_or(example.ids.len())
}

fn prompt(example: &Example) -> &[u32] {
    &example.ids[..begin(example)]
}

/// The answer of `other` behind the prompt of `own`, of which at least one id is kept.
fn put_behind(own: &Example, other: &Example, context: usize) -> Example {
    let answer = begin(other)..other.ids.len();
    let prompt = prompt(own);
    let kept = (context + 1).saturating_sub(answer.len()).clamp(1, prompt.len());
    let ids = [&prompt[prompt.len() - kept..], &other.ids[answer.clone()]].concat();
    let mut trained = vec![false; kept];
    trained.extend(&other.trained[answer]);
    Example::of(ids, trained)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(prompt: &[u32], answer: &[u32]) -> Example {
        let trained = (0..prompt.len() + answer.len()).map(|at| at >= prompt.len()).collect();
        Example::of([prompt, answer].concat(), trained)
    }

    fn ids(examples: &[Example], order: &[usize], context: usize) -> Vec<Vec<u32>> {
        let answers: Vec<&Example> = examples.iter().collect();
        mismatched(&answers, order, context).into_iter().map(|example| example.ids).collect()
    }

    #[test]
    fn each_prompt_gets_the_answer_before_it() {
        let examples = [example(&[1], &[11, 12]), example(&[2, 3], &[13]), example(&[4], &[14])];
        assert_eq!(ids(&examples, &[0, 1, 2], 9), [vec![1, 14], vec![2, 3, 11, 12], vec![4, 13]]);
        assert_eq!(ids(&examples, &[2, 0], 9), [vec![4, 11, 12], vec![1, 14]]);
        assert_eq!(ids(&examples, &[1], 9), [vec![2, 3, 11, 12]], "of a step of one, another of all");
    }

    #[test]
    fn an_answer_to_the_same_prompt_is_passed_over() {
        let examples = [example(&[1], &[11]), example(&[1], &[12]), example(&[2], &[13])];
        assert_eq!(ids(&examples, &[0, 1, 2], 9), [vec![1, 13], vec![1, 13], vec![2, 12]]);
        assert_eq!(ids(&examples[..2], &[0, 1], 9), [vec![1, 11], vec![1, 12]]);
    }

    #[test]
    fn a_long_prompt_loses_its_beginning() {
        let examples = [example(&[1, 2, 3, 4], &[11]), example(&[5], &[12, 13, 14])];
        assert_eq!(ids(&examples, &[0, 1], 4), [vec![3, 4, 12, 13, 14], vec![5, 11]]);
        assert_eq!(ids(&examples, &[0, 1], 2)[0], [4, 12, 13, 14]);
    }
}
