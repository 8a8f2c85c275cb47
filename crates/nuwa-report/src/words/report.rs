//! The words of `report.html`, and of the facts that the model card shares with it.

use nuwa_train::inside::Warning;

use super::{Fixed, Text, both, counted, fixed};
use crate::numbers::{bytes, grouped, rounded, seconds};

fixed! {
    /// What the report says every time.
    Words {
        brand: "training report", "训练报告";
        learning: "Training curves", "训练曲线";
        scores: "Scores after each stage", "各阶段得分";
        samples: "Generated samples", "生成样例";
        data: "Data", "数据";
        model: "Model and training", "模型与训练";
        evaluation: "Evaluation", "评测";
        stages: "Time per stage", "各阶段耗时";
        reproduce: "Reproduce this run", "复现本次运行";
        figure: "Metric", "指标";
        predicted: "Predicted", "预测值";
        measured: "Measured", "实测值";
        difference: "Difference", "偏差";
        about_bits: "Bits per byte: the average number of bits the model needs to encode one byte of text it has not been trained on. Random guessing needs 8; lower is better. Unlike loss per token, it can be compared between models with different vocabularies. The number after ± is one standard error.", "每字节比特数（bits per byte）：模型编码一个字节未参与训练的文本平均所需的比特数。随机猜测为 8，越低越好。与每 token 损失不同，该指标可以在词表不同的模型之间比较。± 之后的数字为一倍标准误。";
        linear: "linear", "线性";
        logarithmic: "logarithmic", "对数";
        tokens_seen_axis: "tokens seen", "已训练 token 数";
        step: "Step", "步";
        tokens: "Tokens", "token 数";
        loss: "Loss", "损失";
        bits_per_byte: "Bits per byte", "每字节比特数";
        task: "Task", "任务";
        change: "Change", "变化";
        gained: "better", "改善";
        lost: "worse", "变差";
        same_questions: "The same questions after each stage", "同一问题在各阶段后的回答";
        right: "correct", "正确";
        wrong: "wrong", "错误";
        fine_tuning: "Fine-tuning", "微调";
        actual: "actual", "真实类别";
        at_the_end: "At the end of training", "训练结束时";
        on_the_way: "During training", "训练过程中";
        about_samples: "The highlighted words are the prompt; the model wrote the rest. Samples are neither selected nor edited.", "高亮部分为提示词，其余由模型生成。样例未经挑选或修改。";
        files_skipped: "Skipped files", "跳过的文件";
        cleaning: "Cleaning", "清洗";
        more_documents: "Inspect the documents", "查看文档详情";
        planted: "Planted noise and what cleaning caught", "植入的噪声与清洗检出情况";
        rejected_examples: "Examples of rejected documents", "被剔除文档示例";
        other_examples: "Examples of kept and changed documents", "保留和修改的文档示例";
        training: "Training", "训练";
        structure: "Structure", "结构";
        part: "Part", "部分";
        times: "Layers", "层数";
        weights_each: "Weights", "权重数";
        of_all: "Of all", "占比";
        operations: "Operations per token", "每 token 运算量";
        experts: "How the tokens of held-out text are shared among the experts, in per cent", "留出文本的 token 在各专家之间的分配（百分比）";
        layer: "Layer", "层";
        value: "Value", "数值";
        standard_error: "± standard error", "± 标准误";
        items: "Items", "样本数";
        version: "Version", "版本";
        no_command: "This folder holds neither the command nor the resolved recipe.", "该目录中既没有命令行记录，也没有完整配置。";
        machine: "Machine", "机器";
        settings: "All settings (recipe.toml)", "全部设置（recipe.toml）";
        left_out: "Missing from this page", "本页缺失的内容";
        footer: "Made by nuwa from the files in this folder. The page is self-contained and works offline.", "由 nuwa 根据该目录中的文件生成。页面自包含，可离线查看。";
        loss_title: "Loss, in nats per token", "损失（每 token，单位 nat）";
        bits_title: "Bits per byte of held-out text", "留出文本的每字节比特数";
        learning_rate: "Learning rate", "学习率";
        gradient_norm: "Gradient norm", "梯度范数";
        activations_title: "Size of activations by block (root mean square)", "各层激活值大小（均方根）";
        gradients_title: "Size of gradients by block (root mean square)", "各层梯度大小（均方根）";
        optimizer: "Optimizer", "优化器";
        regularisation: "Regularization", "正则化";
        zeros: "Weights that L1 made 0", "被 L1 置零的权重";
        noise_scale: "Gradient noise scale, in tokens", "梯度噪声尺度（token）";
        forecast: "Bits per byte, forecast by nuwa tune", "每字节比特数（nuwa tune 预测）";
        speed_title: "Tokens per second", "每秒 token 数";
        training_curve: "training", "训练";
        validation_curve: "validation", "验证";
        held_out_curve: "held-out", "留出集";
        whole_held_out: "all held-out text, at the end", "训练结束时的全部留出文本";
        kept_model: "the checkpoint that was kept", "最终保留的检查点";
        validation_only: "Validation loss over tokens.", "验证损失随 token 数的变化。";
        bits_tile: "Bits per byte", "每字节比特数";
        bits_tile_final: "Bits per byte, final model", "每字节比特数（最终模型）";
        bits_tile_pretrained: "Bits per byte, pretrained", "每字节比特数（预训练）";
        masked_tile: "Masked tokens predicted right", "掩码 token 预测正确率";
        predicted_tile: "Tokens predicted right, in any order", "任意顺序下的 token 预测正确率";
        target_tile: "Target tokens predicted right", "目标 token 预测正确率";
        labels_tile: "Labels told right", "标签判断正确率";
        numbers_tile: "Mean error", "平均误差";
        sft_of_labels: "SFT: loss on labels", "SFT：标签的损失";
        answers_tile: "Loss on held-out answers", "留出集回答的损失";
        parameters: "Parameters", "参数量";
        tokens_seen: "Tokens seen", "已训练 token 数";
        training_time: "Training time", "训练时间";
        time_to_train: "Training time", "训练时间";
        memory: "Memory", "内存";
        not_measured: "not measured", "未测量";
        inside: "within the error bar", "在误差范围内";
        sft_curve: "SFT: loss on answers", "SFT：回答的损失";
        reward_name: "reward", "奖励";
        true_reward_name: "true reward", "真实奖励";
        kl_name: "KL divergence of an answer, in nats", "每条回答的 KL 散度（nat）";
        entropy_name: "entropy of a token, in nats", "每 token 的熵（nat）";
        length_name: "tokens of an answer", "每条回答的 token 数";
        ended_name: "share of answers that end", "自行结束的回答比例";
        kept: "kept", "保留";
        rejected: "rejected", "剔除";
        changed: "changed", "修改";
        family: "Model family", "模型系列";
        layers: "Layers", "层数";
        width: "Hidden size", "隐藏维度";
        heads: "Attention heads", "注意力头数";
        kv_heads: "Key/value heads", "KV 头数";
        head_width: "Head size", "每头维度";
        mlp_width: "MLP hidden size", "MLP 隐藏维度";
        context: "Context length, in tokens", "上下文长度（token）";
        vocabulary: "Vocabulary size", "词表大小";
        output_head: "Output head", "输出层";
        tied: "tied to the embedding", "与词嵌入共享权重";
        untied: "weights of its own", "独立权重";
        goal: "Requested", "目标";
        pilot: "Pilot run", "试跑";
        steps: "Steps", "训练步数";
        decay: "Learning-rate decay", "学习率衰减";
        kept_step: "Kept checkpoint", "保留的检查点";
        batch: "Tokens per step", "每步 token 数";
        sequence: "Tokens per sequence", "每序列 token 数";
        peak_rate: "Peak learning rate", "峰值学习率";
        dropout: "Dropout", "Dropout（随机失活）";
        time: "Time", "用时";
        speed: "Speed, in tokens per second", "速度（token/秒）";
        seed: "Seed", "随机种子";
        files_read: "Files read", "读取的文件数";
        documents_collected: "Documents collected", "收集的文档数";
        text_collected: "Text collected", "收集的文本量";
        train_part: "Training set", "训练集";
        validation_part: "Validation set (selects the best checkpoint)", "验证集（用于选择最佳检查点）";
        test_part: "Test set (never used for selection)", "测试集（不参与任何选择）";
        bytes_per_token: "Bytes per token", "每 token 字节数";
        characters_per_token: "Characters per token", "每 token 字符数";
        processor: "Processor", "处理器";
        cores: "Cores", "核心数";
        threads: "Threads in use", "使用线程数";
        simd: "Vector instructions", "向量指令集";
        products: "Matrix products, f32", "矩阵乘法（f32）";
        bandwidth: "Memory bandwidth", "内存带宽";
        gpu: "GPU", "GPU（显卡）";
        system: "System", "操作系统";
        program: "Program", "程序版本";
    }
}

