//! What a relay need not know: which URL gives a file's bytes and which takes them. Not measured.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use standins::content::Content;
use standins::huggingface::{RepoKind, Role};
use standins::modelscope::{self, Tier};
use standins::pair::{Pair, USER};
use standins::probe::Probe;

use crate::options::Direction;
use crate::relay::{Errand, Put};
use crate::shores::REPO;

/// Objects asked for in one call: fewer than either hub allows.
const OBJECTS: usize = 50;

/// Where and for which oid parts are put together.
type Unfinished = Option<(String, String)>;

/// An errand for every file, and how to end it.
pub(crate) fn errands(hubs: &Pair, direction: Direction, wanted: &BTreeMap<String, Content>) -> (Vec<Errand>, Vec<Unfinished>) {
    let gets: Vec<String> = wanted.keys().map(|path| source(hubs, direction, path)).collect();
    let contents: Vec<&Content> = wanted.values().collect();
    let tickets = contents.chunks(OBJECTS).flat_map(|some| match direction {
        Direction::HfMs => to_modelscope(hubs, some),
        Direction::MsHf => to_hugging_face(hubs, some),
    });
    let errand = |((get, content), (puts, headers, end)): ((String, &&Content), Ticket)| {
        (Errand { get, puts, sha256: content.sha256().to_owned(), headers }, end)
    };
    gets.into_iter().zip(&contents).zip(tickets).map(errand).unzip()
}

/// Puts the parts of every object together.
pub(crate) fn complete(unfinished: &[Unfinished], etags: &[Vec<String>]) {
    for (end, etags) in unfinished.iter().zip(etags) {
        let Some((url, oid)) = end else { continue };
        let parts: Vec<Value> = etags.iter().zip(1..).map(|(etag, number)| json!({ "partNumber": number, "etag": etag })).collect();
        let reply = Probe::post(url, &json!({ "oid": oid, "parts": parts })).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// Where the bytes of a file are: what the hub redirects to.
fn source(hubs: &Pair, direction: Direction, path: &str) -> String {
    let probe = match direction {
        Direction::HfMs => {
            let head = hubs.hf.repo(RepoKind::Model, REPO).head();
            Probe::get(format!("{}/{REPO}/resolve/{head}/{path}", hubs.hf.endpoint()))
        }
        Direction::MsHf => Probe::get(format!("{}/api/v1/models/{REPO}/repo?Revision=master&FilePath={path}", hubs.ms.endpoint())),
    };
    let reply = probe.identity().send();
    reply.header("location").unwrap_or_else(|| panic!("{path}: {} {}", reply.status, reply.text())).to_owned()
}

type Ticket = (Vec<Put>, String, Unfinished);

fn to_modelscope(hubs: &Pair, contents: &[&Content]) -> Vec<Ticket> {
    hubs.ms.repo(modelscope::RepoKind::Model, REPO);
    let token = hubs.ms.token(USER, Tier::Write);
    let url = format!("{}/api/v1/repos/models/{REPO}/info/lfs/objects/batch", hubs.ms.endpoint());
    let headers = format!("Authorization: Bearer {token}\r\nCookie: m_session_id={token}\r\n");
    let reply = Probe::post(url, &batch(contents)).token(&token).header("Cookie", &format!("m_session_id={token}")).send();
    let answer = reply.json();
    let ticket = |content: &&Content| {
        let url = find(&answer["Data"]["objects"], content)["actions"]["upload"]["href"].as_str().unwrap();
        (vec![Put { url: url.to_owned(), length: content.len() }], headers.clone(), None)
    };
    contents.iter().map(ticket).collect()
}

fn to_hugging_face(hubs: &Pair, contents: &[&Content]) -> Vec<Ticket> {
    hubs.hf.repo(RepoKind::Model, REPO);
    let url = format!("{}/{REPO}.git/info/lfs/objects/batch", hubs.hf.endpoint());
    let reply = Probe::post(url, &batch(contents)).token(&hubs.hf.token(USER, Role::Write)).send();
    let answer = reply.json();
    let ticket = |content: &&Content| {
        let upload = &find(&answer["objects"], content)["actions"]["upload"];
        let href = upload["href"].as_str().unwrap().to_owned();
        let Some(part) = upload["header"]["chunk_size"].as_str() else {
            return (vec![Put { url: href, length: content.len() }], String::new(), None);
        };
        let part: u64 = part.parse().unwrap();
        let put = |number: u64| {
            let url = upload["header"][(number + 1).to_string()].as_str().unwrap().to_owned();
            Put { url, length: part.min(content.len() - number * part) }
        };
        let puts = (0..content.len().div_ceil(part)).map(put).collect();
        (puts, String::new(), Some((href, content.sha256().to_owned())))
    };
    contents.iter().map(ticket).collect()
}

fn batch(contents: &[&Content]) -> Value {
    let objects: Vec<Value> = contents.iter().map(|content| json!({ "oid": content.sha256(), "size": content.len() })).collect();
    json!({ "operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256", "objects": objects })
}

fn find<'a>(objects: &'a Value, content: &Content) -> &'a Value {
    let found = objects.as_array().and_then(|all| all.iter().find(|object| object["oid"] == content.sha256()));
    found.unwrap_or_else(|| panic!("no ticket: {objects}"))
}
