use crate::support::{Place, story};

fn lines<'a>(err: &'a str, word: &str) -> Vec<&'a str> {
    err.lines().filter(|line| line.contains(word)).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn two_builds_do_not_share_a_folder() {
    let place = Place::new();
    place.write("story.txt", story(400)).write("out/.lock", "");
    let lock = std::fs::File::open(place.path("out/.lock")).unwrap();
    lock.lock().unwrap();
    let message = place.failure("build --from story.txt --out out");
    insta::assert_snapshot!(message, @"");
}

#[test]
fn a_folder_of_ones_own_is_not_overwritten() {
    let place = Place::new();
    place.write("story.txt", story(400)).write("mine/collect/thesis.txt", "years of work");
    insta::assert_snapshot!(place.failure("build --from story.txt --out mine"), @"");
    assert_eq!(place.read("mine/collect/thesis.txt"), "years of work");
    let _ = lines;
}
