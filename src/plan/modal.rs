//! What a plan takes on Modal: containers, minutes, dollars.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fan_out::{FanOut, Load, minutes};
use super::rates::{START, STREAMS, Way};
use crate::protocol::Limits;
use crate::repo::Platform;

/// Seconds that commit, listing and proof take after the last byte.
const SETTLE: f64 = 10.0;

/// Seconds a container lives at most (facts, modal §2.12).
const LIFE: f64 = 24.0 * 3600.0;

/// Seconds before that when a conductor starts its successor: the commit under way and the hand-over fit in.
const BEFORE_THE_END: f64 = 1_800.0;

/// The part of a container's memory that holds content; the rest is the program, sockets and what the system keeps for them.
const MEMORY_PART: u64 = 60;

/// So many files for each stream are few: the last ones are not spread evenly.
const FEW: u64 = 2;

/// A price that a workspace is told is believed within this factor of the table.
const BELIEVED: f64 = 10.0;

/// What a container is asked for. It may use more when its host has it; billed is the greater of both (facts, modal §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Thousandths of a physical core.
    pub milli_cpu: u32,
    /// MiB of memory.
    pub memory_mib: u32,
}

impl Container {
    /// The container for this way: one core carries the gigabit of [`super::rates::CONTAINER`] several times over; memory is what parts in
    /// flight take. Hugging Face takes files in parts that are held whole, ModelScope in one stream that is not held.
    pub fn of(way: Way) -> Self {
        let memory_mib = match way.to {
            Platform::HuggingFace => 2048,
            Platform::ModelScope => 1024,
        };
        Self { milli_cpu: 1000, memory_mib }
    }

    /// What the process inside may use: 60 % of the memory for content.
    pub fn limits(&self) -> Limits {
        Limits { memory: (u64::from(self.memory_mib) << 20) * MEMORY_PART / 100, ..Limits::default() }
    }

    fn dollars_per_second(&self, prices: &Prices) -> f64 {
        prices.core_second * f64::from(self.milli_cpu) / 1e3 + prices.gib_second * f64::from(self.memory_mib) / 1024.0
    }
}

/// Dollars for containers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prices {
    /// A physical core for a second.
    pub core_second: f64,
    /// A GiB of memory for a second.
    pub gib_second: f64,
    /// Who says so.
    pub source: String,
    /// When: a month or a day.
    pub date: String,
}

impl Default for Prices {
    /// The only table of prices in this program: sandboxes, as reported in November 2026 (facts, modal §4 "price"). Nobody has checked
    /// them against a bill yet.
    fn default() -> Self {
        Self { core_second: 0.000_039_4, gib_second: 0.000_006_7, source: "prices as reported".to_owned(), date: "2026-11".to_owned() }
    }
}

impl Prices {
    /// The workspace's own, by resource, as Modal told them on this day. `None` where they cannot be understood: how resources are named, and
    /// per which time, is not published, so that only values near the table's are believed.
    pub fn of_workspace(rates: &BTreeMap<String, String>, date: &str) -> Option<Self> {
        let table = Self::default();
        let find = |words: &[&str], usual: f64| {
            let named = |sandboxes: bool| {
                let mut rates = rates.iter().map(|(name, rate)| (name.to_lowercase(), rate));
                rates.find(|(name, _)| words.iter().any(|word| name.contains(word)) && name.contains("sandbox") == sandboxes)
            };
            let (_, rate) = named(true).or_else(|| named(false))?;
            let rate: f64 = rate.trim().trim_start_matches('$').parse().ok()?;
            let believed = |rate: &f64| (usual / BELIEVED..=usual * BELIEVED).contains(rate);
            [rate, rate / 3600.0].into_iter().find(believed)
        };
        Some(Self {
            core_second: find(&["cpu", "core"], table.core_second)?,
            gib_second: find(&["memory", "mem", "gib"], table.gib_second)?,
            source: "this workspace's rates".to_owned(),
            date: date.to_owned(),
        })
    }

    /// Who says so and when, for the end of a line.
    pub fn text(&self) -> String {
        format!("{} ({})", self.source, self.date)
    }
}

/// How far an estimate is from a simulation with the same figures, which are guesses themselves (`cargo bench --bench fan_out`).
fn accuracy(load: Load, carriers: u32) -> &'static str {
    if load.files <= u64::from(carriers) * u64::from(STREAMS) * FEW {
        "reckoned with guessed rates; with so few files for each stream it takes up to twice as long"
    } else {
        "reckoned with guessed rates; a simulation with the same rates comes to within a tenth of it"
    }
}

/// Where containers run, as far as it changes their price (facts, modal §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Wherever Modal likes.
    #[default]
    Any,
    /// In a part of the world, such as `us` or `ap`.
    Broad,
    /// In one data centre's region, such as `us-east-1`.
    Narrow,
}

impl Region {
    /// What a region's name says.
    pub fn of(name: Option<&str>) -> Self {
        match name {
            None | Some("") => Self::Any,
            Some(name) if name.contains('-') => Self::Narrow,
            Some(_) => Self::Broad,
        }
    }

