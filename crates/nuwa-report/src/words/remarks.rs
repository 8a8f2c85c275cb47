//! What the evaluation says of its figures, in both languages.

use nuwa_eval::{ErrorsOver, Warning};

use super::Text;

/// What standard errors are taken over, after "standard errors" and "标准误"; empty where nothing is known.
pub fn errors_over(over: &ErrorsOver) -> Text {
    let chinese = match over {
        ErrorsOver::Items => "取逐题均值的标准误：样本标准差除以 √n".into(),
        ErrorsOver::Texts(texts) => format!("取 {texts} 篇文本上的总和之比"),
        ErrorsOver::Blocks { blocks, fewer_than } => format!(
            "取 {blocks} 个文本块上的总和之比，因为文本不足 {fewer_than} 篇；同一篇文本的各块并不独立，因此这是下界"
        ),
        ErrorsOver::Other(text) => format!("：{text}"),
    };
    Text::new(over.to_string(), chinese)
}

/// What a reader of the figures of a task should know.
pub fn warning(warning: &Warning) -> Text {
    let chinese = match warning {
        Warning::Cut { items, of, context } => {
            format!("{of} 道题中有 {items} 道超出 {context} 个 token 的上下文，其提示词的开头被截去")
        }
        Warning::Changed { texts, of } => {
            format!(
                "{of} 篇文本中有 {texts} 篇经该分词器编码再解码后与原文不同，因此它需要预测的内容可能少于其他分词器"
            )
        }
        Warning::Other(text) => text.clone(),
    };
    Text::new(warning.to_string(), chinese)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_figures_is_said_in_both_languages() {
        assert_eq!(errors_over(&ErrorsOver::Texts(12)).zh, "取 12 篇文本上的总和之比");
        assert!(errors_over(&ErrorsOver::default()).is_empty());
        let blocks = errors_over(&ErrorsOver::Blocks { blocks: 7, fewer_than: 30 });
        assert!(blocks.en.contains("over 7 blocks") && blocks.zh.contains("取 7 个文本块"), "{blocks:?}");
        let cut = warning(&Warning::Cut { items: 3, of: 40, context: 512 });
        assert!(cut.en.starts_with("3 of 40 items do not fit the context of 512 tokens"), "{cut:?}");
        assert_eq!(cut.zh, "40 道题中有 3 道超出 512 个 token 的上下文，其提示词的开头被截去");
        let other = warning(&Warning::Other("said by an earlier version".into()));
        assert_eq!(other, Text::same("said by an earlier version"));
    }
}
