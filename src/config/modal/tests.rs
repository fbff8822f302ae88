//! Which value wins, and which files are refused.

use super::*;

const ID: &str = "ak-abcdefghijklmnopqrstuv";
const SECRET: &str = "as-abcdefghijklmnopqrstuv";

/// The settings from these variables and this file.
fn read(variables: &[(&str, &str)], file: &str) -> Result<ModalSettings> {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("hf2ms-modal-{}-{number}.toml", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let mut all: BTreeMap<String, String> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.insert("MODAL_CONFIG_PATH".to_owned(), path.display().to_string());
    let given = |name: &str| all.get(name).map(|text| (text.clone(), name.to_owned()));
    let settings = Sources::new(&all, given("MODAL_TOKEN_ID"), given("MODAL_TOKEN_SECRET")).settings();
    std::fs::remove_file(path).unwrap();
    settings
}

/// The error as a user sees it, without the folder.
fn refused(variables: &[(&str, &str)], file: &str) -> String {
    let error = read(variables, file).unwrap_err();
    let shown = format!("{error} / {}", error.hint().unwrap());
    let (before, after) = shown.split_once(&std::env::temp_dir().display().to_string()).unwrap_or((&shown, ""));
    let after = after.split_once(".toml").map_or("", |(_, after)| after);
    if after.is_empty() { shown } else { format!("{before}FILE{after}") }
}

fn profile(name: &str, more: &str) -> String {
    format!("[{name}]\ntoken_id = \"{ID}\"\ntoken_secret = \"{SECRET}\"\n{more}\n")
}

#[test]
fn the_only_profile_is_read_with_all_it_says() {
    let file = profile(
        "default",
        "server_url = \"http://127.0.0.1:1\"\nenvironment = \"dev\"\nsandbox_v2 = false\nimage_builder_version = \"2025.06\"",
    );
    let settings = read(&[], &file).unwrap();
    assert_eq!(settings.token_id, Token::new(ID).unwrap());
    assert_eq!(settings.token_secret, Token::new(SECRET).unwrap());
    assert_eq!(settings.servers, ["http://127.0.0.1:1"]);
    assert_eq!((settings.environment.as_str(), settings.generation), ("dev", Generation::V1));
    assert_eq!(settings.builder_version.as_deref(), Some("2025.06"));
    assert!(settings.origin.starts_with("profile default in "), "{}", settings.origin);
}

#[test]
fn the_environment_beats_the_file() {
    let file = profile("default", "server_url = \"http://127.0.0.1:1\"\nenvironment = \"dev\"\nsandbox_v2 = false");
    let variables =
        [("MODAL_TOKEN_ID", "ak-other"), ("MODAL_SERVER_URL", "https://a.example, https://b.example"), ("MODAL_ENVIRONMENT", "prod")];
    let settings = read(&[&variables[..], &[("MODAL_SANDBOX_V2", "1")]].concat(), &file).unwrap();
    assert_eq!(settings.token_id, Token::new("ak-other").unwrap());
    assert_eq!(settings.token_secret, Token::new(SECRET).unwrap());
    assert_eq!(settings.servers, ["https://a.example", "https://b.example"]);
    assert_eq!((settings.environment.as_str(), settings.generation), ("prod", Generation::V2));
    assert_eq!(settings.origin, "MODAL_TOKEN_ID");
}

#[test]
fn nothing_configured_is_modal_itself_with_the_newer_calls_and_the_go_client() {
    let settings = read(&[("MODAL_TOKEN_ID", ID), ("MODAL_TOKEN_SECRET", SECRET)], "").unwrap();
    assert_eq!(settings.servers, ["https://api.modal.com", "https://api.modal2.com"]);
    assert_eq!((settings.generation, settings.most_throttle_wait, settings.proxy), (Generation::V2, None, true));
    let expected = ClientIdentity { kind: 9, version: "1.0.0".to_owned(), library: Some("modal-go/0.9.0".to_owned()) };
    assert_eq!(settings.client, expected);
}

#[test]
fn the_client_that_is_spoken_for_can_be_set() {
    let tokens = [("MODAL_TOKEN_ID", ID), ("MODAL_TOKEN_SECRET", SECRET)];
    let settings = read(&[&tokens[..], &[("HF2MS_MODAL_CLIENT_TYPE", "1")]].concat(), "").unwrap();
    assert_eq!(settings.client, ClientIdentity { kind: 1, version: "1.6.4".to_owned(), library: None });
    let more = [("HF2MS_MODAL_CLIENT_VERSION", "1.3.2"), ("HF2MS_MODAL_LIBMODAL_VERSION", "x/1"), ("MODAL_DISABLE_API_PROXY", "1")];
    let settings = read(&[&tokens[..], &more[..], &[("MODAL_MAX_THROTTLE_WAIT", "0")]].concat(), "").unwrap();
    assert_eq!((settings.client.version.as_str(), settings.client.library.as_deref()), ("1.3.2", Some("x/1")));
    assert_eq!((settings.proxy, settings.most_throttle_wait), (false, Some(Duration::ZERO)));
}

#[test]
fn the_named_profile_wins_over_the_active_one() {
    let file = format!("{}{}", profile("a", "active = true\nenvironment = \"of-a\""), profile("b", "environment = \"of-b\""));
    assert_eq!(read(&[], &file).unwrap().environment, "of-a");
    assert_eq!(read(&[("MODAL_PROFILE", "b")], &file).unwrap().environment, "of-b");
}

#[test]
fn a_profile_that_is_not_there_matters_only_without_tokens() {
    let file = profile("a", "");
    assert_eq!(
        refused(&[("MODAL_PROFILE", "c")], &file),
        "MODAL_PROFILE names a profile that is not there, profile c, file FILE, there are a / set MODAL_PROFILE to one of them, or not at all"
    );
    let tokens = [("MODAL_PROFILE", "c"), ("MODAL_TOKEN_ID", ID), ("MODAL_TOKEN_SECRET", SECRET)];
    assert_eq!(read(&tokens, &file).unwrap().origin, "MODAL_TOKEN_ID");
}

#[test]
fn a_file_that_leaves_a_choice_is_refused() {
    let none = format!("{}{}", profile("a", ""), profile("b", ""));
    let repair = "repair the file, choose a profile with MODAL_PROFILE, or set the tokens in the environment";
    assert_eq!(refused(&[], &none), format!("Modal's configuration has several profiles, none of them active, file FILE / {repair}"));
    let both = format!("{}{}", profile("a", "active = true"), profile("b", "active = true"));
    assert_eq!(refused(&[], &both), format!("Modal's configuration has more than one active profile, file FILE, active a b / {repair}"));
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_repeating_it() {
    let shown = refused(&[], &format!("[default]\ntoken_secret = \"{SECRET}\n"));
    assert!(shown.starts_with("Modal's configuration is no TOML: "), "{shown}");
    assert!(shown.contains(", line 2"), "{shown}");
    assert!(!shown.contains("as-"), "{shown}");
}

#[test]
fn half_a_pair_of_tokens_is_none() {
    assert_eq!(
        refused(&[("MODAL_TOKEN_ID", ID)], ""),
        "no token for Modal, missing token_secret / make a token at https://modal.com/settings/tokens and set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run with `--runner local`"
    );
    assert_eq!(read(&[], "").unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[test]
fn numbers_that_are_none_are_refused_by_name() {
    let tokens = [("MODAL_TOKEN_ID", ID), ("MODAL_TOKEN_SECRET", SECRET)];
    assert_eq!(
        refused(&[&tokens[..], &[("MODAL_MAX_THROTTLE_WAIT", "soon")]].concat(), ""),
        "MODAL_MAX_THROTTLE_WAIT is no number of seconds, got `soon` / set it to a whole number, 0 for no wait, or not at all"
    );
    assert!(refused(&[&tokens[..], &[("HF2MS_MODAL_CLIENT_TYPE", "go")]].concat(), "").starts_with("HF2MS_MODAL_CLIENT_TYPE is no number"));
}

#[test]
fn settings_show_no_token() {
    let shown = format!("{:?}", read(&[], &profile("default", "")).unwrap());
    assert!(!shown.contains("abcdefghijkl"), "{shown}");
}

#[test]
fn half_a_token_is_something() {
    let unset = |variables: &[&str], file: &str| {
        let path = std::env::temp_dir().join(format!("hf2ms-modal-half-{}-{}.toml", std::process::id(), file.len()));
        std::fs::write(&path, file).unwrap();
        let all = BTreeMap::from([("MODAL_CONFIG_PATH".to_owned(), path.display().to_string())]);
        let given = |name: &str| variables.contains(&name).then(|| ("x".to_owned(), name.to_owned()));
        let unset = Sources::new(&all, given("MODAL_TOKEN_ID"), given("MODAL_TOKEN_SECRET")).is_unset();
        std::fs::remove_file(path).unwrap();
        unset.unwrap()
    };
    assert!(unset(&[], "") && unset(&[], "[default]\nenvironment = \"dev\"\n"));
    assert!(!unset(&["MODAL_TOKEN_ID"], "") && !unset(&["MODAL_TOKEN_SECRET"], ""));
    assert!(!unset(&[], "[default]\ntoken_secret = \"x\"\n") && !unset(&[], &profile("default", "")));
}