fixed! {
    /// What the parts about cleaning say every time; the page about the documents has them too.
    CleaningWords {
        shares: "share of the text", "占文本比例";
        worked_with: "used", "使用";
        found: "found", "检出";
        words_replaced: "words replaced", "处词语被替换";
        frequent: "Most frequent replacements", "最常见的替换";
        and_more: "more", "其他";
        about_funnel: "Wide bar: documents, as a share of all input documents; its end is what this step rejected. Thin bar: bytes of text. Times are CPU time summed over threads.", "宽条：文档数占全部输入文档的比例，末端为该步骤剔除的部分；细条：文本字节数。时间为各线程 CPU 时间之和。";
        noise: "Noise", "噪声类型";
        planted: "Planted", "植入";
        rejected: "Rejected", "剔除";
        repaired: "Repaired", "修复";
        caught: "Caught", "检出率";
    }
}

/// A stage by its name, in Chinese with what it does.
pub fn stage(name: &str, chinese: &str) -> Text {
    both!("{name}", "{chinese}（{name}）")
}

/// Between a step and its reason.
pub const COLON: Fixed = Fixed { en: ": ", zh: "：" };

pub fn parameters(count: u64) -> Text {
    let count = rounded(count as f64);
    both!("{count} parameters", "{count} 参数")
}