    /// What prices are multiplied by.
    pub fn multiplier(self) -> f64 {
        match self {
            Self::Any => 1.0,
            Self::Broad => 1.5,
            Self::Narrow => 1.75,
        }
    }
}

/// What a plan takes on Modal. An estimate from guessed rates: it decides nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModalEstimate {
    /// At once, the conductor's included.
    pub containers: u32,
    /// Of these, workers.
    pub workers: u32,
    /// Why so many, and what is done otherwise than asked.
    #[serde(flatten)]
    pub fan_out: Reasons,
    /// Each of them.
    pub container: Container,
    /// From the start to the report.
    pub seconds: f64,
    /// The same in minutes, to a tenth.
    pub minutes: f64,
    /// Seconds of all containers.
    pub container_seconds: f64,
    /// All containers, region included.
    pub dollars: f64,
    /// What that is reckoned with.
    pub rates: Prices,
    /// What it is multiplied by for the region.
    pub region_multiplier: f64,
    /// Conductors after the first, because a container lives 24 hours. One without workers has none: it stops, and the same command goes on.
    pub successors: u32,
    /// How far it may be from the truth.
    pub accuracy: &'static str,
}

/// Why a fan-out is as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reasons {
    /// Why so many containers.
    pub because: String,
    /// What is done otherwise than asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

impl ModalEstimate {
    /// Estimates: `load` is all that may have to be copied.
    pub fn new(load: Load, fan_out: &FanOut, way: Way, prices: Prices, region: Region) -> Self {
        let container = Container::of(way);
        let start = START.as_secs_f64();
        let carry = load.seconds(fan_out.carriers(), way);
        let starts = if fan_out.workers == 0 { start } else { 2.0 * start };
        let seconds = starts + carry + SETTLE;
        // the largest file keeps one worker busy, not all; what the hubs hold back keeps all
        let shared = Load { largest: 0, ..load }.seconds(fan_out.carriers(), way);
        let container_seconds = seconds + f64::from(fan_out.workers) * (start + shared);
        Self {
            containers: fan_out.containers(),
            workers: fan_out.workers,
            fan_out: Reasons { because: fan_out.because.clone(), instead: fan_out.instead.clone() },
            container,
            seconds: seconds.round(),
            minutes: (seconds / 6.0).round() / 10.0,
            container_seconds: container_seconds.round(),
            dollars: round(container_seconds * container.dollars_per_second(&prices) * region.multiplier()),
            rates: prices,
            region_multiplier: region.multiplier(),
            // never negative, and small
            successors: if fan_out.workers == 0 { 0 } else { (seconds / (LIFE - BEFORE_THE_END)).floor() as u32 },
            accuracy: accuracy(load, fan_out.carriers()),
        }
    }

    /// Three lines for a plan: what it takes, why, and how far that may be from the truth.
    pub fn text(&self) -> String {
        let because = self.fan_out.instead.as_ref().unwrap_or(&self.fan_out.because);
        let region =
            if self.region_multiplier == 1.0 { String::new() } else { format!(", times {} for the region", self.region_multiplier) };
        format!("modal        {}\n  because    {because}; {}{region}\n  accuracy   {}", self.line(), self.rates.text(), self.accuracy)
    }

    /// What it takes, in a line.
    pub fn line(&self) -> String {
        let cores = f64::from(self.container.milli_cpu) / 1e3;
        let memory = f64::from(self.container.memory_mib) / 1024.0;
        let who = match self.workers {
            0 => "1 container".to_owned(),
            workers => format!("{} containers (the conductor and {workers} workers)", self.containers),
        };
        let each =
            format!("{cores} core{} and {memory} GiB{}", if cores == 1.0 { "" } else { "s" }, if self.workers == 0 { "" } else { " each" });
        let after = match self.successors {
            0 if self.seconds > LIFE - BEFORE_THE_END => {
                "; a container lives 24 h: it stops before that, and the same command goes on".to_owned()
            }
            0 => String::new(),
            1 => "; a container lives 24 h, so a successor takes over once".to_owned(),
            times => format!("; a container lives 24 h, so a successor takes over {times} times"),
        };
        format!("{who} of {each}, about {}, {}{after}", minutes(self.seconds), money(self.dollars))
    }
}

/// To a hundredth of a cent.
pub(super) fn round(dollars: f64) -> f64 {
    (dollars * 1e4).round() / 1e4
}

/// `about $0.04`, `less than $0.01`.
pub(super) fn money(dollars: f64) -> String {
    if dollars < 0.01 { "less than $0.01".to_owned() } else { format!("about ${dollars:.2}") }
}

#[cfg(test)]
mod tests {
    use super::super::fan_out::Ask;
    use super::super::rates::CONTAINERS;
    use super::*;

    const TO_MODELSCOPE: Way = Way { from: Platform::HuggingFace, to: Platform::ModelScope };
    const TO_HUGGING_FACE: Way = Way { from: Platform::ModelScope, to: Platform::HuggingFace };
    const GB: u64 = 1_000_000_000;

