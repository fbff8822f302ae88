//! A second run finds what is there and leaves it.

use standins::modelscope::Dedup;

use crate::trip::{STOCK, Trip, Way, both_ways, stock};
use crate::world::{KIB, MIB, bytes, generated};

/// Runs again and finds nothing to do.
#[track_caller]
pub fn idle(trip: &Trip) {
    let (sent, head) = (trip.destination_journal().bytes_uploaded(), trip.copy().head());
    let commits = trip.destination_journal().requests("commit");
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["state"], "verified");
    assert_eq!(report["bytes"]["moved"], 0);
    assert_eq!(report["files"]["copied"], 0);
    assert_eq!(report["files"]["skipped"], report["files"]["total"]);
    assert_eq!(trip.destination_journal().bytes_uploaded(), sent, "payload bytes");
    assert_eq!(trip.destination_journal().requests("commit"), commits, "commits");
    assert_eq!(trip.copy().head(), head);
}

both_ways! {
    fn a_second_run_moves_nothing_and_commits_nothing(way) {
        let trip = Trip::stocked(way);
        trip.assert_done(trip.migrate(&[]));
        assert!(trip.copy().files().contains_key(".gitattributes"));
        idle(&trip);
    }

    fn a_second_run_from_another_machine_moves_nothing_and_commits_nothing(way) {
        let trip = Trip::of_dataset(way);
        stock(&trip.source());
        trip.assert_done(trip.migrate(&[]));
        trip.world.forget_state();
        idle(&trip);
    }

    fn from_another_machine_plain_files_need_not_be_read_to_be_compared_as_long_as_our_commit_is_the_head(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        for number in 0..20 {
            source.regular_file(&format!("texts/{number}.txt"), "line\n".repeat(number).as_str());
        }
        source.file("README.md", "# texts\n").file("model.safetensors", bytes(1, 300 * KIB)).commit();
        trip.assert_done(trip.migrate(&[]));
        let compared = || {
            trip.world.forget_state();
            trip.migrate(&[]).exits(0).json()["bytes"]["compared"].as_u64().unwrap()
        };
        // the card is read each time
        assert_eq!(compared(), 8);

        trip.copy().file("theirs.txt", "by somebody else").commit();
        assert_eq!(compared(), 8 + 5 * (0..20).sum::<u64>());

        // a seal is about contents: one that differs is found
        source.regular_file("texts/3.txt", "LINE\nline\nline\n").commit();
        trip.world.forget_state();
        assert!(trip.migrate(&[]).exits(3).json().to_string().contains("texts/3.txt"));
        trip.migrate(&["--yes"]).exits(0);
        assert_eq!(compared(), 8);
    }

    fn two_paths_with_one_content_are_sent_once(way) {
        let trip = Trip::stocked(way);
        let report = trip.assert_done(trip.migrate(&[]));
        let inline = ["README.md", "config.json", "vocab.txt", "model.safetensors.index.json"];
        let inline: u64 = inline.iter().map(|path| trip.source().files()[*path].size).sum();
        assert_eq!(report["bytes"]["moved"], STOCK + inline);
        assert_eq!(report["files"]["reused"], 2);
        assert_eq!(trip.destination_journal().bytes_uploaded(), STOCK);
    }

    fn only_the_file_that_changed_moves(way) {
        let trip = Trip::stocked(way);
        trip.assert_done(trip.migrate(&[]));
        let sent = trip.destination_journal().bytes_uploaded();
        trip.source().file("optimizer.bin", generated(99, 5 * MIB)).commit();

        let refused = trip.migrate(&[]).exits(3).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("optimizer.bin"), "{refused}");
        let report = trip.migrate(&["--yes"]).exits(0).json();

        assert_eq!(report["bytes"]["moved"], 5 * MIB);
        assert_eq!(report["files"]["copied"], 1);
        assert_eq!(report["verification"]["how"]["streamed"], 1);
        assert_eq!(trip.destination_journal().bytes_uploaded() - sent, 5 * MIB);
        assert_eq!(trip.copy().ours().len(), 2);
        trip.assert_arrived();
        idle(&trip);
    }

    fn a_new_file_at_the_source_moves_alone_and_needs_no_consent(way) {
        let trip = Trip::stocked(way);
        trip.assert_done(trip.migrate(&[]));
        trip.source().file("more.bin", generated(98, 3 * MIB)).commit();
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["bytes"]["moved"], 3 * MIB);
        trip.assert_arrived();
    }

    fn a_file_that_is_there_as_a_blob_or_in_git_is_left_as_it_is(way) {
        let trip = Trip::new(way);
        let (source, copy) = (trip.source(), trip.copy());
        let text = "a text\n".repeat(20_000);
        source.lfs_file("one.txt", text.as_str()).regular_file("two.txt", text.as_str()).regular_file("three.txt", "3").commit();
        source.file("README.md", "# same\n").file("new.bin", bytes(1, 200 * KIB)).commit();
        copy.regular_file("one.txt", text.as_str()).lfs_file("two.txt", text.as_str()).lfs_file("three.txt", "3").commit();
        copy.file("README.md", "# same\n").commit();

        let report = trip.migrate(&[]).exits(0).json();

        assert_eq!(report["files"]["skipped"], 4);
        assert_eq!(report["bytes"]["moved"], 200 * KIB);
        let files = trip.copy().files();
        assert_eq!(["one.txt", "two.txt", "three.txt"].map(|path| files[path].lfs), [false, true, true]);
        idle(&trip);
    }

    fn blobs_of_another_repository_are_reused_where_the_hub_allows_it(way) {
        let trip = Trip::stocked(way);
        trip.world.hf.behaviour(|behaviour| behaviour.dedupes_across_repositories = true);
        stock(&trip.copy_named("alice/older"));
        let report = trip.assert_done(trip.migrate(&[]));
        assert_eq!(trip.destination_journal().bytes_uploaded(), 0);
        assert_eq!(report["files"]["reused"], 6);
        assert_eq!(report["verification"]["how"]["reference"], 6);
        assert_eq!(report["bytes"]["reused"], STOCK + 12 * MIB + 300 * KIB);
    }

    fn blobs_of_another_repository_are_copied_where_the_hub_keeps_them_apart(way) {
        let trip = Trip::stocked(way);
        trip.world.ms.behaviour(|behaviour| behaviour.dedup = Dedup::PerRepo);
        stock(&trip.copy_named("alice/older"));
        let report = trip.assert_done(trip.migrate(&[]));
        assert_eq!(trip.destination_journal().bytes_uploaded(), STOCK);
        assert_eq!(report["verification"]["how"]["reference"], 0);
    }
}

