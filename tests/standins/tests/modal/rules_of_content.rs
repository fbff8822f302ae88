//! Rules about what is sent ahead of a sandbox, each broken once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use standins::faults::{Fault, Rule};
use standins::modal::proto::mount_put_file_request::DataOneof;
use standins::modal::proto::*;
use standins::modal::{BLOB, BlobFields, rules};
use standins::probe::{Probe, Reply};
use tonic::{Code, Status};

use crate::world::{MARKED, World};

fn announce(world: &World, bytes: &[u8]) -> BlobCreateResponse {
    let request = BlobCreateRequest {
        content_md5: STANDARD.encode(Md5::digest(bytes)),
        content_sha256_base64: STANDARD.encode(Sha256::digest(bytes)),
        content_length: bytes.len() as i64,
    };
    world.call("BlobCreate", request).unwrap()
}

fn url(blob: &BlobCreateResponse) -> String {
    let Some(blob_create_response::UploadTypesOneof::UploadUrls(urls)) = &blob.upload_types_oneof else { panic!("{blob:?}") };
    urls.items[0].clone()
}

/// A PUT as it should be, unless a header is left out or changed.
fn put(url: String, bytes: &[u8], change: &[(&str, Option<&str>)]) -> Reply {
    let md5 = STANDARD.encode(Md5::digest(bytes));
    let mut probe = Probe::put(url, bytes);
    for (name, usual) in [("Content-Type", "application/octet-stream"), ("Content-MD5", md5.as_str())] {
        let changed = change.iter().find(|(changed, _)| *changed == name);
        if let Some(value) = changed.map_or(Some(usual), |(_, value)| *value) {
            probe = probe.header(name, value);
        }
    }
    probe.send()
}

