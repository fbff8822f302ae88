//! `.gitattributes`: which paths are tracked as LFS, as far as the hub's own files use it.

/// What the hub puts into a new model repository.
const MODEL: &[&str] = &[
    "*.7z",
    "*.arrow",
    "*.bin",
    "*.bz2",
    "*.ckpt",
    "*.ftz",
    "*.gz",
    "*.h5",
    "*.joblib",
    "*.lfs.*",
    "*.mlmodel",
    "*.model",
    "*.msgpack",
    "*.npy",
    "*.npz",
    "*.onnx",
    "*.ot",
    "*.parquet",
    "*.pb",
    "*.pickle",
    "*.pkl",
    "*.pt",
    "*.pth",
    "*.rar",
    "*.safetensors",
    "saved_model/**/*",
    "*.tar.*",
    "*.tar",
    "*.tflite",
    "*.tgz",
    "*.wasm",
    "*.xz",
    "*.zip",
    "*.zst",
    "*tfevents*",
];

/// What it adds for a dataset.
const DATASET: &[&str] = &[
    "*.lz4", "*.mds", "*.pcm", "*.sam", "*.raw", "*.aac", "*.flac", "*.mp3", "*.ogg", "*.wav", "*.bmp", "*.gif", "*.png", "*.tiff",
    "*.jpg", "*.jpeg", "*.webp", "*.mp4", "*.webm",
];

/// The `.gitattributes` of a new repository.
pub(super) fn initial(dataset: bool) -> String {
    let extra = if dataset { DATASET } else { &[] };
    MODEL.iter().chain(extra).map(|pattern| line(pattern)).collect()
}

/// The line that tracks a pattern.
fn line(pattern: &str) -> String {
    format!("{pattern} filter=lfs diff=lfs merge=lfs -text\n")
}

/// The line that tracks one path and no other, written as `git lfs track --filename` does.
pub(super) fn line_of(path: &str) -> String {
    let mut pattern = String::new();
    for character in path.chars() {
        match character {
            ' ' => pattern.push_str("[[:space:]]"),
            '*' | '?' | '[' | ']' | '\\' | '"' => pattern.extend(['\\', character]),
            '#' | '!' if pattern.is_empty() => pattern.extend(['\\', character]),
            _ => pattern.push(character),
        }
    }
    line(&pattern)
}

/// Whether these attributes make a path an LFS file. The last line that matches decides.
pub(super) fn tracks(attributes: &str, path: &str) -> bool {
    let mut tracked = false;
    for line in attributes.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(pattern) = words.next() else { continue };
        if !matches(pattern, path) {
            continue;
        }
        for word in words {
            match word {
                "filter=lfs" => tracked = true,
                "-filter" | "!filter" => tracked = false,
                _ if word.starts_with("filter=") => tracked = false,
                _ => {}
            }
        }
    }
    tracked
}

/// Whether a pattern of `.gitattributes` or `.gitignore` means this path: by name, or by whole path if it holds a slash.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.replace("[[:space:]]", " ");
    match pattern.trim_start_matches('/') {
        anchored if pattern.contains('/') => glob(anchored.as_bytes(), path.as_bytes()),
        name => glob(name.as_bytes(), path.rsplit('/').next().unwrap_or(path).as_bytes()),
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            let starts = std::iter::once(0).chain((0..text.len()).filter(|at| text[*at] == b'/').map(|at| at + 1));
            starts.into_iter().any(|at| glob(rest, &text[at..]))
        }
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let reach = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=reach).any(|at| glob(rest, &text[at..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && glob(rest, &text[1..]),
        [b'\\', escaped, rest @ ..] => text.first() == Some(escaped) && glob(rest, &text[1..]),
        [byte, rest @ ..] => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_own_patterns_mean_what_git_means() {
        let attributes = initial(false);
        for path in ["a.bin", "deep/er/model.safetensors", "x.tar.gz", "runs/events.out.tfevents.1", "saved_model/a/b"] {
            assert!(tracks(&attributes, path), "{path}");
        }
        for path in ["README.md", "config.json", "saved_model.txt", "binary", "a.png"] {
            assert!(!tracks(&attributes, path), "{path}");
        }
        assert!(tracks(&initial(true), "a.png"));
    }

    #[test]
    fn the_last_matching_line_decides() {
        let attributes = format!("{}keep.bin -filter\n{}{}", line("*.bin"), line_of("with space.txt"), line_of("#[a]*?.txt"));
        assert!(!tracks(&attributes, "keep.bin"));
        assert!(tracks(&attributes, "other.bin"));
        assert!(tracks(&attributes, "with space.txt") && !tracks(&attributes, "withxspace.txt"));
        assert!(tracks(&attributes, "#[a]*?.txt") && !tracks(&attributes, "#abc.txt"));
    }
}
