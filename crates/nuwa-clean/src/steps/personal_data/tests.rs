use proptest::prelude::*;

use super::*;

/// The found values stand between angle brackets in `marked`, with their kind before a colon.
fn check(marked: &str) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for piece in marked.split('⟨') {
        match piece.split_once('⟩') {
            Some((value, rest)) => {
                let (kind, value) = value.split_once(':').unwrap();
                expected.push((kind, text.len()..text.len() + value.len()));
                text += value;
                text += rest;
            }
            None => text += piece,
        }
    }
    let found: Vec<_> =
        find(&text, &Kind::ALL).into_iter().map(|(kind, range)| (kind.name(), range)).collect();
    let told: Vec<_> = found.iter().map(|(kind, range)| (kind, &text[range.clone()])).collect();
    assert_eq!(found, expected, "{text}: {told:?}");
}

#[test]
fn mail_addresses() {
    check("Write to ⟨email:jo.doe+x@mail.example.co.uk⟩. Or <⟨email:a@b.org⟩>, mailto:⟨email:c_d@e-f.de⟩!");
    check("请写信到⟨email:user123@example.com⟩或来访；Jürgen: ⟨email:jürgen@müller.de⟩");
    check("icon@2x.png, npm i lodash@4.17.21, @handle, a@b, user@localhost, x @ y.com, me@@you.com");
}

#[test]
fn phone_numbers_of_many_countries() {
    check(
        "⟨phone:+1 212-555-0199⟩ ⟨phone:+44 20 7946 0018⟩; ⟨phone:+49 (0)30 1234567⟩, ⟨phone:+33 1 23 45 67 89⟩.",
    );
    check(
        "⟨phone:(212) 555-0199⟩ or (⟨phone:212-555-0199⟩), ⟨phone:1-800-555-0199⟩ ⟨phone:212.555.0199 ext. 12⟩",
    );
    check("London ⟨phone:020 7946 0018⟩, mobile ⟨phone:07700 900123⟩, ⟨phone:(01632) 960 001⟩");
    check(
        "Berlin ⟨phone:030/1234567⟩, ⟨phone:0170 1234567⟩; Paris ⟨phone:01 84 17 61 18⟩, ⟨phone:01.84.17.61.18⟩",
    );
    check(
        "北京⟨phone:010-62781234⟩，上海⟨phone:(021) 6278 1234⟩，杭州⟨phone:0571-87654321⟩，東京⟨phone:03-1234-5678⟩",
    );
    check(
        "Tel.: ⟨phone:467 3395⟩. Call me at ⟨phone:78 651 450⟩! 电话：⟨phone:62781234⟩ and ⟨phone:555-0199⟩ (office)",
    );
    check(
        "手机⟨chinese-mobile:13812345678⟩，⟨chinese-mobile:+86 139 1234 5678⟩，⟨chinese-mobile:138-1234-5678⟩",
    );
}

#[test]
fn numbers_with_check_digits() {
    check(
        "card ⟨card:4111 1111 1111 1111⟩, ⟨card:5555555555554444⟩, ⟨card:3782-822463-10005⟩; not 4111111111111112",
    );
    check(
        "IBAN ⟨iban:DE89 3704 0044 0532 0130 00⟩, ⟨iban:gb29nwbk60161331926819⟩; not DE88370400440532013000",
    );
    check("身份证号⟨chinese-id:11010519491231002X⟩，不是110105194912310021。");
    check("SSN ⟨ssn:514-69-0360⟩, SSN: ⟨ssn:514 69 0360⟩; not 666-12-3456, 514-00-0360, 900-12-3456");
}

#[test]
fn addresses_of_hosts() {
    check(
        "from ⟨ip:86.121.97.248⟩, http://⟨ip:41.173.96.26⟩/x, ⟨ip:2a00:1450:4001:81b::200e⟩; IP address ⟨ip:8.8.4.4⟩",
    );
    check(
        "192.168.0.1 127.0.0.1 10.1.2.3 8.8.4.4 v1.22.33.44 version 41.2.3.4 999.1.2.3 192.0.2.7 1.2.3 ::1 fe80::1 a::b",
    );
}

