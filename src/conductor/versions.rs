//! What this program is, where it runs, and whether it reaches the hubs from there.

use std::env::consts::{ARCH, OS};

use futures_util::future::join_all;
use url::Url;

use crate::error::ErrorReport;
use crate::hub;
use crate::protocol::{Reach, Stamp, Versions};
use crate::repo::Platform;
use crate::secret::host_of;

/// Files that tell how much memory a container may use; none of them is there everywhere.
const MEMORY_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// What the cloud may call the place (facts, modal §5).
const PLACE: [&str; 2] = ["MODAL_CLOUD_PROVIDER", "MODAL_REGION"];

/// Says it, after a look at these hubs, all at once. No token is sent. Takes 20 s at most.
pub async fn versions(hubs: &[(Platform, String)]) -> Versions {
    let hubs = join_all(hubs.iter().map(|(platform, endpoint)| look(*platform, endpoint))).await;
    let Stamp { version, protocol } = Stamp::own();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    Versions { program: version, protocol, target: target(), processors, memory: memory(), region: region(), hubs }
}

async fn look(platform: Platform, endpoint: &str) -> Reach {
    let host = endpoint.parse().map_or_else(|_| String::new(), |url: Url| host_of(&url));
    let error = hub::reach(endpoint).await.err();
    Reach { platform, host, error: error.as_ref().map(ErrorReport::from) }
}

fn target() -> String {
    let libc = match (cfg!(target_env = "musl"), cfg!(target_env = "gnu")) {
        (true, _) => "-musl",
        (_, true) => "-gnu",
        _ => "",
    };
    format!("{ARCH}-{OS}{libc}")
}

/// The least of what the machine has and the container is allowed.
fn memory() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let total = std::fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total_of);
    MEMORY_LIMITS.into_iter().filter_map(number).chain(total).min()
}

/// `MemTotal:       16384 kB`
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn region() -> Option<String> {
    let words: Vec<_> = PLACE.into_iter().filter_map(|name| std::env::var(name).ok()).filter(|word| !word.trim().is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total_of("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert_eq!(total_of("MemTotal: lots\n"), None);
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_said_with_its_host() {
        // a port that nobody listens on any more
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = versions(&[(Platform::HuggingFace, format!("http://{gone}")), (Platform::ModelScope, "gopher".to_owned())]).await;
        assert_eq!((said.protocol, said.hubs.len()), (crate::protocol::PROTOCOL, 2));
        assert_eq!(said.hubs[0].host, gone.to_string());
        assert!(said.hubs.iter().all(|hub| hub.error.is_some()), "{said:?}");
    }
}
