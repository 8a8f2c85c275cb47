//! HTML to text: a parser that never fails, the article without its page, text with the article's structure.
//!
//! The tree is a flat list in document order, and every walk over it is a loop, so a page nested 100,000 deep costs
//! no more than a flat one of its length. It is a reader's parser, not a browser's: misnested markup ends up
//! in a sensible place, not in the exact place that the HTML standard gives it.

mod around;
mod article;
mod declared;
mod entities;
mod render;
mod tree;

pub use entities::unescape;

use tree::Tree;

/// What a page is about, without the page around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// The page's `<title>`, where it has one.
    pub title: Option<String>,
    /// The text: headings with `#`, list items with `-` or numbers, table rows with `|`, code in fences.
    pub text: String,
}

/// The article of a page: navigation, sidebars, footers, comments and what is hidden are left out.
///
/// Where no part of the page stands out as the article, it is the whole of the page's visible text.
pub fn article(page: &str) -> Article {
    let tree = Tree::parse(page);
    let kept = article::select(&tree);
    let shown = render::render(&tree, &kept);
    let text = match declared::article_body(&tree) {
        // What a page shows counts, unless most of the article stands only in its data.
        Some(stated) if stated.len() > 2 * shown.len() => unescape(&stated).into_owned(),
        _ => shown,
    };
    Article { title: article::title(&tree), text }
}

/// All of a page's visible text, navigation and all.
pub fn visible_text(page: &str) -> Article {
    let tree = Tree::parse(page);
    let kept = article::visible(&tree);
    Article { title: article::title(&tree), text: render::render(&tree, &kept) }
}

#[cfg(test)]
mod tests {
    use super::article;

    const MENU: &str = "<nav><a href=/a>Menu</a></nav>";

    fn paragraph(of: &str) -> String {
        format!(
            "<p>{of} wrote down every ship that came in before noon, and he did so in a hand that nobody could read.</p>"
        )
    }

    fn check(page: &str, there: &[&str], gone: &[&str]) {
        let text = article(page).text;
        for there in there {
            assert!(text.contains(there), "{there} is missing:\n{text}");
        }
        for gone in gone {
            assert!(!text.contains(gone), "{gone} is still there:\n{text}");
        }
    }

    #[test]
    fn an_article_in_several_containers_stays_whole() {
        for (open, close) in [
            ("<div class=part><div class=body>", "</div></div>"),
            ("<section id=s1>", "</section>"),
            ("<div>", "</div>"),
            ("<article class='post live'>", "</article>"),
        ] {
            let part = |name: &str| format!("{open}{}{}{close}", paragraph(name), paragraph("He"));
            let page = format!(
                "{MENU}{}<div class=ad>Advertisement</div>{}<aside>Aside</aside>{}<footer>Imprint</footer>",
                part("Anna"),
                part("Berta"),
                part("Clara")
            );
            check(&page, &["Anna", "Berta", "Clara"], &["Menu", "Advertisement", "Aside", "Imprint"]);
        }
    }

    #[test]
    fn sections_of_links_do_not_join_the_article() {
        let links = "<div class=part><p><a href=x>A story, told at length, about another thing entirely and more</a></p></div>";
        let page = format!("<div class=part>{}{}</div>{links}{links}", paragraph("Anna"), paragraph("Berta"));
        check(&page, &["Anna", "Berta"], &["another thing"]);
    }

    #[test]
    fn an_article_that_stands_only_in_data_is_found() {
        let data = |body: &str| {
            format!(
                r#"<head><script type="application/ld+json">{{"@graph": [{{"articleBody": "{body}"}}]}}</script></head>"#
            )
        };
        let body = "The council wrote a letter &amp; received no answer.\n".repeat(20);
        check(&(data(&body) + "<div id=root></div>"), &["a letter & received"], &["@graph"]);
        let shown = (0..9).map(|_| paragraph("Anna")).collect::<String>();
        check(&(data("Only a word") + &shown), &["Anna"], &["Only a word"]);
    }

    #[test]
    fn a_list_of_links_stays_with_its_heading() {
        let text = (0..5).map(|_| paragraph("Anna")).collect::<String>();
        let list = "<ul><li><a href=a>Python</a><li><a href=b>.NET</a></ul>";
        check(
            &format!("<article>{text}<h2>Downloads</h2>{list}</article>"),
            &["## Downloads\n\n- Python\n- .NET"],
            &[],
        );
        check(&format!("<article>{text}<h3>Related stories</h3>{list}</article>"), &["Anna"], &["Python"]);
    }

    #[test]
    fn captions_of_pictures_go_those_of_code_stay() {
        let text = (0..5).map(|_| paragraph("Anna")).collect::<String>();
        let page = format!(
            "<article>{text}<figure><img src=a><figcaption>A quay. Photo: X</figcaption></figure>\
            <figure><pre>let a = 1;</pre><figcaption>Listing 1</figcaption></figure></article>"
        );
        check(&page, &["let a = 1;", "Listing 1"], &["Photo"]);
    }
}
