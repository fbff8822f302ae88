//! How many containers carry: as asked, or by what one of them can carry.

use std::collections::HashSet;

use serde::Serialize;

use super::TransferPlan;
use super::rates::{ALONE, CONTAINER, CONTAINERS, DESTINATION, FILE, HASTE, SPARE, STREAM, STREAMS, Way};
use super::shard::Blob;
use crate::error::{Error, Result};

/// What the user said about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// Nothing.
    #[default]
    Nothing,
    /// Fan out, however many it takes (`--parallel`).
    Parallel,
    /// So many workers (`--workers`): 1 to 99.
    Workers(u32),
    /// Shards of so many bytes (`--chunk-size`): 1 or more.
    Chunk(u64),
}

impl Ask {
    /// Takes the options as given; `chunk` in bytes. `--parallel` beside one of the others adds nothing.
    ///
    /// Fails with `Usage` for a count that is not 1 to 99, for shards of nothing, and for a count and a size together.
    pub fn new(parallel: bool, workers: Option<u32>, chunk: Option<u64>) -> Result<Self> {
        match (workers, chunk) {
            (Some(_), Some(_)) => Err(Error::usage("--workers and --chunk-size both say into how many shards to cut", "give one of them")),
            (Some(workers), None) if (1..CONTAINERS).contains(&workers) => Ok(Self::Workers(workers)),
            (Some(workers), None) => Err(Error::usage(
                "a migration has 1 to 99 workers",
                "the conductor is the hundredth container, and a workspace of the smallest plan has no more; leave --workers out to let the plan decide",
            )
            .with("got", workers)),
            (None, Some(0)) => Err(Error::usage("a shard of 0 bytes", "give --chunk-size in GB, such as `--chunk-size 50`")),
            (None, Some(chunk)) => Ok(Self::Chunk(chunk)),
            (None, None) if parallel => Ok(Self::Parallel),
            (None, None) => Ok(Self::Nothing),
        }
    }
}

/// What there is to carry, as far as the count depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Contents, each once.
    pub files: u64,
    /// Those of them that can be shared among workers; the others are the conductor's.
    pub shared: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the largest.
    pub largest: u64,
}

impl Load {
    /// The load of these sizes, all of which can be shared.
    pub fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        sizes.into_iter().fold(Self::default(), |load, size| Self {
            files: load.files + 1,
            shared: load.shared + 1,
            bytes: load.bytes + size,
            largest: load.largest.max(size),
        })
    }

    /// The load of all that a plan copies: what the destination turns out to have is in it. `blobs` are the contents that workers may carry.
    pub fn of_plan(plan: &TransferPlan, blobs: &[Blob]) -> Self {
        let mut seen = HashSet::new();
        let files = plan.copies().map(|item| &item.file);
        let all = Self::of(files.filter(|file| file.digests.sha256.is_none_or(|sha256| seen.insert(sha256))).map(|file| file.size));
        Self { shared: blobs.iter().filter(|blob| seen.contains(&blob.sha256)).count() as u64, ..all }
    }

    /// The load of these blobs.
    pub fn of_blobs(blobs: &[Blob]) -> Self {
        Self::of(blobs.iter().map(|blob| blob.size))
    }

    /// Seconds that containers together work on it: its bytes through a container, or its files through a container's streams.
    pub fn work(&self) -> f64 {
        let through = self.bytes as f64 / CONTAINER as f64;
        let streams = (self.files as f64 * FILE.as_secs_f64() + self.bytes as f64 / STREAM as f64) / f64::from(STREAMS);
        through.max(streams)
    }

    /// Seconds that no number of containers can go below: the largest file over the way it goes, all bytes into the destination, all files
    /// at the pace the source gives them.
    pub fn floor(&self, way: Way) -> f64 {
        let largest = self.largest as f64 / way.file_rate() as f64;
        let files = way.files_rate().map_or(0.0, |rate| self.files as f64 / rate);
        largest.max(self.bytes as f64 / DESTINATION as f64).max(files)
    }

    /// Seconds with so many containers, not counting what these take to start. With shards of ten minutes the simulator comes to within a tenth of
    /// it; where each stream has a file or two it takes up to twice as long.
    pub fn seconds(&self, containers: u32, way: Way) -> f64 {
        (self.work() / f64::from(containers.max(1))).max(self.floor(way))
    }
}