fn put_file(world: &World, sha256: &str, data: Option<DataOneof>) -> Result<MountPutFileResponse, Status> {
    world.call("MountPutFile", MountPutFileRequest { sha256_hex: sha256.to_owned(), data_oneof: data })
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_blob_becomes_a_file() {
    let world = World::start();
    let bytes = vec![7; 5 << 20];
    let blob = announce(&world, &bytes);
    assert_eq!((blob.blob_ids.len(), &blob.blob_id), (1, &blob.blob_ids[0]));
    let reply = put(url(&blob), &bytes, &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("etag"), Some(format!("\"{}\"", hex::encode(Md5::digest(&bytes))).as_str()));
    assert!(put_file(&world, &sha256(&bytes), Some(DataOneof::DataBlobId(blob.blob_id))).unwrap().exists);
    let check = MountBatchedCheckExistenceRequest { sha256_hex_hashes: vec![sha256(&bytes), sha256(b"other")] };
    let missing: MountBatchedCheckExistenceResponse = world.call("MountBatchedCheckExistence", check).unwrap();
    assert_eq!(missing.missing_sha256_hex_hashes, [sha256(b"other")]);
    world.modal.strict().assert_clean();
}

#[test]
fn a_blob_is_announced_with_its_digests() {
    let world = World::start();
    let request = BlobCreateRequest { content_md5: "00".to_owned(), content_sha256_base64: String::new(), content_length: 4 };
    let refused = world.breaks(rules::BAD_BLOB, || world.call::<_, BlobCreateResponse>("BlobCreate", request));
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_put_names_the_md5_of_its_bytes() {
    let world = World::start();
    let blob = announce(&world, b"four");
    let other = STANDARD.encode(Md5::digest(b"other"));
    let refused = world.breaks(rules::CONTENT_MD5, || put(url(&blob), b"four", &[("Content-MD5", Some(&other))]));
    assert_eq!(refused.status, 400);
    // the right name for other bytes
    let announced = STANDARD.encode(Md5::digest(b"four"));
    let refused = world.breaks(rules::CONTENT_MD5, || put(url(&blob), b"five", &[("Content-MD5", Some(&announced))]));
    assert_eq!(refused.status, 400);
    let taken = world.breaks(rules::NO_CONTENT_MD5, || put(url(&blob), b"four", &[("Content-MD5", None)]));
    assert_eq!(taken.status, 200);
    world.modal.strict().set_lenient_peers(true);
    assert_eq!(put(url(&blob), b"four", &[("Content-MD5", None)]).status, 200);
    world.modal.strict().assert_clean();
}

#[test]
fn a_put_is_of_bytes_and_whole() {
    let world = World::start();
    let blob = announce(&world, b"four");
    let taken = world.breaks(rules::PUT_TYPE, || put(url(&blob), b"four", &[("Content-Type", Some("text/plain"))]));
    assert_eq!(taken.status, 200);
    let announced = STANDARD.encode(Md5::digest(b"four"));
    let longer = || put(url(&blob), b"fourteen", &[("Content-MD5", Some(&announced))]);
    assert_eq!(world.breaks(rules::PUT_LENGTH, longer).status, 400);
    let unsigned = url(&blob).split('?').next().unwrap().to_owned();
    assert_eq!(put(unsigned, b"four", &[]).status, 403);
}

#[test]
fn a_file_is_what_its_digest_says() {
    let world = World::start();
    let inline = || put_file(&world, &sha256(b"one"), Some(DataOneof::Data(b"two".to_vec())));
    assert_eq!(world.breaks(rules::WRONG_BYTES, inline).unwrap_err().code(), Code::InvalidArgument);
    let blob = announce(&world, b"two");
    put(url(&blob), b"two", &[]);
    let by_blob = || put_file(&world, &sha256(b"one"), Some(DataOneof::DataBlobId(blob.blob_id.clone())));
    assert_eq!(world.breaks(rules::WRONG_BYTES, by_blob).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_large_file_goes_by_blob() {
    let world = World::start();
    let bytes = vec![0; 4 << 20];
    let refused = world.breaks(rules::LARGE_INLINE, || put_file(&world, &sha256(&bytes), Some(DataOneof::Data(bytes.clone()))));
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_file_that_is_there_is_not_sent_again() {
    let world = World::start();
    world.put(b"once");
    let again = world.breaks(rules::NEEDLESS_UPLOAD, || put_file(&world, &sha256(b"once"), Some(DataOneof::Data(b"once".to_vec()))));
    assert!(again.unwrap().exists);
    world.modal.forget_content(&sha256(b"once"));
    assert!(!put_file(&world, &sha256(b"once"), None).unwrap().exists);
}

#[test]
fn two_who_were_told_that_it_is_missing_may_both_send_it() {
    let world = World::start();
    let ask = || put_file(&world, &sha256(b"both"), None).unwrap().exists;
    let send = || put_file(&world, &sha256(b"both"), Some(DataOneof::Data(b"both".to_vec()))).unwrap().exists;
    assert_eq!([ask(), ask(), send(), send()], [false, false, true, true]);
    world.modal.strict().assert_clean();
    world.breaks(rules::NEEDLESS_UPLOAD, send);
}

#[test]
fn what_was_never_made_is_not_found() {
    let world = World::start();
    let blob = || put_file(&world, &sha256(b"x"), Some(DataOneof::DataBlobId("bl-none".to_owned()))).map(drop);
    let file = MountFile { filename: "/a".to_owned(), sha256_hex: sha256(b"never sent"), ..Default::default() };
    let mount = |app_id: String, file: MountFile| {
        let request = MountGetOrCreateRequest { object_creation_type: 4, files: vec![file], app_id, ..Default::default() };
        world.call::<_, MountGetOrCreateResponse>("MountGetOrCreate", request).map(drop)
    };
    let definition = world.definition("exit");
    let create = |change: &dyn Fn(&mut SandboxCreateV2Request)| {
        let mut request = world.request(definition.clone());
        change(&mut request);
        world.create(request).map(drop)
    };
    fn of(request: &mut SandboxCreateV2Request) -> &mut Sandbox {
        request.definition.as_mut().unwrap()
    }
    let calls: [&dyn Fn() -> Result<(), Status>; 7] = [
        &blob,
        &|| mount(world.app_id(), file.clone()),
        &|| mount("ap-none".to_owned(), file.clone()),
        &|| create(&|request| request.app_id = "ap-none".to_owned()),
        &|| create(&|request| of(request).image_id = "im-none".to_owned()),
        &|| create(&|request| of(request).mount_ids = vec!["mo-none".to_owned()]),
        &|| create(&|request| of(request).secret_ids = vec!["st-none".to_owned()]),
    ];
    for call in calls {
        assert_eq!(world.breaks(rules::UNKNOWN_ID, call).unwrap_err().code(), Code::NotFound);
    }
}

#[test]
fn a_mount_is_of_absolute_paths() {
    let world = World::start();
    let sha256_hex = world.put(b"x");
    let files = |names: &[&str]| -> Vec<MountFile> {
        names.iter().map(|name| MountFile { filename: (*name).to_owned(), sha256_hex: sha256_hex.clone(), ..Default::default() }).collect()
    };
    for names in [&["box/x"][..], &["/box/../etc/x"], &["/box//x"], &[]] {
        let request =
            MountGetOrCreateRequest { object_creation_type: 4, files: files(names), app_id: world.app_id(), ..Default::default() };
        let refused = world.breaks(rules::BAD_MOUNT, || world.call::<_, MountGetOrCreateResponse>("MountGetOrCreate", request));
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument, "{names:?}");
    }
}

#[test]
fn objects_are_made_in_ways_that_fit_them() {
    let world = World::start();
    let sha256_hex = world.put(b"x");
    let app = AppGetOrCreateRequest { app_name: "other".to_owned(), object_creation_type: 5, ..Default::default() };
    let environment = EnvironmentGetOrCreateRequest { deployment_name: "new".to_owned(), object_creation_type: 1 };
    let file = MountFile { filename: "/x".to_owned(), sha256_hex, ..Default::default() };
    let mount = MountGetOrCreateRequest { object_creation_type: 1, files: vec![file], ..Default::default() };
    let secret = SecretGetOrCreateRequest { object_creation_type: 1, ..Default::default() };
    let calls: [&dyn Fn() -> Result<(), Status>; 4] = [
        &|| world.call::<_, AppGetOrCreateResponse>("AppGetOrCreate", app.clone()).map(drop),
        &|| world.call::<_, EnvironmentGetOrCreateResponse>("EnvironmentGetOrCreate", environment.clone()).map(drop),
        &|| world.call::<_, MountGetOrCreateResponse>("MountGetOrCreate", mount.clone()).map(drop),
        &|| world.call::<_, SecretGetOrCreateResponse>("SecretGetOrCreate", secret.clone()).map(drop),
    ];
    for call in calls {
        assert_eq!(world.breaks(rules::CREATION_TYPE, call).unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn a_secret_has_no_name() {
    let world = World::start();
    let secret = SecretGetOrCreateRequest { deployment_name: "tokens".to_owned(), object_creation_type: 1, ..Default::default() };
    let refused = world.breaks(rules::STORED_SECRET, || world.call::<_, SecretGetOrCreateResponse>("SecretGetOrCreate", secret));
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn an_image_begins_with_its_base() {
    let world = World::start();
    let mut without_base = world.recipe();
    without_base.image.as_mut().unwrap().dockerfile_commands = vec!["RUN true".to_owned()];
    let unknown_builder = ImageGetOrCreateRequest { builder_version: "2019.01".to_owned(), ..world.recipe() };
    for recipe in [without_base, unknown_builder] {
        let refused = world.breaks(rules::BAD_IMAGE, || world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", recipe));
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn a_secret_in_what_is_sent_ahead_is_outside() {
    let world = World::start();
    world.breaks(rules::SECRET_OUTSIDE, || world.put(format!("token = {MARKED}").as_bytes()));
    let mut recipe = world.recipe();
    recipe.image.as_mut().unwrap().dockerfile_commands.push(format!("ENV HF_TOKEN={MARKED}"));
    world.breaks(rules::SECRET_OUTSIDE, || world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", recipe)).unwrap();
    let bytes = format!("binary with {MARKED}").into_bytes();
    let blob = announce(&world, &bytes);
    assert_eq!(world.breaks(rules::SECRET_OUTSIDE, || put(url(&blob), &bytes, &[])).status, 200);
    // where it belongs
    let env_dict = [("HF_TOKEN".to_owned(), MARKED.to_owned())].into();
    let secret = SecretGetOrCreateRequest { object_creation_type: 5, env_dict, ..Default::default() };
    world.call::<_, SecretGetOrCreateResponse>("SecretGetOrCreate", secret).unwrap();
    world.modal.strict().assert_clean();
}

#[test]
fn an_announcement_may_have_the_older_fields_or_the_newer_ones() {
    let world = World::start();
    world.modal.behaviour(|behaviour| (behaviour.blob_fields, behaviour.blob_alternatives) = (BlobFields::New, 2));
    let newer = announce(&world, b"four");
    assert_eq!((newer.blob_ids.len(), newer.blob_id.as_str(), &newer.upload_type_oneof), (2, "", &None));
    world.modal.behaviour(|behaviour| behaviour.blob_fields = BlobFields::Old);
    let older = announce(&world, b"four");
    assert_eq!((older.blob_ids.len(), &older.upload_types_oneof), (0, &None));
    let Some(blob_create_response::UploadTypeOneof::UploadUrl(url)) = older.upload_type_oneof else { panic!("no URL") };
    assert_eq!(put(url, b"four", &[]).status, 200);
    assert!(put_file(&world, &sha256(b"four"), Some(DataOneof::DataBlobId(older.blob_id))).unwrap().exists);
}

#[test]
fn what_befalls_a_put_befalls_it_as_at_the_hubs() {
    let world = World::start();
    world.modal.fault(Rule::route(BLOB, Fault::status(503)));
    world.modal.fault(Rule::route(BLOB, Fault::ResetUpload(1 << 20)).skip(1));
    let bytes = vec![3; 4 << 20];
    let blob = announce(&world, &bytes);
    assert_eq!(put(url(&blob), &bytes, &[]).status, 503);
    let md5 = STANDARD.encode(Md5::digest(&bytes));
    let broken = Probe::put(url(&blob), bytes.as_slice()).header("Content-Type", "application/octet-stream").header("Content-MD5", &md5);
    broken.try_send().unwrap_err();
    assert_eq!(put(url(&blob), &bytes, &[]).status, 200);
    world.modal.strict().assert_clean();
}
