//! The words of the results of judging.

use nuwa_eval::people::{Criterion, JudgeKind, JudgeRemark};

use super::{Fixed, Text, both, counted, fixed};

fixed! {
    /// What the page says every time.
    Words {
        brand: "answers of models, judged blind", "模型回答盲评";
        title: "Who answers better?", "谁的回答更好？";
        pairs: "Which of two answers is better", "两个回答哪个更好";
        first: "Model", "模型";
        second: "Against", "对手";
        wins: "won", "胜";
        losses: "lost", "负";
        good: "both good", "一样好";
        bad: "both bad", "一样差";
        contradictory: "contradictory", "自相矛盾";
        same: "same text", "文本相同";
        win_rate: "win rate, with 95 % interval", "胜率（含 95 % 区间）";
        about_pairs: "The win rate counts a tie as half a win. Intervals come from a bootstrap over prompts (1000 samples): votes on one prompt go together. Contradictory: a model that judges chose the same side in both orders. Same text: two answers are equal word for word, a tie that nobody is asked about.", "平局按半胜计入胜率。区间由对提示的自助法（1000 次抽样）得出：同一提示上的投票一起抽取。“自相矛盾”指评判模型在两种顺序下都选了同一侧；“文本相同”指两个回答逐字相同，不提问，记为平局。";
        strengths: "Strength (Bradley-Terry)", "实力（Bradley-Terry）";
        score: "log-odds, with 95 % interval", "对数胜率比（含 95 % 区间）";
        elo: "Elo scale", "Elo 分";
        at_equal_length: "at equal length", "长度相同时";
        smoothed: "Somebody never won or never lost, so the votes alone give scores without bound: half a vote was added for each side of each pair.", "有模型从未获胜或从未落败，仅凭投票分数没有界限：每一对的双方各加了半票。";
        about_strengths: "In log-odds, the first of two wins with the probability 1 / (1 + exp(second - first)); the mean of all is 0. On the scale of chess, 400 points are odds of ten to one.", "按对数胜率比，前者胜过后者的概率是 1 / (1 + exp(后者 − 前者))，全部平均为 0。按 Elo 分，400 分相当于十比一。";
        criteria: "Ratings by criterion", "分项评分";
        steps: "1 · 2 · 3 · 4 · 5", "1 · 2 · 3 · 4 · 5 分";
        cannot_tell: "cannot tell", "无法判断";
        median: "median", "中位数";
        mean: "mean, with 95 % interval", "平均（含 95 % 区间）";
        higher: "rated higher than the others (Bradley-Terry)", "评分高于对手（Bradley-Terry）";
        about_criteria: "Steps are ranks: the mean takes them for equally far apart. The last column compares the steps that one judge gave to answers to one prompt.", "分档是次序；平均分把各档视为等距。最后一列比较同一评判者对同一提示各回答所打的分。";
        agreement: "How far judges agree", "评判一致性";
        question: "question", "问题";
        items: "items", "题数";
        percent: "equal", "相同";
        nominal: "alpha, nominal", "α（名义）";
        ordinal: "alpha, ordinal", "α（次序）";
        interval: "alpha, interval", "α（等距）";
        about_agreement: "Krippendorff's alpha is 1 where judges agree, 0 where they agree as by chance. It is low where nearly all judgements are of one kind, though judges agree: read it beside the share that is equal. Of pairs a judgement is the side that was chosen, or a tie; sides are balanced.", "Krippendorff α 为 1 表示完全一致，0 表示与随机无异。几乎所有判断都属同一类时，即使评判者意见相同，α 也会偏低，应与“相同”一列对照。两个回答比较时，判断取所选的一侧或平局；左右是平衡的。";
        judge_pairs: "Each two judges", "两两之间";
        kappa: "Cohen's kappa", "Cohen κ 系数";
        judges: "Judges", "评判者";
        kind: "kind", "类别";
        judged: "judged", "已评";
        checks: "checks failed", "未通过检查";
        steady: "same twice", "两次相同";
        left: "left side", "选左侧";
        seconds: "seconds each (median)", "每题秒数（中位）";
        about_judges: "A check holds a scrambled answer that has to lose, or to be rated 1 or 2 for fluency. Some items come twice, pairs with their sides exchanged. Of sides that are chosen, half should be left.", "检查题含有打乱字符的回答，它应当落败，或流畅性只得 1、2 分。部分题目会出现两次，左右对调。所选的一侧应有一半在左。";
        length: "Length", "长度";
        longer: "choices of the longer answer", "选择较长回答的比例";
        length_effect: "log-odds of a standard deviation more", "长度每多一个标准差的对数胜率比";
        choices: "choices", "选择数";
        about_length: "Where longer answers win more often than half, length may be what was judged. The second figure is estimated along with the strengths of the models; strengths at equal length stand beside those above.", "若较长的回答胜出超过一半，评判的可能是长度。第二个数与模型实力一起估计；“长度相同时”的实力列在上面。";
        asked: "How it was asked", "提问方式";
        choice: "choice", "选择";
        footer: "Made by nuwa judge. The raw votes lie beside this page, in votes/, and the plan in plan.json.", "由 nuwa judge 生成。原始投票在本页旁的 votes/ 中，计划在 plan.json 中。";
        person: "person", "人";
        model: "model", "模型";
    }
}

