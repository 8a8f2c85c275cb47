//! The words of the page on what was taken for what.

use super::{Text, both, fixed};
use crate::numbers::{counted, grouped};

fixed! {
    /// What the page says every time.
    Words {
        brand: "classes", "分类结果";
        figures: "Figures", "指标";
        figure: "figure", "指标";
        value: "value", "数值";
        interval: "95 % interval", "95% 置信区间";
        about_figures: "Intervals are over bootstrap samples of the items, that of the accuracy is Wilson's.", "区间由对样本的自助抽样得出，准确率的区间为 Wilson 区间。";
        matrix: "What was taken for what", "混淆矩阵";
        right: "right class", "真实类别";
        about_matrix: "A row for each right class, a column for each predicted one; the darker, the larger the share of the row.", "每行为真实类别，每列为预测类别；颜色越深，占该行的比例越大。";
        classes: "Class by class", "各类别";
        class: "class", "类别";
        precision: "precision", "精确率";
        recall: "recall", "召回率";
        items: "items", "样本数";
        calibration: "Calibration", "校准";
        confidence: "confidence", "置信度";
        said: "mean confidence", "平均置信度";
        was_right: "share right", "正确比例";
        about_bins: "A well calibrated classifier is right as often as it says; bins with few items say little.", "校准良好的分类器，其正确比例应与置信度一致；样本很少的区间说明不了多少问题。";
        signature: "Signature", "签名";
    }
}

/// `1,200 items, 3 classes`.
pub fn items_of(items: u64, classes: usize) -> Text {
    let (told, number) = (counted(items, "item"), grouped(items));
    let noun = if classes == 1 { "class" } else { "classes" };
    both!("{told}, {classes} {noun}", "{number} 个样本，{classes} 个类别")
}

/// The name of a figure.
pub fn figure_name(name: &str) -> Text {
    let known = match name {
        "accuracy" => ("accuracy", "准确率"),
        "commonest_class" => ("always the commonest class", "始终预测最常见的类别"),
        "balanced_accuracy" => ("balanced accuracy", "平衡准确率"),
        "precision_macro" => ("precision, macro", "精确率（宏平均）"),
        "recall_macro" => ("recall, macro", "召回率（宏平均）"),
        "f1_macro" => ("F1, macro", "F1（宏平均）"),
        "f1_weighted" => ("F1, weighted", "F1（加权平均）"),
        "f1_micro" => ("F1, micro", "F1（微平均）"),
        "matthews" => ("Matthews' correlation", "马修斯相关系数"),
        "kappa" => ("Cohen's kappa", "Cohen 卡帕系数"),
        "kappa_quadratic" => ("kappa, quadratic weights", "卡帕系数（二次加权）"),
        "auc" => ("area under the ROC curve", "ROC 曲线下面积"),
        "auc_macro" => ("area under the ROC curve, macro", "ROC 曲线下面积（宏平均）"),
        "log_loss" => ("log loss", "对数损失"),
        "brier" => ("Brier score", "Brier 分数"),
        "brier_over_classes" => ("Brier score, over classes", "Brier 分数（各类别之和）"),
        "ece" => ("expected calibration error", "期望校准误差"),
        other => (other, other),
    };
    Text::new(known.0, known.1)
}
