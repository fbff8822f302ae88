//! Ids, paths and addresses print as they were parsed, and URLs give back what was put in.

use hf2ms::repo::{Address, Digests, GitSha1, Platform, RepoId, RepoPath, RepoType, Sha256, encode};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;

/// One half of an id, as one of the hubs allows it.
pub(crate) fn part() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}"
}

fn id() -> impl Strategy<Value = String> {
    (part(), part()).prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

/// Anything that may be a path in a repository: also what means something in a URL, a glob, a shell or JSON.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[a-z0-9._-]{1,12}",
        r"[ !#$%&'()*+,:;<=>?@\[\]^`{|}~-]{1,6}",
        r"\PC{1,8}".prop_map(|text| text.replace('/', "")),
        Just("%2F".to_owned()),
        Just("...".to_owned()),
    ];
    let clean = |segment: &String| !matches!(segment.as_str(), "" | "." | "..");
    prop::collection::vec(segment.prop_filter("a path stays inside", clean), 1..5).prop_map(|segments| segments.join("/"))
}

/// A branch, tag or commit, as git takes it and as it may stand in a URL's path.
fn revision() -> impl Strategy<Value = String> {
    let segment = "[a-zA-Z0-9_+é%#][a-zA-Z0-9_+é%#-]{0,8}([.][a-zA-Z0-9_+é%#-]{1,4}){0,2}";
    let segment = segment.prop_filter("git keeps this ending", |text| !text.ends_with(".lock"));
    let segments = prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"));
    prop_oneof!["[0-9a-f]{40}", "refs/pr/[0-9]{1,3}", segments]
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn platforms() -> impl Strategy<Value = (Platform, &'static str, &'static str)> {
    prop::sample::select(vec![
        (Platform::HuggingFace, "hf", "https://huggingface.co"),
        (Platform::HuggingFace, "huggingface", "https://hf.co"),
        (Platform::ModelScope, "ms", "https://www.modelscope.cn"),
        (Platform::ModelScope, "modelscope", "https://modelscope.ai"),
        (Platform::ModelScope, "MS", "http://127.0.0.1:9"),
    ])
}

/// What is left of a text as the path of a URL.
fn path_of(text: &str) -> String {
    url::Url::parse(&format!("https://hub/{text}")).unwrap().path().to_owned()
}

fn parse(text: &str) -> Address {
    let own = [("127.0.0.1:9".to_owned(), Platform::ModelScope)];
    Address::parse(text, &own).unwrap_or_else(|error| panic!("{text}: {error}"))
}

proptest! {
    #[test]
    fn an_id_prints_as_it_was_parsed(text in id()) {
        let id: RepoId = text.parse().unwrap();
        prop_assert_eq!(id.to_string(), text.clone());
        prop_assert_eq!(format!("{}/{}", id.namespace(), id.name()), text.clone());
        prop_assert_eq!(serde_json::from_str::<RepoId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        // it goes into a URL's path as it is
        prop_assert_eq!(path_of(&text), format!("/{text}"));
    }

    #[test]
    fn what_parses_as_an_id_prints_the_same_and_nothing_leaves_the_url(text in r"[A-Za-z0-9._/%?#-]{0,30}|\PC{0,20}") {
        if let Ok(id) = text.parse::<RepoId>() {
            prop_assert_eq!(id.to_string(), text.clone());
            prop_assert_eq!(path_of(&text), format!("/{text}"));
        }
    }

    #[test]
    fn a_path_prints_as_it_was_parsed_and_comes_back_from_a_url(text in path()) {
        let path = RepoPath::new(text.clone()).unwrap();
        prop_assert_eq!(path.as_str(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<RepoPath>(&serde_json::to_string(&path).unwrap()).unwrap(), path.clone());
        let url = url::Url::parse(&format!("https://hub/a/b/resolve/main/{}?download=true", path.url_path())).unwrap();
        let segments: Vec<String> = url.path_segments().unwrap().skip(4).map(decoded).collect();
        prop_assert_eq!(segments.join("/"), text.clone());
        prop_assert_eq!(segments.len(), text.split('/').count());
        prop_assert_eq!(decoded(&encode(&text)), text.clone());
        let query = url::Url::parse(&format!("https://hub/repo?FilePath={}&Revision=x", encode(&text))).unwrap();
        prop_assert_eq!(query.query_pairs().next().unwrap().1, text);
    }

    #[test]
    fn what_leaves_the_repository_is_no_path(before in "([a-z]{1,3}/){0,2}", bad in r"\.|\.\.|", after in "(/[a-z]{1,3}){0,2}") {
        prop_assert!(RepoPath::new([before, bad, after].concat()).is_err());
    }

    #[test]
    fn an_address_means_what_its_parts_say(id in id(), revision in prop::option::of(revision()), (platform, prefix, _) in platforms()) {
        let at = revision.as_ref().map(|revision| format!("@{revision}")).unwrap_or_default();
        let bare = parse(&format!("{id}{at}"));
        prop_assert_eq!((bare.platform, bare.repo_type, bare.id.to_string(), &bare.revision), (None, None, id.clone(), &revision));
        let prefixed = parse(&format!("{prefix}:{id}{at}"));
        prop_assert_eq!((prefixed.platform, prefixed.id.to_string(), &prefixed.revision), (Some(platform), id, &revision));
    }

    #[test]
    fn what_leaves_a_urls_path_is_no_revision(before in "([a-z]{1,3}/){0,2}", bad in r"\.|\.\.|", after in "(/[a-z]{1,3}){0,2}") {
        prop_assert!(Address::parse(&["a/b@", &before, &bad, &after].concat(), &[]).is_err());
    }

    #[test]
    fn a_page_means_the_repository_it_shows(
        id in id(),
        revision in prop::option::of(revision()),
        (platform, _, site) in platforms(),
        (folder, kind) in prop::sample::select(vec![("models/", RepoType::Model), ("datasets/", RepoType::Dataset), ("spaces/", RepoType::Space)]),
        tail in prop::sample::select(vec!["", "/", "/files", "?tab=readme", "#usage"]),
    ) {
        let page = parse(&format!("{site}/{folder}{id}{tail}"));
        prop_assert_eq!((page.platform, page.repo_type, page.id.to_string(), page.revision), (Some(platform), Some(kind), id.clone(), None));
        if let Some(revision) = revision {
            for verb in ["tree", "blob", "resolve"] {
                let page = parse(&format!("{site}/{folder}{id}/{verb}/{}/config.json", encode(&revision)));
                prop_assert_eq!((page.id.to_string(), page.revision.as_ref()), (id.clone(), Some(&revision)));
            }
            if !revision.contains('/') {
                let page = parse(&format!("{site}/{folder}{id}@{revision}"));
                prop_assert_eq!((page.id.to_string(), page.revision), (id, Some(revision)));
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r"\PC{0,40}|[a-z:/@.%-]{0,40}|https?://[a-z0-9.@:/%?#\[\]-]{0,40}") {
        let _any = Address::parse(&text, &[]);
        let _any = RepoPath::new(text);
    }

    #[test]
    fn digests_print_as_they_were_parsed(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let digests = Digests::of(&bytes);
        let (sha256, git_sha1) = (digests.sha256.unwrap(), digests.git_sha1.unwrap());
        prop_assert_eq!(sha256.to_string().parse::<Sha256>().unwrap(), sha256);
        prop_assert_eq!(git_sha1.to_string().parse::<GitSha1>().unwrap(), git_sha1);
        prop_assert_eq!(serde_json::from_str::<Digests>(&serde_json::to_string(&digests).unwrap()).unwrap(), digests);
    }
}
