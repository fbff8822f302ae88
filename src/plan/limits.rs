//! What a destination refuses or minds, and what a plan says of it: one table. The figures that rules are made of stand beside it.

use crate::error::{Error, Result};
use crate::repo::{Platform, RepoId};

/// One file on Hugging Face (facts, huggingface §3 "Sizes").
pub(super) const HUGGING_FACE_FILE: u64 = 500_000_000_000;
/// The same, as advised.
pub(super) const HUGGING_FACE_ADVISED: u64 = 200_000_000_000;
/// Entries of one folder, and files of one repository, as Hugging Face advises.
pub(super) const HUGGING_FACE_FOLDER: usize = 10_000;
pub(super) const HUGGING_FACE_FILES: usize = 100_000;
/// One file as ModelScope's own client takes it; what the site takes is not published (facts, modelscope §3.7).
pub(super) const MODELSCOPE_ADVISED: u64 = 100_000_000_000;
/// Entries of one folder that ModelScope lists of a model (facts, modelscope §2.3).
pub(super) const MODELSCOPE_FOLDER: usize = 3000;
/// Entries of a folder, files of a repository, and bytes inside commits, as ModelScope's own client limits them (facts, modelscope §3.7).
pub(super) const MODELSCOPE_DATASET_FOLDER: usize = 50_000;
pub(super) const MODELSCOPE_FILES: usize = 100_000;
pub(super) const MODELSCOPE_INLINE: u64 = 500_000_000;
/// Bytes of a repository's name on Hugging Face (`validate_repo_id` of huggingface_hub 2.4.0; a namespace has the same here).
const HUGGING_FACE_NAME: usize = 96;

/// What a plan does about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// There is no plan, and nothing is begun.
    Refused,
    /// The file is named with the reason, and left out if the user allows that.
    LeftOut,
    /// A warning: it is tried all the same, because the limit is advice, or that of the hub's own client.
    Warned,
    /// Nothing: what is sent keeps to it, in more calls or another form, which the plan counts.
    Kept,
    /// How long it takes.
    Timed,
    /// Nothing, because the hub does not tell beforehand: the first write is refused, before a byte moves.
    FirstWrite,
}

impl Says {
    /// The word for it in the README's table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::LeftOut => "left out, with your consent",
            Self::Warned => "a warning",
            Self::Kept => "kept to",
            Self::Timed => "how long it takes",
            Self::FirstWrite => "the first write tells",
        }
    }
}

/// One limit of a destination.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Whose it is.
    pub hub: Platform,
    /// What it is called in tests.
    pub name: &'static str,
    /// What the hub refuses or minds, in the README's words.
    pub what: &'static str,
    /// What a plan does about it.
    pub says: Says,
}

const fn hf(name: &'static str, what: &'static str, says: Says) -> Limit {
    Limit { hub: Platform::HuggingFace, name, what, says }
}

const fn ms(name: &'static str, what: &'static str, says: Says) -> Limit {
    Limit { hub: Platform::ModelScope, name, what, says }
}