pub fn family(name: &str) -> Text {
    both!("{name} family", "{name} 系列")
}

/// Said of the picture of a model for those who do not see it.
pub fn drawn(context: usize, width: usize) -> Text {
    let context = grouped(context as u64);
    both!(
        "The model from the token ids, up to {context}, to the logits: its parts with the shapes of their matrices, {width} features a token between them",
        "模型自 token id（至多 {context} 个）至 logits 的结构：各部分及其矩阵的形状，部分之间每个 token {width} 维"
    )
}

/// What the operations of the table are.
pub fn about_operations(context: usize) -> Text {
    let context = grouped(context as u64);
    both!(
        "Weights and operations of one layer, and their share of all weights with every layer of the kind. Operations: floating-point operations of the forward pass for one token, two for each weight of a matrix that the token meets; those of attention with the scores of as many keys as a token of a whole context ({context}) has on average.",
        "权重数与运算量为单层数值，占比为同类各层之和占全部权重的比例。运算量：一个 token 前向传播的浮点运算数，token 经过的矩阵每个权重计两次；注意力的运算量包括分数，键的个数取整个上下文（{context}）内 token 的平均值。"
    )
}

pub fn from_text(size: u64) -> Text {
    let size = bytes(size);
    both!("from {size} of text", "基于 {size} 文本")
}

pub fn trained_in(time: f64) -> Text {
    let time = seconds(time);
    both!("trained in {time}", "训练用时 {time}")
}

pub fn part_of_text(share: &str) -> Text {
    both!("{share} of the training set", "训练集的 {share}")
}

pub fn epochs(times: &str) -> Text {
    both!("{times} epochs", "{times} 轮（epoch）")
}

pub fn predicted(value: &str) -> Text {
    both!("predicted {value}", "预测 {value}")
}

pub fn after_pretraining(value: &str) -> Text {
    both!("{value} after pretraining", "预训练后 {value}")
}

pub fn answers_note(before: &str) -> Text {
    both!("nats per token after SFT, {before} before", "SFT 后每 token 的 nat 数，此前为 {before}")
}

