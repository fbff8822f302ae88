//! The CDN: public bytes behind signed URLs, in ranges if wished (facts/modelscope §2.4).

use super::download::expect_identity;
use crate::modelscope::hub::Hub;
use crate::modelscope::keys::{Opened, Verdict};
use crate::modelscope::rules;
use crate::range::{Wanted, wanted};
use crate::server::{Request, Response};

/// Serves an object to whoever holds a good key.
pub(in crate::modelscope) fn object(hub: &Hub, request: &Request, sha256: &str) -> Response {
    for (header, rule) in [("authorization", rules::AUTHORIZATION_AT_CDN), ("cookie", rules::COOKIE_AT_CDN)] {
        if request.headers.contains_key(header) {
            hub.rig.strict.broken(rule, request.route.name);
        }
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Response::text(405, "Method Not Allowed");
    }
    let key = request.query.get("auth_key").unwrap_or_default();
    match hub.keys.open(key, sha256, request.url_expired) {
        Verdict::Good(opened) => {
            expect_identity(hub, request);
            serve(request, opened, hub.behaviour().cdn_names_sha256)
        }
        Verdict::Expired { told } => {
            if told {
                hub.rig.strict.broken(rules::EXPIRED_URL_REUSED, request.route.name);
            }
            denied("expired timestamp")
        }
        Verdict::Forged => denied("invalid md5hash"),
    }
}

fn serve(request: &Request, opened: Opened, names_sha256: bool) -> Response {
    let Opened { sha256, content } = opened;
    let len = content.len();
    let unchanged = request.header("if-range").is_none_or(|tag| tag == etag(&sha256));
    let range = request.header("range").filter(|_| unchanged);
    let response = match wanted(range, len) {
        Wanted::Whole => Response::file(200, content, 0..len),
        Wanted::Part(part) => {
            let told = format!("bytes {}-{}/{len}", part.start, part.end - 1);
            Response::file(206, content, part).header("content-range", told)
        }
        Wanted::Unsatisfiable => Response::empty(416).header("content-range", format!("bytes */{len}")),
    };
    let response =
        response.header("accept-ranges", "bytes").header("content-type", "application/octet-stream").header("etag", etag(&sha256));
    if names_sha256 { response.header("x-linked-etag", &sha256) } else { response }
}

/// Object storage tags what was written at once with an MD5; any tag that stays the same will do.
fn etag(sha256: &str) -> String {
    format!("\"{}\"", sha256[..32].to_ascii_uppercase())
}

fn denied(why: &str) -> Response {
    let page = "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>\n";
    Response::bytes(403, page).header("content-type", "text/html").header("x-tengine-error", format!("denied by req auth: {why}"))
}
