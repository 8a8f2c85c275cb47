//! Names that the libraries give to steps, reasons, tasks and figures, as the pages show them. One without a Chinese name is shown
//! as it is.

use super::Text;

/// A key as words: "bits per byte" of "bits_per_byte".
pub fn spaced(key: &str) -> String {
    key.replace(['_', '-'], " ")
}

/// The name of a cleaning step, of planted noise, of a metric or of a group of people.
pub fn name(key: &str) -> Text {
    Text::new(spaced(key), known(NAMES, key).map_or_else(|| spaced(key), String::from))
}

/// The name of a task: `world_answer_en`.
pub fn task(key: &str) -> Text {
    let (stem, language) = match key.rsplit_once('_') {
        Some((stem, "en")) => (stem, "（英文）"),
        Some((stem, "zh")) => (stem, "（中文）"),
        _ => (key, ""),
    };
    let chinese = known(TASKS, stem).map(|chinese| format!("{chinese}{language}"));
    Text::new(spaced(key), chinese.unwrap_or_else(|| spaced(key)))
}

/// A metric that may be that of one class: `f1_positive`.
pub fn metric(key: &str) -> Text {
    let of_class = |(stem, class): (&str, &str)| {
        Some(Text::new(spaced(key), format!("{}（{class}）", known(NAMES, stem)?)))
    };
    match known(NAMES, key) {
        Some(_) => name(key),
        None => key.split_once('_').and_then(of_class).unwrap_or_else(|| Text::same(spaced(key))),
    }
}

/// Why something was left out, or what a step counted.
pub fn reason(reason: &str) -> Text {
    let chinese = known(REASONS, reason).map(String::from).or_else(|| reason_of_kind(reason));
    Text::new(reason, chinese.unwrap_or_else(|| reason.into()))
}

/// A reason that names what it is about.
fn reason_of_kind(reason: &str) -> Option<String> {
    let within = |before: &str, after: &str| reason.strip_prefix(before)?.strip_suffix(after);
    within("language ", "")
        .map(|language| format!("语言为 {language}"))
        .or_else(|| within("top ", "-gram").map(|n| format!("最高频 {n}-gram 占比过高")))
        .or_else(|| within("duplicate ", "-grams").map(|n| format!("重复的 {n}-gram 过多")))
        .or_else(|| within("", " is not supported").map(|what| format!("不支持 {what}")))
}

/// A language that has no code, such as `unknown, Latin letters`.
pub fn language(name: &str) -> Text {
    let script = name.strip_prefix("unknown, ").and_then(|rest| rest.strip_suffix(" letters"));
    match script {
        Some(script) => Text::new(name, format!("未识别（{script} 字母）")),
        None => reason(name),
    }
}

fn known<'a>(table: &[(&str, &'a str)], key: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| *name == key).map(|(_, chinese)| *chinese)
}

const NAMES: &[(&str, &str)] = &[
    ("unicode", "Unicode 规范化"),
    ("article", "正文提取"),
    ("whitespace", "空白规范化"),
    ("language", "语言识别"),
    ("emoji", "表情符号"),
    ("personal-data", "个人信息"),
    ("length", "长度过滤"),
    ("repetition", "重复内容过滤"),
    ("toxicity", "有害内容过滤"),
    ("counterfactual", "性别词对换"),
    ("classified", "分类器过滤"),
    ("spelling", "拼写纠正"),
    ("boilerplate", "模板文本去除"),
    ("gopher-quality", "Gopher 质量规则"),
    ("c4", "C4 规则"),
    ("fineweb", "FineWeb 规则"),
    ("decontaminate", "去污染"),
    ("exact-duplicates", "完全重复去重"),
    ("near-duplicates", "近似重复去重"),
    ("repeated-passages", "重复段落去除"),
    ("mix", "配比"),
    ("exact_duplicate", "完全重复"),
    ("near_duplicate", "近似重复"),
    ("broken_html", "残缺 HTML"),
    ("mojibake", "乱码"),
    ("typo", "错别字"),
    ("slur", "侮辱性词语"),
    ("personal_data", "个人信息"),
    ("bits_per_byte", "每字节比特数"),
    ("zstd_bits_per_byte", "zstd 压缩的每字节比特数"),
    ("bits_per_character", "每字符比特数"),
    ("perplexity", "困惑度"),
    ("word_perplexity", "词级困惑度"),
    ("exact_match", "完全匹配"),
    ("contains", "包含答案"),
    ("acc", "准确率"),
    ("acc_norm", "准确率（按长度归一）"),
    ("f1_macro", "宏平均 F1"),
    ("f1_weighted", "加权平均 F1"),
    ("matthews", "马修斯相关系数"),
    ("commonest_class", "恒取最多类"),
    ("f1_micro", "微平均 F1"),
    ("mae", "平均绝对误差"),
    ("rmse", "均方根误差"),
    ("r2", "决定系数 R²"),
    ("pearson", "皮尔逊相关系数"),
    ("spearman", "斯皮尔曼相关系数"),
    ("f1", "F1"),
    ("precision", "精确率"),
    ("recall", "召回率"),
    ("female", "女性"),
    ("male", "男性"),
    ("old", "老年人"),
    ("young", "年轻人"),
    ("positive", "正面"),
    ("negative", "负面"),
];

