//! Files on their way into a sandbox, and secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use super::creation;
use crate::modal::behaviour::BlobFields;
use crate::modal::hub::{Blob, Hub};
use crate::modal::proto::blob_create_response::{UploadTypeOneof, UploadTypesOneof};
use crate::modal::proto::mount_put_file_request::DataOneof;
use crate::modal::proto::{
    BlobCreateRequest, BlobCreateResponse, MountBatchedCheckExistenceRequest, MountBatchedCheckExistenceResponse, MountFile,
    MountGetOrCreateRequest, MountGetOrCreateResponse, MountHandleMetadata, MountPutFileRequest, MountPutFileResponse,
    SecretGetOrCreateRequest, SecretGetOrCreateResponse, UploadUrlList,
};
use crate::modal::rules;
use crate::modal::sandbox::Mounted;

/// The mode of a file that came without one: nobody may execute it.
const PLAIN: u32 = 0o644;
/// Letters of a SHA-256.
const DIGEST: usize = 64;

/// Announces a blob: gives addresses for its upload.
pub(super) fn blob_create(hub: &Hub, request: BlobCreateRequest) -> Result<BlobCreateResponse, Status> {
    let is = |text: &str, length: usize| STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == length);
    let length = u64::try_from(request.content_length).unwrap_or_default();
    if !is(&request.content_md5, 16) || !is(&request.content_sha256_base64, 32) || length == 0 {
        let why = format!("a blob of {} bytes with md5 `{}`", request.content_length, request.content_md5);
        return Err(hub.refuse(rules::BAD_BLOB, Code::InvalidArgument, why));
    }
    let behaviour = hub.behaviour();
    let mut answer = BlobCreateResponse::default();
    let mut urls = Vec::new();
    for _ in 0..behaviour.blob_alternatives.max(1) {
        let id = hub.ids.make("bl");
        let signature = hub.ids.make("sig");
        urls.push(format!("{}/blobs/{id}?signature={signature}", hub.urls.blobs));
        let blob = Blob { md5: request.content_md5.clone(), length, uploaded: None, signature };
        hub.state().blobs.insert(id.clone(), blob);
        answer.blob_ids.push(id);
    }
    if behaviour.blob_fields != BlobFields::New {
        answer.blob_id.clone_from(&answer.blob_ids[0]);
        answer.upload_type_oneof = Some(UploadTypeOneof::UploadUrl(urls[0].clone()));
    }
    if behaviour.blob_fields == BlobFields::Old {
        answer.blob_ids.clear();
    } else {
        answer.upload_types_oneof = Some(UploadTypesOneof::UploadUrls(UploadUrlList { items: urls }));
    }
    Ok(answer)
}

/// Whether a content is there, as far as anybody is told: news travels slowly.
fn exists(hub: &Hub, sha256: &str) -> bool {
    let mut state = hub.state();
    if let Some(left) = state.late.get_mut(sha256).filter(|left| **left > 0) {
        *left -= 1;
        return false;
    }
    let exists = hub.files.has(sha256);
    if !exists {
        *state.wanted.entry(sha256.to_owned()).or_default() += 1;
    }
    exists
}

/// Whether whoever sends a content was asked to.
fn is_wanted(hub: &Hub, sha256: &str) -> bool {
    let mut state = hub.state();
    let wanted = state.wanted.get_mut(sha256).filter(|wanted| **wanted > 0);
    wanted.map(|wanted| *wanted -= 1).is_some()
}

pub(super) fn check_existence(hub: &Hub, request: MountBatchedCheckExistenceRequest) -> MountBatchedCheckExistenceResponse {
    let missing = request.sha256_hex_hashes.into_iter().filter(|sha256| !exists(hub, sha256)).collect();
    MountBatchedCheckExistenceResponse { missing_sha256_hex_hashes: missing }
}

/// Takes a file, or says whether it is there.
pub(super) fn put_file(hub: &Hub, request: MountPutFileRequest) -> Result<MountPutFileResponse, Status> {
    let sha256 = request.sha256_hex;
    if sha256.len() != DIGEST || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(hub.refuse(rules::WRONG_BYTES, Code::InvalidArgument, format!("`{sha256}` is no sha256")));
    }
    let told = !hub.state().late.contains_key(&sha256);
    let wanted = request.data_oneof.is_some() && is_wanted(hub, &sha256);
    if hub.files.has(&sha256) {
        if request.data_oneof.is_some() && told && !wanted {
            hub.broken(rules::NEEDLESS_UPLOAD, format!("{sha256} is there"));
        }
        return Ok(MountPutFileResponse { exists: exists(hub, &sha256) });
    }
    match request.data_oneof {
        None => return Ok(MountPutFileResponse { exists: exists(hub, &sha256) }),
        Some(DataOneof::Data(bytes)) => put_inline(hub, &sha256, &bytes)?,
        Some(DataOneof::DataBlobId(id)) => put_blob(hub, &sha256, &id)?,
    }
    let late = hub.behaviour().exists_late;
    if late > 0 {
        hub.state().late.insert(sha256.clone(), late);
    }
    Ok(MountPutFileResponse { exists: exists(hub, &sha256) })
}

