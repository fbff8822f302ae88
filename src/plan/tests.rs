use super::*;
use crate::repo::{Platform, RepoRef, RepoType};

fn manifest(platform: Platform, visibility: Visibility, files: &[(&str, &[u8])]) -> Manifest {
    let mut files: Vec<_> = files
        .iter()
        .map(|(path, content)| FileEntry {
            path: RepoPath::new(*path).unwrap(),
            size: content.len() as u64,
            digests: match platform {
                Platform::HuggingFace => Digests { sha256: None, ..Digests::of(content) },
                Platform::ModelScope => Digests { git_sha1: None, ..Digests::of(content) },
            },
            lfs: false,
            read_at: None,
            hubs_own: false,
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Manifest {
        repo: RepoRef::new(platform, RepoType::Model, "alice/bert".parse().unwrap()),
        commit: Some("c0ffee".to_owned()),
        revision: "main".to_owned(),
        visibility,
        files,
    }
}

fn request() -> Request {
    Request {
        source: RepoRef::new(Platform::HuggingFace, RepoType::Model, "alice/bert".parse().unwrap()),
        revision: None,
        destination: RepoRef::new(Platform::ModelScope, RepoType::Model, "alice/bert".parse().unwrap()),
        include: Vec::new(),
        exclude: Vec::new(),
        delete: None,
        use_git: false,
    }
}

fn plan(source: &Manifest, destination: Option<Manifest>) -> TransferPlan {
    let existing = destination.map(|manifest| Existing { manifest });
    let inputs = Inputs {
        request: &request(),
        source,
        destination: existing.as_ref(),
        card: None,
        warnings: Vec::new(),
        unreadable: BTreeMap::new(),
    };
    TransferPlan::new(&inputs, &Selection::new(&[], &[]).unwrap()).unwrap()
}

#[test]
fn a_plan_of_an_unchanged_pair_copies_nothing() {
    let files: &[(&str, &[u8])] = &[("a.bin", b"a"), ("b/c.txt", b"c")];
    let mut source = manifest(Platform::HuggingFace, Visibility::Public, files);
    apply_known(&mut source, &[Digests::of(b"a"), Digests::of(b"c")]);
    let plan = plan(&source, Some(manifest(Platform::ModelScope, Visibility::Public, files)));
    assert_eq!((plan.totals.copy, plan.totals.present), (0, 2));
    assert!(plan.risks.is_empty());
}

#[test]
fn what_cannot_be_compared_is_copied() {
    let files: &[(&str, &[u8])] = &[("a.bin", b"a")];
    let source = manifest(Platform::HuggingFace, Visibility::Public, files);
    let plan = plan(&source, Some(manifest(Platform::ModelScope, Visibility::Public, files)));
    assert_eq!(plan.items[0].decision, Decision::Copy { replaces: true });
}

#[test]
fn a_private_source_makes_a_private_copy_and_never_goes_public_unasked() {
    let source = manifest(Platform::HuggingFace, Visibility::Private, &[("a.bin", b"a")]);
    assert_eq!(plan(&source, None).destination_visibility, Visibility::Private);
    let open = plan(&source, Some(manifest(Platform::ModelScope, Visibility::Public, &[])));
    assert_eq!(open.check(Consent { risks: true, ..Consent::default() }).unwrap_err().kind(), ErrorKind::NeedsConfirmation);
    open.check(Consent { loosened_visibility: true, ..Consent::default() }).unwrap();
}

#[test]
fn overwriting_needs_a_word_but_not_what_the_hub_itself_put_there() {
    let source = manifest(Platform::HuggingFace, Visibility::Public, &[("README.md", b"mine")]);
    let manifest = manifest(Platform::ModelScope, Visibility::Public, &[("README.md", b"hub's")]);
    for hubs_own in [false, true] {
        let mut manifest = manifest.clone();
        manifest.files[0].hubs_own = hubs_own;
        let existing = Existing { manifest };
        let inputs = Inputs {
            request: &request(),
            source: &source,
            destination: Some(&existing),
            card: None,
            warnings: Vec::new(),
            unreadable: BTreeMap::new(),
        };
        let plan = TransferPlan::new(&inputs, &Selection::new(&[], &[]).unwrap()).unwrap();
        assert_eq!(plan.check(Consent::default()).is_ok(), hubs_own);
    }
}

#[test]
fn the_id_changes_with_the_source_and_with_the_destination() {
    let mut source = manifest(Platform::HuggingFace, Visibility::Public, &[("a.bin", b"a")]);
    let first = plan(&source, None).plan_id;
    assert_eq!(first, plan(&source, None).plan_id);
    source.commit = Some("decade".to_owned());
    let moved = plan(&source, None).plan_id;
    assert_ne!(first, moved);
    assert_ne!(moved, plan(&source, Some(manifest(Platform::ModelScope, Visibility::Private, &[]))).plan_id);
}

#[test]
fn a_folder_that_could_not_be_listed_is_refused_before_anything_moves() {
    let names: Vec<_> = (0..3000).map(|number| format!("many/{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    let source = manifest(Platform::HuggingFace, Visibility::Public, &files);
    let inputs =
        Inputs { request: &request(), source: &source, destination: None, card: None, warnings: Vec::new(), unreadable: BTreeMap::new() };
    let error = TransferPlan::new(&inputs, &Selection::new(&[], &[]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn the_load_of_a_plan_is_each_content_that_it_copies_once() {
    let files: &[(&str, &[u8])] = &[("a.bin", b"aaa"), ("b.bin", b"aaa"), ("c.bin", b"cc"), ("d.bin", b"d")];
    let source = manifest(Platform::ModelScope, Visibility::Public, files);
    let there = manifest(Platform::ModelScope, Visibility::Public, &files[3..]);
    let plan = plan(&source, Some(there));
    let blobs = shard::blobs(&source.files, |_| true);
    assert_eq!(blobs.len(), 3);
    assert_eq!(fan_out::Load::of_plan(&plan, &blobs), fan_out::Load { files: 2, shared: 2, bytes: 5, largest: 3 });
    // of what is copied workers may carry only what surely goes as a blob
    let blobs = shard::blobs(&source.files, |file| file.size == 3);
    assert_eq!(fan_out::Load::of_plan(&plan, &blobs), fan_out::Load { files: 2, shared: 1, bytes: 5, largest: 3 });
}