pub fn objective_note(loss: &str) -> Text {
    both!(
        "of held-out text after pretraining; {loss} nats per token",
        "预训练后的留出文本；每 token {loss} nat"
    )
}

pub fn labels_note(texts: u64) -> Text {
    let (count, number) = (counted(texts, "held-out text"), grouped(texts));
    both!("of {count}", "{number} 条留出文本")
}

/// Of a stage that learnt labels.
pub fn labels(texts: u64, labels: usize, [before, after]: [f64; 2]) -> Text {
    let (count, number) = (counted(texts, "text"), grouped(texts));
    both!(
        "SFT of a head for labels on {count} ({labels} outputs): the loss on held-out texts went from {before:.3} to {after:.3}.",
        "SFT 使用 {number} 条文本训练标签头（{labels} 个输出）：留出集损失由 {before:.3} 变为 {after:.3}。"
    )
}

pub fn shape_note(layers: u64, width: u64) -> Text {
    both!("{layers} layers, hidden size {width}", "{layers} 层，隐藏维度 {width}")
}

pub fn worse(by: &str) -> Text {
    both!("{by} above the error bar", "高出误差范围 {by}")
}

pub fn better(by: &str) -> Text {
    both!("{by} below the error bar", "低于误差范围 {by}")
}

/// Whether the prediction of the loss held.
pub fn verdict(predicted: &str, measured: &str, fine_tuned: bool, outcome: &Text) -> Text {
    let (when, when_zh) = if fine_tuned { (" after pretraining", "预训练后") } else { ("", "") };
    Text::new(
        format!(
            "Predicted before training: {predicted} bits per byte; measured{when}: {measured}, {}.",
            outcome.en
        ),
        format!("训练前预测每字节比特数为 {predicted}，{when_zh}实测为 {measured}，{}。", outcome.zh),
    )
}

pub fn moved_to(value: &str) -> Text {
    both!(" After fine-tuning: {value}.", "微调后为 {value}。")
}

/// That the text is read so often that it does little good any more.
pub fn repeated(times: &str) -> Text {
    both!(
        "The text is repeated for {times} epochs. Up to about 4 epochs are nearly as good as new text; beyond 16 the model memorises the text rather than learning the language. More text helps most; otherwise use a smaller budget.",
        "文本被重复训练 {times} 轮（epoch）。约 4 轮以内的效果与新文本接近；超过 16 轮后，模型主要是在死记文本，而不是学习语言。最有效的办法是增加文本，否则请减小预算。"
    )
}

/// What a picture over blocks shows.
pub fn by_block(title: &Text) -> Text {
    Text::new(
        format!("{}, from the first block to the last.", title.en),
        format!("{}，从第一层到最后一层。", title.zh),
    )
}

/// A bad sign in the first steps.
pub fn bad_sign(warning: Warning) -> Text {
    let (english, chinese) = match warning {
        Warning::VanishingGradient => (
            "In the first step some blocks got less than a thousandth of the gradient of others: they hardly learn. Try another initialisation (model.initialisation).",
            "第一步中某些层的梯度不足其他层的千分之一，几乎无法学习。请尝试其他初始化方式（model.initialisation）。",
        ),
        Warning::ExplodingGradient => (
            "In the first step the gradient grew more than a hundredfold towards the first block. Try a smaller model.initialisation_scale, or fewer blocks.",
            "第一步中梯度向第一层方向增长超过一百倍。请减小 model.initialisation_scale 或减少层数。",
        ),
        Warning::GrowingActivation => (
            "In the first step activations grew more than a hundredfold from the first block to the last. Try a smaller model.initialisation_scale.",
            "第一步中激活值从第一层到最后一层增长超过一百倍。请减小 model.initialisation_scale。",
        ),
        Warning::NotFinite => (
            "In the first step some activations or gradients were infinite or no numbers. Try a smaller learning rate or initialisation.",
            "第一步中出现了无穷大或非数值的激活值或梯度。请减小学习率或初始化尺度。",
        ),
    };
    Text::new(english, chinese)
}

