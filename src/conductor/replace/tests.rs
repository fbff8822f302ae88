use super::*;
use crate::plan::shard::cut;
use crate::repo::Sha256;

const FIRST: WorkerId = WorkerId { shard: 0, attempt: 0 };

fn blobs(count: u32, size: u64) -> Vec<Blob> {
    (0..count).map(|place| Blob { place, size, sha256: Sha256::of(&place.to_le_bytes()) }).collect()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn worker(shard: u32, attempt: u32) -> WorkerId {
    WorkerId { shard, attempt }
}

/// A fleet of so many workers, each with 400 blobs of 200 MB, all of them started.
fn fleet(workers: u32, most: u32) -> (Fleet, Vec<Shard>) {
    let shards = cut(blobs(workers * 400, 200_000_000), workers);
    let mut fleet = Fleet::new(shards.clone(), most, &[]);
    let started = fleet.step(at(0), []);
    assert_eq!(started.len(), workers.min(most) as usize);
    let seen = fleet.living().map(Seen::Started).collect::<Vec<_>>();
    assert_eq!(fleet.step(at(1), seen), []);
    (fleet, shards)
}

/// What is done while each of these workers carries so many MB a second from second `from` to second `to`.
fn carry(fleet: &mut Fleet, from: u64, to: u64, rates: &[(WorkerId, u64)]) -> Vec<(u64, Action)> {
    let mut actions = Vec::new();
    for second in from..to {
        let heard = rates.iter().map(|(worker, rate)| Seen::Heard { worker: *worker, files: 0, bytes: rate * second * 1_000_000 });
        actions.extend(fleet.step(at(second), heard.collect::<Vec<_>>()).into_iter().map(|action| (second, action)));
    }
    actions
}

fn places(blobs: &[Blob]) -> Vec<u32> {
    blobs.iter().map(|blob| blob.place).collect()
}

#[test]
fn a_name_says_whose_shard_and_which_attempt() {
    assert_eq!(worker(3, 2).name("0a1b2c"), "hf2ms-0a1b2c-3-2");
}

#[test]
fn a_lost_worker_is_replaced_by_what_the_destination_lacks_and_not_before_it_says_so() {
    let mut fleet = Fleet::new(cut(blobs(3, 5), 1), 10, &[]);
    assert!(matches!(&fleet.step(at(0), [])[..], [Action::Start { worker: FIRST, blobs }] if blobs.len() == 3));
    assert_eq!(fleet.step(at(5), [Seen::Started(FIRST), Seen::Landed { worker: FIRST, place: 1 }]), []);
    let asked = fleet.step(at(9), [Seen::Ended { worker: FIRST, how: Ending::Lost }]);
    let [Action::Ask { worker: FIRST, blobs }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(places(blobs).len(), 2);
    assert_eq!(fleet.step(at(60), []), []);
    assert!(!fleet.is_finished());
    // what nobody asked about is nobody's answer
    let started = fleet.step(at(61), [Seen::Missing { worker: FIRST, places: vec![2, 1, 77] }]);
    let [Action::Start { worker: next, blobs }] = &started[..] else { panic!("{started:?}") };
    assert_eq!((*next, places(blobs)), (worker(0, 1), vec![2]));
    fleet.step(at(70), [Seen::Landed { worker: *next, place: 2 }, Seen::Ended { worker: *next, how: Ending::Done }]);
    assert!(fleet.is_finished());
}

#[test]
fn a_worker_that_ended_well_but_was_not_heard_is_asked_about_and_believed() {
    let mut fleet = Fleet::new(cut(blobs(3, 5), 1), 10, &[]);
    fleet.step(at(0), []);
    let asked = fleet.step(at(9), [Seen::Ended { worker: FIRST, how: Ending::Done }]);
    assert!(matches!(&asked[..], [Action::Ask { blobs, .. }] if blobs.len() == 3), "{asked:?}");
    assert_eq!(fleet.step(at(10), [Seen::Missing { worker: FIRST, places: vec![] }]), []);
    assert!(fleet.is_finished());
}

#[test]
fn a_shard_is_given_up_after_five_workers_and_at_once_when_no_other_would_do_better() {
    let mut fleet = Fleet::new(cut(blobs(1, 5), 1), 10, &[]);
    for attempt in 0..ATTEMPTS {
        let living: Vec<_> = fleet.living().chain([worker(0, attempt)]).collect();
        fleet.step(at(u64::from(attempt) * 10), []);
        assert!(living.len() <= 2);
        fleet.step(at(u64::from(attempt) * 10 + 1), [Seen::Ended { worker: worker(0, attempt), how: Ending::Lost }]);
        let next = fleet.step(at(u64::from(attempt) * 10 + 2), [Seen::Missing { worker: worker(0, attempt), places: vec![0] }]);
        match &next[..] {
            [Action::Start { worker: next, .. }] => assert_eq!(*next, worker(0, attempt + 1)),
            [Action::GiveUp { because: GaveUp::Attempts, blobs, .. }] => assert_eq!((attempt, places(blobs)), (ATTEMPTS - 1, vec![0])),
            other => panic!("{other:?}"),
        }
    }
    assert!(fleet.is_finished());
    let mut fleet = Fleet::new(cut(blobs(1, 5), 1), 10, &[]);
    fleet.step(at(0), []);
    let given_up = fleet.step(at(1), [Seen::Ended { worker: FIRST, how: Ending::Failed }]);
    assert!(matches!(&given_up[..], [Action::GiveUp { because: GaveUp::Failed, .. }]), "{given_up:?}");
    assert!(fleet.is_finished());
}

#[test]
fn who_carries_less_than_a_quarter_of_what_is_usual_is_ended_once_and_then_insisted_upon() {
    let (mut fleet, _) = fleet(4, 99);
    let rates = [(worker(0, 0), 100), (worker(1, 0), 110), (worker(2, 0), 24), (worker(3, 0), 90)];
    let actions = carry(&mut fleet, 2, 170, &rates);
    let end = Action::End { worker: worker(2, 0), because: Because::Slow };
    assert_eq!(actions.iter().map(|(_, action)| action.clone()).collect::<Vec<_>>(), [end.clone(), end]);
    // a tenth of the thirteen minutes that it all takes
    assert!((75..100).contains(&actions[0].0), "{}", actions[0].0);
    assert_eq!(actions[1].0, actions[0].0 + INSIST.as_secs());
}

#[test]
fn who_carries_a_third_of_what_is_usual_goes_on() {
    let (mut fleet, _) = fleet(4, 99);
    let rates = [(worker(0, 0), 100), (worker(1, 0), 100), (worker(2, 0), 33), (worker(3, 0), 100)];
    assert_eq!(carry(&mut fleet, 2, 600, &rates), []);
}

#[test]
fn of_two_workers_the_slow_one_is_found_and_a_single_one_is_compared_with_nobody() {
    let (mut two, _) = fleet(2, 99);
    let found = carry(&mut two, 2, 200, &[(worker(0, 0), 5), (worker(1, 0), 100)]);
    assert!(matches!(found[0].1, Action::End { worker: FIRST, because: Because::Slow }), "{found:?}");
    let (mut one, _) = fleet(1, 99);
    assert_eq!(carry(&mut one, 2, 500, &[(FIRST, 1)]), []);
}

#[test]
fn those_that_ended_well_still_show_what_is_usual() {
    let (mut fleet, shards) = fleet(3, 99);
    let (slow, fast) = (worker(0, 0), [worker(1, 0), worker(2, 0)]);
    assert_eq!(carry(&mut fleet, 2, 30, &[(slow, 100), (fast[0], 100), (fast[1], 100)]), []);
    for worker in fast {
        let landed = places(&shards[worker.shard as usize].blobs).into_iter().map(|place| Seen::Landed { worker, place });
        let ended = [Seen::Ended { worker, how: Ending::Done }];
        assert_eq!(fleet.step(at(30), landed.chain(ended).collect::<Vec<_>>()), []);
    }
    let heard = |second| [Seen::Heard { worker: slow, files: 0, bytes: 3_000_000_000 + second * 2_000_000 }];
    let ended = (31..300).find(|second| !fleet.step(at(*second), heard(*second)).is_empty());
    assert!(ended.is_some());
}

#[test]
fn who_has_few_blobs_left_need_not_fill_a_container() {
    let large = blobs(1, 80_000_000_000);
    let small: Vec<_> = blobs(3_000, 100_000_000).into_iter().map(|blob| Blob { place: blob.place + 1, ..blob }).collect();
    let shards = vec![
        Shard { number: 0, blobs: large },
        Shard { number: 1, blobs: small[..1500].to_vec() },
        Shard { number: 2, blobs: small[1500..].to_vec() },
    ];
    let mut fleet = Fleet::new(shards, 99, &[]);
    fleet.step(at(0), []);
    assert_eq!(carry(&mut fleet, 1, 900, &[(worker(0, 0), 10), (worker(1, 0), 120), (worker(2, 0), 120)]), []);
}

#[test]
fn who_is_not_heard_is_ended_when_others_are_heard_and_much_later_when_nobody_is() {
    let (mut some, _) = fleet(2, 99);
    carry(&mut some, 2, 10, &[(worker(0, 0), 100), (worker(1, 0), 100)]);
    let found = carry(&mut some, 10, 400, &[(worker(1, 0), 100)]);
    assert!(matches!(&found[0], (309, Action::End { worker: FIRST, because: Because::Silent })), "{found:?}");
    let (mut nobody, _) = fleet(2, 99);
    carry(&mut nobody, 2, 10, &[(worker(0, 0), 100), (worker(1, 0), 100)]);
    let found = carry(&mut nobody, 10, 1_000, &[]);
    assert_eq!(found.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [909, 909, 969, 969]);
}

#[test]
fn who_is_heard_and_carries_nothing_is_ended_though_there_is_nobody_else() {
    let (mut one, _) = fleet(1, 99);
    carry(&mut one, 2, 10, &[(FIRST, 100)]);
    let ended = (10..2_000).find_map(|second| {
        one.step(at(second), [Seen::Heard { worker: FIRST, files: 0, bytes: 900_000_000 }]).pop().map(|action| (second, action))
    });
    assert_eq!(ended, Some((1_809, Action::End { worker: FIRST, because: Because::Still })));
}

#[test]
fn a_shard_is_cut_again_so_that_its_pieces_are_ready_with_the_others() {
    let (mut fleet, _) = fleet(12, 99);
    let rates: Vec<_> = (0..12).map(|shard| (worker(shard, 0), if shard == 7 { 6 } else { 125 })).collect();
    let (second, action) = carry(&mut fleet, 2, 400, &rates)[0].clone();
    assert_eq!(action, Action::End { worker: worker(7, 0), because: Because::Slow });
    let asked = fleet.step(at(401), [Seen::Ended { worker: worker(7, 0), how: Ending::Lost }]);
    let [Action::Ask { worker: ended, blobs }] = &asked[..] else { panic!("{asked:?} {second}") };
    let started = fleet.step(at(402), [Seen::Missing { worker: *ended, places: places(blobs) }]);
    let mut shares: Vec<_> = started
        .iter()
        .flat_map(|action| match action {
            Action::Start { worker, blobs } if worker.shard == 7 && worker.attempt > 0 => places(blobs),
            other => panic!("{other:?}"),
        })
        .collect();
    // the others have 4 of their 11 minutes left, so that three share what takes one 11
    assert_eq!(started.len(), 3, "{started:?}");
    shares.sort_unstable();
    let mut whole = places(blobs);
    whole.sort_unstable();
    assert_eq!(shares, whole);
}

#[test]
fn no_more_run_than_there_are_places_and_a_refusal_means_that_there_are_fewer() {
    let (mut fleet, _) = fleet(5, 3);
    assert_eq!(fleet.living().count(), 3);
    let after = fleet.step(at(5), [Seen::Refused(worker(2, 0))]);
    assert_eq!(after, []);
    assert_eq!(fleet.living().count(), 2);
    fleet.step(at(6), [Seen::Ended { worker: worker(0, 0), how: Ending::Failed }]);
    assert_eq!(fleet.living().collect::<Vec<_>>(), [worker(1, 0), worker(2, 0)]);
}

#[test]
fn a_place_that_was_not_there_is_asked_for_again() {
    let (mut fleet, _) = fleet(3, 3);
    assert_eq!(fleet.step(at(5), [Seen::Refused(worker(2, 0))]), []);
    let asked = (6..60).find_map(|second| fleet.step(at(second), []).pop().map(|action| (second, action)));
    assert!(matches!(asked, Some((25, Action::Start { worker: WorkerId { shard: 2, attempt: 0 }, .. }))), "{asked:?}");
}

#[test]
fn without_a_place_for_a_single_worker_it_ends() {
    let mut fleet = Fleet::new(cut(blobs(4, 5), 2), 10, &[]);
    let mut seen = Vec::new();
    let mut given_up = Vec::new();
    for second in 0..200 {
        let actions = fleet.step(at(second), std::mem::take(&mut seen));
        for action in actions {
            match action {
                Action::Start { worker, .. } => seen.push(Seen::Refused(worker)),
                Action::GiveUp { because: GaveUp::NoPlace, blobs, .. } => given_up.push((second, blobs.len())),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(given_up, [(85, 2), (85, 2)]);
    assert!(fleet.is_finished());
}

#[test]
fn workers_found_alive_keep_their_shard_until_the_last_of_them_ends() {
    let shards = cut(blobs(8, 5), 2);
    let mut fleet = Fleet::new(shards.clone(), 10, &[worker(1, 2), worker(1, 3)]);
    let started = fleet.step(at(0), []);
    assert!(matches!(&started[..], [Action::Start { worker: FIRST, .. }]), "{started:?}");
    let landed = shards[1].blobs[..2].iter().map(|blob| Seen::Landed { worker: worker(1, 2), place: blob.place });
    assert_eq!(fleet.step(at(1), landed.collect::<Vec<_>>()), []);
    assert_eq!(fleet.step(at(2), [Seen::Ended { worker: worker(1, 2), how: Ending::Lost }]), []);
    let asked = fleet.step(at(3), [Seen::Ended { worker: worker(1, 3), how: Ending::Done }]);
    let [Action::Ask { worker: last, blobs }] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((*last, blobs.len()), (worker(1, 3), 2));
    let started = fleet.step(at(4), [Seen::Missing { worker: *last, places: places(blobs) }]);
    assert!(matches!(&started[..], [Action::Start { worker: next, .. }] if *next == worker(1, 4)), "{started:?}");
}