const TASKS: &[(&str, &str)] = &[
    ("language_modelling", "语言建模"),
    ("labels", "标签判断"),
    ("arc_challenge", "ARC-Challenge"),
    ("arc_easy", "ARC-Easy"),
    ("chnsenticorp", "ChnSentiCorp"),
    ("cmmlu", "CMMLU"),
    ("hellaswag", "HellaSwag"),
    ("mmlu", "MMLU"),
    ("piqa", "PIQA"),
    ("sst2", "SST-2"),
    ("truthfulqa_mc1", "TruthfulQA MC1"),
    ("truthfulqa_mc2", "TruthfulQA MC2"),
    ("winogrande", "WinoGrande"),
    ("world_answer", "问答"),
    ("world_careless", "含错别字的问答"),
    ("world_choice", "选择题"),
    ("world_ending", "续写选择"),
    ("world_language", "以提问语言作答"),
    ("world_preference", "偏好判断"),
    ("world_sentiment", "情感分类"),
    ("world_subjects", "学科选择题"),
    ("world_sum", "加法"),
    ("world_translation", "翻译"),
    ("world_truth", "真实性"),
    ("world_unknown", "拒答未知问题"),
];

const REASONS: &[(&str, &str)] = &[
    ("too short", "过短"),
    ("too long", "过长"),
    ("no text", "没有文本"),
    ("a page without text", "网页没有正文"),
    ("language unknown", "语言无法识别"),
    ("language", "语言不符"),
    ("holds an evaluation item", "包含评测题目"),
    ("listed words", "含敏感词表中的词"),
    ("bad word", "含不当词语"),
    ("classifier", "分类器判定"),
    ("too improbable", "概率过低"),
    ("too probable", "概率过高"),
    ("same text as an earlier document", "与先前文档完全相同"),
    ("nearly the same as another document", "与其他文档近似重复"),
    ("nothing but repeated passages", "只有重复段落"),
    ("nothing but boilerplate", "只有模板文本"),
    ("nothing left", "清洗后没有内容"),
    ("more than its share", "超出配比"),
    ("much personal data", "个人信息过多"),
    ("too few sentences", "句子过少"),
    ("too few words", "词数过少"),
    ("too many words", "词数过多"),
    ("too many hash signs", "# 号过多"),
    ("too many ellipses", "省略号过多"),
    ("too many bullets", "项目符号过多"),
    ("too many lines end in an ellipsis", "以省略号结尾的行过多"),
    ("too few words with letters", "含字母的词过少"),
    ("too few stop words", "停用词过少"),
    ("lorem ipsum", "占位文本 lorem ipsum"),
    ("no lines", "没有文本行"),
    ("words too short", "平均词长过短"),
    ("words too long", "平均词长过长"),
    ("few lines end with punctuation", "以标点结尾的行过少"),
    ("many short lines", "短行过多"),
    ("few words between line breaks", "换行之间的词数过少"),
    ("duplicate lines", "重复行过多"),
    ("duplicate line characters", "重复行所占字符过多"),
    ("duplicate paragraphs", "重复段落过多"),
    ("duplicate paragraph characters", "重复段落所占字符过多"),
    ("curly bracket", "含花括号"),
    ("items looked for", "个待查题目"),
    ("emoji", "表情符号"),
    ("email", "电子邮箱"),
    ("phone", "电话号码"),
    ("chinese-mobile", "中国手机号"),
    ("unknown", "未知"),
    ("no letters", "没有文字"),
    ("binary", "二进制文件"),
    ("empty", "空文件"),
    ("preferences, which belong to DPO", "偏好数据，应用于 DPO"),
    ("dialogues, which belong to SFT", "对话数据，应用于 SFT"),
    ("page too large", "网页过大"),
    ("a table without a column of text", "表格中没有文本列"),
    ("JSON without a field of text", "JSON 中没有文本字段"),
    ("expands too far for its size", "解压后过大"),
    ("damaged or cut short", "文件损坏或不完整"),
    ("may not be read", "没有读取权限"),
    ("a link that leads out of the folder", "指向文件夹之外的链接"),
    ("an encrypted PDF", "加密的 PDF"),
    ("a PDF of pictures, without text", "只有图片、没有文本的 PDF"),
    ("no token to train on", "没有可训练的 token"),
];

#[cfg(test)]
mod tests {
    use nuwa_clean::StepName;
    use nuwa_eval::tasks::Task;
    use nuwa_world::Noise;
    use schemars::schema_for;

    use super::*;

    /// The names of an enum of plain words.
    fn words(schema: &serde_json::Value) -> Vec<String> {
        let all = schema["oneOf"].as_array().into_iter().flatten().chain([schema]);
        let of = |one: &serde_json::Value| match one["const"].as_str() {
            Some(word) => vec![word.to_string()],
            None => one["enum"]
                .as_array()
                .map(|words| words.iter().filter_map(|word| word.as_str().map(String::from)).collect())
                .unwrap_or_default(),
        };
        all.flat_map(of).collect()
    }

    #[test]
    fn every_cleaning_step_and_every_noise_has_a_chinese_name() {
        let steps = words(&schema_for!(StepName).to_value());
        assert!(steps.len() >= 20, "{steps:?}");
        let noise = Noise::ALL.map(|noise| noise.name().to_string());
        for name in steps.iter().chain(&noise) {
            assert!(known(NAMES, name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_task_has_a_chinese_name() {
        for name in Task::names().chain(nuwa_eval::TASKS) {
            assert_ne!(task(name).zh, spaced(name), "{name}");
        }
        assert_eq!(task("world_answer_zh"), Text::new("world answer zh", "问答（中文）"));
        assert_eq!(task("own"), Text::same("own"));
    }

    #[test]
    fn what_has_no_chinese_name_is_shown_as_it_is() {
        assert_eq!(metric("f1_positive"), Text::new("f1 positive", "F1（positive）"));
        assert_eq!(metric("my_figure"), Text::same("my figure"));
        assert_eq!(reason("odd"), Text::same("odd"));
        assert_eq!(reason("language de").zh, "语言为 de");
        assert_eq!(reason("language unknown").zh, "语言无法识别");
        assert_eq!(reason("duplicate 10-grams").zh, "重复的 10-gram 过多");
    }
}
