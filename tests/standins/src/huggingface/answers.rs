//! The hub's ways of saying no, each in one place.

use serde_json::json;

use crate::server::Response;

/// A refusal: `error` in the body, and in headers, which is where clients look first.
pub(super) fn refuse(status: u16, code: Option<&str>, message: &str) -> Response {
    let response = Response::json(status, &json!({ "error": message }));
    // A header is one line of visible ASCII.
    let line: String = message.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { ' ' }).collect();
    let response = response.header("x-error-message", line);
    match code {
        Some(code) => response.header("x-error-code", code),
        None => response,
    }
}

pub(super) fn bad_request(message: &str) -> Response {
    refuse(400, None, message)
}

pub(super) fn bad_credentials() -> Response {
    refuse(401, None, "Invalid credentials in Authorization header")
}

/// A repository that is missing, or private to others. Signed in: 404. Anonymous: 401, and without the code the two cannot
/// be told apart over `http://`, where the official client does not read a meaning into the bare 401.
pub(super) fn repo_not_found(anonymous: bool) -> Response {
    if anonymous {
        return refuse(401, Some("RepoNotFound"), "Invalid username or password.");
    }
    refuse(404, Some("RepoNotFound"), "Repository not found")
}

pub(super) fn revision_not_found(revision: &str) -> Response {
    refuse(404, Some("RevisionNotFound"), &format!("Invalid rev id: {revision}"))
}

pub(super) fn entry_not_found(path: &str) -> Response {
    refuse(404, Some("EntryNotFound"), &format!("{path} does not exist"))
}

pub(super) fn gated(repo: &str, anonymous: bool) -> Response {
    let status = if anonymous { 401 } else { 403 };
    let message = format!("Access to model {repo} is restricted. You must have access to it and be authenticated to access it.");
    refuse(status, Some("GatedRepo"), &message)
}

pub(super) fn disabled() -> Response {
    refuse(403, None, "Access to this resource is disabled.")
}

pub(super) fn forbidden(message: &str) -> Response {
    refuse(403, None, message)
}

/// An error of the storage or CDN host, which speaks XML and knows nothing of the hub's headers.
pub(super) fn storage_error(status: u16, code: &str, message: &str) -> Response {
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Response::bytes(status, xml).header("content-type", "application/xml")
}
