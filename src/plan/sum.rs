//! What several migrations take on Modal together.

use serde::Serialize;

use super::fan_out::minutes;
use super::modal::{ModalEstimate, Prices, money, round};
use super::together::{Cap, Room};

/// When the migrations of a batch run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each begins, in their order, when there is room for it.
    Capped(Cap),
    /// All begin at once.
    AllAtOnce,
}

/// Several estimates, added up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sum {
    /// How many migrations.
    pub migrations: usize,
    /// Containers at once, at most.
    pub containers: u32,
    /// From the first start to the last report.
    pub seconds: f64,
    /// The same in minutes, to a tenth.
    pub minutes: f64,
    /// All containers of all of them.
    pub dollars: f64,
    /// What that is reckoned with.
    pub rates: Prices,
    #[serde(skip)]
    order: Order,
}

impl Sum {
    /// Adds them up. `None` when there are none.
    pub fn of(estimates: &[ModalEstimate], order: Order) -> Option<Self> {
        let rates = estimates.first()?.rates.clone();
        let (containers, seconds) = match order {
            Order::Capped(cap) => in_turn(estimates, cap),
            Order::AllAtOnce => {
                let longest = estimates.iter().map(|estimate| estimate.seconds).fold(0.0, f64::max);
                (estimates.iter().map(|estimate| estimate.containers).sum(), longest)
            }
        };
        Some(Self {
            migrations: estimates.len(),
            containers,
            seconds,
            minutes: (seconds / 6.0).round() / 10.0,
            dollars: round(estimates.iter().map(|estimate| estimate.dollars).sum()),
            rates,
            order,
        })
    }

    /// A line for a batch.
    pub fn text(&self) -> String {
        let order = match self.order {
            Order::Capped(cap) if cap.is_one_by_one() => " one after the other: at most",
            Order::Capped(_) => ", several at once: at most",
            Order::AllAtOnce => " at once:",
        };
        format!(
            "modal        {} migration{}{order} {} container{}, about {}, {}; {}",
            self.migrations,
            if self.migrations == 1 { "" } else { "s" },
            self.containers,
            if self.containers == 1 { "" } else { "s" },
            minutes(self.seconds),
            money(self.dollars),
            self.rates.text()
        )
    }
}

/// Containers at once at most, and seconds from the first start to the last end.
fn in_turn(estimates: &[ModalEstimate], cap: Cap) -> (u32, f64) {
    let (mut room, mut most, mut now, mut last) = (Room::new(cap), 0, 0.0_f64, 0.0_f64);
    let mut running: Vec<(f64, u32)> = Vec::new();
    for estimate in estimates {
        while !room.has(estimate.containers) {
            running.sort_by(|a, b| b.0.total_cmp(&a.0));
            let Some((end, containers)) = running.pop() else { break };
            room.leave(containers);
            now = end;
        }
        room.enter(estimate.containers);
        most = most.max(room.used());
        running.push((now + estimate.seconds, estimate.containers));
        last = last.max(now + estimate.seconds);
    }
    (most, last)
}

#[cfg(test)]
mod tests {
    use super::super::fan_out::{Ask, FanOut, Load};
    use super::super::modal::Region;
    use super::super::rates::{CONTAINERS, Way};
    use super::*;
    use crate::protocol::RunnerKind;
    use crate::repo::Platform;

    const GB: u64 = 1_000_000_000;

    fn estimates() -> Vec<ModalEstimate> {
        let way = Way { from: Platform::ModelScope, to: Platform::HuggingFace };
        let of = |files, size| {
            let load = Load { files, shared: files, bytes: files * size, largest: size };
            ModalEstimate::new(load, &FanOut::decide(Ask::Nothing, load, way, CONTAINERS), way, Prices::default(), Region::Any)
        };
        vec![of(1, GB / 10), of(2_000, GB), of(3, GB)]
    }

    #[test]
    fn one_after_the_other_takes_the_time_of_all_and_the_containers_of_the_largest() {
        let sum = Sum::of(&estimates(), Order::Capped(Cap::new(RunnerKind::Modal, Some(1)).unwrap())).unwrap();
        let all = estimates();
        assert_eq!((sum.migrations, sum.containers), (3, all[1].containers));
        assert_eq!(sum.seconds, all.iter().map(|estimate| estimate.seconds).sum::<f64>());
        assert!((sum.dollars - all.iter().map(|estimate| estimate.dollars).sum::<f64>()).abs() < 1e-4);
        assert!(
            sum.text().starts_with("modal        3 migrations one after the other: at most 28 containers, about 12 min, about $0."),
            "{}",
            sum.text()
        );
        assert!(sum.text().ends_with("; prices as reported (2026-11)"), "{}", sum.text());
    }

    #[test]
    fn under_a_cap_each_begins_when_there_is_room() {
        let sum = |at_once| Sum::of(&estimates(), Order::Capped(Cap::new(RunnerKind::Modal, Some(at_once)).unwrap())).unwrap();
        let all = estimates();
        // two places: the third begins when the first, which is the shorter, has ended
        assert_eq!(sum(2).seconds, all[1].seconds.max(all[0].seconds + all[2].seconds));
        assert_eq!((sum(3).containers, sum(3).seconds), (30, all[1].seconds));
        assert!(sum(3).text().contains("3 migrations, several at once: at most 30 containers, about 11 min"), "{}", sum(3).text());
        let whole = FanOut::decide(
            Ask::Workers(99),
            Load::of([GB; 200]),
            Way { from: Platform::ModelScope, to: Platform::HuggingFace },
            CONTAINERS,
        );
        let way = Way { from: Platform::ModelScope, to: Platform::HuggingFace };
        let large = ModalEstimate::new(Load::of([GB; 200]), &whole, way, Prices::default(), Region::Any);
        let both = Sum::of(&[large.clone(), large.clone()], Order::Capped(Cap::new(RunnerKind::Modal, None).unwrap())).unwrap();
        assert_eq!((both.containers, both.seconds), (100, 2.0 * large.seconds), "who takes all of them runs alone");
    }

    #[test]
    fn at_once_takes_the_time_of_the_longest_and_the_containers_of_all() {
        let sum = Sum::of(&estimates(), Order::AllAtOnce).unwrap();
        let all = estimates();
        assert_eq!((sum.containers, sum.seconds), (30, all[1].seconds));
        assert!(sum.text().contains("3 migrations at once: 30 containers, about 11 min"), "{}", sum.text());
        assert_eq!(Sum::of(&[], Order::AllAtOnce), None);
    }
}
