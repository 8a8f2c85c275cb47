//! The words in which judges are asked: part of the plan, since other words are another question.

use serde::{Deserialize, Serialize};

/// What a text is rated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Whether it is correct and natural language, whatever it says.
    Fluency,
    /// Whether its sentences hang together.
    Coherence,
    /// Whether it answers what was asked.
    Relevance,
}

impl Criterion {
    /// All, in the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Fluency, Self::Coherence, Self::Relevance];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fluency => "fluency",
            Self::Coherence => "coherence",
            Self::Relevance => "relevance",
        }
    }
}

/// How judges are asked, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// In English.
    pub en: Words,
    /// In Chinese.
    pub zh: Words,
}

/// How judges are asked, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// What a judge reads before the first item.
    pub instructions: String,
    /// What is asked of two answers.
    pub choice: String,
    /// What is asked of one.
    pub criteria: Vec<CriterionWords>,
}

/// How a criterion is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriterionWords {
    /// Which.
    pub criterion: Criterion,
    /// Its name.
    pub title: String,
    /// The question.
    pub question: String,
    /// What each step means, from 1 to 5.
    pub steps: [String; 5],
}

impl Wording {
    /// The usual words.
    pub fn usual() -> Self {
        Self { en: Words::of(&ENGLISH), zh: Words::of(&CHINESE) }
    }
}

/// Instructions, the question about two answers, and of each criterion its title, its question and its five steps.
struct Table {
    instructions: &'static str,
    choice: &'static str,
    criteria: [(&'static str, &'static str, [&'static str; 5]); 3],
}

impl Words {
    fn of(table: &Table) -> Self {
        let criterion = |(criterion, (title, question, steps)): (Criterion, &(&str, &str, [&str; 5]))| {
            let (title, question) = (title.to_string(), question.to_string());
            CriterionWords { criterion, title, question, steps: steps.map(String::from) }
        };
        Self {
            instructions: table.instructions.into(),
            choice: table.choice.into(),
            criteria: Criterion::ALL.into_iter().zip(&table.criteria).map(criterion).collect(),
        }
    }
}

const ENGLISH: Table = Table {
    instructions: "You will read answers of language models without being told whose they are. Judge each by what it says, not by its \
                   length or style. If two answers are equally good or equally bad, say so. Some items come twice, and some are \
                   there to see whether they are read.",
    choice: "Which answer would you rather get to this prompt?",
    criteria: [
        (
            "Fluency",
            "Is the answer correct, natural language, whatever it says?",
            [
                "Not language: broken throughout",
                "Many mistakes; hard to read",
                "Some mistakes; can be read",
                "Few mistakes; reads well",
                "No mistakes; as a careful person writes",
            ],
        ),
        (
            "Coherence",
            "Do the sentences of the answer hang together?",
            [
                "They have nothing to do with each other",
                "They mostly do not follow from each other",
                "They follow in part, or contradict each other",
                "They follow, with a gap here or there",
                "One thing follows from the other throughout",
            ],
        ),
        (
            "Relevance",
            "Does the answer answer the prompt?",
            [
                "It has nothing to do with it",
                "It touches the topic only",
                "It answers in part",
                "It answers, with something missing or too much",
                "It answers all of it, and nothing else",
            ],
        ),
    ],
};

const CHINESE: Table = Table {
    instructions: "您将读到语言模型的回答，但不会知道它们出自哪个模型。请只看内容，不看长短或文风。如果两个回答一样好或一样差，请照实选择。有些题目会出现\
                   两次，还有一些用来检查是否认真阅读。",
    choice: "对这个提示，您更愿意得到哪个回答？",
    criteria: [
        (
            "流畅性",
            "不管内容如何，这个回答的语言是否正确、自然？",
            [
                "不成语言，通篇混乱",
                "错误很多，难以读懂",
                "有一些错误，可以读懂",
                "错误很少，读来通顺",
                "没有错误，如同用心写成",
            ],
        ),
        (
            "连贯性",
            "这个回答的各句之间是否连贯？",
            ["各句毫不相干", "大多互不衔接", "部分衔接，或互相矛盾", "衔接，偶有脱节", "前后始终连贯"],
        ),
        (
            "相关性",
            "这个回答是否回答了提示？",
            ["与提示无关", "只触及话题", "回答了一部分", "回答了，但有遗漏或多余", "完整回答，没有多余内容"],
        ),
    ],
};