#[test]
fn other_numbers_stay() {
    for text in [
        "On 2016-04-12 and 12.04.2016, 04/12/2016, at 10:30:45, in 1914-1918 or 2010 2011",
        "2000-04-16 11:34:35, 20160412, 1460455200, 1460455200123",
        "ISBN 978-3-16-148410-0, ISBN-10: 0-306-40615-2, ISBN-13: 9783161484100, ISSN 2049-3630",
        "It costs $1,234,567.89 or 1 234 567 EUR, 12.345.678,90, 99.99, 1.234.567",
        "order number 212-555-0199, Order no. 123-45-6789, tracking 4111111111111111, 订单编号13812345678",
        "rows: 100 200 300 4000 500 600; 0123 4567 8901; 01 02 03 04 05; 0.123456789 1e10 3.14159265",
        "Python 3.12.1, Chrome 69.0.3497.100, section 1.2.3.4, RFC 2822, 1920x1080, 16:9, IPv6",
        "ids a1b2c3d4e5f6, 0xDEADBEEF, 550e8400-e29b-41d4-a716-446655440000, #13812345678, ZIP 62704-1234",
        "http://x.com/2125550199/212-555-0199.html?id=13812345678&card=4111111111111111",
        "pp. 123-456, 10-12, 5-7-1, 3:16, 24/7, 1/2, Psalm 119:105, 007, 0800 1000 1200",
    ] {
        check(text);
    }
}

fn applied(settings: PersonalDataSettings, text: &str) -> (String, Verdict) {
    let mut document = Document { text: text.into(), ..Document::default() };
    let verdict = PersonalData::new(&settings).apply(&mut document);
    (document.text, verdict)
}

#[test]
fn placeholders_say_the_type() {
    let text = "a@b.org and c@d.org, a@b.org, +1 212-555-0199";
    let with =
        |placeholder: &str| PersonalDataSettings { placeholder: placeholder.into(), ..Default::default() };
    let (plain, verdict) = applied(Default::default(), text);
    assert_eq!((plain.as_str(), verdict), ("[EMAIL] and [EMAIL], [EMAIL], [PHONE]", Verdict::Changed));
    let numbered = applied(with("<TYPE_NUMBER>"), text).0;
    assert_eq!(numbered, "<EMAIL_1> and <EMAIL_2>, <EMAIL_1>, <PHONE_1>");
    assert_eq!(applied(with(""), "x a@b.org y").0, "x  y");
}

#[test]
fn kinds_and_the_most_are_settings() {
    let text = "a@b.org and c@d.org, +1 212-555-0199";
    let only = PersonalDataSettings { kinds: vec![Kind::Phone], ..Default::default() };
    assert_eq!(applied(only, text).0, "a@b.org and c@d.org, [PHONE]");
    let few = PersonalDataSettings { reject_over: 2, ..Default::default() };
    assert_eq!(applied(few.clone(), text).1, Verdict::rejected("much personal data", "3 found, at most 2"));
    assert_eq!(applied(few, "a@b.org").1, Verdict::Changed);
    assert_eq!(applied(Default::default(), "nothing").1, Verdict::Kept);
}

/// An identity number with a right check character.
fn identity(first: u64) -> String {
    let digits = format!("1101051990{:02}{:02}{:03}", 1 + first % 12, 1 + first % 28, first % 1000);
    let check = "0123456789X"
        .chars()
        .find(|check| checks::is_chinese_identity(format!("{digits}{check}").as_bytes()));
    format!("{digits}{}", check.unwrap())
}

proptest! {
    #[test]
    fn identity_and_mobile_numbers_are_found(seed in 0u64..1_000_000_000, second in 3u64..10) {
        check(&format!("他的身份证号码是⟨chinese-id:{}⟩。", identity(seed)));
        check(&format!("请拨打⟨chinese-mobile:1{second}{seed:09}⟩。"));
    }

    #[test]
    fn what_is_found_is_in_order_and_gone_afterwards(text in "[-0-9a-f@.:+() x/XGB静é]{0,60}") {
        let found = find(&text, &Kind::ALL);
        prop_assert!(found.windows(2).all(|pair| pair[0].1.end <= pair[1].1.start));
        prop_assert!(found.iter().all(|(_, range)| range.start < range.end && text.get(range.clone()).is_some()));
    }
}
