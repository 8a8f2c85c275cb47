//! The words of the data card, `data-card.md`.

use super::{Text, both, counted, fixed};
use crate::numbers::grouped;

fixed! {
    /// What the card says every time.
    Words {
        about: "The text that a model was trained on with Nuwa. What can be measured of the questions of \"Datasheets for Datasets\" (Gebru et al. 2021) was measured; the rest was asked of its maker.", "使用 Nuwa 训练模型所用的文本。《Datasheets for Datasets》（Gebru 等，2021）中能测量的问题已测量，其余由制作者回答。";
        unanswered: "*Not answered.*", "*未回答。*";
        motivation: "Motivation", "动机";
        composition: "Composition", "构成";
        collection: "Collection", "收集";
        preprocessing: "Cleaning", "清洗";
        uses: "Uses", "用途";
        misuses: "What it must not be used for", "不得用于";
        risks: "Known harm and faults", "已知的危害与缺陷";
        distribution: "Distribution", "分发";
        licence: "Licence", "许可证";
        maintenance: "Maintenance", "维护";
        contact: "Contact", "联系方式";
        languages: "Languages, counted in the text after cleaning:", "清洗后文本的语言分布：";
        formats: "Files by format:", "各格式文件数：";
        format: "format", "格式";
        files: "files", "文件数";
        sources: "The SHA-256 of every source file is in sources.sha256 of the run; provenance.json links it with the model.", "每个源文件的 SHA-256 在运行目录的 sources.sha256 中；provenance.json 将其与模型关联。";
        step: "step", "步骤";
        documents: "documents in", "输入文档";
        rejected: "left out", "剔除";
        changed: "changed", "修改";
        kept: "Kept in the end:", "最终保留：";
        no_cleaning: "No cleaning was recorded.", "未记录清洗过程。";
        people: "How often groups of people are mentioned after cleaning, per million words:", "清洗后每百万词中提及各人群的次数：";
        group: "group", "人群";
        mentions: "per million", "每百万词";
    }
}

pub fn kept(documents: u64, bytes: &str) -> Text {
    let (count, number) = (counted(documents, "document"), grouped(documents));
    both!("{count}, {bytes}", "{number} 个文档，{bytes}")
}