/// Smallest, largest and equal share of an expert in per cent, the entropy against the highest one, and experts that are not used.
pub fn expert_shares([smallest, largest, equal]: [&str; 3], entropy: f64, dead: usize) -> Text {
    let mut told = both!(
        "An expert gets from {smallest}% to {largest}% of its layer's tokens; equal shares would be {equal}%. The entropy of the shares is {entropy:.2} of the highest possible one.",
        "每个专家分到所在层 {smallest}% 至 {largest}% 的 token；完全均衡时应为 {equal}%。分配比例的熵为最大可能值的 {entropy:.2}。"
    );
    if dead > 0 {
        let (noun, verb) = if dead == 1 { ("expert", "gets") } else { ("experts", "get") };
        told.en += &format!(" {dead} {noun} {verb} no token at all.");
        told.zh += &format!("有 {dead} 个专家没有分到任何 token。");
    }
    told
}

pub fn times(ratio: &str) -> Text {
    both!("{ratio} times", "{ratio} 倍")
}

pub fn loss_range(first: f64, last: f64) -> Text {
    both!("Training loss went from {first:.3} to {last:.3}.", "训练损失由 {first:.3} 降至 {last:.3}。")
}

pub fn bits_range(last: f64) -> Text {
    both!(
        "Bits per byte of the validation text; the last value is {last:.3}.",
        "验证文本的每字节比特数，最后一次为 {last:.3}。"
    )
}

pub fn over_tokens(title: &Text) -> Text {
    Text::new(format!("{} over tokens.", title.en), format!("{}随 token 数的变化。", title.zh))
}

pub fn over_steps(title: &Text) -> Text {
    Text::new(format!("{}, over steps.", title.en), format!("{}，横轴为训练步数。", title.zh))
}

pub fn at_step(step: u64) -> Text {
    let step = grouped(step);
    both!("step {step}", "第 {step} 步")
}

pub fn tokens(count: u64) -> Text {
    let count = rounded(count as f64);
    both!("{count} tokens", "{count} token")
}

pub fn bits(value: f64) -> Text {
    both!("{value:.2} bits per byte", "每字节 {value:.2} 比特")
}

pub fn budget(time: f64) -> Text {
    let time = seconds(time);
    both!("{time} for training and the stages after it", "训练及后续阶段共 {time}")
}

pub fn sizes(parameters: u64, tokens: u64) -> Text {
    let (parameters, tokens) = (rounded(parameters as f64), rounded(tokens as f64));
    both!("{parameters} parameters, {tokens} tokens", "{parameters} 参数，{tokens} token")
}

pub fn from_step_to(start: u64, end: u64) -> Text {
    let (start, end) = (grouped(start), grouped(end));
    both!("from step {start} to step {end}", "第 {start} 步至第 {end} 步")
}

pub fn kept_step(step: u64, early: bool) -> Text {
    let step = grouped(step);
    match early {
        true => both!(
            "step {step}, the best on the validation set; stopped early because the validation loss no longer fell",
            "第 {step} 步（验证集最佳）；验证损失不再下降，提前停止"
        ),
        false => both!("step {step}, the best on the validation set", "第 {step} 步（验证集最佳）"),
    }
}

pub fn pilot(steps: u64, time: f64, reached: Option<f64>) -> Text {
    let time = seconds(time);
    match reached {
        Some(bits) => both!(
            "{steps} steps in {time}, down to {bits:.2} bits per byte",
            "{steps} 步，用时 {time}，降至每字节 {bits:.2} 比特"
        ),
        None => both!("{steps} steps in {time}", "{steps} 步，用时 {time}"),
    }
}

pub fn part(tokens: u64, size: u64) -> Text {
    let (tokens, size) = (grouped(tokens), bytes(size));
    both!("{tokens} tokens, {size} of text", "{tokens} token，{size} 文本")
}

pub fn validations(count: usize) -> Text {
    both!("All {count} validations as numbers", "全部 {count} 次验证的数值")
}

/// What fine-tuning gained and lost, of figures that can be compared.
pub fn gained_and_lost(compared: usize, gained: usize, lost: usize, names: &Text) -> Text {
    let (en, zh) = (&names.en, &names.zh);
    let (en, zh) = match lost {
        0 => (String::new(), String::new()),
        _ => (format!(" ({en})"), format!("（{zh}）")),
    };
    both!(
        "From the first to the last stage, {gained} of {compared} metrics got better and {lost} got worse{en}, by more than two standard errors.",
        "从第一阶段到最后阶段，{compared} 项指标中有 {gained} 项改善、{lost} 项变差{zh}，变化均超过两倍标准误。"
    )
}