/// Every limit that is known of a destination.
pub const TABLE: &[Limit] = &[
    hf(
        "name",
        "a repository's name that begins or ends with `-` or `.`, ends in `.git`, holds `--` or `..`, or has more than 96 characters",
        Says::Refused,
    ),
    hf("read_token", "a token of role `read`", Says::Refused),
    hf("scope", "a fine-grained token without `repo.write` for the namespace", Says::Refused),
    hf("one_repository", "a fine-grained token for one repository that is not there yet", Says::Refused),
    hf("namespace", "a namespace in which the account may only read", Says::Refused),
    hf("owed_steps", "an organisation that wants more of the account first: two factors, a sign-on", Says::Refused),
    hf(
        "private_storage",
        "more bytes in a private copy than a free account may have in all private repositories (100 GB), or one with PRO (1 TB)",
        Says::Refused,
    ),
    hf("card", "a card whose metadata its check refuses", Says::Refused),
    hf("licence", "a licence in the card that is not on its list", Says::Kept),
    hf("git_path", "a path with a `.git` in it", Says::LeftOut),
    hf("cache_path", "a path with a `.cache` folder", Says::LeftOut),
    hf("control_characters", "a name with control characters", Says::LeftOut),
    hf("collision", "a file where it has a folder, or a folder where it has a file", Says::LeftOut),
    hf("file_over_the_limit", "a file of more than 500 GB", Says::LeftOut),
    hf("large_file", "a file of more than 200 GB", Says::Warned),
    hf("folder", "more than 10,000 entries in a folder", Says::Warned),
    hf("files", "more than 100,000 files in a repository", Says::Warned),
    hf("git_file", "more than 10 MB, or binary content, inside a commit", Says::Kept),
    hf("empty_blob", "an empty file as a blob", Says::Kept),
    hf("calls", "more than 256 files in a call that asks about them", Says::Kept),
    hf("commit_files", "more than 25,000 blobs in a commit", Says::Kept),
    hf("commit_bytes", "more content in a commit than it takes at once", Says::Kept),
    hf("commits", "more than 128 commits in an hour", Says::Timed),
    ms("git_path", "a path with a `.git` in it", Says::LeftOut),
    ms("control_characters", "a name with control characters", Says::LeftOut),
    ms("collision", "a file where it has a folder, or a folder where it has a file", Says::LeftOut),
    ms("model_folder", "3,000 or more entries in a folder of a model, which it could not list", Says::Refused),
    ms("large_file", "a file of more than 100 GB", Says::Warned),
    ms("dataset_folder", "more than 50,000 entries in a folder of a dataset", Says::Warned),
    ms("files", "more than 100,000 files in a repository", Says::Warned),
    ms("inline_total", "more than 500 MB of small files, which travel inside commits", Says::Warned),
    ms("inline_file", "a file of more than 5 MiB inside a commit", Says::Kept),
    ms("metadata", "a file that it reads itself, such as `config.json`, as a blob", Says::Kept),
    ms("licence", "a licence of a new repository that is not on its list", Says::Kept),
    ms("calls", "more than 64 blobs in a call that asks about them", Says::Kept),
    ms("commit_actions", "more than 2,000 files in a commit", Says::Kept),
    ms("commit_policy", "a commit that it calls against its policy", Says::Kept),
    ms("commits", "commits that follow each other too fast", Says::Timed),
    ms("organisation", "an organisation that the account is not in, where the site tells a token that", Says::Refused),
    ms("namespace", "any namespace that the token may not write to", Says::FirstWrite),
    ms("token", "a token that may not write", Says::FirstWrite),
    ms("quota", "more than the account's quota", Says::FirstWrite),
];

/// What to do about a name that the destination does not take, for one repository.
pub const ANOTHER_NAME: &str = "give the copy another name with --dest NS/NAME";

/// Refuses a name that the destination would not take for a new repository, nor have.
///
/// Fails with `Usage`.
pub fn check_name(hub: Platform, id: &RepoId) -> Result<()> {
    let (name, both) = (id.name(), [id.namespace(), id.name()]);
    let why = match hub {
        Platform::ModelScope => return Ok(()),
        Platform::HuggingFace if both.iter().any(|part| part.starts_with(['-', '.']) || part.ends_with(['-', '.'])) => {
            "Hugging Face takes no name that begins or ends with `-` or `.`"
        }
        Platform::HuggingFace if both.iter().any(|part| part.contains("--") || part.contains("..")) => {
            "Hugging Face takes no name with two `-` or two `.` in a row"
        }
        Platform::HuggingFace if name.ends_with(".git") => "Hugging Face takes no name that ends in `.git`",
        Platform::HuggingFace if name.len() > HUGGING_FACE_NAME => "Hugging Face takes no name of more than 96 characters",
        Platform::HuggingFace => return Ok(()),
    };
    Err(Error::usage(why, ANOTHER_NAME).with("got", format!("`{id}`")))
}
