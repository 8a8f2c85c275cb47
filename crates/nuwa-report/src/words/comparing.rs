//! The words of a comparison of models.

use super::{Text, both, counted, fixed};

fixed! {
    /// What the page says every time.
    Words {
        brand: "models side by side", "模型对比";
        title: "Which model is better?", "哪个模型更好？";
        headline: "The figure of each task", "各任务的主要指标";
        task: "task", "任务";
        figure: "figure", "指标";
        chance: "chance", "随机水平";
        mean: "mean", "平均";
        raw: "raw mean", "原始平均";
        tests: "Against the first model", "与第一个模型相比";
        model: "model", "模型";
        difference: "difference, with 95 % interval", "差值（含 95 % 区间）";
        p: "p", "p 值";
        holm: "p, Holm", "p 值（Holm 校正）";
        how: "test", "检验";
        only: "only first / only this right", "仅前者对 / 仅后者对";
        detectable: "detectable", "可检出差异";
        clear: "clear", "明显";
        yes: "yes", "是";
        no: "no", "否";
        others: "All other figures", "其他指标";
        samples: "Where they differ", "不同之处";
        expected: "right answer", "正确答案";
        about_values: "Intervals are 95 %: Wilson's where items are right or wrong, else 1.96 standard errors to both sides. The mean is the raw mean of a leaderboard: no task is scaled by its chance level.", "区间为 95 %：逐题判对错时用 Wilson 区间，否则取左右各 1.96 个标准误。平均与排行榜相同，为原始平均，不按随机水平缩放。";
        about_tests: "On the same items: McNemar's exact test where items are right or wrong, else a paired bootstrap (1000 samples). Unpaired: the items are others or were not kept, or the score is published; such tests find less. Holm's correction counts all tests of this table; clear: below .05 after it. Detectable: the smallest true difference that this comparison finds four times out of five.", "对同一批题目：逐题判对错时用 McNemar 精确检验，否则用配对自助法（1000 次抽样）。“unpaired”指题目不同、未保存，或分数来自他人，这类检验的功效较低。Holm 校正计入本表全部检验；校正后低于 0.05 为“明显”。“可检出差异”是本次对比五次中能发现四次的最小真实差异。";
        about_published: "Published scores were made elsewhere: with other prompts, shots or versions they mean something else.", "他人公布的分数出自别处：提示、示例数或版本不同，含义也就不同。";
        footer: "Made by nuwa compare.", "由 nuwa compare 生成。";
    }
}

/// What is compared.
pub fn subtitle(models: &[String], tasks: u64) -> Text {
    let (names, of) = (models.join(", "), counted(tasks, "task"));
    both!("{names} on {of}", "{names} · {tasks} 个任务")
}

pub fn left_out(tasks: &[String]) -> Text {
    let names = tasks.join(", ");
    both!(
        "not all models have these tasks, which are left out: {names}",
        "以下任务并非所有模型都有，未列入：{names}"
    )
}

pub fn other_items(tasks: &[&str]) -> Text {
    let names = tasks.join(", ");
    both!(
        "the models were asked other items, or what each item came to was not kept, so the tests are not paired: {names}",
        "各模型所答的题目不同，或逐题结果未保存，以下任务的检验未配对：{names}"
    )
}

/// Where a sample stands.
pub fn sample(task: &str, item: usize) -> Text {
    let number = item + 1;
    both!("{task}, item {number}", "{task}，第 {number} 题")
}