    fn estimate(ask: Ask, files: u64, size: u64, way: Way, region: Region) -> ModalEstimate {
        let load = Load { files, shared: files, bytes: files * size, largest: size };
        ModalEstimate::new(load, &FanOut::decide(ask, load, way, CONTAINERS), way, Prices::default(), region)
    }

    #[test]
    fn a_small_repository_takes_one_container_and_less_than_a_cent() {
        let plan = estimate(Ask::Nothing, 1, 90_000_000, TO_MODELSCOPE, Region::Any);
        insta::assert_snapshot!(plan.text(), @"
        modal        1 container of 1 core and 1 GiB, about 39 s, less than $0.01
          because    one container carries it in 9 s; prices as reported (2026-11)
          accuracy   reckoned with guessed rates; with so few files for each stream it takes up to twice as long
        ");
    }

    #[test]
    fn a_large_one_names_its_containers_and_why() {
        let plan = estimate(Ask::Nothing, 2_000, GB, TO_HUGGING_FACE, Region::Any);
        insta::assert_snapshot!(plan.text(), @"
        modal        28 containers (the conductor and 27 workers) of 1 core and 2 GiB each, about 11 min, about $0.91
          because    one container would take 4.4 h, and more than 10 min is shared; prices as reported (2026-11)
          accuracy   reckoned with guessed rates; a simulation with the same rates comes to within a tenth of it
        ");
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap(), @r#"
        {
          "containers": 28,
          "workers": 27,
          "because": "one container would take 4.4 h, and more than 10 min is shared",
          "container": {
            "milli_cpu": 1000,
            "memory_mib": 2048
          },
          "seconds": 643.0,
          "minutes": 10.7,
          "container_seconds": 17183.0,
          "dollars": 0.9072,
          "rates": {
            "core_second": 0.0000394,
            "gib_second": 6.7e-6,
            "source": "prices as reported",
            "date": "2026-11"
          },
          "region_multiplier": 1.0,
          "successors": 0,
          "accuracy": "reckoned with guessed rates; a simulation with the same rates comes to within a tenth of it"
        }
        "#);
    }

    #[test]
    fn a_successor_a_region_and_what_is_done_otherwise_are_said() {
        let plan = estimate(Ask::Chunk(20 * GB), 20_000, 50 * GB, TO_MODELSCOPE, Region::of(Some("ap")));
        insta::assert_snapshot!(plan.text(), @"
        modal        100 containers (the conductor and 99 workers) of 1 core and 1 GiB each, about 55.6 h, about $1383.14; a container lives 24 h, so a successor takes over 2 times
          because    --chunk-size: 20 GB makes 50000 shards and there may be 99 workers, so a shard has 10.1 TB; prices as reported (2026-11), times 1.5 for the region
          accuracy   reckoned with guessed rates; a simulation with the same rates comes to within a tenth of it
        ");
    }

    #[test]
    fn the_price_is_that_of_all_containers_by_the_second() {
        let plan = estimate(Ask::Workers(10), 1_000, GB, TO_HUGGING_FACE, Region::Narrow);
        // 10 workers: 20 s to start and 800 s to carry; the conductor: twice 20 s, 800 s, 10 s to end
        assert_eq!((plan.seconds, plan.container_seconds), (850.0, 850.0 + 8_200.0));
        let expected = 9_050.0 * (0.000_039_4 + 2.0 * 0.000_006_7) * 1.75;
        assert!((plan.dollars - expected).abs() < 1e-4, "{} {expected}", plan.dollars);
    }

    #[test]
    fn a_workspaces_own_rates_count_where_they_can_be_understood() {
        let of = |rates: &[(&str, &str)]| {
            Prices::of_workspace(&rates.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), "2026-12-31")
        };
        let known = of(&[("cpu", "0.0000131"), ("sandbox_cpu", "0.00003"), ("sandbox_memory", "0.000005"), ("gpu_h100", "0.001")]).unwrap();
        assert_eq!(
            (known.core_second, known.gib_second, known.text().as_str()),
            (0.000_03, 0.000_005, "this workspace's rates (2026-12-31)")
        );
        let hourly = of(&[("Sandbox CPU core", "$0.1419"), ("Sandbox Memory GiB", "$0.0242")]).unwrap();
        assert!((hourly.core_second - 0.1419 / 3600.0).abs() < 1e-12, "{hourly:?}");
        for strange in [&[("cpu", "0.00003")][..], &[("cpu", "7"), ("memory", "0.000005")], &[("cpu", "x"), ("memory", "y")], &[]] {
            assert_eq!(of(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn sixty_percent_of_a_containers_memory_hold_content() {
        assert_eq!(Container { milli_cpu: 1000, memory_mib: 1000 }.limits().memory, 600 << 20);
        assert!(Container::of(TO_HUGGING_FACE).limits().memory > Container::of(TO_MODELSCOPE).limits().memory);
    }

    #[test]
    fn regions_are_told_apart_by_their_names() {
        assert_eq!(
            [None, Some(""), Some("us"), Some("us-east-1")].map(Region::of),
            [Region::Any, Region::Any, Region::Broad, Region::Narrow]
        );
    }
}
