//! Uploading by digest, as both hubs do it: the ticket.

use super::Blob;
use crate::http::Request;
use crate::secret::SafeUrl;

/// A hub's answer on how to send one blob.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Which blob.
    pub blob: Blob,
    /// How to send it.
    pub upload: Upload,
    /// What to call once it is sent.
    pub verify: Option<Request>,
}

/// How a blob is sent.
#[derive(Clone, Debug)]
pub enum Upload {
    /// In one PUT.
    Single(Request),
    /// In parts of `part_size` bytes, the last one shorter, and one call that ends it.
    Multipart {
        /// Bytes of every part but the last.
        part_size: u64,
        /// Where each part goes, in order.
        parts: Vec<Request>,
        /// Where the list of parts goes. It names the upload.
        complete: SafeUrl,
    },
}