pub fn about_scores(some_unpaired: bool) -> Text {
    let (en, zh) = match some_unpaired {
        true => ("with the two scores treated as independent samples", "两个得分按独立样本处理"),
        false => ("computed from per-item differences", "标准误由逐题差值计算"),
    };
    both!(
        "The same held-out items after each stage; each score with one standard error, the best of a row in bold. The pretrained model is asked in plain text, a fine-tuned one through its chat template. The change is from the first stage to the last; it counts as better or worse beyond two standard errors, {en}, so about one in twenty metrics does so by chance. Chance level is 0.25 for four-way multiple choice and 0.5 for preference and sentiment. For bits per byte, lower is better.",
        "每个阶段后使用同一批留出题目评测；得分附一倍标准误，每行最佳值加粗。预训练模型以纯文本提问，微调后的模型使用对话模板。“变化”指最后阶段与第一阶段之差，超过两倍标准误才记为改善或变差（{zh}），因此约二十项中会有一项出于偶然。四选一的随机水平为 0.25，偏好与情感任务为 0.5。每字节比特数越低越好。"
    )
}

pub fn taken_for(class: &Text) -> Text {
    Text::new(format!("predicted {}", class.en), format!("预测为 {}", class.zh))
}

pub fn confusion(task: &Text) -> Text {
    Text::new(format!("{}: confusion matrix", task.en), format!("{}：混淆矩阵", task.zh))
}

pub fn samples_left_out(count: usize) -> Text {
    both!("{count} more are in pretrain/metrics.jsonl.", "另有 {count} 条见 pretrain/metrics.jsonl。")
}

pub fn more(count: usize) -> Text {
    both!("{count} more", "其余 {count} 个")
}

pub fn total_time(time: f64) -> Text {
    let time = seconds(time);
    both!("{time} in total", "合计 {time}")
}

/// What fine-tuning on dialogues came to.
pub fn sft(dialogues: u64, before: f64, after: f64) -> Text {
    let (count, number) = (counted(dialogues, "dialogue"), grouped(dialogues));
    both!(
        "SFT on {count}: the loss per answer token on held-out dialogues went from {before:.2} to {after:.2} nats.",
        "SFT 使用 {number} 段对话：留出集回答的每 token 损失由 {before:.2} 变为 {after:.2} nat。"
    )
}

pub fn sequences(pairs: u64, [before, after]: [f64; 2], accuracy: f64) -> Text {
    let (count, number) = (counted(pairs, "pair"), grouped(pairs));
    both!(
        "SFT on {count}: the loss per target token on held-out pairs went from {before:.2} to {after:.2} nats; {accuracy:.1} % of \
         these tokens are the likeliest after what stands before them.",
        "SFT 使用 {number} 个句对：留出集目标的每 token 损失由 {before:.2} 变为 {after:.2} nat，其中 {accuracy:.1} % 的 token 在上文之后概率最高。"
    )
}

pub fn sft_fates(whole: u64, fates: &Text) -> Text {
    let (whole, en, zh) = (grouped(whole), &fates.en, &fates.zh);
    both!(" {whole} were used whole, {en}.", "其中 {whole} 段完整使用，{zh}。")
}

pub fn split(count: u64) -> Text {
    let count = grouped(count);
    both!("{count} were split, being longer than the context", "{count} 段因超过上下文长度被切分")
}

pub fn truncated(count: u64) -> Text {
    let count = grouped(count);
    both!("{count} were truncated, being longer than the context", "{count} 段因超过上下文长度被截断")
}

pub fn dropped(count: u64, reason: &Text) -> Text {
    Text::new(format!("{count} dropped ({})", reason.en), format!("{count} 段丢弃（{}）", reason.zh))
}

/// The titles of the curves of a stage.
pub fn loss_curve(name: &str) -> Text {
    both!("{name}: loss", "{name}：损失")
}