/// Who carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FanOut {
    /// Workers beside the conductor, a shard each. 0: the conductor carries alone.
    pub workers: u32,
    /// Why so many; no capital, no full stop.
    pub because: String,
    /// What is done otherwise than asked: the first word is the option's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

impl FanOut {
    /// Decides. `containers` is the most that this migration may have, the conductor included: [`CONTAINERS`], or its share of them in a batch.
    ///
    /// Never more workers than contents that can be shared, and never one: what one container carries, the conductor carries itself.
    pub fn decide(ask: Ask, load: Load, way: Way, containers: u32) -> Self {
        let most = containers.clamp(1, CONTAINERS) - 1;
        let (wanted, because) = match ask {
            Ask::Nothing => by_itself(load, way, most),
            Ask::Parallel => in_haste(load, way, most),
            Ask::Workers(workers) => (u64::from(workers), format!("--workers {workers}")),
            Ask::Chunk(chunk) => (load.bytes.div_ceil(chunk.max(1)), format!("--chunk-size {}", gigabytes(chunk))),
        };
        let workers = wanted.min(u64::from(most)).min(load.shared);
        let instead = match ask {
            Ask::Chunk(chunk) if wanted > u64::from(most.max(1)) => Some(format!(
                "--chunk-size: {} makes {wanted} shards and there may be {most} workers, so a shard has {}",
                gigabytes(chunk),
                gigabytes(load.bytes.div_ceil(u64::from(most.max(1))))
            )),
            Ask::Workers(_) if wanted > u64::from(most) => Some(format!("--workers: {most} is all that there may be here")),
            Ask::Workers(_) | Ask::Parallel if wanted > load.shared && load.files > 0 => Some(match load.shared {
                0 => format!("{}: nothing of it can be shared, so the conductor carries alone", option(ask)),
                1 => format!("{}: a single content can be shared, so the conductor carries alone", option(ask)),
                shared => format!("{}: there is no work for more than {shared}", option(ask)),
            }),
            _ => None,
        };
        let workers = u32::try_from(workers).unwrap_or(most);
        if workers < 2 {
            let because = match load.shared {
                _ if instead.is_some() || wanted < 2 => because,
                0 => "nothing of it can be shared".to_owned(),
                _ => "a single content of it can be shared".to_owned(),
            };
            return Self { workers: 0, because, instead };
        }
        Self { workers, because, instead }
    }

    /// Containers in all, the conductor's included.
    pub fn containers(&self) -> u32 {
        self.workers + 1
    }

    /// How many carry: the workers, or else the conductor.
    pub fn carriers(&self) -> u32 {
        self.workers.max(1)
    }
}

fn option(ask: Ask) -> &'static str {
    if ask == Ask::Parallel { "--parallel" } else { "--workers" }
}

/// As many as carry it in the time that one may take alone, as long as each of them still shortens it.
fn by_itself(load: Load, way: Way, most: u32) -> (u64, String) {
    let alone = load.seconds(1, way);
    let limit = ALONE.as_secs() / 60;
    if alone <= ALONE.as_secs_f64() {
        return (0, format!("one container carries it in {}", minutes(alone)));
    }
    match useful(load, way, most, ALONE.as_secs_f64()) {
        0 | 1 if most < 2 => (0, format!("one container takes {}, and this migration may have no more", minutes(alone))),
        0 | 1 => (0, format!("more containers are no faster: {}", floor_named(load, way))),
        workers => (workers, format!("one container would take {}, and more than {limit} min is shared", minutes(alone))),
    }
}

fn in_haste(load: Load, way: Way, most: u32) -> (u64, String) {
    let workers = useful(load, way, most, HASTE.as_secs_f64()).max(2);
    (workers, format!("--parallel: shards of at least {} min", HASTE.as_secs() / 60))
}

/// Workers for shards of so many seconds, no more than shorten the whole, and some places kept free.
fn useful(load: Load, way: Way, most: u32, shard: f64) -> u64 {
    let work = load.work();
    let floor = load.floor(way);
    let shorten = if floor > 0.0 { (work / floor).floor() } else { f64::INFINITY };
    // a number of containers, and never a negative one
    let workers = (work / shard).ceil().min(shorten).min(f64::from(most - most / SPARE));
    workers as u64
}

