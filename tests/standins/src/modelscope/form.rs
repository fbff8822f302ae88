//! Multipart forms, as far as a form of short text fields goes.

use std::collections::BTreeMap;

/// The text fields of a `multipart/form-data` body, or `None` when it is no such thing.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Option<BTreeMap<String, String>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let text = std::str::from_utf8(body).ok()?;
    let mut found = BTreeMap::new();
    for part in text.split(&delimiter).skip(1) {
        if part.starts_with("--") {
            return Some(found);
        }
        let (head, value) = part.trim_start_matches("\r\n").split_once("\r\n\r\n")?;
        found.insert(field_name(head)?, value.strip_suffix("\r\n")?.to_owned());
    }
    // The closing delimiter never came.
    None
}

fn field_name(head: &str) -> Option<String> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let name = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_a_cut_off_form_is_refused() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"Owner\"\r\n\r\nalice\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"Description\"\r\n\r\n\r\n--x--\r\n";
        let read = fields("multipart/form-data; boundary=x", body.as_bytes()).unwrap();
        assert_eq!(read["Owner"], "alice");
        assert_eq!(read["Description"], "");
        assert_eq!(fields("multipart/form-data; boundary=x", &body.as_bytes()[..body.len() - 7]), None);
        assert_eq!(fields("application/json", b"{}"), None);
    }
}
