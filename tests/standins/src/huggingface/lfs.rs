//! LFS on the API origin: batch, completion of multipart uploads, verify.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::accounts::Caller;
use super::assembly::{Assembly, Verdict as Assembled};
use super::behaviour::Behaviour;
use super::hub::{Hub, State};
use super::repo::RepoKey;
use super::{access, answers, rules};
use crate::git;
use crate::server::{Gone, Request, Response};
use crate::signing::Verdict;

/// The server's limit on objects in a batch.
const MOST_OBJECTS: usize = 256;

/// A promise to take one object.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) repo: RepoKey,
    pub(super) oid: String,
    pub(super) size: u64,
    /// The size of every part but the last; `None` for a single PUT.
    pub(super) part_size: Option<u64>,
    /// ETags of the parts that have arrived; part 0 is the whole object.
    pub(super) etags: BTreeMap<u32, String>,
    /// The parts whose arrival the client was told of.
    pub(super) told: Vec<u32>,
    pub(super) assembly: Option<Assembly>,
    /// Whether bytes of it were changed on their way in, which is not the client's doing.
    pub(super) damaged: bool,
}

impl Ticket {
    pub(super) fn part_count(&self) -> u32 {
        self.part_size.map_or(1, |part| self.size.div_ceil(part) as u32)
    }

    /// The length of a part, counted from 1.
    pub(super) fn part_length(&self, number: u32) -> Option<u64> {
        let part = self.part_size?;
        let start = u64::from(number.checked_sub(1)?) * part;
        (start < self.size).then(|| part.min(self.size - start))
    }
}

/// Tickets by upload id.
#[derive(Debug, Default)]
pub(super) struct Uploads(pub(super) HashMap<String, Ticket>);

/// A repository's folder in the storage.
pub(super) fn folder(key: &RepoKey) -> String {
    super::accounts::id_of(&key.to_string())
}

