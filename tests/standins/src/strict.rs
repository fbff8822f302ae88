//! The rules of good behaviour towards a hub, and who broke them.
//!
//! A stand-in refuses what the service refuses *and* counts it; it also counts what the service would merely suffer, such as
//! a token sent to a storage host or a call per file where one call serves many.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A rule. Each hub's room holds its own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// The name, as it appears in a violation.
    pub name: &'static str,
    /// Whether official clients legitimately break it: then it is not counted against them.
    pub forgiven_to_peers: bool,
}

impl RuleName {
    /// A rule for everyone.
    pub const fn for_all(name: &'static str) -> Self {
        Self { name, forgiven_to_peers: false }
    }

    /// A rule that is stricter than the official clients are.
    pub const fn for_us(name: &'static str) -> Self {
        Self { name, forgiven_to_peers: true }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: &'static str,
    /// What happened. Never holds a secret.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// The list of broken rules.
#[derive(Debug, Default)]
pub struct Strictness {
    violations: Mutex<Vec<Violation>>,
    lenient_peers: AtomicBool,
}

impl Strictness {
    /// From now on, forgives what official clients do. Refusals stay.
    pub fn set_lenient_peers(&self, lenient: bool) {
        self.lenient_peers.store(lenient, Relaxed);
    }

    /// Counts a broken rule.
    pub fn broken(&self, rule: RuleName, detail: impl Into<String>) {
        if rule.forgiven_to_peers && self.lenient_peers.load(Relaxed) {
            return;
        }
        self.violations.lock().unwrap().push(Violation { rule: rule.name, detail: detail.into() });
    }

    /// How many rules were broken.
    pub fn count(&self) -> usize {
        self.violations.lock().unwrap().len()
    }

    /// How often this rule was broken.
    pub fn count_of(&self, rule: RuleName) -> usize {
        self.violations.lock().unwrap().iter().filter(|violation| violation.rule == rule.name).count()
    }

    /// All of them, in order.
    pub fn violations(&self) -> Vec<Violation> {
        self.violations.lock().unwrap().clone()
    }

    /// Forgets all violations, for a test that sets something up with rough hands.
    pub fn forget(&self) {
        self.violations.lock().unwrap().clear();
    }

    /// Panics with the list unless it is empty.
    #[track_caller]
    pub fn assert_clean(&self) {
        let violations = self.violations();
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{} rules broken:\n  {}", list.len(), list.join("\n  "));
    }
}
