//! What goes into a call, and what is refused before.

use super::*;

fn spec() -> SandboxSpec {
    SandboxSpec {
        name: Some("hf2ms-1".to_owned()),
        tags: BTreeMap::from([("hf2ms".to_owned(), "1".to_owned())]),
        args: vec!["/hf2ms".to_owned(), "run-job".to_owned()],
        secrets: BTreeMap::from([("HF_TOKEN".to_owned(), Token::new("plain-looking-secret").unwrap())]),
        milli_cpu: 1000,
        memory_mib: 1024,
        timeout: Duration::from_secs(3600),
        mounts: vec!["mo-2".to_owned()],
        regions: Vec::new(),
    }
}

fn prepared() -> Prepared {
    Prepared { app: "ap-1".to_owned(), image: "im-1".to_owned(), mount: "mo-1".to_owned() }
}

#[track_caller]
fn refused(change: impl Fn(&mut SandboxSpec), message: &str) {
    let mut spec = spec();
    change(&mut spec);
    assert_eq!(spec.check().unwrap_err().to_string(), message);
}

#[test]
fn a_spec_in_order_is_taken() {
    spec().check().unwrap();
}

#[test]
fn what_the_service_would_refuse_is_not_sent() {
    refused(|spec| spec.name = Some("a/b".to_owned()), "`a/b` is no name for a sandbox");
    refused(|spec| spec.name = Some("x".repeat(65)), &format!("`{}` is no name for a sandbox", "x".repeat(65)));
    refused(|spec| drop(spec.tags.insert("repo".to_owned(), "a/b".to_owned())), "`repo`=`a/b` is no tag");
    refused(|spec| drop(spec.tags.insert("repo".to_owned(), String::new())), "`repo`=`` is no tag");
    refused(|spec| spec.args.push("x".repeat(MOST_ARGUMENTS)), "the arguments are too long for Modal");
    refused(|spec| spec.timeout = LONGEST_LIFE + Duration::from_secs(1), "a sandbox lives 24 hours at most");
    refused(|spec| spec.timeout = Duration::ZERO, "a sandbox lives 24 hours at most");
}

#[test]
fn a_token_outside_of_the_secrets_is_not_sent() {
    let message = "a token stands where everybody can read it";
    refused(|spec| spec.args.push("--token=hf_abcdefghijklmnopqrst".to_owned()), message);
    refused(|spec| spec.args.push("x plain-looking-secret x".to_owned()), message);
    refused(|spec| drop(spec.tags.insert("t".to_owned(), "plain-looking-secret".to_owned())), message);
    refused(|spec| spec.name = Some("plain-looking-secret".to_owned()), message);
}

#[test]
fn the_definition_says_what_the_spec_says() {
    let definition = spec().definition(&prepared(), vec!["st-1".to_owned()]);
    assert_eq!(definition.mount_ids, ["mo-1", "mo-2"]);
    assert_eq!((definition.image_id.as_str(), definition.timeout_secs, definition.name.as_deref()), ("im-1", 3600, Some("hf2ms-1")));
    assert_eq!(definition.secret_ids, ["st-1"]);
    let resources = definition.resources.unwrap();
    assert_eq!((resources.memory_mb, resources.milli_cpu, resources.memory_mb_max), (1024, 1000, 0));
    assert!(definition.scheduler_placement.is_none());
    assert_eq!(definition.entrypoint_args, ["/hf2ms", "run-job"]);
}

#[test]
fn neither_secrets_nor_keys_are_shown() {
    let access = Access::new("https://worker.example".to_owned(), "jwt-jwt").unwrap();
    let sandbox = Sandbox { access: Some(access), ..Sandbox::known("sb-1") };
    assert!(!format!("{sandbox:?} {:?}", spec()).contains("jwt-jwt"));
    assert!(!format!("{:?}", spec()).contains("plain-looking"));
}
