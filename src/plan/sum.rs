//! What several migrations take on Modal together.

use serde::Serialize;

use super::fan_out::minutes;
use super::modal::{ModalEstimate, Prices, money, round};

/// When the migrations of a batch run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each begins when the one before has ended.
    OneByOne,
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
        let containers = estimates.iter().map(|estimate| estimate.containers);
        let seconds = estimates.iter().map(|estimate| estimate.seconds);
        let (containers, seconds) = match order {
            Order::OneByOne => (containers.max().unwrap_or_default(), seconds.sum()),
            Order::AllAtOnce => (containers.sum(), seconds.fold(0.0, f64::max)),
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
            Order::OneByOne => "one after the other: at most",
            Order::AllAtOnce => "at once:",
        };
        format!(
            "modal        {} migrations {order} {} container{}, about {}, {}; {}",
            self.migrations,
            self.containers,
            if self.containers == 1 { "" } else { "s" },
            minutes(self.seconds),
            money(self.dollars),
            self.rates.text()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::fan_out::{Ask, FanOut, Load};
    use super::super::modal::Region;
    use super::super::rates::{CONTAINERS, Way};
    use super::*;
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
        let sum = Sum::of(&estimates(), Order::OneByOne).unwrap();
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
    fn at_once_takes_the_time_of_the_longest_and_the_containers_of_all() {
        let sum = Sum::of(&estimates(), Order::AllAtOnce).unwrap();
        let all = estimates();
        assert_eq!((sum.containers, sum.seconds), (30, all[1].seconds));
        assert!(sum.text().contains("3 migrations at once: 30 containers, about 11 min"), "{}", sum.text());
        assert_eq!(Sum::of(&[], Order::AllAtOnce), None);
    }
}