#[test]
fn a_rewritten_card_is_recognised_and_not_written_again() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.source().file("README.md", "---\nlicense: MIT License\n---\n# bert\n").commit();
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["state"], "verified");
    assert!(report["changes"].to_string().contains("license"), "{}", report["changes"]);
    let card = trip.copy().content("README.md").unwrap().to_bytes();
    assert_eq!(String::from_utf8_lossy(&card), "---\nlicense: mit\n---\n# bert\n");
    trip.assert_arrived_but(&["README.md"]);
    idle(&trip);
    trip.world.forget_state();
    idle(&trip);
}

#[test]
fn a_text_just_over_ten_megabytes_in_git_is_recognised_as_well() {
    let trip = Trip::new(Way::HfToMs);
    let text = "0123456789".repeat(1_000_000);
    trip.source().regular_file("a.txt", text.as_str()).regular_file("b.txt", format!("{text}+").as_str()).commit();
    trip.assert_done(trip.migrate(&[]));
    idle(&trip);
    trip.world.forget_state();
    idle(&trip);
}

#[test]
fn what_modelscope_lists_without_a_digest_is_read_and_recognised() {
    let trip = Trip::stocked(Way::HfToMs);
    for path in ["optimizer.bin", "vocab.txt", "README.md"] {
        trip.copy().lists_instead(path, "");
    }
    trip.assert_done(trip.migrate(&[]));
    idle(&trip);
    trip.world.forget_state();
    idle(&trip);
}