pub fn titled(name: &str, figure: Fixed) -> Text {
    Text::new(format!("{name}: {}", figure.en), format!("{name}：{}", figure.zh))
}

pub fn rewards_over_kl(name: &str) -> Text {
    both!(
        "{name}: rewards of held-out answers over their KL divergence, in nats",
        "{name}：留出提示上的奖励随 KL 散度（nat）的变化"
    )
}

/// What a reward model makes of held-out pairs.
pub fn ranking(pairs: usize, [accuracy, error]: [f64; 2], margin: f64, calibration: f64) -> Text {
    both!(
        "The reward model ranks {accuracy:.1} ± {error:.1} % of {pairs} held-out pairs correctly (chance is 50 %), with a mean margin of {margin:.2}; how sure it is differs from how often it is right by {calibration:.1} %.",
        "奖励模型在 {pairs} 对留出数据上的排序正确率为 {accuracy:.1} ± {error:.1} %（随机水平为 50 %），平均差值 {margin:.2}；其置信度与正确率相差 {calibration:.1} %。"
    )
}

pub fn rounds(name: &str, rounds: u64, prompts: u64) -> Text {
    let (name, prompts) = (name.to_uppercase(), grouped(prompts));
    both!(
        "{name}: {rounds} rounds of sampling and learning on {prompts} prompts.",
        "{name}：在 {prompts} 条提示上进行 {rounds} 轮采样与学习。"
    )
}

pub fn reward_went((before, after): (f64, f64)) -> Text {
    both!(
        " On held-out prompts the reward went from {before:.2} to {after:.2}.",
        "留出提示上的奖励由 {before:.2} 变为 {after:.2}。"
    )
}

pub fn true_reward_went((before, after): (f64, f64)) -> Text {
    both!(" The true reward went from {before:.2} to {after:.2}.", "真实奖励由 {before:.2} 变为 {after:.2}。")
}

pub fn kl_at_the_end(kl: f64) -> Text {
    both!(
        " At the end an answer is {kl:.2} nats from the model before (KL divergence).",
        "结束时每条回答与训练前模型的 KL 散度为 {kl:.2} nat。"
    )
}

pub fn margin_curve(name: &str) -> Text {
    both!("{name}: reward margin", "{name}：奖励差值")
}

/// What preference optimisation on pairs came to: margins of training and of held-out pairs, of which so many percent are ranked
/// correctly, with the error.
pub fn preferences(name: &str, pairs: u64, margins: [f64; 2], held_out: usize, ranked: [f64; 2]) -> Text {
    let (count, number) = (counted(pairs, "pair"), grouped(pairs));
    let ([trained, margin], [accuracy, error]) = (margins, ranked);
    both!(
        "{name} on {count}: the reward margin reached {trained:.2} nats on training pairs and {margin:.2} on {held_out} held-out pairs, of which {accuracy:.0} ± {error:.0} % are ranked correctly (chance is 50 %).",
        "{name} 使用 {number} 对偏好数据：训练对上的奖励差值达到 {trained:.2} nat，{held_out} 对留出数据上为 {margin:.2}，其中 {accuracy:.0} ± {error:.0} % 排序正确（随机水平为 50 %）。"
    )
}

/// What single answers were learnt from: all, the desirable and the undesirable ones, and what each kind weighs.
pub fn kto([answers, desirable, undesirable]: [u64; 3], weights: [f32; 2]) -> Text {
    let (count, number) = (counted(answers, "answer"), grouped(answers));
    let [desirable, undesirable] = [desirable, undesirable].map(grouped);
    let [one, other] = weights;
    both!(
        "KTO on {count}, of which {desirable} desirable (weight {one:.2}) and {undesirable} undesirable ones (weight {other:.2}) were learnt from.",
        "KTO 使用 {number} 条回答，其中 {desirable} 条为好回答（权重 {one:.2}）、{undesirable} 条为差回答（权重 {other:.2}）用于学习。"
    )
}