fn put_inline(hub: &Hub, sha256: &str, bytes: &[u8]) -> Result<(), Status> {
    if bytes.len() >= rules::INLINE_LIMIT {
        return Err(hub.refuse(rules::LARGE_INLINE, Code::InvalidArgument, format!("{} bytes inside a call", bytes.len())));
    }
    if hex::encode(Sha256::digest(bytes)) != sha256 {
        return Err(hub.refuse(rules::WRONG_BYTES, Code::InvalidArgument, format!("other bytes than {sha256}")));
    }
    hub.files.put(bytes).map_err(|error| Status::internal(error.to_string()))
}

fn put_blob(hub: &Hub, sha256: &str, id: &str) -> Result<(), Status> {
    let uploaded = hub.state().blobs.get(id).and_then(|blob| blob.uploaded.clone());
    let uploaded = uploaded.ok_or_else(|| hub.unknown("blob", id))?;
    if uploaded != sha256 {
        return Err(hub.refuse(rules::WRONG_BYTES, Code::InvalidArgument, format!("blob {id} holds other bytes than {sha256}")));
    }
    hub.files.adopt(&hub.files.upload(id), sha256).map_err(|error| Status::internal(error.to_string()))
}

/// Makes a mount of files that are there.
pub(super) fn get_or_create(hub: &Hub, request: MountGetOrCreateRequest) -> Result<MountGetOrCreateResponse, Status> {
    match request.object_creation_type {
        creation::OWNED_BY_APP => drop(hub.app(&request.app_id)?),
        creation::EPHEMERAL => {}
        other => {
            return Err(hub.refuse(rules::CREATION_TYPE, Code::InvalidArgument, format!("a mount of creation type {other}")));
        }
    }
    if request.files.is_empty() {
        return Err(hub.refuse(rules::BAD_MOUNT, Code::InvalidArgument, "a mount without files"));
    }
    let mounted = request.files.iter().map(|file| mounted(hub, file)).collect::<Result<Vec<_>, _>>()?;
    let mut checksum = Sha256::new();
    mounted.iter().for_each(|file| checksum.update(format!("{} {} {:o}\n", file.filename, file.sha256, file.mode)));
    let mount_id = hub.ids.make("mo");
    hub.state().mounts.insert(mount_id.clone(), mounted);
    let handle_metadata = MountHandleMetadata { content_checksum_sha256_hex: hex::encode(checksum.finalize()) };
    Ok(MountGetOrCreateResponse { mount_id, handle_metadata: Some(handle_metadata) })
}

fn mounted(hub: &Hub, file: &MountFile) -> Result<Mounted, Status> {
    let clean = |part: &str| !matches!(part, "" | "." | "..");
    if !file.filename.strip_prefix('/').is_some_and(|path| path.split('/').all(clean)) {
        return Err(hub.refuse(rules::BAD_MOUNT, Code::InvalidArgument, format!("a mount at `{}`", file.filename)));
    }
    if !hub.files.has(&file.sha256_hex) {
        return Err(hub.unknown("file", &file.sha256_hex));
    }
    let mode = file.mode.unwrap_or(PLAIN) & 0o7777;
    Ok(Mounted { filename: file.filename.clone(), sha256: file.sha256_hex.clone(), mode })
}

/// Keeps a secret without a name.
pub(super) fn secret(hub: &Hub, request: SecretGetOrCreateRequest) -> Result<SecretGetOrCreateResponse, Status> {
    if !request.deployment_name.is_empty() {
        return Err(hub.refuse(rules::STORED_SECRET, Code::InvalidArgument, "a secret with a name"));
    }
    hub.environment(&request.environment_name)?;
    match request.object_creation_type {
        creation::OWNED_BY_APP => drop(hub.app(&request.app_id)?),
        creation::EPHEMERAL => {}
        other => {
            return Err(hub.refuse(rules::CREATION_TYPE, Code::InvalidArgument, format!("a secret of creation type {other}")));
        }
    }
    let secret_id = hub.ids.make("st");
    hub.state().secrets.insert(secret_id.clone(), request.env_dict.into_iter().collect());
    Ok(SecretGetOrCreateResponse { secret_id })
}
