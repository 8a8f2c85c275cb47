//! The words of `inspect.html`, and of the same in a terminal.

use super::{Text, both, counted, fixed};
use crate::numbers::{bytes, grouped, seconds};

fixed! {
    /// What the page about the documents says every time.
    Words {
        brand: "the documents before and after cleaning", "清洗前后的文档";
        steps: "Steps", "清洗步骤";
        steps_title: "Step by step", "逐步结果";
        corpus: "Length and language", "长度与语言";
        duplicates: "Duplicates", "重复文档";
        bias: "Bias", "偏见";
        planted: "Planted noise", "植入的噪声";
        documents: "Documents", "文档";
        by_length: "Documents by length", "文档长度分布";
        kept: "kept", "保留";
        rejected: "rejected", "剔除";
        changed: "changed", "修改";
        characters: "characters", "字符数";
        languages: "Languages", "语言";
        duplicates_title: "Duplicate documents", "重复的文档";
        largest: "Largest clusters", "最大的重复簇";
        later_rejected: "The document that was kept here was rejected by a later step.", "此处保留的文档在后续步骤中被剔除。";
        bias_title: "What the text says about groups of people", "文本中对不同人群的描述";
        times: "count", "次数";
        in_a_million: "per million words", "每百万词";
        words_beside: "associated words, after", "清洗后的关联词";
        group: "Group", "人群";
        before: "before", "清洗前";
        after: "after", "清洗后";
        word: "Word", "词语";
        bits_above: "PMI, in bits", "点互信息（比特）";
        planted_title: "Planted noise and what cleaning caught", "植入的噪声与清洗检出情况";
        search_hint: "Search text, source and reason", "搜索文本、来源和原因";
        search: "Search", "搜索";
        outcome: "Outcome", "处理结果";
        all: "all", "全部";
        step: "Step", "步骤";
        reason: "Reason", "原因";
        every_step: "every step", "所有步骤";
        every_reason: "every reason", "所有原因";
        about_samples: "A sample of each kind, chosen by the hash of the document id.", "每类抽取若干文档，按文档 ID 的哈希选取。";
        added: "Added", "新增";
        removed: "removed", "删除";
        about_marks: "text is marked; invisible characters are written as ↵ · → or as their code point.", "的文本带有标记；不可见字符以 ↵ · → 或码位表示。";
        show_more: "Show more", "显示更多";
        nothing_found: "nothing found", "没有找到";
        footer: "Made by nuwa from the files in this folder. The page is self-contained and works offline.", "由 nuwa 根据该目录中的文件生成。页面自包含，可离线查看。";
        documents_kept: "Documents kept", "保留的文档";
        text_kept: "Text kept", "保留的文本";
        documents_rejected: "Rejected", "剔除的文档";
        changes: "Changes", "修改次数";
        same_text: "the same text", "文本相同";
        empty_text: "an empty text", "空文本";
        text_unchanged: "The text is unchanged; only the metadata of the document changed.", "文本未变，仅文档元数据有改动。";
        found_count: "{count} of {all} samples", "共 {all} 个样例，显示 {count} 个";
    }
}

pub fn subtitle(documents: u64, size: u64, time: f64, speed: u64) -> Text {
    let (count, number) = (counted(documents, "document"), grouped(documents));
    let (size, time, speed) = (bytes(size), seconds(time), bytes(speed));
    both!(
        "{count} and {size} of text, cleaned in {time} ({speed}/s)",
        "{number} 个文档，{size} 文本，清洗用时 {time}（{speed}/秒）"
    )
}

pub fn of_all(share: &str) -> Text {
    both!("{share} of all", "占全部的 {share}")
}

pub fn of_text(share: &str, size: u64) -> Text {
    let size = bytes(size);
    both!("{share} of {size}", "{size} 的 {share}")
}

pub fn most_by(step: &Text) -> Text {
    Text::new(format!("most by {}", step.en), format!("主要来自{}", step.zh))
}

pub fn others(count: usize) -> Text {
    both!("{count} others", "其他 {count} 种")
}

pub fn kept_and_rejected(kept: u64, rejected: u64, size: u64) -> Text {
    let (kept, size) = (grouped(kept), bytes(size));
    match rejected {
        0 => both!("{kept} kept · {size}", "保留 {kept} · {size}"),
        _ => {
            let rejected = grouped(rejected);
            both!("{kept} kept, {rejected} rejected · {size}", "保留 {kept}，剔除 {rejected} · {size}")
        }
    }
}

pub fn clusters(copies: u64, documents: u64, clusters: u64) -> Text {
    let (copies, number, groups) = (grouped(copies), grouped(documents), grouped(clusters));
    let (documents, clusters) = (counted(documents, "document"), counted(clusters, "cluster"));
    both!(
        "{copies} of the {documents} in {clusters} are exact or near duplicates of another one; one document of each cluster is kept.",
        "{groups} 个簇共 {number} 个文档，其中 {copies} 个与其他文档完全重复或近似重复；每个簇保留一个文档。"
    )
}

pub fn clusters_of(clusters: u64, least: u64, most: u64) -> Text {
    let (count, number) = (counted(clusters, "cluster"), grouped(clusters));
    let (least, most) = (grouped(least), grouped(most));
    match least == most {
        true => both!("{count} of {most}", "{most} 个文档的簇：{number} 个"),
        false => both!("{count} of {least} to {most}", "{least} 至 {most} 个文档的簇：{number} 个"),
    }
}

pub fn before_and_after(before: u64, after: u64) -> Text {
    let (before, after) = (grouped(before), grouped(after));
    both!("{before} before, {after} after", "去重前 {before}，去重后 {after}")
}

pub fn cluster_title(size: u64, step: &Text) -> Text {
    let number = grouped(size);
    Text::new(
        format!("{}, found by {}", counted(size, "document"), step.en),
        format!("{number} 个文档，由{}检出", step.zh),
    )
}

pub fn more(count: u64) -> Text {
    let count = grouped(count);
    both!("and {count} more", "另有 {count} 个")
}

pub fn bias(window: usize) -> Text {
    both!(
        "How often the terms of each group occur before and after cleaning, and which words occur within {window} words of them more often than chance.",
        "各人群相关词语在清洗前后的出现频率，以及在其前后 {window} 个词内出现频率高于随机水平的词语。"
    )
}

pub fn estimated_from(size: u64) -> Text {
    let size = bytes(size);
    both!("Estimated from {size} of the text.", "根据其中 {size} 文本估计。")
}

pub fn terms(terms: &str) -> Text {
    both!("Terms found after cleaning: {terms}", "清洗后出现的相关词语：{terms}")
}

pub fn lengths(least: u64, most: u64, highest: u64) -> Text {
    let (least, most, highest) = (grouped(least), grouped(most), grouped(highest));
    both!(
        "Lengths from {least} to {most} characters; the highest column is {highest} documents.",
        "长度从 {least} 到 {most} 个字符；最高的一列有 {highest} 个文档。"
    )
}

pub fn column(from: u64, to: u64, kept: u64, rejected: u64) -> Text {
    let (kept, rejected) = (grouped(kept), grouped(rejected));
    let (en, zh) = match to > from {
        true => {
            let (from, to) = (grouped(from), grouped(to));
            (format!("{from} to {to} characters"), format!("{from} 至 {to} 个字符"))
        }
        false => (counted(from, "character"), format!("{} 个字符", grouped(from))),
    };
    both!("{en}: {kept} kept, {rejected} rejected", "{zh}：保留 {kept}，剔除 {rejected}")
}