/// What no number of containers changes, in words.
fn floor_named(load: Load, way: Way) -> String {
    let largest = load.largest as f64 / way.file_rate() as f64;
    let files = way.files_rate().map_or(0.0, |rate| load.files as f64 / rate);
    let floor = load.floor(way);
    if largest >= floor {
        format!("the largest file has {} and alone takes {}", gigabytes(load.largest), minutes(largest))
    } else if files >= floor {
        format!("{} gives a free account {} files in {} at best", way.from.title(), load.files, minutes(files))
    } else {
        format!("the destination takes {} in {}", gigabytes(load.bytes), minutes(floor))
    }
}

/// `1.2 TB`, `80 GB`, `0.5 GB`.
pub(crate) fn gigabytes(bytes: u64) -> String {
    match bytes as f64 / 1e9 {
        value if value >= 1_000.0 => format!("{:.1} TB", value / 1e3),
        value if value >= 10.0 => format!("{value:.0} GB"),
        value if value >= 0.1 => format!("{value:.1} GB"),
        value => format!("{:.1} MB", value * 1e3),
    }
}

/// `45 s`, `12 min`, `3.5 h`.
pub(super) fn minutes(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} s"),
        ..5_400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::repo::Platform;

    const TO_MODELSCOPE: Way = Way { from: Platform::HuggingFace, to: Platform::ModelScope };
    const TO_HUGGING_FACE: Way = Way { from: Platform::ModelScope, to: Platform::HuggingFace };
    const GB: u64 = 1_000_000_000;

    fn of(files: u64, size: u64) -> Load {
        Load { files, shared: files, bytes: files * size, largest: size }
    }

    fn decide(ask: Ask, load: Load, way: Way) -> FanOut {
        FanOut::decide(ask, load, way, CONTAINERS)
    }

    #[test]
    fn what_one_container_carries_in_ten_minutes_it_carries_alone() {
        for load in [Load::default(), of(1, 90_000_000), of(30, 2 * GB), of(4_000, 5_000_000)] {
            let fan_out = decide(Ask::Nothing, load, TO_MODELSCOPE);
            assert_eq!((fan_out.workers, fan_out.containers(), fan_out.carriers()), (0, 1, 1), "{fan_out:?}");
        }
    }

    #[test]
    fn what_takes_longer_is_shared_and_the_reason_is_said() {
        let fan_out = decide(Ask::Nothing, of(2_000, GB), TO_HUGGING_FACE);
        assert_eq!((fan_out.workers, fan_out.containers()), (27, 28));
        assert_eq!(fan_out.because, "one container would take 4.4 h, and more than 10 min is shared");
    }

    #[test]
    fn more_containers_than_shorten_it_are_not_started() {
        let one = decide(Ask::Nothing, of(1, 80 * GB), TO_MODELSCOPE);
        assert_eq!(
            (one.workers, one.because.as_str()),
            (0, "more containers are no faster: the largest file has 80 GB and alone takes 2.2 h")
        );
        let free = decide(Ask::Nothing, of(20_000, 5_000_000), TO_MODELSCOPE);
        assert_eq!(
            (free.workers, free.because.as_str()),
            (0, "more containers are no faster: Hugging Face gives a free account 20000 files in 20 min at best")
        );
        let batch = FanOut::decide(Ask::Nothing, of(2_000, GB), TO_HUGGING_FACE, 2);
        assert_eq!((batch.workers, batch.because.as_str()), (0, "one container takes 4.4 h, and this migration may have no more"));
        let huge = decide(Ask::Nothing, of(100_000, GB), TO_HUGGING_FACE);
        assert_eq!(u64::from(huge.workers), DESTINATION / CONTAINER);
    }

    #[test]
    fn haste_shares_what_one_could_carry_alone() {
        assert_eq!(decide(Ask::Parallel, of(100, GB), TO_HUGGING_FACE).workers, 7);
        assert_eq!(decide(Ask::Parallel, of(10, GB), TO_HUGGING_FACE).workers, 2);
        let single = decide(Ask::Parallel, of(1, GB), TO_HUGGING_FACE);
        assert_eq!(
            (single.workers, single.instead.as_deref()),
            (0, Some("--parallel: a single content can be shared, so the conductor carries alone"))
        );
    }

    #[test]
    fn a_count_is_a_count_as_far_as_there_are_blobs_and_places() {
        assert_eq!(decide(Ask::Workers(99), of(1_000, GB), TO_MODELSCOPE).workers, 99);
        assert_eq!(decide(Ask::Workers(1), of(1_000, GB), TO_MODELSCOPE).workers, 0);
        let few = decide(Ask::Workers(12), of(5, GB), TO_MODELSCOPE);
        assert_eq!((few.workers, few.instead.as_deref()), (5, Some("--workers: there is no work for more than 5")));
        let batch = FanOut::decide(Ask::Workers(12), of(50, GB), TO_MODELSCOPE, 10);
        assert_eq!((batch.workers, batch.instead.as_deref()), (9, Some("--workers: 9 is all that there may be here")));
    }

    #[test]
    fn what_cannot_be_shared_is_work_for_nobody_but_the_conductor() {
        let with = |shared| Load { shared, ..of(2_000, GB) };
        let shown = |ask, shared| {
            let fan_out = decide(ask, with(shared), TO_HUGGING_FACE);
            format!("{} {} ({})", fan_out.workers, fan_out.instead.as_deref().unwrap_or("as asked"), fan_out.because)
        };
        let asks = [Ask::Nothing, Ask::Parallel, Ask::Workers(12), Ask::Chunk(100 * GB)];
        let all = asks.into_iter().flat_map(|ask| [0, 1, 5, 2_000].map(|shared| shown(ask, shared)));
        insta::assert_snapshot!(all.collect::<Vec<_>>().join("\n"), @"
        0 as asked (nothing of it can be shared)
        0 as asked (a single content of it can be shared)
        5 as asked (one container would take 4.4 h, and more than 10 min is shared)
        27 as asked (one container would take 4.4 h, and more than 10 min is shared)
        0 --parallel: nothing of it can be shared, so the conductor carries alone (--parallel: shards of at least 2 min)
        0 --parallel: a single content can be shared, so the conductor carries alone (--parallel: shards of at least 2 min)
        5 --parallel: there is no work for more than 5 (--parallel: shards of at least 2 min)
        40 as asked (--parallel: shards of at least 2 min)
        0 --workers: nothing of it can be shared, so the conductor carries alone (--workers 12)
        0 --workers: a single content can be shared, so the conductor carries alone (--workers 12)
        5 --workers: there is no work for more than 5 (--workers 12)
        12 as asked (--workers 12)
        0 as asked (nothing of it can be shared)
        0 as asked (a single content of it can be shared)
        5 as asked (--chunk-size 100 GB)
        20 as asked (--chunk-size 100 GB)
        ");
        assert_eq!(decide(Ask::Workers(12), Load::default(), TO_HUGGING_FACE).instead, None, "nothing is to be done");
    }

    #[test]
    fn a_chunk_size_that_makes_too_many_shards_is_raised_and_that_is_said() {
        let load = of(10_000, GB);
        assert_eq!(
            decide(Ask::Chunk(500 * GB), load, TO_MODELSCOPE),
            FanOut { workers: 20, because: "--chunk-size 500 GB".to_owned(), instead: None }
        );
        let raised = decide(Ask::Chunk(20 * GB), load, TO_MODELSCOPE);
        assert_eq!(raised.workers, 99);
        assert_eq!(raised.instead.unwrap(), "--chunk-size: 20 GB makes 500 shards and there may be 99 workers, so a shard has 101 GB");
        assert_eq!(decide(Ask::Chunk(20_000 * GB), load, TO_MODELSCOPE).workers, 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (workers, chunk) in [(Some(0), None), (Some(100), None), (None, Some(0)), (Some(2), Some(GB))] {
            assert_eq!(Ask::new(true, workers, chunk).unwrap_err().kind(), ErrorKind::Usage);
        }
        assert_eq!(Ask::new(true, None, None).unwrap(), Ask::Parallel);
        assert_eq!(Ask::new(true, Some(3), None).unwrap(), Ask::Workers(3));
        assert_eq!(Ask::new(false, None, Some(GB)).unwrap(), Ask::Chunk(GB));
    }
}
