use super::number::Numbers;
use super::pattern::Pattern;

/// The deepest that arrays and objects are written within one another.
pub const DEEPEST: usize = 64;

/// A schema (JSON Schema 2020-12) that text can be held to while it is written.
///
/// `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, `maxItems`,
/// `minLength`, `maxLength`, `pattern`, the usual `format`s, bounds of integers, `anyOf`, `oneOf` of schemas that exclude each other, `allOf` of one, `$ref` within
/// the schema, recursive or not.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonSchema {
    pub(super) nodes: Vec<Node>,
    /// The levels that the flattest value of each node needs.
    pub(super) heights: Vec<usize>,
    pub(super) root: usize,
}

/// What a value may be. Other nodes are named by their place.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// One of these texts.
    Literals(Vec<Box<[u8]>>),
    /// A number.
    Number(Numbers),
    /// A string of so many characters.
    Text { least: usize, most: Option<usize> },
    /// A string that matches an expression.
    Matching(Pattern),
    /// An array: the first items one by one, then any number of another kind.
    List { first: Vec<usize>, rest: Option<usize>, least: usize, most: Option<usize> },
    /// An object: members in order, or any names.
    Object { members: Vec<Member>, others: Option<usize> },
    /// What any of these may be.
    Choice(Vec<usize>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The name as it is written, with its quotes.
    pub key: Box<[u8]>,
    pub value: usize,
    pub required: bool,
}

/// The levels that the flattest value of each node needs; more than [`DEEPEST`] where there is none.
pub fn heights(nodes: &[Node]) -> Vec<usize> {
    let mut heights = vec![DEEPEST + 1; nodes.len()];
    loop {
        let next: Vec<usize> = nodes.iter().map(|node| height(node, &heights)).collect();
        if next == heights {
            return heights;
        }
        heights = next;
    }
}

fn height(node: &Node, heights: &[usize]) -> usize {
    const NONE: usize = DEEPEST + 1;
    let above = |highest: Option<usize>| highest.map_or(1, |highest| highest.saturating_add(1).min(NONE));
    match node {
        Node::Literals(texts) => {
            if texts.is_empty() {
                NONE
            } else {
                1
            }
        }
        Node::Number(Numbers { least: Some(least), most: Some(most), .. }) if least > most => NONE,
        Node::Text { least, most: Some(most) } if least > most => NONE,
        Node::Number(_) | Node::Text { .. } | Node::Matching(_) => 1,
        Node::List { least, most: Some(most), .. } if least > most => NONE,
        Node::List { first, rest, least, .. } => {
            if *least > first.len() && rest.is_none() {
                return NONE;
            }
            let items = (0..*least).map(|index| first.get(index).copied().or(*rest));
            above(items.take(first.len() + 1).flatten().map(|item| heights[item]).max())
        }
        Node::Object { members, .. } => {
            above(members.iter().filter(|member| member.required).map(|member| heights[member.value]).max())
        }
        Node::Choice(choices) => choices.iter().map(|choice| heights[*choice]).min().unwrap_or(NONE),
    }
}
