use std::fmt::Write;

use insta::assert_snapshot;

use crate::support::{Place, story};

#[test]
fn a_missing_path() {
    assert_snapshot!(Place::new().failure("build --from nowhere.txt"), @r#"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    "#);
    assert_snapshot!(Place::new().failure("collect nowhere.txt --out out"), @r#"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    "#);
}

#[test]
fn an_empty_folder() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    assert_snapshot!(place.failure("build --from empty"), @r#"
    error: empty holds no text that can be read
    hint: it must hold files of known endings (nuwa collect --help lists them); name other endings of plain text in collect.extra_text_extensions
    "#);
    place.write("pictures/a.png", "x").write("pictures/b.png", "y");
    assert_snapshot!(place.failure("build --from pictures"), @r#"
    error: pictures holds no text that can be read (2 .png is not a known ending)
    hint: it must hold files of known endings (nuwa collect --help lists them); name other endings of plain text in collect.extra_text_extensions
    "#);
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    place.write("empty.txt", "");
    assert_snapshot!(place.failure("build --from empty.txt"), @r#"
    error: empty.txt is empty
    hint: give a file with some text in it
    "#);
}

#[test]
fn a_binary_file_with_the_name_of_a_text() {
    let place = Place::new();
    place.write("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01");
    assert_snapshot!(place.failure("build --from picture.txt"), @r#"
    error: picture.txt is not text but a PNG image
    hint: convert it to plain text, Markdown, HTML or JSON lines first
    "#);
}

#[test]
fn invalid_json_in_line_17() {
    let mut lines = String::new();
    for line in 1..=20 {
        let text = if line == 17 {
            "{\"text\": \"half".to_string()
        } else {
            format!("{{\"text\": \"line {line}\"}}")
        };
        writeln!(lines, "{text}").unwrap();
    }
    let place = Place::new();
    place.write("data.jsonl", lines);
    assert_snapshot!(place.failure("build --from data.jsonl"), @r#"
    error: data.jsonl, line 17: invalid JSON: control character (\u0000-\u001F) found while parsing a string at its end
    hint: correct the line (JSON lines hold one object each); when collecting, collect.bad_lines = "skip" leaves such lines out and counts them
    "#);
}

#[test]
fn records_are_checked_before_a_build_begins() {
    let place = Place::new();
    let good = r#"{"prompt": "a", "completion": "b"}"#;
    place.write("book.txt", story(20)).write("bad.jsonl", format!("{good}\n{{\"messages\": []}}\n"));
    assert_snapshot!(place.failure("build --from book.txt --answers bad.jsonl"), @r"
    error: bad.jsonl:2: it has no answer: no turn is the assistant's
    hint: correct the record, or leave such records out: --set sft.tuning.bad_records=skip
    ");
    place.write("faq.csv", "title,body\na,b\n");
    assert_snapshot!(place.failure("build --from book.txt --answers faq.csv"), @r"
    error: faq.csv:2: its fields are body, title: expected messages (chat), conversations (ShareGPT), instruction and output (Alpaca), prompt and completion, or question and answer
    hint: give the columns these names; nuwa sft and nuwa dpo also take names of your own, for example --columns instruction=FIELD,output=FIELD
    ");
    place.write("open.csv", "question,answer\na,\"b\n");
    assert_snapshot!(place.failure("build --from book.txt --answers open.csv"), @r"
    error: open.csv:2: the quote that opens here doesn't end where its cell does
    hint: a cell that holds quotes, line breaks or what separates columns is put in quotes, and quotes within it are doubled
    ");
    let call = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": 5}]}"#;
    place.write("call.jsonl", call);
    let said = place.failure("build --from book.txt --answers call.jsonl");
    assert!(said.starts_with("error: call.jsonl:1: the chat template failed at line"), "{said}");
    assert!(said.contains("\nhint: correct the record: tool_calls is a list"), "{said}");
    place.write("same.jsonl", r#"{"prompt": "a", "chosen": "b", "rejected": "b"}"#);
    assert_snapshot!(place.failure("build --from book.txt --preferences same.jsonl"), @r"
    error: same.jsonl:1: chosen is equal to rejected
    hint: correct the record, or leave such records out: --set dpo.tuning.bad_records=skip
    ");
    place.write("kto.jsonl", r#"{"prompt": "a", "completion": "b", "label": true}"#);
    assert_snapshot!(place.failure("build --from book.txt --preferences kto.jsonl"), @r"
    error: kto.jsonl:1: its fields are completion, label, prompt: expected chosen and rejected, with prompt, conversations or instruction, or with the whole dialogue in both; or completions and scores
    hint: records with a label are single answers, not pairs: learn from them with nuwa dpo --loss kto (in a build: --set dpo.loss=kto); nuwa sft learns those whose label is true
    ");
    assert!(!place.path("runs/book/collect").exists());
}

#[test]
fn settings_and_records_go_with_the_loss_of_preferences() {
    let place = Place::new();
    place.write("book.txt", story(20)).write("same.jsonl", r#"{"prompt": "a", "completion": "b"}"#);
    assert_snapshot!(place.failure("dpo . --data same.jsonl --out out --loss ppo"), @r#"
    error: `dpo.loss` = "ppo": expected one of "sigmoid", "robust", "ipo", "hinge", "simpo", "orpo", "dpop", "aot", "kto"
    hint: did you mean "ipo"?
    "#);
    assert_snapshot!(place.failure("build --from book.txt --set dpo.loss=ipo --set dpo.label_smoothing=0.1"), @r#"
    error: dpo.label_smoothing = 0.1: expected it to be left out with dpo.loss = "ipo"; it goes with sigmoid, robust, simpo, dpop, aot
    hint: change dpo.label_smoothing in the recipe, or with --set dpo.label_smoothing=...
    "#);
    assert_snapshot!(place.failure("build --from book.txt --set dpo.loss=robust"), @r#"
    error: dpo.label_smoothing = 0: expected the share of swapped pairs, above 0, that dpo.loss = "robust" corrects for
    hint: change dpo.label_smoothing in the recipe, or with --set dpo.label_smoothing=...
    "#);
    assert_snapshot!(place.failure("build --from book.txt --set dpo.desirable_weight=2"), @r#"
    error: dpo.desirable_weight = 2: expected it to be left out with dpo.loss = "sigmoid"; it goes with kto
    hint: change dpo.desirable_weight in the recipe, or with --set dpo.desirable_weight=...
    "#);
    place.write("maybe.jsonl", r#"{"prompt": "a", "completion": "b", "label": "maybe"}"#);
    let with_kto = "build --from book.txt --set dpo.loss=kto --preferences";
    assert_snapshot!(place.failure(&format!("{with_kto} maybe.jsonl")), @r#"
    error: maybe.jsonl:1: label is "maybe", expected true or false, 1 or 0, good or bad, 👍 or 👎
    hint: correct the record, or leave such records out: --set dpo.tuning.bad_records=skip
    "#);
    assert_snapshot!(place.failure(&format!("{with_kto} same.jsonl")), @r#"
    error: same.jsonl:1: its fields are completion, prompt: expected label, with prompt and completion or messages; chosen and rejected; or completions and scores, with prompt
    hint: give the columns these names; nuwa sft and nuwa dpo also take names of your own, for example --columns prompt=FIELD,completion=FIELD,label=FIELD
    "#);
    place.write("scores.jsonl", r#"{"prompt": "a", "completions": ["b", "c"], "scores": [1]}"#);
    assert_snapshot!(place.failure("build --from book.txt --preferences scores.jsonl"), @r#"
    error: scores.jsonl:1: it has 2 completions and 1 scores, expected as many
    hint: correct the record, or leave such records out: --set dpo.tuning.bad_records=skip
    "#);
}

#[test]
fn rewards_that_say_nothing_are_refused_before_anything_runs() {
    let place = Place::new();
    place.write("book.txt", story(20));
    assert_snapshot!(place.failure("build --from book.txt --align ppo"), @r#"
    error: align = "ppo": there is nothing that says what a good answer is
    hint: give --preferences, for a reward model
    "#);
    assert_snapshot!(place.failure("build --from book.txt --align grpo --set grpo.rules=[\"exact\"]"), @r#"
    error: align = "grpo": there are no prompts
    hint: give --prompts
    "#);
    let told = place.failure("build --from book.txt --align grpo --set grpo.rules=[\"exakt\"]");
    assert!(told.contains("rule \"exakt\"") && told.contains("exact"), "{told}");
    assert_snapshot!(place.failure("reward . --data a.jsonl --out out --shards shards"), @r"
    error: --shards: a reward model writes nothing, so it forgets no text
    hint: leave --shards out
    ");
}

#[test]
fn json_lines_without_text() {
    let place = Place::new();
    place.write("data.jsonl", "{\"body\": \"a\", \"title\": \"b\"}\n");
    assert_snapshot!(place.failure("collect data.jsonl --out out"), @r#"
    error: data.jsonl, line 1: no field `text`
    hint: set collect.text_field to the field that holds the text; here: body, title
    "#);
}

#[test]
fn text_in_another_encoding_is_decoded() {
    let place = Place::new();
    place.write(
        "latin1.txt",
        b"Caf\xe9 cr\xe8me, d\xe9j\xe0 vu, na\xefve fa\xe7ade, \xe9t\xe9 apr\xe8s la pluie.",
    );
    assert_snapshot!(place.succeed("collect latin1.txt --out out").out, @r#"
    1 document of 1 file, 63 bytes
    "#);
}

#[test]
fn standard_input_that_is_not_utf8() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    let answer = place.nuwa_with_input("tokenizer encode tokenizer", b"caf\xe9");
    assert_snapshot!(answer.failure(), @r#"
    error: standard input is not UTF-8: byte 3 begins no character
    hint: convert it first, for example with iconv -f GB18030 -t UTF-8
    "#);
}

#[test]
fn ids_that_are_none() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    assert_snapshot!(place.nuwa_with_input("tokenizer decode tokenizer", b"5 x").failure(), @r#"
    error: standard input, id 2: `x` is not a token id
    hint: give whole numbers separated by blanks, as `nuwa tokenizer encode` prints them
    "#);
    assert_snapshot!(place.nuwa_with_input("tokenizer decode tokenizer", b"5 70000").failure(), @r#"
    error: token id 70000 is not in the vocabulary, whose ids go from 0 to 299
    hint: the ids come from another tokenizer; use the one that the model or the shards were made with
    "#);
}

#[test]
fn text_survives_encoding_and_decoding() {
    let place = Place::new();
    place.write("story.txt", story(300));
    place.succeed("tokenizer train story.txt --vocab-size 300 --out tokenizer");
    let text = "Mira found a torn map,\n女娲 \u{1f600}\n";
    let ids = place.nuwa_with_input("tokenizer encode tokenizer", text.as_bytes()).out;
    assert_eq!(place.nuwa_with_input("tokenizer decode tokenizer", ids.as_bytes()).out, text);
}

#[test]
fn an_unknown_key_of_a_recipe() {
    let place = Place::new();
    place.write("recipe.toml", "seed = 1\n\n[clean.length]\nmin_leters = 5\n");
    assert_snapshot!(place.failure("build recipe.toml"), @r#"
    error: recipe.toml, line 4: unknown key `clean.length.min_leters`
    hint: did you mean `clean.length.min_letters`?
    "#);
}

#[test]
fn a_recipe_that_is_not_toml() {
    let place = Place::new();
    place.write("recipe.toml", "seed = 1\nfrom = [\"a\"\n[clean]\n");
    assert_snapshot!(place.failure("build recipe.toml"), @r#"
    error: recipe.toml, line 3: not valid TOML: missing comma between array elements, expected `,`
    hint: a key stands as `name = value`, text in double quotes, a table as [name]
    "#);
}

#[test]
fn a_wrong_set() {
    let place = Place::new();
    place.write("story.txt", story(300));
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size"), @r#"
    error: --set tokenizer.vocab_size: expected key=value
    hint: for example --set tokenizer.vocab_size=4096
    "#);
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size=big"), @r#"
    error: --set tokenizer.vocab_size=big cannot be used
    cause: `tokenizer.vocab_size` = "big": expected a whole number of at least 0
    hint: its default is 8192
    "#);
    assert_snapshot!(place.failure("build --from story.txt --set vocab_sise=5"), @r#"
    error: --set vocab_sise=5 cannot be used
    cause: unknown key `vocab_sise`
    hint: did you mean `tokenizer.vocab_size`?
    "#);
    assert_snapshot!(place.failure("build --from story.txt --set collect.bad_lines=skpi"), @r#"
    error: --set collect.bad_lines=skpi cannot be used
    cause: `collect.bad_lines` = "skpi": expected one of "error", "skip"
    hint: did you mean "skip"?
    "#);
}

#[test]
fn a_vocabulary_larger_than_the_text_allows() {
    let place = Place::new();
    place.write("story.txt", story(300));
    assert_snapshot!(place.failure("build --from story.txt --set tokenizer.vocab_size=50000"), @r#"
    error: a vocabulary of 50000 is larger than this text allows: the largest possible is 486
    hint: ask for at most 486, give more text, or lower tokenizer.min_frequency
    "#);
    assert_snapshot!(place.failure("tokenizer train story.txt --vocab-size 50000 --out t"), @r#"
    error: a vocabulary of 50000 is larger than this text allows: the largest possible is 496
    hint: ask for at most 496, give more text, or lower tokenizer.min_frequency
    "#);
}

#[test]
fn a_recipe_is_not_replaced_unasked() {
    let place = Place::new();
    place.succeed("init recipe.toml");
    assert_snapshot!(place.failure("init recipe.toml"), @r#"
    error: recipe.toml exists already
    hint: choose another name, or add --force to replace it
    "#);
    place.succeed("init recipe.toml --force");
}

#[test]
fn wrong_usage_has_exit_code_2() {
    let place = Place::new();
    for wrong in [
        "",
        "bulid",
        "build --budget",
        "build --budget 10 --from x",
        "tokenizer train x",
        "build --params 1M",
    ] {
        let answer = place.nuwa(wrong);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""), "{wrong}: {}", answer.err);
    }
    assert_snapshot!(place.nuwa("build --from x --budget ten").err, @r#"
    error: invalid value 'ten' for '--budget <TIME>': `ten` is not a time: expected a number with a unit such as 90s, 10m, 1h30m or 2d

    For more information, try '--help'.
    "#);
    assert_snapshot!(place.nuwa("build --from x --budget 5m --params 1M").err, @r#"
    error: the argument '--budget <TIME>' cannot be used with '--params <COUNT>'

    Usage: nuwa build --from <PATH>... --budget <TIME> [RECIPE.toml]

    For more information, try '--help'.
    "#);
}

#[test]
fn help_goes_to_standard_output() {
    let answer = Place::new().succeed("--help");
    assert_snapshot!(answer.out, @r#"
    Build your own large language model: from raw text to a model you can measure, share and trust.

    `nuwa build` runs all stages, on the embedded world or on your own text. Every stage is also a
    command of its own that reads files and writes files.

    Usage: nuwa <COMMAND>

    Commands:
      build        Build a model: from raw text to a trained, evaluated model with a report
      init         Write a recipe with every setting, its default and its description
      collect      Read files and folders of text into documents
      clean        Repair, filter and deduplicate documents
      classifier   Train a text classifier for the cleaning steps toxicity and classified
      tokenizer    Train or use a tokenizer
      tokenize     Tokenize documents into shards of token ids
      plan         Predict a build's size, time, memory and quality (dry run)
      tune         Search for the best settings with small models, and carry them to a larger one
      pretrain     Pretrain a new model on token shards, or continue training one
      sft          Fine-tune a model on dialogues (SFT), or on texts with labels
      dpo          Fine-tune a model on preferences (DPO and its relatives)
      reward       Train a reward model on preference pairs
      score        Score answers by a reward model
      ppo          Train a model by PPO towards a reward model (RLHF)
      grpo         Train a model by GRPO towards rewards that can be checked
      feedback     Rank or mark a model's answers on a local web page (human feedback)
      judge        Judge the answers of models blind, on a local web page or by another model (human
                   evaluation)
      merge        Merge LoRA adapters into the model they were trained on
      inspect      Inspect the effect of cleaning, or the tokens a model is fine-tuned on
      chat         Chat with a model
      serve        Serve models over HTTP: OpenAI's interface, and a page to talk to them
      generate     Generate text from a prompt
      fill         Fill in masked words with an encoder such as BERT
      classify     Tell the labels of texts, with probabilities
      embed        Turn texts into vectors, one each
      translate    Translate texts
      summarize    Sum texts up
      answer       Answer questions from documents, and name the places
      extract      Take data out of texts, as JSON of a schema
      eval         Evaluate a model
      compare      Compare models on the tasks that their evaluations have in common
      metric       Measure texts, classes or numbers in files against the true ones
      import       Convert another program's model into a model folder
      export       Export a model for other programs
      quantize     Quantise a model into GGUF files, and measure what that costs
      report       Write a run's report again, with the cards of its data and of its model
      runs         List runs with their results, or remove some
      verify       Check a run or a model against its provenance.json
      guard        Check a guard file, and measure its misses and false alarms
      world        Write the embedded world's data as files
      doctor       Show this machine's hardware and measured speed
      completions  Print a shell completion script
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Examples:
      nuwa build && nuwa chat                        a small model that answers, in about five minutes
      nuwa build --from ~/documents                  a model of your own text, in about ten minutes
      nuwa generate runs/documents --prompt "Once upon a time"
      nuwa build --from book.txt --budget 1h         the same with more time
      nuwa init my.toml && nuwa build my.toml        everything under control

    `nuwa VERB --help` says more about a verb.
    "#);
}

#[test]
fn inspecting_what_is_no_cleaned_corpus() {
    let place = Place::new();
    assert_snapshot!(place.failure("inspect runs/nowhere"), @r#"
    error: runs/nowhere is not a folder; expected the folder of a run
    hint: name the folder that `nuwa build` wrote, such as runs/NAME
    "#);
    std::fs::create_dir(place.path("empty")).unwrap();
    assert_snapshot!(place.failure("inspect empty"), @r#"
    error: empty holds nothing that cleaning wrote; expected clean/clean.json of a run, or clean.json
    hint: name the folder of a run, such as runs/NAME, or one that `nuwa clean DOCUMENTS --out DIR` wrote
    "#);
    place.write("runs/a/recipe.toml", "seed = 1");
    assert_snapshot!(place.failure("inspect runs/a"), @r#"
    error: runs/a has no clean stage yet: runs/a/clean/clean.json is absent
    hint: go on with the build: nuwa build runs/a/recipe.toml --out runs/a
    "#);
    place.write("runs/a/collect/documents-00000.jsonl", "{\"text\": \"brief\"}\n");
    assert_snapshot!(place.failure("inspect runs/a"), @r#"
    error: runs/a has no clean stage yet: runs/a/clean/clean.json is absent
    hint: clean what was collected: nuwa clean runs/a/collect --out runs/a/clean
    "#);
    place.write("runs/a/clean/clean.json", "{");
    let message = place.failure("inspect runs/a");
    assert!(message.contains("runs/a/clean/clean.json") && message.contains("\nhint: "), "{message}");
}

#[test]
fn commands_in_hints_can_be_copied() {
    let place = Place::new();
    let inspect = |folder: &str| {
        let mut command = place.command("inspect");
        String::from_utf8(command.arg(folder).output().unwrap().stderr).unwrap()
    };
    place.write("my runs/it's 女娲/recipe.toml", "seed = 1");
    assert_snapshot!(inspect("my runs/it's 女娲"), @r"
    error: my runs/it's 女娲 has no clean stage yet: my runs/it's 女娲/clean/clean.json is absent
    hint: go on with the build: nuwa build 'my runs/it'\''s 女娲/recipe.toml' --out 'my runs/it'\''s 女娲'
    ");
    let mut init = place.command("init --");
    let told = init.args(["-my recipe.toml"]).output().unwrap().stderr;
    assert_snapshot!(String::from_utf8(told).unwrap(), @"wrote -my recipe.toml; next: nuwa build './-my recipe.toml' --from PATH");
    place.write("a b.jsonl", r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#);
    let refused = place.command("collect --out out").arg("a b.jsonl").output().unwrap().stderr;
    let refused = String::from_utf8(refused).unwrap();
    assert!(refused.contains("nuwa dpo MODEL --data 'a b.jsonl' --out DIR"), "{refused}");
}

#[test]
fn a_cleaned_folder_is_inspected() {
    let place = Place::new();
    let mut lines = String::new();
    let (first, both) = (story(40), story(80));
    let second = both[first.len()..].replacen(' ', " 😀 ", 1);
    for (id, text) in [("story", first), ("smile", second), ("brief", "brief".into())] {
        writeln!(lines, "{}", serde_json::json!({ "id": id, "text": text })).unwrap();
    }
    place.write("documents.jsonl", lines).succeed("clean documents.jsonl --out cleaned");
    assert_eq!(place.succeed("inspect cleaned").out, "cleaned/inspect.html\n");
    assert!(place.read("cleaned/inspect.html").contains("<span class=\"t\" lang=\"zh\">剔除</span> 1"));
    let text = place.succeed("inspect cleaned --text").out;
    assert!(text.contains("Step by step") && text.contains("brief") && !text.contains('\u{1b}'), "{text}");
    let found = place.succeed("inspect cleaned --find brief").out;
    assert!(found.starts_with("1 of ") && found.contains("too short"), "{found}");
    let figures = place.succeed("inspect cleaned --json --samples 1").out;
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures["cleaning"]["documents_in"], 3);
}

#[test]
fn the_doctor_answers() {
    let place = Place::new();
    assert!(place.succeed("doctor").out.contains("GFLOP/s"));
    let figures: serde_json::Value = serde_json::from_str(&place.succeed("doctor --json").out).unwrap();
    assert!(figures["product_gflops_f32"].as_f64().unwrap() > 0.0);
}

#[test]
fn values_that_choose_no_token_are_refused_before_a_model_is_looked_for() {
    let place = Place::new();
    let said = |arguments: &str| place.failure(arguments);
    assert_snapshot!(said("generate nowhere --prompt a --top-p 1.5"), @r"
    error: --top-p 1.5: expected more than 0, at most 1
    hint: `nuwa generate --help` says what is expected
    ");
    assert_snapshot!(said("chat nowhere --min-p -0.1"), @r"
    error: --min-p -0.1: expected a number from 0 to 1
    hint: `nuwa chat --help` says what is expected
    ");
    assert_snapshot!(said("chat nowhere --frequency-penalty 3"), @r"
    error: --frequency-penalty 3: expected a number from -2 to 2
    hint: `nuwa chat --help` says what is expected
    ");
    assert_snapshot!(said("chat nowhere --repeat-penalty 0"), @r"
    error: --repetition-penalty 0: expected a number above 0
    hint: `nuwa chat --help` says what is expected
    ");
}

#[test]
fn a_plan_is_told_and_leaves_nothing_behind() {
    let place = Place::new();
    place.write("texts/a.txt", story(400)).write("texts/b.txt", story(300));
    let before = crate::support::contents(&place.path("."));
    let told = place.succeed("plan texts --params 20k --tokens 40k --set model.context=32").out;
    for name in ["text", "kept", "model", "training", "expected"] {
        assert!(told.lines().any(|line| line.starts_with(name)), "{told}");
    }
    assert!(told.contains("of text in 2 files") && told.contains("of memory"), "{told}");
    assert_eq!(crate::support::contents(&place.path(".")), before);
    let figures = place.succeed("plan texts --params 20k --tokens 40k --set model.context=32 --json").out;
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures["sample"]["is_whole"], true);
    assert_eq!(figures["plan"]["goal"]["sizes"]["tokens"], 40_000);
    assert!(figures["plan"]["predicted"]["memory_bytes"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_plan_without_a_source_is_one_of_the_world() {
    let place = Place::new();
    let told = place.succeed(
        "plan --params 50k --tokens 20k --set model.context=32 --set world.documents=200 --set world.dialogues=60 \
         --set world.preferences=20 --set world.items=4 --json",
    );
    let figures: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert!(figures["text"]["bytes"].as_u64().unwrap() > 10_000, "{figures}");
    assert!(figures["plan"]["predicted"]["bits_per_byte"].as_f64().is_some(), "{figures}");
    assert!(crate::support::contents(&place.path(".")).is_empty());
}

#[test]
fn a_plan_of_what_cannot_be_planned() {
    let place = Place::new();
    assert_snapshot!(place.failure("plan nowhere.txt"), @r"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    ");
    assert_snapshot!(place.failure("plan hf:owner/name"), @r"
    error: hf:owner/name is not on this disk, and a plan fetches nothing
    hint: fetch it first: nuwa collect hf:owner/name --out texts && nuwa plan texts
    ");
    place.write("brief.txt", "A few words.");
    let said = place.failure("plan brief.txt --budget 10s");
    assert!(said.starts_with("error: ") && said.contains("\nhint: "), "{said}");
}

#[test]
fn prompts_that_cannot_be_read_are_told() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.write("unfinished/recipe.toml", "seed = 1").write("latin1.txt", b"caf\xe9");
    place.write("bad.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n");
    assert_snapshot!(place.failure("generate empty --prompt a"), @r"
    error: empty holds no model: neither config.json nor model/config.json is there
    hint: name a model folder, or the folder of a run: runs/NAME
    ");
    assert_snapshot!(place.failure("generate unfinished --prompt a"), @r"
    error: unfinished holds no model: neither config.json nor model/config.json is there
    hint: finish the run first: nuwa build unfinished/recipe.toml --out unfinished
    ");
    place.write("model/config.json", "{}");
    assert_snapshot!(place.failure("generate model --file latin1.txt"), @r"
    error: latin1.txt is not UTF-8: byte 3 begins no character
    hint: convert it first, for example with iconv -f GB18030 -t UTF-8
    ");
    assert_snapshot!(place.failure("generate model --file nowhere.txt"), @r"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    ");
    assert_snapshot!(place.failure("generate model --prompts bad.jsonl"), @r#"
    error: bad.jsonl, line 2: missing field `prompt`
    hint: each line is an object with a text: {"prompt": "Once upon a time"}
    "#);
    let none = place.nuwa("generate model");
    assert!(none.err.contains("<--prompt <TEXT>|--file <FILE>|--prompts <FILE>>"), "{}", none.err);
}

#[test]
fn feedback_that_cannot_be_given() {
    let place = Place::new();
    place.write("model/config.json", "{}").write("a.txt", "Where is the sea?\n").write("empty.txt", "\n \n");
    place.write("picture.png", b"\x89PNG\r\n\x1a\n").write("texts.jsonl", "{\"text\": \"a\"}\n");
    place.write("notes.txt", "My notes.").write("pairs.jsonl", "{\"chosen\": \"a\", \"rejected\": \"b\"}\n");
    let said =
        |prompts: &str, rest: &str| place.failure(&format!("feedback model --prompts {prompts} {rest}"));
    assert_snapshot!(place.failure("feedback nowhere --prompts a.txt --out out.jsonl"), @r"
    error: there is no nowhere
    hint: name a model folder, or the folder of a run: runs/NAME
    ");
    assert_snapshot!(said("nowhere.txt", "--out out.jsonl"), @r"
    error: nowhere.txt does not exist
    hint: check the spelling; a relative path starts at the current folder
    ");
    assert_snapshot!(said("empty.txt", "--out out.jsonl"), @r#"
    error: empty.txt holds nothing to tune on: it has no records
    hint: look at what is trained on with nuwa inspect MODEL --tokens FILE
    "#);
    assert_snapshot!(said("picture.png", "--out out.jsonl"), @r"
    error: picture.png:1: not valid JSON: it is not UTF-8
    hint: a file of records is a JSON list of objects, one object a line, or a table (.csv, .tsv)
    ");
    assert_snapshot!(said("texts.jsonl", "--out out.jsonl"), @r#"
    error: texts.jsonl:1: its fields are text: expected prompt (text or turns), a pair with chosen and rejected, a dialogue (messages, conversations), instruction, or question
    hint: give the columns these names; nuwa sft and nuwa dpo also take names of your own, for example --columns prompt=FIELD,answer=FIELD
    "#);
    assert_snapshot!(said("a.txt", "--out ."), @r"
    error: .: is not a file; expected a file of feedback, or a new name
    hint: name a new file for the decisions: this one stays as it is
    ");
    assert_snapshot!(said("a.txt", "--out notes.txt"), @r"
    error: notes.txt:1: it is no record of feedback; expected records of feedback alone
    hint: name a new file for the decisions: this one stays as it is
    ");
    assert!(
        said("a.txt", "--out pairs.jsonl").starts_with("error: pairs.jsonl:1: it is no record of feedback")
    );
    assert_snapshot!(said("a.txt", "--out out.jsonl --answers 1"), @r"
    error: --answers 1: one answer cannot be ranked; expected 2 to 4
    hint: to say of each answer whether it is good: --mark
    ");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_snapshot!(said("a.txt", &format!("--out out.jsonl --port {port}")).replace(&port, "PORT"), @r"
    error: port PORT is in use by another program
    hint: name another one with --port, or leave it out: a free one is then taken
    ");
    let answer = place.nuwa("feedback model --prompts a.txt --out out.jsonl --answers 9");
    assert!(answer.code == Some(2) && answer.err.contains("9 is not in 1..=4"), "{}", answer.err);
    assert_eq!((place.read("notes.txt").as_str(), place.path("out.jsonl").exists()), ("My notes.", false));
}

#[test]
fn tuning_and_talking() {
    let place = Place::new();
    place.write("a.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    for arguments in [
        "sft nowhere --data a.jsonl --out out",
        "dpo nowhere --data a.jsonl --out out",
        "sft . --data a.jsonl --out out --columns instruction",
        "sft . --data a.jsonl --out out --bad-records ignore",
        "merge . --adapter . --out out",
        "chat nowhere --prompt hello",
        "eval . --task hellaswg --data a.jsonl",
    ] {
        let said = place.failure(arguments);
        assert!(said.starts_with("error: ") && said.contains("\nhint: "), "{arguments}: {said}");
    }
    assert_snapshot!(place.failure("chat --prompt hello"), @r"
    error: there is no model in runs/
    hint: name a model folder, or make one first: nuwa build
    ");
    assert_snapshot!(place.failure("world --out ."), @r"
    error: . holds files that are not of a world
    hint: choose a new folder with --out
    ");
}

#[test]
fn nothing_that_a_terminal_obeys_is_told() {
    let place = Place::new();
    place.write("evil/config.json", r#"{"model_type": "\u001b]0;title\u0007\u001b[2J"}"#);
    place.write("book.txt", "One sentence. ".repeat(200));
    for arguments in [
        "generate evil --prompt a",
        "generate \u{1b}[2J\u{7} --prompt a",
        "build --from book.txt --set \u{1b}]0;x\u{7}=1",
        "build --from \u{1b}[31mred",
    ] {
        let told = place.failure(arguments);
        assert!(told.starts_with("error: ") && !told.contains(['\u{1b}', '\u{7}']), "{told:?}");
    }
}

#[test]
fn a_search_that_cannot_be() {
    let place = Place::new();
    place.write("story.txt", story(1500));
    place.succeed("collect story.txt --out documents");
    place.succeed("tokenizer train story.txt --vocab-size 320 --out tokenizer");
    place.succeed("tokenize documents --tokenizer tokenizer --out shards");
    let said = |arguments: &str| place.failure(&format!("tune shards --out search {arguments}"));
    assert_snapshot!(said("--target 100k"), @r"
    error: a target of 100000 weights is too near to the smallest trials: expected at least 160000
    hint: give a larger --target: a model this small is trained faster than searched for
    ");
    assert_snapshot!(said("--target 10M --over seed"), @r"
    error: seed cannot be searched: expected one of learning_rate, batch_tokens, weight_decay, warmup, dropout, beta2, initialisation_scale, depth, stochastic_depth, optimizer, schedule
    hint: for example --over learning_rate,batch_tokens=0.5..2,optimizer=adamw|muon
    ");
    assert_snapshot!(said("--target 10M --over learning_rate=4..1"), @r"
    error: learning_rate = 4..1: expected LOW..HIGH, two numbers from 0.001 to 1000, the lower one first
    hint: leave the range out to search the usual one
    ");
    assert_snapshot!(said("--target 10M --over warmup,warmup"), @r"
    error: warmup is searched twice
    hint: name each setting once in --over
    ");
    assert_snapshot!(said("--target 10M --trial-tokens 1000"), @r"
    error: budget and text are enough for 1000 tokens of training in all: the smallest search needs 6030000
    hint: give more time (--budget 1h), more text, or fewer settings in --over
    ");
    assert!(!place.path("search").exists());
}