pub fn kto_held_out(held_out: usize, rewards: [f64; 2], ranked: [f64; 2], kl: f64) -> Text {
    let ([desirable, undesirable], [accuracy, error]) = (rewards, ranked);
    both!(
        " On {held_out} held-out answers the reward is {desirable:.2} for desirable and {undesirable:.2} for undesirable ones, and the KL estimate {kl:.2} nats; a desirable one is rewarded above an undesirable one in {accuracy:.0} ± {error:.0} % of cases (chance is 50 %).",
        "在 {held_out} 条留出回答上，好回答的奖励为 {desirable:.2}，差回答为 {undesirable:.2}，KL 估计为 {kl:.2} nat；好回答的奖励高于差回答的比例为 {accuracy:.0} ± {error:.0} %（随机水平为 50 %）。"
    )
}

pub const KTO_LEARNT: Fixed = Fixed {
    en: " What was learnt generalises to answers the model has not seen.",
    zh: "学到的内容可以泛化到未见过的回答。",
};

pub const KTO_CHANCE: Fixed = Fixed {
    en: " That is no better than chance: what was learnt does not generalise to answers the model has not seen.",
    zh: "这与随机水平无异：学到的内容没有泛化到未见过的回答。",
};

pub const DPO_LEARNT: Fixed = Fixed {
    en: " The preference generalises to pairs the model has not seen.",
    zh: "学到的偏好可以泛化到未见过的数据。",
};

pub const DPO_CHANCE: Fixed = Fixed {
    en: " That is no better than chance: what was learnt on the training pairs does not generalise. A small model picks up how preferred answers sound (length, typical words); where the choice depends on what they say, as it does in human-written pairs, it would have to understand them.",
    zh: "这与随机水平无异：从训练对中学到的内容没有泛化。小模型学到的是受偏好回答的形式（长度、常用词）；若偏好取决于内容，如人工撰写的数据，则需要真正理解回答。",
};

pub fn standard_errors(task: &Text, how: &Text) -> Text {
    Text::new(format!("{}: standard errors {}.", task.en, how.en), format!("{}：标准误{}。", task.zh, how.zh))
}

/// What was kept of the documents.
pub fn funnel(kept: u64, all: u64, share: &str, kept_size: u64, size: u64) -> Text {
    let (kept, all, kept_size, size) = (grouped(kept), grouped(all), bytes(kept_size), bytes(size));
    both!(
        "{kept} of {all} documents were kept ({share}), {kept_size} of {size} of text.",
        "{all} 个文档中保留 {kept} 个（{share}），文本 {size} 中保留 {kept_size}。"
    )
}

pub fn documents(count: &str) -> Text {
    both!("{count} documents", "{count} 个文档")
}

pub fn asked(before: &str, after: &str, asked: &str) -> Text {
    both!("{before} → {after}, target {asked}", "{before} → {after}，目标 {asked}")
}

pub fn lost(clean: u64, lost: u64, share: &str) -> Text {
    let (clean, lost) = (grouped(clean), grouped(lost));
    both!(
        "Of {clean} clean documents, {lost} were lost ({share}).",
        "{clean} 个干净文档中误删 {lost} 个（{share}）。"
    )
}

/// That a file is missing, and what cannot be shown without it.
pub fn absent(path: &str, holds: Fixed) -> Text {
    let (en, zh) = (holds.en, holds.zh);
    both!("{path} is absent: {en} cannot be shown.", "缺少 {path}：无法显示{zh}。")
}

pub fn unreadable(path: &str, problem: &str) -> Text {
    both!("{path} cannot be read: {problem}.", "无法读取 {path}：{problem}。")
}

pub fn unreadable_lines(path: &str, count: u64) -> Text {
    let lines = counted(count, "unreadable line");
    both!("{path}: {lines} skipped.", "{path}：跳过 {count} 行无法解析的内容。")
}

fixed! {
    /// What the files of a run hold, where one is missing.
    Holdings {
        settings: "the settings", "设置";
        collected: "what was collected", "收集情况";
        cleaned: "what cleaning did", "清洗情况";
        tokenized: "the tokenized data", "分词后的数据";
        plan: "the plan and its prediction", "训练计划及其预测";
        evaluation: "the evaluation", "评测结果";
        model: "the final model", "最终模型";
        curves: "the training curves", "训练曲线";
    }
}
