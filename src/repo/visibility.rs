//! Who may read a repository, and what that means for its copy: the table of privacy.

use serde::{Deserialize, Serialize};

/// Who may read a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Every signed-in user of its hub (ModelScope's visibility 3; Hugging Face has no such thing).
    Internal,
    /// Everybody who signs in and accepts its terms (Hugging Face's `gated: auto`).
    GatedAuto,
    /// Everybody whom its owner lets in (Hugging Face's `gated: manual`).
    GatedManual,
    /// One of both, and the hub does not say which (ModelScope).
    Gated,
    /// Only those its owner named.
    Private,
}

use Visibility::{Gated, GatedAuto, GatedManual, Internal, Private, Public};

impl Visibility {
    /// All of them.
    pub const ALL: [Self; 6] = [Public, Internal, GatedAuto, GatedManual, Gated, Private];

    /// The table of privacy: of a copy of such a source, who may read it when it is made, and which destinations that are there already more
    /// people can read than could read the source.
    ///
    /// A gate is not made anew: neither hub shows another one's terms or knows whom it let in, so the copy is private until its owner sets
    /// one. A gate of which the hub does not say whom it lets in is taken for the stricter kind at a source, and for the laxer one at a
    /// destination.
    const fn row(self) -> (Self, &'static [Self]) {
        match self {
            Public => (Public, &[]),
            Internal => (Private, &[Public]),
            GatedAuto => (Private, &[Public, Internal]),
            GatedManual | Gated => (Private, &[Public, Internal, GatedAuto, Gated]),
            Private => (Private, &[Public, Internal, GatedAuto, GatedManual, Gated]),
        }
    }

    /// Who may read a copy that is made for such a source.
    pub const fn of_new_copy(self) -> Self {
        self.row().0
    }

    /// Whether putting this repository's bytes into one of visibility `other` shows them to people who could not read them before.
    pub fn is_loosened_by(self, other: Self) -> bool {
        self.row().1.contains(&other)
    }

    /// Whether its files are given to those only who accepted terms.
    pub const fn is_gated(self) -> bool {
        matches!(self, GatedAuto | GatedManual | Gated)
    }

    /// The word for it in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Public => "public",
            Internal => "internal",
            GatedAuto => "auto-gated",
            GatedManual => "manually gated",
            Gated => "gated",
            Private => "private",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From everybody to nobody: the most and the fewest that it may let in.
    fn openness(visibility: Visibility) -> (u8, u8) {
        match visibility {
            Public => (4, 4),
            Internal => (3, 3),
            GatedAuto => (2, 2),
            GatedManual => (1, 1),
            Gated => (2, 1),
            Private => (0, 0),
        }
    }

    #[test]
    fn a_destination_is_refused_exactly_when_it_may_let_in_more_than_the_source_surely_does() {
        for source in Visibility::ALL {
            for destination in Visibility::ALL {
                let more = openness(destination).0 > openness(source).1;
                assert_eq!(source.is_loosened_by(destination), more, "{source:?} into {destination:?}");
            }
        }
    }

    #[test]
    fn a_new_copy_is_never_more_open_than_its_source() {
        for source in Visibility::ALL {
            assert!(!source.is_loosened_by(source.of_new_copy()), "{source:?}");
            assert_eq!(source.of_new_copy() == Public, source == Public, "{source:?}");
        }
    }
}
