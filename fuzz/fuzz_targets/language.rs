//! Which language a text is in.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    nuwa_data::language::identify(text, 1, 0.1);
    nuwa_data::language::identify(text, 24, 0.6);
});
