//! The words of the model card, `model/README.md`.

use super::{Text, both, counted, fixed};
use crate::numbers::grouped;

fixed! {
    /// What the card says every time.
    Words {
        fine_tuned: "A language model trained from scratch with Nuwa and fine-tuned to answer; it has a chat template.", "使用 Nuwa 从零训练并经过微调的语言模型，可以对话，附带对话模板。";
        base: "A base language model trained from scratch with Nuwa. It continues text in the style of its training data; it was not fine-tuned to answer questions or follow instructions.", "使用 Nuwa 从零训练的基座语言模型。它会按训练数据的风格续写文本，未经微调，不会回答问题或遵循指令。";
        wrote_after_pretraining: "A sample from the end of pretraining", "预训练结束时的生成样例";
        wrote_after_training: "A sample from the end of training", "训练结束时的生成样例";
        prompted: "prompt", "提示词";
        model: "Model", "模型";
        data: "Data", "数据";
        languages: "Languages, counted in the text after cleaning:", "清洗后文本的语言分布：";
        no_languages: "The languages of the text were not recorded.", "未记录训练文本的语言。";
        licence: "The licence of the text was not recorded: whoever shares this model has to check it.", "未记录训练文本的许可证，分享该模型前请自行确认。";
        training: "Training", "训练";
        trained_on: "Trained on:", "训练所用机器：";
        evaluation: "Evaluation", "评测";
        about_evaluation: "Of this model, after its last stage; each value with one standard error. Bits per byte: the average number of bits the model needs for one byte of text it was not trained on; random guessing needs 8, lower is better.", "以下为最后阶段之后的模型得分，附一倍标准误。每字节比特数：模型编码一个字节未参与训练的文本平均所需的比特数；随机猜测为 8，越低越好。";
        task: "task", "任务";
        metric: "metric", "指标";
        value: "value", "数值";
        items: "items", "样本数";
        version: "version", "版本";
        change: "change", "变化";
        gained: "better", "改善";
        lost: "worse", "变差";
        fine_tuning: "What fine-tuning changed", "微调前后的变化";
        about_change: "The change is from the first stage to the last, with its standard error.", "“变化”为最后阶段与第一阶段之差，附标准误。";
        chat: "Chat format", "对话格式";
        about_chat: "A conversation as the chat template renders it, up to the start of the next answer:", "对话模板渲染后的一段对话，末尾为待生成的回答：";
        usage: "Usage", "使用方法";
        transformers: "or with transformers:", "或使用 transformers：";
        continues: "It also continues text:", "也可以续写文本：";
        told: "What its maker says", "制作者的说明";
        uses: "Meant for", "用途";
        misuses: "Must not be used for", "不得用于";
        risks: "Known harm and faults", "已知的危害与缺陷";
        contact: "Contact", "联系方式";
        limits: "Limitations", "局限";
        fluent: "A small model trained on little text: it may write fluent nonsense, and nothing it says should be taken as true.", "这是用少量文本训练的小模型，可能生成流畅但错误的内容，请勿将其输出当作事实。";
        unfiltered: "It may repeat passages, names and opinions from its training text, unfiltered.", "它可能原样复述训练文本中的段落、人名和观点，未经过滤。";
        measured_only: "Nothing but the metrics above was measured.", "除上述指标外，未做其他评测。";
        ends_turn: "End of turn", "轮次结束";
        ends_text: "End of text (EOS)", "文本结束（EOS）";
        begins_text: "Beginning of text (BOS)", "文本开始（BOS）";
        special: "All special tokens, with their ids", "全部特殊 token 及其 ID";
    }
}

pub fn at_most(tokens: u64) -> Text {
    let tokens = grouped(tokens);
    both!("It sees at most {tokens} tokens at a time.", "上下文长度最多为 {tokens} 个 token。")
}

pub fn share(percent: &str, documents: u64) -> Text {
    let (count, number) = (counted(documents, "document"), grouped(documents));
    both!("{percent} of the text, {count}", "占文本的 {percent}，{number} 个文档")
}

pub fn more_languages(count: usize) -> Text {
    both!("{count} more", "其他 {count} 种")
}
