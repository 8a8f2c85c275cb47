//! HTML: the tree, the article, its text.
#![no_main]

libfuzzer_sys::fuzz_target!(|page: &str| {
    nuwa_data::html::article(page);
    nuwa_data::html::visible_text(page);
});
