//! A Modal on loopback, a client of it, and scripts that run in sandboxes.

use std::collections::BTreeMap;
use std::time::Duration;

use hf2ms::config::Config;
use hf2ms::error::Result;
use hf2ms::runner::modal::{Lines, ModalClient, MountedFile, Output, Prepared, Sandbox, SandboxSpec};
use standins::marks::Marks;
use standins::modal::{Modal, Setup};

/// Where scripts lie in a sandbox.
pub const SCRIPT: &str = "/job/run";

/// The stand-in and the variables that lead a client to it.
pub struct World {
    pub modal: Modal,
    pub marks: Marks,
    variables: BTreeMap<String, String>,
}

impl World {
    pub fn start() -> Self {
        let marks = Marks::default();
        let modal = Modal::start(Setup { marks: marks.clone(), ..Setup::default() });
        let mut variables: BTreeMap<_, _> = modal.environment("alice").into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // no files of this machine's user
        variables.insert("HOME".to_owned(), "/nonexistent".to_owned());
        Self { modal, marks, variables }
    }

    /// Sets a variable of the clients to come.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub async fn client(&self) -> Result<ModalClient> {
        ModalClient::connect(&Config::from(&self.variables, None)?.modal_settings()?).await
    }

    /// A client, and a script that is ready to be run.
    pub async fn ready(&self, script: &str) -> (ModalClient, Prepared) {
        let client = self.client().await.unwrap();
        let prepared = client.prepare(&[self::script(script)]).await.unwrap();
        (client, prepared)
    }

    /// A script in a sandbox of this name.
    pub async fn run(&self, name: &str, script: &str) -> (ModalClient, Sandbox) {
        let (client, prepared) = self.ready(script).await;
        let sandbox = client.create(&prepared, &spec(name)).await.unwrap();
        (client, sandbox)
    }

    /// No rule was broken, and nothing is left.
    #[track_caller]
    pub fn clean(&self) {
        self.modal.strict().assert_clean();
    }

    pub fn calls(&self, call: &str) -> u64 {
        self.modal.journal().requests(call)
    }
}

pub fn script(text: &str) -> MountedFile {
    MountedFile { path: SCRIPT.to_owned(), bytes: format!("#!/bin/sh\n{text}\n").into(), mode: 0o755 }
}

pub fn spec(name: &str) -> SandboxSpec {
    SandboxSpec {
        name: Some(name.to_owned()),
        tags: BTreeMap::from([("hf2ms".to_owned(), "1".to_owned())]),
        args: vec![SCRIPT.to_owned()],
        secrets: BTreeMap::new(),
        milli_cpu: 1000,
        memory_mib: 512,
        timeout: Duration::from_secs(600),
        mounts: Vec::new(),
        regions: Vec::new(),
    }
}

/// Prints lines with numbers, from 1.
pub fn counting(lines: u32) -> String {
    format!("i=1; while [ $i -le {lines} ]; do echo \"{{\\\"seq\\\":$i}}\"; i=$((i+1)); done")
}

/// What a count prints.
pub fn counted(lines: u32) -> Vec<String> {
    (1..=lines).map(|number| format!("{{\"seq\":{number}}}")).collect()
}

/// All lines to the end, without gaps.
pub async fn read(lines: &mut Lines) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(output) = lines.next().await.unwrap() {
        match output {
            Output::Line(line) => all.push(line),
            Output::Gap(bytes) => panic!("{bytes} bytes are missing"),
        }
    }
    all
}

/// The same, each line once: what comes again after a change of channels is passed over, as readers do by number.
pub async fn read_once(lines: &mut Lines) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    read(lines).await.into_iter().filter(|line| seen.insert(line.clone())).collect()
}

/// Both generations of calls, as `MODAL_SANDBOX_V2` says it.
pub const GENERATIONS: [&str; 2] = ["1", "0"];

/// A world whose client begins with this generation.
pub fn of(generation: &str) -> World {
    World::start().with("MODAL_SANDBOX_V2", generation)
}