impl Hub {
    pub(super) async fn batch(&self, caller: &Caller, request: &mut Request, key: &RepoKey) -> Result<Response, Gone> {
        let body = match request.json(4 << 20).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(refusal),
        };
        if body["operation"].as_str() != Some("upload") {
            let elsewhere = self.state().repos.get(key).and_then(|repo| repo.quirks.lfs_server.clone());
            let answer = self.download_batch(caller, key, &body);
            return Ok(match elsewhere.filter(|_| answer.status() == 200) {
                Some(server) => git::elsewhere::pass_on(&server, &body).await,
                None => answer,
            });
        }
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let Some(objects) = body["objects"].as_array() else { return Ok(answers::bad_request("\"objects\" is required")) };
        if objects.len() > MOST_OBJECTS {
            self.rig.strict.broken(rules::BATCH_TOO_LONG, format!("{} objects", objects.len()));
            return Ok(answers::refuse(413, None, &format!("Too many objects, at most {MOST_OBJECTS}")));
        }
        // `sha_256` is what `@huggingface/hub` 2.17.5 writes
        if body["hash_algo"].as_str().is_some_and(|name| !matches!(name, "sha256" | "sha_256")) {
            return Ok(answers::refuse(409, None, "Unsupported hash algorithm"));
        }
        let takes_parts = body["transfers"].as_array().is_some_and(|list| list.iter().any(|name| name == "multipart"));
        let behaviour = self.behaviour();
        let mut state = self.state();
        if let Some(refusal) = self.has_no_room(&state, key, objects, behaviour.private_storage) {
            return Ok(refusal);
        }
        self.watch_batches(&mut state, key, objects);
        let answers: Vec<Value> = objects.iter().map(|object| self.offer(&mut state, key, object, takes_parts, &behaviour)).collect();
        let multipart = answers.iter().any(|object| !object["actions"]["upload"]["header"]["chunk_size"].is_null());
        let body = json!({ "transfer": if multipart { "multipart" } else { "basic" }, "objects": answers });
        Ok(Response::json(200, &body).header("content-type", "application/vnd.git-lfs+json"))
    }

    /// Whether these objects and what is stored already are more than an account's private repositories may have.
    fn has_no_room(&self, state: &State, key: &RepoKey, objects: &[Value], (free, pro): (u64, u64)) -> Option<Response> {
        let most = if state.accounts.is_pro(key.namespace()) { pro } else { free };
        let private = |(other, repo): &(&RepoKey, &super::repo::Repo)| repo.private && other.namespace() == key.namespace();
        state.repos.get(key).filter(|repo| repo.private)?;
        let stored = state.repos.iter().filter(private).flat_map(|(_, repo)| &repo.blobs).filter_map(|oid| Some(self.store.get(oid)?.size));
        let wanted = objects.iter().filter_map(|object| object["size"].as_u64());
        let all = stored.chain(wanted).fold(0, u64::saturating_add);
        (all > most).then(|| {
            answers::forbidden("Private repository storage limit reached, please upgrade your plan to increase your private storage limit.")
        })
    }

    /// A streak of batches that each name one object never asked for before: they could have been one call.
    fn watch_batches(&self, state: &mut State, key: &RepoKey, objects: &[Value]) {
        let Some(repo) = state.repo(key) else { return };
        let manners = &mut repo.manners;
        let oids = objects.iter().filter_map(|object| object["oid"].as_str());
        let new = oids.filter(|oid| manners.batched.insert((*oid).to_owned())).count();
        match (objects.len(), new) {
            (1, 1) => manners.single_batches += 1,
            // Asking again for a fresh ticket is no chatter.
            (1, _) => {}
            _ => manners.single_batches = 0,
        }
        if manners.single_batches > rules::ONE_BY_ONE_LIMIT {
            manners.single_batches = 0;
            self.rig.strict.broken(rules::BATCH_ONE_BY_ONE, format!("{key}, {} in a row", rules::ONE_BY_ONE_LIMIT + 1));
        }
    }

    /// What the batch says of one object: stored already, or how to send it, or why not.
    fn offer(&self, state: &mut State, key: &RepoKey, object: &Value, takes_parts: bool, behaviour: &Behaviour) -> Value {
        let oid = object["oid"].as_str().unwrap_or_default().to_owned();
        let size = object["size"].as_u64();
        let failed =
            |code: u16, message: &str| json!({ "oid": oid, "size": size.unwrap_or(0), "error": { "code": code, "message": message } });
        let (true, Some(size)) = (is_oid(&oid), size) else { return failed(422, "Invalid object: oid or size") };
        if size == 0 {
            self.rig.strict.broken(rules::EMPTY_LFS, oid.as_str());
            return failed(422, "Empty objects cannot be stored");
        }
        if size > behaviour.largest_file {
            return failed(422, &format!("Object is larger than {} bytes", behaviour.largest_file));
        }
        if let Some(stored) = self.stored(state, key, &oid, behaviour) {
            return if stored == size {
                json!({ "oid": oid, "size": size })
            } else {
                failed(422, "An object with this oid and another size is stored")
            };
        }
        if size > behaviour.multipart_above {
            if takes_parts {
                return self.offer_parts(state, key, &oid, size, behaviour);
            }
            if size > 5_000_000_000 {
                return failed(422, "Objects above 5 GB need the multipart transfer");
            }
        }
        let ticket = self.open_ticket(state, key, &oid, size, None);
        let path = format!("/repos/{}/{oid}", folder(key));
        let signature = self.signer.sign("PUT", &format!("{path}#{ticket}"), behaviour.url_lifetime);
        let href = format!("{}{path}?upload={ticket}&{signature}", self.storage);
        let actions = json!({ "upload": { "href": href }, "verify": self.verify_action(key) });
        json!({ "oid": oid, "size": size, "authenticated": true, "actions": actions })
    }

    fn offer_parts(&self, state: &mut State, key: &RepoKey, oid: &str, size: u64, behaviour: &Behaviour) -> Value {
        let open = state.uploads.0.iter().find(|(_, ticket)| ticket.repo == *key && ticket.oid == oid && ticket.part_size.is_some());
        let ticket = match open {
            Some((id, _)) if behaviour.resumes_uploads => id.clone(),
            _ => self.open_ticket(state, key, oid, size, Some(behaviour.part_size)),
        };
        let upload = &state.uploads.0[&ticket];
        let mut header = Map::new();
        // The size is a string here, as on the wire of the real hub.
        header.insert("chunk_size".to_owned(), json!(upload.part_size.unwrap_or_default().to_string()));
        let path = format!("/repos/{}/{oid}/part", folder(key));
        for number in 1..=upload.part_count() {
            let signature = self.signer.sign("PUT", &format!("{path}#{ticket}#{number}"), behaviour.url_lifetime);
            let url = format!("{}{path}?upload={ticket}&partNumber={number}&{signature}", self.storage);
            header.insert(number.to_string(), json!(url));
        }
        let signature = self.signer.sign("POST", &ticket, behaviour.url_lifetime);
        let href = format!("{}/api/complete_multipart?upload={ticket}&{signature}", self.api);
        let actions = json!({ "upload": { "href": href, "header": header }, "verify": self.verify_action(key) });
        json!({ "oid": oid, "size": size, "authenticated": true, "actions": actions })
    }

    fn verify_action(&self, key: &RepoKey) -> Value {
        json!({ "href": format!("{}/{}{}.git/info/lfs/objects/verify", self.api, key.kind.prefix(), key.id) })
    }

    fn open_ticket(&self, state: &mut State, key: &RepoKey, oid: &str, size: u64, part_size: Option<u64>) -> String {
        let id = format!("u{}", self.next_serial());
        let assembly = part_size.map(|part| Assembly::new(oid, size, part, self.store.sink()));
        let (etags, told) = (BTreeMap::new(), Vec::new());
        let ticket = Ticket { repo: key.clone(), oid: oid.to_owned(), size, part_size, etags, told, assembly, damaged: false };
        state.uploads.0.insert(id.clone(), ticket);
        id
    }

    /// The size of the object if this repository has it.
    pub(super) fn stored(&self, state: &mut State, key: &RepoKey, oid: &str, behaviour: &Behaviour) -> Option<u64> {
        let blob = self.store.get(oid)?;
        let repo = state.repo(key)?;
        if !repo.blobs.contains(oid) {
            if !behaviour.dedupes_across_repositories {
                return None;
            }
            repo.blobs.insert(oid.to_owned());
        }
        Some(blob.size)
    }

    /// git-lfs asks by batch where to download.
    fn download_batch(&self, caller: &Caller, key: &RepoKey, body: &Value) -> Response {
        let behaviour = self.behaviour();
        let mut state = self.state();
        if let Err(refusal) = state.visible(caller, key) {
            return refusal;
        }
        if let Err(refusal) = access::may_download(&state.accounts, caller, &state.repos[key]) {
            return refusal;
        }
        let none = Vec::new();
        let asked = body["objects"].as_array().unwrap_or(&none);
        if asked.len() > MOST_OBJECTS {
            self.rig.strict.broken(rules::BATCH_TOO_LONG, format!("{} objects", asked.len()));
            return answers::refuse(413, None, &format!("Too many objects, at most {MOST_OBJECTS}"));
        }
        self.watch_batches(&mut state, key, asked);
        let mut answers = Vec::new();
        for object in asked {
            let (oid, size) = (object["oid"].as_str().unwrap_or_default(), &object["size"]);
            answers.push(match self.stored(&mut state, key, oid, &behaviour) {
                Some(_) => {
                    let href = self.cdn_url(key, oid, &behaviour);
                    json!({ "oid": oid, "size": size, "actions": { "download": { "href": href } } })
                }
                None => json!({ "oid": oid, "size": size, "error": { "code": 404, "message": "Object does not exist" } }),
            });
        }
        Response::json(200, &json!({ "transfer": "basic", "objects": answers })).header("content-type", "application/vnd.git-lfs+json")
    }

    pub(super) async fn verify(&self, caller: &Caller, request: &mut Request, key: &RepoKey) -> Result<Response, Gone> {
        let body = match request.json(1 << 20).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(refusal),
        };
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let oid = body["oid"].as_str().unwrap_or_default();
        let stored = self.stored(&mut self.state(), key, oid, &self.behaviour());
        Ok(match stored {
            Some(size) if body["size"].as_u64() == Some(size) => Response::json(200, &json!({})),
            Some(size) => answers::refuse(422, None, &format!("The object has {size} bytes")),
            None => answers::refuse(404, None, "Object does not exist"),
        })
    }

    /// Closes a multipart upload. The signature in the URL is the permission; no token is asked for.
    pub(super) async fn complete(&self, request: &mut Request) -> Result<Response, Gone> {
        let body = match request.json(16 << 20).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(refusal),
        };
        let id = request.query.get("upload").unwrap_or_default().to_owned();
        let verdict = self.signer.check("POST", &id, |name| request.query.get(name));
        if request.method != "POST" || verdict != Verdict::Good || request.url_expired {
            return Ok(answers::refuse(403, None, "The signature is not valid, or has expired"));
        }
        let mut state = self.state();
        let Some(ticket) = state.uploads.0.get_mut(&id) else {
            return Ok(answers::refuse(404, None, "The specified upload does not exist"));
        };
        if let Err(problem) = check_parts(ticket, &body) {
            self.rig.strict.broken(rules::INCOMPLETE_PARTS, format!("{}: {problem}", ticket.oid));
            return Ok(answers::bad_request(&problem));
        }
        let Some(assembly) = ticket.assembly.take() else { return Ok(answers::bad_request("InvalidUpload")) };
        let (oid, key, damaged) = (ticket.oid.clone(), ticket.repo.clone(), ticket.damaged);
        state.uploads.0.remove(&id);
        match assembly.finish() {
            Assembled::Genuine(blob) => {
                self.store.insert(blob);
                if let Some(repo) = state.repo(&key) {
                    repo.blobs.insert(oid);
                }
                Ok(Response::json(200, &json!({})))
            }
            Assembled::Other(got) => {
                if !damaged {
                    self.rig.strict.broken(rules::WRONG_BYTES, format!("{oid}: the parts together are {got}"));
                }
                Ok(answers::bad_request("The checksum of the uploaded parts does not match the oid"))
            }
        }
    }
}

/// Every part, in order, with the ETag it got.
fn check_parts(ticket: &Ticket, body: &Value) -> Result<(), String> {
    if body["oid"].as_str() != Some(&ticket.oid) {
        return Err("\"oid\" is not that of this upload".to_owned());
    }
    let named = body["parts"].as_array().map_or(&[][..], Vec::as_slice);
    if named.len() != ticket.part_count() as usize {
        return Err(format!("{} parts named, {} expected", named.len(), ticket.part_count()));
    }
    for (part, number) in named.iter().zip(1..) {
        let etag = part["etag"].as_str().unwrap_or_default().trim_matches('"');
        let arrived = ticket.etags.get(&number).map(|etag| etag.trim_matches('"'));
        if part["partNumber"].as_u64() != Some(u64::from(number)) || arrived != Some(etag) {
            return Err(format!("InvalidPart: part {number} is missing or its ETag differs"));
        }
    }
    Ok(())
}

pub(super) fn is_oid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
