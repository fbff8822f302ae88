//! Every row of the catalogue, as a user reads it.

use std::fmt::Write;

use super::*;

fn refusal(code: Code, message: &str) -> Refusal {
    Refusal {
        status: Status::new(code, message),
        call: "SandboxCreateV2".to_owned(),
        tries: 1,
        throttled: None,
        spoken: "type 9, version 1.0.0, modal-go/0.9.0".to_owned(),
        host: "api.modal.com".to_owned(),
    }
}

/// Kind, line and hint of each.
fn shown(errors: impl IntoIterator<Item = (&'static str, Error)>) -> String {
    let mut text = String::new();
    for (row, error) in errors {
        writeln!(text, "{row}: {}\n  {error}\n  hint: {}", error.kind().name(), error.hint().unwrap_or("-")).unwrap();
    }
    text
}

#[test]
fn each_refusal_has_its_own_words() {
    let rows = [
        ("bad token", Code::Unauthenticated, "Token ID is malformed"),
        ("missing right", Code::PermissionDenied, "no access to environment prod"),
        ("client refused", Code::FailedPrecondition, "Old client, please upgrade"),
        ("unknown thing", Code::NotFound, "Sandbox not found"),
        ("name taken", Code::AlreadyExists, "a sandbox with this name exists"),
        ("spend limit", Code::ResourceExhausted, "Workspace billing cycle spend limit reached"),
        ("call withdrawn", Code::Unimplemented, ""),
        ("bad argument", Code::InvalidArgument, "memory_mb too large"),
        ("down", Code::Unavailable, "connection refused"),
        ("too slow", Code::DeadlineExceeded, ""),
        ("own failure", Code::Internal, "oops"),
        ("unexpected", Code::DataLoss, "the answer names no sandbox"),
    ];
    insta::assert_snapshot!("refusals", shown(rows.map(|(row, code, message)| (row, refused(refusal(code, message))))));
}

#[test]
fn each_failure_on_the_way_has_its_own_words() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let log = ["#1 FROM debian", "", "  error: manifest unknown  ", "token hf_abcdefghijklmnopqrst"].map(str::to_owned);
    let rows = [
        ("throttled for long", refused(Refusal { throttled: Some(minutes(1)), tries: 3, ..refusal(Code::ResourceExhausted, "slow down") })),
        ("bad address", bad_address("http://api.modal.com")),
        ("unreachable", unreachable("api.modal.com api.modal2.com", "connection refused")),
        ("other proxy", bad_proxy("socks5")),
        ("image failed", image_failed("im-1", 2, "build failed", &log)),
        ("image late", image_late("im-1", minutes(20))),
        ("upload late", upload_late("/hf2ms", minutes(10))),
        ("create uncertain", uncertain(Some("hf2ms-1-g1"), refused(refusal(Code::Unavailable, "reset")))),
        ("create uncertain, no name", uncertain(None, refused(refusal(Code::Unavailable, "reset")))),
        ("name flickers", name_flickers("hf2ms-1-g1")),
        ("no capacity", no_capacity("sb-1", minutes(21))),
        ("output lost", output_lost("sb-1", 200, refused(refusal(Code::Unavailable, "reset")))),
    ];
    insta::assert_snapshot!("on_the_way", shown(rows));
}

#[test]
fn each_end_of_a_sandbox_has_its_own_words() {
    let rows = [
        ("failed", ended("sb-1", 2, Some(3), "")),
        ("terminated", ended("sb-1", 3, None, "")),
        ("time limit", ended("sb-1", 4, None, "")),
        ("not started", ended("sb-1", 5, None, "exec format error")),
        ("modal's failure", ended("sb-1", 6, None, "")),
        ("idle", ended("sb-1", 7, None, "")),
        ("evicted", ended("sb-1", 8, None, "")),
        ("thrashing", ended("sb-1", 9, None, "")),
        ("out of memory", ended("sb-1", 10, None, "")),
        ("unknown", ended("sb-1", 42, None, "")),
    ];
    insta::assert_snapshot!("ends", shown(rows));
}

#[test]
fn no_token_comes_back_in_an_error() {
    let secret = "as-abcdefghijklmnopqrst";
    let error = refused(refusal(Code::Unauthenticated, &format!("bad secret {secret}")));
    assert!(!error.to_string().contains(secret), "{error}");
    let error = bad_address(&format!("https://user:{secret}@api.modal.com"));
    assert!(!error.to_string().contains(secret), "{error}");
    let error = image_failed("im-1", 2, secret, &[format!("echo {secret}")]);
    assert!(!error.to_string().contains(secret), "{error}");
}

#[test]
fn long_words_of_the_service_are_cut_and_stay_one_line() {
    let error = refused(refusal(Code::Internal, &"é\n".repeat(1000)));
    assert!(error.to_string().chars().count() < 600 && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn what_may_have_happened_all_the_same_is_ambiguous() {
    for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Internal, Code::Unknown, Code::Cancelled] {
        assert!(refusal(code, "").is_ambiguous(), "{code:?}");
    }
    for code in [Code::ResourceExhausted, Code::Unauthenticated, Code::AlreadyExists, Code::InvalidArgument, Code::Unimplemented] {
        assert!(!refusal(code, "").is_ambiguous(), "{code:?}");
    }
}