/// The name of a criterion.
pub fn criterion(criterion: Option<Criterion>) -> Fixed {
    match criterion {
        None => Words::ALL.choice,
        Some(Criterion::Fluency) => Fixed { en: "fluency", zh: "流畅性" },
        Some(Criterion::Coherence) => Fixed { en: "coherence", zh: "连贯性" },
        Some(Criterion::Relevance) => Fixed { en: "relevance", zh: "相关性" },
    }
}

pub fn kind(kind: JudgeKind) -> Fixed {
    match kind {
        JudgeKind::Person => Words::ALL.person,
        JudgeKind::Model => Words::ALL.model,
    }
}

/// Whose figures these are.
pub fn of_group(kind: JudgeKind, judges: &[String]) -> Text {
    let (count, names) = (judges.len(), judges.join(", "));
    match kind {
        JudgeKind::Person if count == 1 => both!("One person: {names}", "一位评判者：{names}"),
        JudgeKind::Person => both!("{count} people: {names}", "{count} 位评判者：{names}"),
        JudgeKind::Model if count == 1 => both!("A model as judge: {names}", "由模型评判：{names}"),
        JudgeKind::Model => both!("{count} models as judges: {names}", "由 {count} 个模型评判：{names}"),
    }
}

/// What was judged.
pub fn subtitle(models: &[String], prompts: u64, plan: &str) -> Text {
    let (names, of) = (models.join(", "), counted(prompts, "prompt"));
    both!("{names} on {of} · plan {plan}", "{names} · {prompts} 个提示 · 计划 {plan}")
}

pub fn remark(remark: &JudgeRemark) -> Text {
    match remark {
        JudgeRemark::FailedChecks { judge, failed, of } => both!(
            "{judge} failed {failed} of {of} checks of attention; --without leaves a judge out",
            "{judge} 有 {failed} / {of} 道检查题未通过；可用 --without 排除某位评判者"
        ),
        JudgeRemark::Unfinished { judge, left } => {
            let items = counted(*left, "item");
            both!("{judge} has {items} left to judge", "{judge} 还有 {left} 题未评")
        }
        JudgeRemark::OnePerson => both!(
            "one person judged: that is an opinion, of which nothing says whether others share it",
            "只有一个人评判：这是个人意见，无从得知他人是否同意"
        ),
        JudgeRemark::NoPerson => {
            both!("no person judged: these are opinions of models", "没有人参与评判：这些是模型的意见")
        }
        JudgeRemark::FewPrompts { prompts } => {
            let of = counted(*prompts, "prompt");
            both!(
                "{of} are few: only large differences can show",
                "只有 {prompts} 个提示：只有很大的差异才看得出"
            )
        }
    }
}

pub fn left_out(judges: &[String]) -> Text {
    let names = judges.join(", ");
    both!("the votes of {names} are not in the figures", "以下数字不含 {names} 的投票")
}
