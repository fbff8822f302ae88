//! Plans for people: readable whatever the size of the repository, and whole for programs.

use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::usage::assert_untouched;
use crate::world::World;

/// 20,000 files: most of them there already, some that differ, some that no hub takes, some not selected, a card that is rewritten.
fn many() -> World {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus");
    let copy = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    source.file("README.md", "---\nlicense: MIT License\n---\n# corpus\n");
    for number in 0..20_000 {
        let content = format!("{number:05}").repeat(1 + number % 7);
        let path = match number {
            0..25 => format!("a/.git/{number:05}"),
            25..3_000 => format!("logs/{number:05}.txt"),
            _ => format!("part-{:02}/{number:05}.bin", number % 100),
        };
        source.lfs_file(&path, content.as_str());
        match number {
            3_000..3_030 => drop(copy.lfs_file(&path, "theirs")),
            3_030..15_000 => drop(copy.lfs_file(&path, content.as_str())),
            15_000..15_040 => drop(copy.lfs_file(&format!("mine/{number}.bin"), content.as_str())),
            _ => {}
        }
    }
    source.commit("all");
    copy.commit("theirs");
    world
}

#[test]
fn a_plan_of_twenty_thousand_files_is_readable_and_whole_for_programs() {
    let world = many();
    let arguments = ["plan", "ms:alice/corpus", "--exclude", "logs/*"];
    let shown = world.run(&arguments).exits(0);
    insta::assert_snapshot!("many", shown.shown(&world));
    assert!(shown.stdout.lines().count() < 100, "{}", shown.stdout.lines().count());
    let plan = world.run(&[&arguments[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(plan["items"].as_array().unwrap().len(), 20_002, "with README.md and .gitattributes");
    let totals = &plan["totals"];
    assert_eq!((&totals["present"], &totals["repeated"]), (&11_970.into(), &40.into()));
    assert_eq!(totals["copy"], 20_000 - 3_000 - 11_970 + 1);
    assert_eq!(
        (plan["extra"].as_array().unwrap().len(), plan["warnings"].as_array().unwrap().len()),
        (40, 1),
        "what is refused for one reason is one warning"
    );
    assert_eq!((&plan["risks"][0]["files"], &plan["risks"][1]["files"]), (&30.into(), &25.into()));
    assert_untouched(&world);
}

#[test]
fn the_commits_and_the_time_that_limits_force_are_told_beforehand() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    for number in 0..6_100 {
        source.lfs_file(&format!("part-{:02}/{number:04}.bin", number % 10), number.to_string().as_str());
    }
    source.commit("all");
    let plan = world.run(&["plan", "hf:alice/corpus", "--json"]).exits(0).json();
    assert_eq!((&plan["estimate"]["commits"], &plan["estimate"]["downloads"]), (&4.into(), &6_100.into()));
    let shown = world.run(&["plan", "hf:alice/corpus"]).exits(0).stdout;
    assert!(shown.contains("6100 downloads from Hugging Face; 0 uploads, 4 commits"), "{shown}");
    assert!(shown.contains("5000 downloads in 5 minutes, so it takes 5 minutes or more"), "{shown}");
}

#[test]
fn as_many_commits_are_made_as_the_plan_tells() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    for number in 0..2_100 {
        source.regular_file(&format!("part-{:02}/{number:04}.txt", number % 10), number.to_string().as_str());
    }
    source.commit("all");
    let plan = world.run(&["plan", "hf:alice/corpus", "--json"]).exits(0).json();
    assert_eq!(plan["estimate"]["commits"], 2);
    world.run(&["migrate", "hf:alice/corpus"]).exits(0);
    let commits = world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus").commits();
    assert_eq!(commits.iter().filter(|commit| commit.message.contains("hf2ms")).count(), 2);
}
