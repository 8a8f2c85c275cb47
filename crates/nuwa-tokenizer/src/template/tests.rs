use minijinja::{Environment, context};

use super::*;

/// The text of a template, or what is wrong with it.
fn run(source: &str) -> String {
    let prepared = match prepare(source) {
        Ok(prepared) => prepared,
        Err(reason) => return format!("refused: {reason}"),
    };
    let mut environment = Environment::new();
    environment.set_unknown_method_callback(python_method);
    limit(&mut environment, 0);
    let values = context! { l => vec![1, 2, 3], s => "a b", o => context! { k => vec![1] } };
    environment
        .render_str(&prepared.text, values)
        .unwrap_or_else(|error| format!("failed: {}", reason(&error)))
}

#[test]
fn what_templates_do_is_still_done() {
    for (source, text) in [
        ("{% set a, b = 1, 2 %}{{ a + b }}", "3"),
        (
            "{% set ns = namespace(n=0, x=l[1:]) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.x }}",
            "6[2, 3]",
        ),
        (
            "{% set ns = namespace() %}{% set ns.a = [1] %}{% set ns.a = ns.a + [2] %}{{ ns.a }}{{ ns.b is defined }}",
            "[1, 2]False",
        ),
        ("{% for i in l if i > 1 %}{{ loop.index }}{{ i }}{% else %}none{% endfor %}", "1223"),
        (
            "{% for i in l + [4] recursive %}{{ i }}{% if i == 4 %}{{ loop([5]) }}{% endif %}{% endfor %}",
            "12345",
        ),
        ("{% for k, v in o.items() %}{{ k }}{{ v }}{% endfor %}", "k[1]"),
        ("{% macro m(a, b='}}') -%}  {{ a ~ b }}{% endmacro %}{{ m(1) }}{{ m(1, b=2) }}", "1}}12"),
        ("{% macro m() %}{{ caller('x') }}{% endmacro %}{% call(y) m() %}{{ y }}{% endcall %}", "x"),
        ("{% with a = l + l, b = (1, 2) %}{{ a|length }}{{ b[1] }}{% endwith %}", "62"),
        ("{% set t %}a{% endset %}{% set t | upper %}b{{ t }}{% endset %}{{ t }}", "BA"),
        (
            "{% raw %}{% set a = {% endraw %}{# {% #}{{ {'a': {'b': 1}}['a']['b'] }}{%- set x = \"%}\" -%} {{ x }}",
            "{% set a = 1%}",
        ),
        (
            "{% for i in l %}{% set outer = loop %}{% for j in l %}{{ outer.index }}{% endfor %}{% endfor %}",
            "111222333",
        ),
        ("{{ ', '.join(['a', 'b']) }}{{ 'a b'.split()|length }}{{ '{:>3}'.format('a') }}", "a, b2  a"),
        ("{{ missing }}{% set m = missing %}{{ m is defined }}", "False"),
    ] {
        assert_eq!(run(source), text, "{source}");
    }
}

#[test]
fn work_and_memory_have_an_end() {
    let nested = "{% for a in range(100000) %}".repeat(4) + &"{% endfor %}".repeat(4);
    let doubled = format!("{{% set x = [1] %}}{}{{{{ x|length }}}}", "{% set x = x + x %}".repeat(60));
    let in_macros = "{% macro f(x, n) %}{% if n %}{{ f(x + x, n - 1) }}{% else %}{{ x|length }}{% endif %}{% endmacro %}{{ f([1], 40) }}";
    let in_loops = "{% for y in [[1]] recursive %}{{ loop([y + y]) }}{% endfor %}";
    for source in [
        nested.as_str(),
        "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set s = 'a' * 1000000 %}{{ ''.join([s] * 100000) }}",
        "{% set s = 'a' * 20000000 %}{{ s.split('a')|length }}",
        "{{ 'a' * 90000000 }}",
        &doubled,
        in_macros,
        in_loops,
    ] {
        let told = run(source);
        let ended = told == format!("failed: {OUT_OF_FUEL}") || told.starts_with("failed: recursion limit");
        assert!(ended, "{} of {}", told.get(..90).unwrap_or(&told), &source[..60]);
    }
    assert_eq!(run("{{ '{:>99999}'.format('a') }}"), "failed: a text filled up to more than 9999 characters");
}

#[test]
fn depth_has_an_end() {
    let chain = format!("{{{{ {} }}}}", "1+".repeat(20_000) + "1");
    let signs = format!("{{{{ {} }}}}", "-".repeat(20_000) + "1");
    let filters = format!("{{{{ 1{} }}}}", "|abs".repeat(20_000));
    let calls = format!("{{{{ a{} }}}}", "()".repeat(20_000));
    let told = "refused: an expression of more than 1000 words and operators without a comma";
    for source in [chain, signs, filters, calls] {
        assert_eq!(run(&source), told);
    }
    let blocks = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(2000));
    assert_eq!(run(&blocks), "refused: more than 100 blocks stand within each other");
    assert!(run(&"a".repeat(1 << 21)).starts_with("refused: it has 2097152 bytes"));
    assert!(expression(&"1+".repeat(20_000)).is_err());
    assert!(expression("a[1:] + ['%}', b|length]").is_ok());
    let list = format!("{{{{ [{}]|length }}}}", "1, ".repeat(3000));
    assert_eq!(run(&list), "3000");
}

#[test]
fn no_value_holds_itself() {
    assert_eq!(run("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me }}"), "{}");
    assert_eq!(
        run("{% set ns = namespace() %}{% set ns.me = [ns] %}{% set ns.me = [ns] %}{{ ns.me }}"),
        "[{'me': [{}]}]"
    );
    assert_eq!(run("{% set make = namespace %}"), "refused: `namespace` is used without being called");
    let deep = "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    assert_eq!(run(deep), "failed: a value within more than 64 lists or objects");
}

#[test]
fn columns_are_those_of_the_original() {
    let prepared = prepare("ab\n{% set a = b + c %}{{ d }}").unwrap();
    let at = prepared.text.find("d }}").unwrap();
    assert_eq!((prepared.column(at), prepared.column(0)), (23, 1));
}
