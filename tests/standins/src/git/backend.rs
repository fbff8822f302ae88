//! One request through git's own server, `git http-backend`, as a web server would run it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::server::{Request, Response};

/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// What git says to this request for the bare repository in `folder`; `path` is what follows the repository in the URL.
pub(crate) async fn answer(request: &Request, body: &[u8], folder: &Path, path: &str) -> Response {
    let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_PROJECT_ROOT", folder).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", path).env("REQUEST_METHOD", &request.method).env("QUERY_STRING", query.join("&"));
    command.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", body.len().to_string()).env("REMOTE_ADDR", "127.0.0.1");
    command.env("GIT_PROTOCOL", header("git-protocol")).env("HTTP_CONTENT_ENCODING", header("content-encoding"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().expect("git is installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let serve = async {
        // git may answer before it has read everything
        let _refused = stdin.write_all(body).await;
        drop(stdin);
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, serve).await.expect("git answers in time").expect("git runs");
    parsed(&output.stdout)
}

/// A CGI answer: headers, an empty line, the body.
fn parsed(output: &[u8]) -> Response {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("git http-backend writes headers");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let headers: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    let status = headers.iter().find(|(name, _)| *name == "Status").map_or(200, |(_, value)| value[..3].parse().expect("a status"));
    let response = Response::bytes(status, output[end + 4..].to_vec());
    headers
        .iter()
        .filter(|(name, _)| *name != "Status")
        .fold(response, |response, (name, value)| response.header(&name.to_lowercase(), value))
}
